"""Published experiments and promised laws at a size that runs in a test."""

import json
import math

import numpy as np
import pytest

from empirical.datasets import load_data
from empirical.reproductions import (
    __main__,
    allenzhu2019_laws,
    arora2019_curve,
    ding2021_rates,
    figure_one,
    kernel_drift,
    liu2021_energy,
    su2019_harmonics,
)
from empirical.reproductions.rows import Row
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


def by_quantity(rows):
    return {f"{row.quantity}, {row.at}": row for row in rows}


def test_residuals_follow_the_harmonic_degree():
    rows = by_quantity(su2019_harmonics.residuals_by_degree([400], width=512, steps=[0, 20]))
    for name, slack in [("x_1", 0.15), ("1", 0.05), ("x_1^2 - x_2^2", 0.03), ("x_1 x_2 x_3", 0.1)]:
        row = rows[f"rms residual of {name}, n = 400, step 20"]
        assert row.measured == pytest.approx(float(row.promised), rel=slack)
        first = rows[f"rms residual of {name}, n = 400, step 0"]
        assert first.measured == pytest.approx(float(first.promised), abs=1e-4)


def test_the_loss_curve_is_the_predicted_one_up_to_the_width():
    rows = arora2019_curve.curve_deviations([256, 1024, 4096], points=20, steps=60, seeds=[0, 1])
    assert [row.measured for row in rows[:3]] == sorted((row.measured for row in rows[:3]), reverse=True)
    assert rows[2].measured < 0.02 and rows[3].measured + rows[3].margin > -1 and rows[3].measured < -0.25
    curve = arora2019_curve.predicted_norms(np.diag([0.5, 0.1]), np.array([3.0, 4.0]), 1.0, 2)
    np.testing.assert_allclose(curve, [5, math.hypot(1.5, 3.6), math.hypot(0.75, 3.24)])


def test_the_kernel_of_wider_networks_moves_less():
    rows = [r for r in kernel_drift.drift_exponents([32, 128, 512], steps=40, seeds=[0, 1]) if "exponent" in r.quantity]
    assert len(rows) == 4 and all(row.measured - row.margin < -0.4 for row in rows)
    assert all(row.measured < -0.7 for row in rows if "tanh" in row.at)


def test_rates_of_the_mean_field_limit():
    width = ding2021_rates.width_rate([8, 32, 128], time=0.2, depth=3, replicas=10, reference=2000)
    assert width[-1].measured == pytest.approx(-0.5, abs=0.35)
    depth = ding2021_rates.depth_rate([4, 8, 16], time=0.2, branches=8, reference=128, seeds=[0])
    assert depth[-1].measured == pytest.approx(-1, abs=0.35)
    start = ding2021_rates.start_deviation([(4, 16), (16, 16)], replicas=30)
    assert max(row.measured for row in start) < 1.5 * min(row.measured for row in start)


def test_laws_of_the_energy():
    for row in liu2021_energy.moments([(8, 1.0)], n=16, draws=200):
        if row.margin:
            assert abs(row.measured - float(row.promised)) < 2.5 * row.margin
        else:
            assert 0.5 < row.measured < 2
    rows = liu2021_energy.gap_exponent(sizes=[8, 16, 32], restarts=2)
    assert rows[-1].measured == pytest.approx(-0.5, abs=0.12)
    assert all(0 < row.measured < 1e-3 for row in liu2021_energy.orthogonality([16]))
    free, *exact, descent, regularised = liu2021_energy.energy_in_training(40)
    assert free.measured > 1e-3 and all(row.measured < 1e-12 for row in exact) and len(exact) == 4
    for row in (descent, regularised):
        assert 0 < row.measured < float(row.promised.removeprefix("at most "))
    drift = liu2021_energy.descent_drift([10, 40], d=16)
    assert 1e-5 < drift[0].measured < drift[1].measured


def test_the_lemmas_in_training():
    rows = allenzhu2019_laws.laws([64, 128, 256], size=5, seeds=[0, 1])
    slopes = {row.quantity: row for row in rows if row.margin is not None}
    assert slopes["exponent in m of: travel, spectral"].measured == pytest.approx(-0.5, abs=0.25)
    assert slopes["exponent in m of: relative Jacobian change"].measured < 0
    assert all(row.measured > 0.01 for row in rows if row.quantity.startswith("least"))
    flips = [row.measured for row in rows if row.quantity.startswith("largest share")]
    assert 0.01 < min(flips) and max(flips) < 1
    assert all(5 < row.measured < 400 for row in rows if row.quantity.startswith("steps"))


def test_perturbations_against_the_gradient():
    rows = by_quantity(allenzhu2019_laws.perturbations([1e-2, 1e-1], width=128, depth=2, size=5))
    for omega in ("0.01", "0.1"):
        at = f"L = 2, m = 128, omega = {omega}"
        assert 0 < rows[f"semi-smoothness, remainder / bound, {at}"].measured < 1
        assert 0.01 < rows[f"semi-smoothness, remainder / (n L^2 m omega^2 / d), {at}"].measured < 1
        assert 0.1 < rows[f"relative Jacobian change / omega^(1/3), {at}"].measured < 10


def test_the_command_prints_and_writes_its_rows(monkeypatch, capsys, tmp_path):
    rows = [Row("slope", "m = 3", -0.51, "-1/2", 0.02), Row("loss", "step 4", 1.5, "2")]
    monkeypatch.setattr(__main__, "REPRODUCTIONS", {"one": ("First", [lambda: rows]), "two": ("Second", [lambda: []])})
    monkeypatch.setattr("sys.argv", ["reproductions", "one", "--json", str(tmp_path / "rows.json")])
    __main__.main()
    shown = capsys.readouterr().out
    assert "First" in shown and "-0.51 ± 0.02" in shown and "Second" not in shown
    written = json.loads((tmp_path / "rows.json").read_text())
    slope = {"quantity": "slope", "at": "m = 3", "measured": -0.51, "promised": "-1/2", "margin": 0.02}
    loss = {"quantity": "loss", "at": "step 4", "measured": 1.5, "promised": "2", "margin": None}
    assert written == {"one": [slope, loss]}
