"""Published experiments and promised laws at a size that runs in a test."""

import inspect
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import pearsonr

from bounds.catalogue import theorem
from empirical.datasets import load_data
from empirical.networks.shallow import TwoLayer
from empirical.reproductions import (
    READ_OFF_THE_PAPER,
    allenzhu2019_laws,
    allenzhu2019_stochastic,
    arora2019_curve,
    ding2021_distances,
    ding2021_rates,
    dong2019_geometry,
    du2019_figure_1,
    figure_one,
    kernel_drift,
    liu2021_energy,
    running,
    su2019_harmonics,
)
from empirical.reproductions.listing import REPRODUCTIONS
from empirical.reproductions.rows import Series, correlation_row, mean_and_margin, rate_panel, rms_and_margin
from empirical.store import Store
from empirical.training import train

SMALL = {"epochs": 20, "points": 40, "dimension": 30}


@pytest.mark.parametrize(
    ("step", "size"), [("same for all widths", lambda m: 0.05), ("grows with the width", lambda m: 1e-3 * math.sqrt(m))]
)
def test_the_series_are_those_of_runs(step, size):
    data = load_data("sphere:n=40,d=30,seed=0")
    for series in figure_one([100, 300], [0, 1], step, **SMALL):
        spec = series.spec
        run = train(
            data.X, data.y, width=spec.width, step_size=size(spec.width), steps=20, seed=spec.seed, observe=range(21)
        )
        np.testing.assert_allclose(series.log_error, np.log(2 * run.losses / 40), rtol=1e-12)
        assert series.flips == pytest.approx([o.flips for o in run.observations], abs=1e-15)
        assert series.travel == [o.travel for o in run.observations]


def test_curves_resume_and_come_in_order(tmp_path):
    store = Store(tmp_path)
    some = figure_one([50], [1], **SMALL, store=store)
    calls = []
    whole = figure_one([50, 70], [0, 1], **SMALL, store=store, progress=lambda done, of: calls.append((done, of)))
    assert [(s.spec.width, s.spec.seed) for s in whole] == [(50, 0), (50, 1), (70, 0), (70, 1)]
    assert whole[1] == some[0]
    assert calls == [(2, 4), (3, 4), (4, 4)]


def by_quantity(findings):
    return {f"{row.quantity}, {row.at}": row for row in findings.rows}


def test_the_panels_are_the_series_and_the_paper_s_numbers_stand_beside_their_own_size_only():
    found = du2019_figure_1.beside_the_paper([50, 100], points=30, epochs=10)
    series = figure_one([50, 100], epochs=10, points=30, dimension=30)
    assert [row.measured for row in found.rows[2:4]] == [one.flips[-1] for one in series]
    assert found.panels[2].series[0].y[-1] == series[0].travel[-1] ** 2
    assert {row.promised for row in found.rows} == {"-"}
    assert all(one.source == "measured" for panel in found.panels for one in panel.series)
    (whole,) = du2019_figure_1.beside_the_paper([500], points=1000, epochs=100).panels[:1]
    assert whole.series[-1] == Series("read off the paper", (100.0,), (READ_OFF_THE_PAPER[500][0],), source="published")
    assert whole.series[0].y[-1] == pytest.approx(READ_OFF_THE_PAPER[500][0], abs=0.2)


def test_residuals_follow_the_harmonic_degree():
    for (name, (degree, _)), slack in zip(su2019_harmonics.TARGETS.items(), (0.15, 0.05, 0.03, 0.1), strict=True):
        found = su2019_harmonics.residuals(name, [400], width=512, steps=[20], seeds=[0, 1])
        (row,) = found.rows
        assert row.measured == pytest.approx(float(row.promised), rel=slack)
        measured, promised = found.panels[0].series
        assert measured.x[0] == 0 and measured.y[0] == 1 and measured.y[-1] == pytest.approx(row.measured)
        assert promised.source == "promised" and promised.y[20] == pytest.approx(float(row.promised), abs=1e-4)
        assert f"degree {degree}" in found.panels[0].title


def test_the_loss_curve_is_the_predicted_one_up_to_the_width():
    found = arora2019_curve.curve_deviations([256, 1024, 4096], points=20, steps=60, seeds=[0, 1])
    rows = found.rows
    assert [row.measured for row in rows[:3]] == sorted((row.measured for row in rows[:3]), reverse=True)
    assert rows[2].measured < 0.02 and rows[3].measured + rows[3].margin > -1 and rows[3].measured < -0.25
    *_, widest, predicted = found.panels[0].series
    at = [predicted.x.index(x) for x in widest.x]
    assert np.max(np.abs(np.array(widest.y) - np.array(predicted.y)[at])) <= 0.02
    curve = arora2019_curve.predicted_norms(np.diag([0.5, 0.1]), np.array([3.0, 4.0]), 1.0, 2)
    np.testing.assert_allclose(curve, [5, math.hypot(1.5, 3.6), math.hypot(0.75, 3.24)])


def test_the_kernel_of_wider_networks_moves_less():
    found = kernel_drift.drift_exponents([32, 128, 512], steps=40, seeds=[0, 1])
    rows = [row for row in found.rows if "exponent" in row.quantity]
    assert len(rows) == 4 and all(row.measured - row.margin < -0.4 for row in rows)
    assert all(row.measured < -0.7 for row in rows if "tanh" in row.at)
    assert [[one.label for one in panel.series[:2]] for panel in found.panels] == [
        ["independent start", "antisymmetric start"]
    ] * 2


def test_rates_of_the_mean_field_limit():
    width = ding2021_rates.width_rate([8, 32, 128], time=0.2, depth=3, replicas=10, reference=2000).rows
    assert width[-1].measured == pytest.approx(-0.5, abs=0.35)
    depth = ding2021_rates.depth_rate([4, 8, 16], time=0.2, branches=8, reference=128, seeds=[0]).rows
    assert depth[-1].measured == pytest.approx(-1, abs=0.35)
    start = ding2021_rates.start_deviation([(4, 16), (16, 16)], replicas=30).rows
    assert max(row.measured for row in start) < 1.5 * min(row.measured for row in start)
    assert all(0 < row.margin < row.measured / 2 for row in start)


def test_distances_of_the_particles_fall_at_their_three_rates():
    found = ding2021_distances.distances([8, 32, 128], time=0.5, depth=2, replicas=8, reference=1024)
    rates = {row.quantity.removeprefix("exponent in M of: "): row for row in found.rows if "exponent" in row.quantity}
    assert rates["W_2 from the ideal particles"].measured == pytest.approx(-0.5, abs=0.25)
    assert rates["sliced W_2 from the limit"].measured == pytest.approx(-0.45, abs=0.12)
    assert rates["W_2 between networks of different draws"].measured == pytest.approx(-1 / 7, abs=0.08)
    with pytest.raises(ValueError, match="4 groups of 32 particles need a reference of as many, not 100"):
        ding2021_distances.distances([32], replicas=4, reference=100)


def test_laws_of_the_energy():
    for row in liu2021_energy.moments([(8, 1.0)], sizes=[16], draws=200).rows:
        assert abs(row.measured - float(row.promised)) < 2.5 * row.margin < row.measured
    rows = liu2021_energy.gap_exponent(sizes=[8, 16, 32], restarts=2).rows
    assert rows[-1].measured == pytest.approx(-0.5, abs=0.12)
    assert all(0 < row.measured < 1e-3 for row in liu2021_energy.orthogonality([16]).rows)
    training = liu2021_energy.energy_in_training(40)
    free, *exact, descent, regularised = training.rows
    assert free.measured > 1e-3 and all(row.measured < 1e-12 for row in exact) and len(exact) == 4
    for row in (descent, regularised):
        assert 0 < row.measured < float(row.promised.removeprefix("at most "))
    assert [one.label for one in training.panels[0].series] == ["free", "descent", "regularised"]
    drift = liu2021_energy.descent_drift([10, 40], d=16).rows
    assert 1e-5 < drift[0].measured < drift[1].measured


def test_the_lemmas_in_training():
    found = allenzhu2019_laws.laws([2], [64, 128, 256], size=5, seeds=[0, 1])
    slopes = {row.quantity: row for row in found.rows if row.quantity.startswith("exponent")}
    assert slopes["exponent in m of: travel, spectral"].measured == pytest.approx(-0.5, abs=0.25)
    assert slopes["exponent in m of: change of the features"].measured == pytest.approx(-0.5, abs=0.3)
    assert slopes["exponent in m of: relative Jacobian change"].measured < 0
    assert all(row.measured > 0.01 for row in found.rows if row.quantity.startswith("least"))
    flips = [row.measured for row in found.rows if row.quantity.startswith("largest share")]
    assert 0.01 < min(flips) and max(flips) < 1
    assert all(5 < row.measured < 400 for row in found.rows if row.quantity.startswith("steps"))
    assert all(0.05 < row.measured < 2 for row in found.rows if row.quantity.startswith("largest eigenvalue"))


def test_gradient_dominance_grows_with_depth_and_the_last_layer_alone_does_not():
    rows = by_quantity(allenzhu2019_laws.dominance_at_the_start([1, 3], width=128, size=5, seeds=[0, 1]))
    one, three = (rows[f"|grad F|^2 d / (m F), all layers, L = {L}, m = 128"].measured for L in (1, 3))
    assert three > 1.5 * one
    last = rows["|grad F|^2 d / (m F), last layer, L = 3, m = 128"].measured
    assert rows["|grad F|^2 d / (m F), last layer, L = 1, m = 128"].measured == pytest.approx(one)
    assert 0.2 < last < three


def test_perturbations_against_the_gradient():
    rows = by_quantity(allenzhu2019_laws.perturbations([1e-2, 1e-1], width=128, depth=2, size=5))
    for omega in ("0.01", "0.1"):
        at = f"L = 2, m = 128, omega = {omega}"
        bound = rows[f"semi-smoothness, remainder / bound, {at}"].measured
        assert 0 < rows[f"the same along a random W', absolute, {at}"].measured < bound < 1
        assert 0.01 < rows[f"semi-smoothness, remainder / (n L^2 m omega^2 / d), {at}"].measured < 1
        assert 0.1 < rows[f"relative Jacobian change / omega^(1/3), {at}"].measured < 10


def test_stochastic_descent_takes_as_many_passes_whatever_the_batch():
    found = allenzhu2019_stochastic.stochastic_descent([1, 2, 5], width=64, size=5, seeds=[0], horizon=4000)
    rows = by_quantity(found)
    passes = [rows[f"b times the steps to F / 1000, L = 2, m = 64, b = {b}"].measured for b in (1, 2, 5)]
    assert max(passes) < 1.5 * min(passes)
    ups = [rows[f"largest increase of log F in a step, L = 2, m = 64, b = {b}"] for b in (1, 2, 5)]
    assert ups[2].measured < ups[0].measured / 2  # of all five inputs the gradient is exact
    assert all(0 < up.measured < float(up.promised.split()[3]) for up in ups)
    early = allenzhu2019_stochastic.stochastic_descent([1], width=64, size=5, seeds=[0, 1], horizon=3)
    (late,) = (row for row in early.rows if "more steps" in row.quantity)
    assert late.measured == 2 and not any("times the steps" in row.quantity for row in early.rows)


def test_geometry_by_hand():
    """The same descent in numpy, with the Jacobian written out."""
    m, steps = 32, 25
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4, 6))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = rng.standard_normal(4)
    network = TwoLayer(width=m, activation="tanh", start="antisymmetric").draw(6, 3)
    W, a = network.hidden.weight.detach().numpy().copy(), network.output.weight.detach().numpy()[0] / math.sqrt(m)

    def outputs(W):
        return np.tanh(X @ W.T) @ a

    def jacobian(W):
        return (((1 - np.tanh(X @ W.T) ** 2) * a)[:, :, None] * X[:, None]).reshape(4, -1)

    start, values = W, np.linalg.svd(jacobian(W))[1]
    path, seen = 0.0, [outputs(W)]
    for _ in range(steps):
        move = (jacobian(W).T @ (y - outputs(W))).reshape(W.shape) / (values[0] + values[-1]) ** 2
        path, W = path + np.linalg.norm(move), W + move
        seen.append(outputs(W))
    distance, moved = np.linalg.norm(W - start), seen[-1] - seen[0]
    b = np.linalg.norm(np.linalg.pinv(jacobian(start)) @ moved)
    beta = 4 / (3 * math.sqrt(3)) * np.linalg.norm(X, 2) / math.sqrt(m)
    kappa, end = beta / values[-1], np.linalg.svd(jacobian(W))[1]
    expected = {
        dong2019_geometry.DETOUR: path / distance,
        dong2019_geometry.OUTPUT_DETOUR: np.linalg.norm(np.diff(seen, axis=0), axis=1).sum() / np.linalg.norm(moved),
        dong2019_geometry.OVER_STEP: distance / b,
        dong2019_geometry.OVER_NEAREST: distance * kappa / (math.sqrt(1 + 2 * b * kappa) - 1),
        dong2019_geometry.CURVATURE: beta * np.linalg.norm(y) / values[-1] ** 2,
        dong2019_geometry.TRACE: (values**2).sum() / W.size,
        dong2019_geometry.SPREADS[0]: values[0] / values[-1],
        dong2019_geometry.SPREADS[1]: end[0] / end[-1],
        dong2019_geometry.RANKS[0]: (values**2).sum() ** 2 / (values**4).sum(),
        dong2019_geometry.RANKS[1]: (end**2).sum() ** 2 / (end**4).sum(),
    }
    rows = dong2019_geometry.paths([m, 64, 128], points=4, dimension=6, steps=steps, seeds=[3]).rows
    found = {row.quantity: row.measured for row in rows if row.at == f"m = {m}"}
    assert found == pytest.approx(expected, rel=1e-9)
    assert path / distance > 1.005 and set(expected) < set(dong2019_geometry.STATED)


def test_paths_lie_between_their_bounds_and_curvature_falls_with_the_width():
    found = dong2019_geometry.paths([64, 512, 4096], points=6, steps=80, seeds=[0, 1])
    rows = by_quantity(found)
    for name in (dong2019_geometry.DETOUR, dong2019_geometry.OUTPUT_DETOUR, dong2019_geometry.OVER_NEAREST):
        assert all(1 < rows[f"{name}, m = {m}"].measured < 2 for m in (64, 4096))
    assert rows[f"{dong2019_geometry.OVER_NEAREST}, m = 4096"].measured < 1.15
    assert 0.3 < rows[f"{dong2019_geometry.OVER_LONGEST}, m = 4096"].measured <= 1
    assert f"{dong2019_geometry.OVER_LONGEST}, m = 64" not in rows  # h is above 1/2
    slope, counted = (row for row in found.rows if "exponent" in row.quantity)
    assert slope.measured == pytest.approx(-0.5, abs=0.1) and counted.measured == pytest.approx(-1, abs=0.05)
    assert [one.label for one in found.panels[2].series] == ["h", "slope -1/2", "certified below"]


def test_noise_correlates_b_with_the_test_error_and_one_level_of_it_does_not():
    found = dong2019_geometry.correlations([0.0, 1.0], seeds=range(8), points=10, width=64, steps=60)
    over, within, *alone = found.rows
    assert over.measured > 0.8 and "N = 16, 95 % in [" in over.at
    assert abs(within.measured) < over.measured and [row.at.split(",")[0] for row in alone] == ["noise 0", "noise 1"]
    small, large = found.panels[0].series[1].y
    assert 0 < small < 0.5 < large and found.panels[1].series[0].y[0] == pytest.approx(math.atanh(alone[0].measured))


def test_the_interval_of_a_correlation_is_fisher_s():
    x, y = np.random.default_rng(0).standard_normal((2, 12))
    row = correlation_row("q", "here", x, y, "none")
    expected = pearsonr(x, y)
    low, high = expected.confidence_interval(0.95)
    assert (
        row.measured == pytest.approx(expected.statistic) and row.at == f"here, N = 12, 95 % in [{low:.2f}, {high:.2f}]"
    )
    wider = correlation_row("q", "here", x, y, "none", means=5)
    assert wider.measured == row.measured and wider.at != row.at
    with pytest.raises(ValueError, match="more than 3 pairs, not 3"):
        correlation_row("q", "here", x[:3], y[:3], "none")


def test_intervals_of_means_and_their_guide():
    mean, margin = mean_and_margin([1.0, 2.0, 3.0])
    assert mean == 2 and margin == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert mean_and_margin([5.0]) == (5.0, None)
    root, spread = rms_and_margin([3.0, -4.0])
    assert root == pytest.approx(math.sqrt(12.5)) and spread == pytest.approx(12.706205 * 3.5 / (2 * root), rel=1e-6)
    curve = Series("c", (1.0, 4.0, 16.0), (1.0, 0.7, 0.2))
    guide = rate_panel("t", "x", "y", [curve], exponent=Fraction(-1, 2)).series[-1]
    assert guide.label == "slope -1/2" and guide.source == "promised"
    assert all(line > y for line, y in zip(guide.y, curve.y, strict=True))
    assert guide.y[0] / guide.y[1] == pytest.approx(2)


@pytest.mark.parametrize("name", REPRODUCTIONS)
def test_every_claim_bears_the_mark_of_its_statement_in_the_catalogue(name):
    for claim in REPRODUCTIONS[name].claims:
        if claim.identifier:
            assert claim.mark in {edition.mark for edition in theorem(claim.identifier).editions}, claim
    names = [part.name for part in REPRODUCTIONS[name].parts]
    assert len(set(names)) == len(names)
    for part in REPRODUCTIONS[name].parts:
        parameters = inspect.signature(part.run).parameters
        assert {*part.arguments, *part.quick} <= set(parameters) and part.keeps == ("store" in parameters)


def test_parts_are_kept_and_taken_from_the_store(tmp_path, monkeypatch):
    store, calls = Store(tmp_path), []
    first = running.reproduce(["drift", "su2019"], store, quick=True, workers=1, progress=lambda *c: calls.append(c))
    assert list(first) == ["su2019", "drift"] and calls == [(k, 5) for k in range(6)]
    monkeypatch.setattr(running, "run_part", lambda *_: pytest.fail("it ran again"))
    assert running.reproduce(["drift", "su2019"], store, quick=True) == first
    keys = {result.key for parts in first.values() for result in parts}
    assert set(store.keys()) == keys
    spec = first["drift"][0].spec
    assert spec.arguments["points"] == 10 and list(spec.arguments["widths"]) == [32, 64, 128]
    with pytest.raises(ValueError, match="no reproduction 'frift': choose from du2019"):
        running.reproduce(["frift"], store)
