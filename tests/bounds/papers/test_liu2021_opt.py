"""Orthogonal over-parameterised training (2021): formulas typed again, and random neurons held against them."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.papers import liu2021_opt as paper

mp = mpmath.mp

INVARIANCE, NEARLY, GAUSSIAN, MEAN, VARIANCE, SIMPLEX, GAP, DRIFT = (
    "Invariance of the energy",
    "Approximate invariance of the energy",
    "Gaussian neurons",
    "Mean energy",
    "Variance of the energy",
    "Least energy of few neurons",
    "Excess of the mean energy",
    "Drift of descent on the matrix",
)
RANGES = {"d": [4, 5, 8, 9, 16, 32], "s": (0.2, 1.2)}


def pair(v, s):
    """2^(d-2-s) times a Beta function, B((d-1-s)/2, (d-1)/2), over that of the density, B((d-1)/2, (d-1)/2)."""
    half = mp.mpf(v.d - 1) / 2
    return mp.mpf(2) ** (-s) * mp.beta(half - s / 2, half) / mp.beta(half, half)


def variance(v):
    return 2 * v.n * (v.n - 1) * (v.I_2s - v.I_s**2)


def kept(v):
    return 1 - v.theta**4 / 4


RETYPED = {
    (INVARIANCE, "explicit", "then above"): ("E_R <=", lambda v: v.E_0),
    (INVARIANCE, "explicit", "then below"): ("E_R >=", lambda v: v.E_0),
    (NEARLY, "explicit", "if nearly orthogonal"): ("eps <", lambda v: mp.mpf(1)),
    (NEARLY, "explicit", "then above"): ("E_R <=", lambda v: v.E_0 * mp.sqrt((1 + v.eps) / (1 - v.eps)) ** v.s),
    (NEARLY, "explicit", "then below"): ("E_R >=", lambda v: v.E_0 * mp.sqrt((1 - v.eps) / (1 + v.eps)) ** v.s),
    (GAUSSIAN, "explicit", "then above"): ("c_2 <=", lambda v: mp.mpf(1) / v.d),
    (GAUSSIAN, "explicit", "then below"): ("c_2 >=", lambda v: mp.mpf(1) / v.d),
    ("*", "*", "if finite mean"): ("s <", lambda v: v.d - 1),
    ("*", "*", "where I_s"): ("I_s =", lambda v: pair(v, v.s)),
    (MEAN, "explicit", "then above"): ("E_mean <=", lambda v: (v.n**2 - v.n) * v.I_s),
    (MEAN, "explicit", "then below"): ("E_mean >=", lambda v: (v.n**2 - v.n) * v.I_s),
    (VARIANCE, "explicit", "if finite variance"): ("s <", lambda v: mp.mpf(v.d - 1) / 2),
    (VARIANCE, "explicit", "where I_2s"): ("I_2s =", lambda v: pair(v, 2 * v.s)),
    (VARIANCE, "explicit", "then above"): ("E_var <=", variance),
    (VARIANCE, "explicit", "then below"): ("E_var >=", variance),
    (SIMPLEX, "explicit", "if two neurons"): ("n >=", lambda v: mp.mpf(2)),
    (SIMPLEX, "explicit", "then energy"): (
        "E_s >=",
        lambda v: v.n * (v.n - 1) * mp.sqrt(mp.mpf(v.n - 1) / (2 * v.n)) ** v.s,
    ),
    (GAP, "printed", "then above"): ("g_n <=", lambda v: v.C / v.n * v.n ** (v.s / (v.d - 1))),
    (GAP, "printed", "then below"): ("g_n >=", lambda v: v.c / v.n * v.n ** (v.s / (v.d - 1))),
    (DRIFT, "explicit", "if tangent step"): ("theta <", lambda v: mp.mpf(1)),
    (DRIFT, "explicit", "then defect of a step"): ("eps_1 <=", lambda v: (v.theta**2 / 2) ** 2),
    (DRIFT, "explicit", "then defect"): ("eps <=", lambda v: 1 - kept(v) ** v.k),
    (DRIFT, "explicit", "then energy"): ("E_R <=", lambda v: v.E_0 / mp.sqrt(kept(v)) ** (v.k * v.s)),
}


def energy(neurons, s: float) -> float:
    """Over ordered pairs of the rows' directions."""
    u = neurons / np.linalg.norm(neurons, axis=1, keepdims=True)
    distances = np.linalg.norm(u[:, None] - u[None], axis=2)
    return float(np.sum(distances[~np.eye(len(u), dtype=bool)] ** -s))


def promised(identifier: str, neurons, given: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Enclosures of what an explicit edition promises for neurons of this number and dimension."""
    at = theorem(identifier).check(Problem(neurons, np.ones(len(neurons))), given=given)
    assert all(verdict.holds for condition, verdict in at.conditions if condition.relation is not None)
    bounds = {promise.name: at.promised(promise) for promise in at.edition.promises}
    return {name: (bound.lower, bound.upper) for name, bound in bounds.items()}


def defect(R) -> float:
    return float(np.linalg.norm(R.T @ R - np.eye(len(R)), 2))


@pytest.mark.parametrize("seed", range(12))
def test_nearly_orthogonal_matrices_keep_the_energy_within_the_factor(seed: int) -> None:
    draw = np.random.default_rng(seed)
    d, s = int(draw.integers(2, 9)), float(draw.uniform(0.3, 4))
    neurons = draw.normal(size=(int(draw.integers(2, 12)), d))
    rotation, _ = np.linalg.qr(draw.normal(size=(d, d)))
    before = energy(neurons, s)
    assert math.isclose(energy(neurons @ rotation.T, s), before, rel_tol=1e-12)
    stretched = rotation @ np.diag(np.sqrt(draw.uniform(0.4, 1.6, size=d)))
    bounds = promised("liu2021-opt-nearly", neurons, {"E_0": before, "eps": defect(stretched) * (1 + 1e-12), "s": s})
    assert bounds["below"][0] <= energy(neurons @ stretched.T, s) <= bounds["above"][1]


def test_the_factor_is_attained_by_nearby_neurons_along_the_stretched_axis() -> None:
    """R = diag(sqrt(1 + e), sqrt(1 - e)): two neurons near the weak axis part by the factor (1 + e)/(1 - e) squared."""
    e, s = 0.3, 2.0
    R = np.diag(np.sqrt([1 + e, 1 - e]))
    for axis, name, outward in (([0.0, 1.0], "below", 1), ([1.0, 0.0], "above", -1)):
        near = np.array(axis) + np.array([[1e-4, 1e-4], [-1e-4, -1e-4]]) * np.array(axis)[::-1]
        before, after = energy(near, s), energy(near @ R.T, s)
        bound = promised("liu2021-opt-nearly", near, {"E_0": before, "eps": e, "s": s})[name][0]
        assert math.isclose(after, bound, rel_tol=1e-6) and outward * (after - bound) >= -1e-6 * bound


@pytest.mark.parametrize(("d", "s"), [(3, 1.0), (5, 1.5), (8, 1.0), (16, 2.0)])
def test_mean_and_variance_are_integrals_on_the_sphere(d: int, s: float) -> None:
    """The density of t = <u, v> is proportional to (1 - t^2)^((d-3)/2): quadrature gives both moments."""
    neurons = np.random.default_rng(0).normal(size=(6, d))

    def moment(power):
        # t = 1 - 2 x^2 takes the singularity at t = 1 away
        density = lambda x: (4 * x**2 * (1 - x**2)) ** mp.mpf((d - 3) / 2) * 4 * x  # noqa: E731
        return mp.quad(lambda x: (2 * x) ** -power * density(x), [0, 1]) / mp.quad(density, [0, 1])

    lower, upper = promised("liu2021-opt-mean", neurons, {"s": s})["above"]
    assert lower * (1 - 1e-9) <= 30 * moment(s) <= upper * (1 + 1e-9)
    if 2 * s < d - 1:
        lower, upper = promised("liu2021-opt-variance", neurons, {"s": s})["below"]
        assert lower * (1 - 1e-9) <= 60 * (moment(2 * s) - moment(s) ** 2) <= upper * (1 + 1e-9)


def test_draws_have_the_mean_and_variance() -> None:
    """4000 draws of 8 neurons in 8 dimensions: the mean within 4 of its deviations, the variance within a tenth."""
    draw, n, d, s = np.random.default_rng(0), 8, 8, 1.0
    found = np.array([energy(draw.normal(size=(n, d)), s) for _ in range(4000)])
    sample = draw.normal(size=(n, d))
    mean, spread = (promised(f"liu2021-opt-{what}", sample, {"s": s})["above"][1] for what in ("mean", "variance"))
    assert abs(found.mean() - mean) <= 4 * math.sqrt(spread / 4000)
    assert abs(found.var(ddof=1) / spread - 1) <= 0.1
    components = draw.normal(size=(20000, d))
    components /= np.linalg.norm(components, axis=1, keepdims=True)
    at = paper.uniform.check(Problem(sample, np.ones(n)))
    assert abs(np.mean(components[:, 0] ** 2) - at.promised(at.edition.promises[0]).midpoint) < 0.004


def test_infinite_moments_are_no_theorem() -> None:
    for identifier, s, name in (
        ("liu2021-opt-mean", 2.0, "finite mean"),
        ("liu2021-opt-variance", 1.0, "finite variance"),
    ):
        at = theorem(identifier).check(Problem(np.eye(3), np.ones(3)), given={"s": s})
        assert {condition.name: verdict for condition, verdict in at.conditions}[name].fails


def test_a_simplex_has_the_least_energy() -> None:
    """16 neurons in 32 dimensions, s = 2: 112.5, attained by the simplex and by nothing drawn; random mean 124.1."""
    corners = np.hstack([np.eye(16) - 1 / 16, np.zeros((16, 16))])
    lower, upper = promised("liu2021-opt-simplex", corners, {"s": 2.0})["energy"]
    assert lower <= 112.5 <= upper and math.isclose(energy(corners, 2.0), 112.5, rel_tol=1e-12)
    draw = np.random.default_rng(0)
    assert all(energy(draw.normal(size=(16, 32)), 2.0) > upper for _ in range(20))
    mean = promised("liu2021-opt-mean", corners, {"s": 2.0})["above"][1]
    assert math.isclose(mean, 124.1, rel_tol=1e-3)


def test_the_excess_falls_with_the_root_of_the_number_on_the_sphere() -> None:
    """Tabulated least Coulomb energies (unordered pairs, d = 3, s = 1); the theory's exponent is -1/2."""
    least = {12: 49.165253058, 32: 412.261274651, 72: 2255.001190975, 100: 4448.350634331}
    gaps = []
    for n, value in least.items():
        mean = promised("liu2021-opt-mean", np.random.default_rng(0).normal(size=(n, 3)), {"s": 1.0})["above"][1]
        gaps.append(mean / (2 * value) - 1)
    slope = np.polyfit(np.log(list(least)), np.log(gaps), 1)[0]
    assert abs(slope + 0.5) < 0.04
    bounds = []
    for n in (12, 100):
        problem = Problem(np.random.default_rng(0).normal(size=(n, 3)), np.ones(n))
        at = theorem("liu2021-opt-gap").check(problem, edition="printed", given={"s": 1.0})
        assert at.verdict.undecided
        bounds.append(at.promised(at.edition.promises[0]).midpoint)
    assert math.isclose(math.log(bounds[0] / bounds[1]) / math.log(12 / 100), -0.5, rel_tol=1e-9)


def sweeps(R, A):
    """A tangent step and two sweeps towards the Cayley step, as in the authors' code."""
    after = R + A @ R
    for _ in range(2):
        after = R + A / 2 @ (R + after)
    return after


@pytest.mark.parametrize("theta", [0.1, 0.35, 0.7])
def test_descent_drifts_inward_within_its_bounds(theta: float) -> None:
    draw, d, s, steps = np.random.default_rng(0), 6, 1.5, 25
    neurons, R = draw.normal(size=(9, d)), np.eye(d)
    before = energy(neurons, s)
    for k in range(1, steps + 1):
        A = draw.normal(size=(d, d))
        A = theta * (A - A.T) / np.linalg.norm(A - A.T, 2)
        step = sweeps(np.eye(d), A)
        R = sweeps(R, A)
        given = {"theta": theta * (1 + 1e-12), "k": k, "s": s, "E_0": before}
        bounds = promised("liu2021-opt-drift", neurons, given)
        assert defect(step) <= bounds["defect of a step"][1] and defect(R) <= bounds["defect"][1] + 1e-14
        ratio = bounds["energy"][1] / before
        assert 1 / ratio <= energy(neurons @ R.T, s) / before <= ratio
    assert np.linalg.norm(R, 2) <= 1 + 1e-12


def test_the_drift_is_attained_up_to_the_sixth_power() -> None:
    """The same rotation by 0.3 again and again: 1 - (1 - x^4/4 + x^6/16)^k, against 1 - (1 - x^4/4)^k."""
    x, k, R = 0.3, 200, np.eye(2)
    for _ in range(k):
        R = sweeps(R, np.array([[0, x], [-x, 0]]))
    given = {"theta": x, "k": k, "s": 1.0, "E_0": 1.0}
    bound = promised("liu2021-opt-drift", np.eye(2), given)["defect"][1]
    assert math.isclose(defect(R), 1 - (1 - x**4 / 4 + x**6 / 16) ** k, rel_tol=1e-9)
    assert 0.97 * bound <= defect(R) <= bound
