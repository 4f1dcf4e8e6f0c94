import flint
import numpy as np
import pytest
from flint import arb

from bounds.gram import rounding_contributions, two_layer
from bounds.gram.rounding import _distance


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def matrix_in_balls(X, normalised):
    """The first-layer ReLU matrix of the exact rows at 300 bits."""
    rows = [[arb(v) for v in x] for x in X.tolist()]
    entries = []
    for x in rows:
        for y in rows:
            inner = sum((a * b for a, b in zip(x, y, strict=True)), arb(0))
            norms = (sum((a * a for a in x), arb(0)) * sum((b * b for b in y), arb(0))).sqrt()
            angle = (inner / norms).acos() if x is not y else arb(0)
            entries.append((inner / norms if normalised else inner) * (arb.pi() - angle) / (2 * arb.pi()))
    return np.array(entries, dtype=object).reshape(len(X), len(X))


@pytest.mark.parametrize("seed", range(5))
def test_each_contribution_bounds_the_true_change(seed):
    X = np.random.default_rng(seed).standard_normal((12, 5))
    found = rounding_contributions(X, unit(X))
    computed = two_layer(X, normalised=True)
    with flint.ctx.workprec(300):
        exact, rounded = matrix_in_balls(X, True), matrix_in_balls(unit(X), False)
        data = max(float(sum(abs(a) for a in row)) for row in exact - rounded)
        entries = max(
            float(sum(abs(a - arb(b)) for a, b in zip(*rows, strict=True)))
            for rows in zip(exact, computed.midpoint.tolist(), strict=True)
        )
    assert 0 < data <= found.data
    assert 0 < entries <= found.entries
    assert found.eigenvalue < found.entries < 1e-14
    reference = np.linalg.eigvalsh(computed.midpoint)[0]
    assert abs(found.least_eigenvalue.midpoint - reference) < 1e-14
    assert found.least_eigenvalue.upper - found.least_eigenvalue.lower >= found.eigenvalue
    for figure in (found.data, found.entries, found.eigenvalue):
        assert f"{figure:.1e}" in str(found)


def test_distance_counts_midpoints_and_both_radii():
    first, second = two_layer(np.eye(3)), two_layer(2.0 * np.eye(3))
    assert _distance(first, second) >= 1.5 + first.row_sum / 2
    assert _distance(first, first) >= first.row_sum


def test_refuses_unit_rows_of_other_inputs():
    with pytest.raises(ValueError, match=r"shape \(2, 3\) are not those"):
        rounding_contributions(np.eye(3), np.eye(3)[:2])
