"""Baselines for two-layer networks: formulas typed again; networks held against them; the counts and the integral."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.activations import ERF, TANH
from bounds.arithmetic import Kind, compare, evaluate
from bounds.papers import baseline_two_layer as paper
from bounds.settings import TwoLayer

mp = mpmath.mp

FLOW, DESCENT = "Flow of smooth two-layer networks", "Descent of smooth two-layer networks"
EXIST, RELU = "Solutions of smooth two-layer networks", "Flow of ReLU two-layer networks"
RANGES = {
    **{"lambda_H0": (0.95, 2), "beta": (0.1, 0.3), "e_0": (0.3, 0.6), "X": (1, 1.3), "m": (20, 40)},
    **{"b": (0.1, 0.2), "beta_F": (0.1, 0.5), "lambda_0": (0.3, 0.5), "delta_2": (0.1, 0.4)},
}


def _kept(v):
    return v.lambda_H0 - 2 * v.beta_F * v.e_0


def _root(v):  # the root of e_0 - s sqrt(lambda) + beta s^2 / 2
    return 1 / v.beta_F * (mp.sqrt(v.lambda_H0) - mp.sqrt(_kept(v)))


def _kappa(v):
    return v.beta_F / mp.sqrt(v.lambda_H0)


def _relu(number, over=1):
    def width(v):
        lam = mp.mpf(3) / 4 * v.lambda_0
        counts = lam * v.Q
        return (number * v.X**2 / over / lam**2) ** 2 * (mp.sqrt(2 / mp.pi) * v.X * v.e_0 + counts) ** 2

    return width


RETYPED = {
    ("*", "*", "where beta_F"): ("beta_F =", lambda v: v.beta * v.X / mp.sqrt(v.m)),
    ("*", "*", "where Q"): ("Q =", lambda v: mp.sqrt(mp.log(2 * v.n / v.delta_2) / 2)),
    ("*", "*", "if positive least eigenvalue"): ("lambda_0 >", lambda v: 0),
    ("*", "*", "if positive initial eigenvalue"): ("lambda_H0 >", lambda v: 0),
    ("*", "*", "if initial kernel"): (
        "m >=",
        lambda v: v.L**2 * v.X**2 * mp.log(v.n / v.delta_1) / v.lambda_0 / ((1 - mp.log(2)) / 2),
    ),
    ("*", "*", "if step size"): ("eta <=", lambda v: 1 / (v.L * v.X) ** 2),
    (FLOW, "explicit", "if width"): ("m >=", lambda v: (8 * v.beta * v.X * v.e_0 / v.lambda_0) ** 2),
    (DESCENT, "explicit", "if width"): ("m >=", lambda v: (8 * v.beta * v.X * v.e_0 / v.lambda_0) ** 2),
    (FLOW, "explicit", "then path"): ("S_k <=", lambda v: 4 * (mp.sqrt(2) - 1) * v.e_0 / mp.sqrt(v.lambda_0)),
    (DESCENT, "explicit", "then path"): ("S_k <=", lambda v: 4 * (mp.sqrt(2) - 1) * v.e_0 / mp.sqrt(v.lambda_0)),
    (FLOW, "explicit", "then least eigenvalue"): ("lambda_k >=", lambda v: v.lambda_0 / 4),
    (DESCENT, "explicit", "then least eigenvalue"): ("lambda_k >=", lambda v: v.lambda_0 / 4),
    (FLOW, "explicit", "then convergence"): ("e_k**2 <=", lambda v: mp.exp(-v.lambda_0 * v.t / 2) * v.e_0**2),
    (DESCENT, "explicit", "then convergence"): ("e_k <=", lambda v: (1 - v.eta * v.lambda_0 / 4) ** v.k * v.e_0),
    (FLOW, "sharp", "if width"): ("m >=", lambda v: (2 * v.beta * v.X * v.e_0 / v.lambda_H0) ** 2),
    (DESCENT, "sharp", "if width"): ("m >", lambda v: (2 * v.beta * v.X * v.e_0 / v.lambda_H0) ** 2),
    ("*", "*", "then path"): ("S_k <=", _root),
    ("*", "*", "then least eigenvalue"): ("lambda_k >=", _kept),
    (FLOW, "sharp", "then convergence"): ("e_k**2 <=", lambda v: mp.exp(-2 * _kept(v) * v.t) * v.e_0**2),
    (DESCENT, "sharp", "then convergence"): ("e_k <=", lambda v: (1 - v.eta * _kept(v)) ** v.k * v.e_0),
    (EXIST, "sharp", "if width"): ("m >", lambda v: (2 * v.beta * v.X * v.b) ** 2 / v.lambda_H0),
    (EXIST, "sharp", "then distance"): ("D_k <=", lambda v: (1 - mp.sqrt(1 - 2 * v.b * _kappa(v))) / _kappa(v)),
    (EXIST, "sharp", "then nearest solution"): (
        "D_min >=",
        lambda v: (mp.sqrt(1 + 2 * v.b * _kappa(v)) - 1) / _kappa(v),
    ),
    (RELU, "*", "if initial Gram"): (
        "m >=",
        lambda v: v.X**2 * mp.log(v.n / v.delta_1) / v.lambda_0 / (0.25 + 0.75 * mp.log(0.75)),
    ),
    (RELU, "explicit", "if width"): ("m >=", _relu(96, 11)),
    (RELU, "sharp", "if width"): ("m >=", _relu(6)),
    (RELU, "explicit", "then travel"): ("W_k <=", lambda v: 3 * mp.sqrt(mp.pi / 2) * v.lambda_0 / (16 * v.X**2)),
    (RELU, "explicit", "radius"): ("R =", lambda v: 3 * mp.sqrt(mp.pi / 2) * v.lambda_0 / (16 * v.X**2)),
    (RELU, "sharp", "then travel"): ("W_k <=", lambda v: 3 * mp.sqrt(mp.pi / 2) * v.lambda_0 / (4 * v.X**2)),
    (RELU, "sharp", "radius"): ("R =", lambda v: 3 * mp.sqrt(mp.pi / 2) * v.lambda_0 / (4 * v.X**2)),
    (RELU, "explicit", "then least eigenvalue"): ("lambda_k >=", lambda v: 3 * v.lambda_0 / 16),
    (RELU, "explicit", "then convergence"): ("e_k**2 <=", lambda v: mp.exp(-3 * v.lambda_0 * v.t / 8) * v.e_0**2),
    (FLOW, "explicit", "event delta_3"): ("e_0 <=", lambda v: mp.sqrt((v.Y**2 + v.n / v.c_sigma) / v.delta_3)),
    (DESCENT, "explicit", "event delta_3"): ("e_0 <=", lambda v: mp.sqrt((v.Y**2 + v.n / v.c_sigma) / v.delta_3)),
    (RELU, "*", "event delta_3"): ("e_0 <=", lambda v: mp.sqrt((v.Y**2 + v.n / 2) / v.delta_3)),
}

SMOOTH = {
    TANH: (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    ERF: (np.vectorize(math.erf), lambda z: 2 / math.sqrt(math.pi) * np.exp(-(z**2))),
}


def start(seed: int, n: int, d: int, m: int, labels: float):
    """A problem and weights in pairs of equal weights and opposite signs, so that e_0 = |y|."""
    draw = np.random.default_rng(seed)
    problem = Problem(draw.normal(size=(n, d)), labels * draw.normal(size=n))
    half = draw.normal(size=(m // 2, d))
    return problem, np.concatenate([half, half]), np.repeat([1.0, -1.0], m // 2)


@pytest.mark.parametrize("activation", SMOOTH, ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_descent_of_smooth_networks_keeps_its_promises(activation, seed: int) -> None:
    value, slope = SMOOTH[activation]
    problem, w, signs = start(seed, 3, 4, 200, 0.1)
    inputs, m = problem.unit_rows, len(w)

    def jacobian(w):
        return ((slope(inputs @ w.T) * signs)[:, :, None] * inputs[:, None, :]).reshape(3, -1) / math.sqrt(m)

    kernel = float(np.linalg.svd(jacobian(w), compute_uv=False)[-1] ** 2) * (1 - 1e-12)
    residual = float(np.linalg.norm(problem.y)) * (1 + 1e-12)
    t, setting = theorem("baseline-two-layer-descent"), TwoLayer("first", activation)
    known = {"setting": setting, "given": {"lambda_H0": kernel}, "initial_residual": residual, "edition": "sharp"}
    step = t.step_size(problem, **known).lower
    at = t.check(problem, width=m, step_size=step, **known)
    assert at.verdict.holds, str(at)
    length, least = (at.promised(p) for p in t.edition("sharp").promises)
    path, norm, first = 0.0, residual, residual
    for _ in range(300):
        r = value(inputs @ w.T) @ signs / math.sqrt(m) - problem.y
        there = jacobian(w)
        norm = float(np.linalg.norm(r))
        assert norm <= first * (1 + 1e-9) + 1e-15
        first = norm * (1 - step * least.lower)
        assert np.linalg.svd(there, compute_uv=False)[-1] ** 2 >= least.lower
        move = (step * there.T @ r).reshape(m, -1)
        w, path = w - move, path + float(np.linalg.norm(move))
    assert path <= length.upper and norm < 0.5 * residual


def test_widths_by_hand() -> None:
    """S = 1, beta = 4/(3 sqrt 3) for tanh, e_0 = 3 sqrt 3, lambda = 2: 4 beta^2 e_0^2 / 4 = 16; b = 1.5: 8/3."""
    problem = Problem(np.eye(3), np.ones(3))
    given = {"lambda_H0": 2}
    for identifier in ("baseline-two-layer-flow", "baseline-two-layer-descent"):
        width = theorem(identifier).width(problem, "sharp", given=given, initial_residual=math.sqrt(27))
        assert width.midpoint == pytest.approx(16, rel=1e-12)
    width = theorem("baseline-two-layer-existence").width(problem, "sharp", given={**given, "b": 1.5})
    assert width.midpoint == pytest.approx(8 / 3, rel=1e-12)


def test_existence_asks_no_more_than_the_flow() -> None:
    """b <= e_0 / sigma_0, with equality for residuals along the weakest direction."""
    values = {paper.S.base: 1.5, paper.smoothness: 0.7, paper.e_0: 2, paper.initial_least_eigenvalue: 0.25}
    flow = evaluate(paper.sharp_width, values)
    same = evaluate(paper.existence_width, {**values, paper.newton: 4})
    assert compare(flow, ">=", evaluate(paper.existence_width, {**values, paper.newton: 3.9})).holds
    assert flow.ball.overlaps(same.ball)


def test_the_data_width_asks_sixteen_times_the_instance_one() -> None:
    """At lambda_H0 = lambda_0, which is what an infinite width has."""
    problem = Problem(np.random.default_rng(0).normal(size=(6, 8)), np.ones(6))
    t, least = theorem("baseline-two-layer-flow"), problem.least_eigenvalue_of(TwoLayer("first", TANH))
    instance = t.width(problem, "sharp", given={"lambda_H0": least}, initial_residual=3)
    ratio = t.width(problem, initial_residual=3).midpoint / instance.midpoint
    assert ratio == pytest.approx(16, rel=1e-6)


@pytest.mark.parametrize(("n", "d", "expected"), [(10, 10, 2.4e4), (50, 50, 4.6e4), (100, 50, 1.7e5)])
def test_tanh_on_spheres_asks_for_tens_of_thousands(n: int, d: int, expected: float) -> None:
    """Labels +-1, the kernel of infinite width: figures of one draw each, computed by another program."""
    draw = np.random.default_rng(0)
    problem = Problem(draw.normal(size=(n, d)), draw.choice([-1.0, 1.0], n))
    least = problem.least_eigenvalue_of(TwoLayer("first", TANH))
    width = theorem("baseline-two-layer-flow").width(
        problem, "sharp", given={"lambda_H0": least}, initial_residual=math.sqrt(n)
    )
    assert expected / 2.5 < width.midpoint < 2.5 * expected


def test_the_explicit_edition_needs_nothing_but_data() -> None:
    problem = Problem(np.eye(4), np.ones(4))
    t = theorem("baseline-two-layer-descent")
    wide, told = t.width(problem), t.width(problem, initial_residual=2)
    assert wide.kind >= Kind.ENCLOSED and not wide.assumption and compare(told, "<", wide).holds
    assert t.step_size(problem).contains(1)  # tanh has slope 1 at 0, and S = 1


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_the_integral_by_quadrature(share: float) -> None:
    """int (sigma - X sqrt v)^2 dv up to (share sigma / X)^2 is 11/96 and 1/6 of sigma^4 / X^2."""
    sigma, norm = mp.mpf("0.7"), mp.mpf("1.3")
    value = mp.quad(lambda v: (sigma - norm * mp.sqrt(v)) ** 2, [0, (share * sigma / norm) ** 2])
    fraction = mp.mpf(11) / 96 if share == 0.5 else mp.mpf(1) / 6
    assert abs(value - fraction * sigma**4 / norm**2) < 1e-12


def test_counts_keep_to_the_uniform_bound() -> None:
    """200 draws of 400 neurons on 5 inputs: sup over u of the excess over P(|z| <= u) exceeds a in few of them."""
    draw, share, m, n = np.random.default_rng(0), 0.2, 400, 5
    error = math.sqrt(math.log(2 * n / share) / (2 * m))
    inputs = draw.normal(size=(n, 6))
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    failures = 0
    for _ in range(200):
        sizes = np.sort(np.abs(draw.normal(size=(m, 6)) @ inputs.T), axis=0)
        expected = np.vectorize(math.erf)(sizes / math.sqrt(2))
        failures += bool(np.max(np.arange(1, m + 1)[:, None] / m - expected) > error)
    assert failures / 200 < share


def test_relu_widths_beat_the_ones_by_travel_and_radius() -> None:
    """On the sphere (10, 20), at the same delta and residual: the flow's sharp edition of Du et al. asks more."""
    problem = Problem(np.random.default_rng(0).normal(size=(10, 20)), np.ones(10))
    t, other = theorem("baseline-relu-flow"), theorem("du2019-two-layer-flow")
    ours = t.width(problem, initial_residual=5)
    assert compare(ours, "<", other.width(problem, "sharp", initial_residual=5)).holds
    assert compare(t.width(problem, "sharp", initial_residual=5), "<", ours).holds


@pytest.mark.parametrize("seed", range(3))
def test_a_relu_flow_keeps_its_promises(seed: int) -> None:
    """Three orthogonal inputs, labels of size 0.02: within the width, so the flow stays as near as promised."""
    draw, m = np.random.default_rng(seed), 12000
    problem, residual = Problem(np.eye(3), 0.02 * draw.choice([-1.0, 1.0], 3)), 0.02 * math.sqrt(3)
    half = draw.normal(size=(m // 2, 3))
    weights, signs = np.concatenate([half, half]), np.repeat([1.0, -1.0], m // 2)
    t = theorem("baseline-relu-flow")
    at = t.check(problem, width=m, initial_residual=residual * (1 + 1e-12))
    assert at.verdict.holds, str(at)
    travel, least = (at.promised(p) for p in t.edition("explicit").promises)
    w, norm, step = weights.copy(), residual, 0.02
    for _ in range(1500):
        z = w  # the inputs are the unit vectors
        r = np.maximum(z, 0).T @ signs / math.sqrt(m) - problem.y
        assert np.linalg.norm(r) <= norm * (1 + 1e-3)
        norm = float(np.linalg.norm(r)) * math.exp(-step * least.lower)
        active = (z >= 0) * signs[:, None] / math.sqrt(m)
        assert min((active**2).sum(0)) >= least.lower
        w = w - step * active * r
    assert np.linalg.norm(w - weights, axis=1).max() <= travel.upper and norm < 0.05 * residual
