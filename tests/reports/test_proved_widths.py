"""Families side by side: what is asked, proved and measured, each of its own networks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bounds import Problem
from bounds.catalogue import theorem
from empirical.datasets import load_data
from empirical.store import Store
from reports import proved_widths
from reports.measurement import Effort
from reports.proved_widths import proved_width_rows, static_width
from reports.rows import edition_row

SMALL = Effort(8.0, 100, 1.0, 20.0, 4000, widths=(16,), demonstrations=False)
DATA, LABELS = np.random.default_rng(0).standard_normal((5, 4)), np.array([1.0, -1.0, 1.0, -1.0, 1.0])


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    problem, statement = Problem(DATA, LABELS, 0.5), theorem("du2019-two-layer")
    from empirical.training import train

    reference = train(problem, width=16, step_size=0.1, steps=2)
    editions = [edition_row(problem, statement, edition, reference, "") for edition in statement.editions]
    store = Store(tmp_path_factory.mktemp("draws"))
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proved_widths, "SEARCH_SEEDS", 5)
        found = list(
            proved_width_rows(
                problem, statement, editions, SMALL, store=store, progress=lambda *told: said.append(told)
            )
        )
    assert {stage for stage, _, _ in said} == {
        f"{family} networks {aim}, of a budget" for family in ("ReLU", "tanh") for aim in ("proved", "trained")
    }
    assert all(0 <= done <= total for _, done, total in said)
    return found


def test_the_theorem_stands_beside_its_own_networks_alone(rows):
    relu, tanh = rows
    assert [(a.statement, a.edition) for a in relu.asked] == [
        ("Theorem 4.1", name) for name in ("printed", "explicit", "improved", "sharp")
    ]
    assert relu.asked[0].hidden_constants == ("C",) and "Omega" in relu.asked[0].latex
    assert not any(a.hidden_constants for a in relu.asked[1:])
    assert [a.statement for a in tanh.asked] == ["the best bound at the start (with the Gram matrix of infinite width)"]
    assert "ReLU" in relu.setting and "tanh" in tanh.setting and "subtracted" in tanh.setting


def test_proved_widths_are_far_below_what_is_asked_and_not_below_what_is_measured(rows):
    for row in rows:
        assert row.narrowest is not None
        assert row.proved.kind == row.measured.kind == "estimated" and row.proved.samples == 5
        assert math.isfinite(row.proved.bounds[1])
        assert row.measured.bounds[0] <= row.proved.bounds[1]
        assert all(asked.width.bounds[0] > 10 * row.proved.bounds[1] for asked in row.asked)
        tried = {trial.width: trial for trial in row.proved_trials}
        assert tried[int(row.proved.bounds[1])].successes == 5


def test_the_static_width_of_the_sphere_is_that_of_the_formula():
    """Golden: the kernel by Gauss-Hermite quadrature over the plane, independent of the certified matrix."""
    data = load_data("sphere:n=12,d=6", labels="random")
    problem = Problem(data.X, data.y)
    nodes, weights = np.polynomial.hermite_e.hermegauss(150)
    weights = np.outer(weights, weights) / (2 * math.pi)
    cosines = np.clip(problem.unit_rows @ problem.unit_rows.T, -1, 1)
    kernel = np.empty_like(cosines)
    for place, c in np.ndenumerate(cosines):
        u = nodes[:, None]
        v = c * u + math.sqrt(1 - c * c) * nodes[None, :]
        kernel[place] = c * (weights * (1 - np.tanh(u) ** 2) * (1 - np.tanh(v) ** 2)).sum()
    least = np.linalg.eigvalsh(kernel)[0]
    beta = 4 / (3 * math.sqrt(3))
    golden = 4 * (beta * np.linalg.norm(problem.unit_rows, 2) * np.linalg.norm(data.y) / least) ** 2
    assert static_width(problem).width.centre == pytest.approx(golden, rel=1e-5)


def test_no_width_is_asked_where_the_matrix_is_singular():
    assert static_width(Problem(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([1.0, -1.0]))) is None
    twins = Problem(np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([1.0, -1.0]))
    assert not list(
        proved_width_rows(twins, theorem("du2019-two-layer"), (), SMALL, store=None, progress=lambda *told: None)
    )
