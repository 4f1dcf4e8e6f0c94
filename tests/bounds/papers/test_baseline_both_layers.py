"""Baselines with both layers trained: formulas typed again, networks held against them, the price measured."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, linalg, theorem
from bounds.activations import ERF, RELU, SIN, TANH
from bounds.arithmetic import compare
from bounds.papers import baseline_both_layers as paper
from bounds.papers.baseline_both_layers import ZeroOutput

mp = mpmath.mp

FLOW, DESCENT = "Flow from zero output weights", "Descent from zero output weights"
RANGES = {"sigma_0": (3, 4), "X": (1, 1.2)}


def _flow(v):
    return v.L * v.X


def _descent(v):
    return v.beta_F


def _kept(beta):
    return lambda v: v.sigma_0**2 - 2 * beta(v) * v.Y


def _root(beta):
    return lambda v: (v.sigma_0 - mp.sqrt(_kept(beta)(v))) / beta(v)


RETYPED = {
    (FLOW, "explicit", "if labels"): ("Y <=", lambda v: v.sigma_0**2 / 2 / _flow(v)),
    (FLOW, "explicit", "then path"): ("S_k <=", _root(_flow)),
    (FLOW, "explicit", "then least eigenvalue"): ("lambda_k >=", _kept(_flow)),
    (FLOW, "explicit", "then convergence"): ("e_k**2 <=", lambda v: v.e_0**2 * mp.exp(-2 * v.t * _kept(_flow)(v))),
    (DESCENT, "explicit", "where beta_F"): ("beta_F =", lambda v: v.X * v.L + v.X * v.beta * v.R_B),
    (DESCENT, "explicit", "if labels"): ("Y <", lambda v: v.sigma_0**2 / 2 / _descent(v)),
    (DESCENT, "explicit", "if ball"): ("R_B >", lambda v: 2 * v.Y / v.sigma_0),
    (DESCENT, "explicit", "if step size"): ("eta <=", lambda v: 1 / (v.J_0 + _descent(v) * v.R_B) ** 2),
    (DESCENT, "explicit", "then path"): ("S_k <=", _root(_descent)),
    (DESCENT, "explicit", "then least eigenvalue"): ("lambda_k >=", _kept(_descent)),
    (DESCENT, "explicit", "then convergence"): ("e_k <=", lambda v: v.e_0 * (1 - v.eta * _kept(_descent)(v)) ** v.k),
}

VALUES = {
    RELU: (lambda z: np.maximum(z, 0), lambda z: (z >= 0) * 1.0),
    TANH: (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    SIN: (np.sin, np.cos),
    ERF: (np.vectorize(math.erf), lambda z: 2 / math.sqrt(math.pi) * np.exp(-(z**2))),
}


def data(seed: int, n: int, d: int, size: float) -> Problem:
    draw = np.random.default_rng(seed)
    labels = draw.normal(size=n)
    return Problem(draw.normal(size=(n, d)), size * labels / np.linalg.norm(labels))


def run(problem: Problem, activation, w: np.ndarray, step: float, steps: int):
    """Descent from v = 0: residuals, path, how far W moved, and the changes of the Jacobian over the distance."""
    value, slope = VALUES[activation]
    inputs, v, first = problem.unit_rows, np.zeros(len(w)), w
    residuals, path, ratios, start = [], 0.0, [], value(inputs @ w.T)
    for i in range(steps):
        features = value(inputs @ w.T)
        r = features @ v - problem.y
        residuals.append(float(np.linalg.norm(r)))
        hidden = ((slope(inputs @ w.T) * v)[:, :, None] * inputs[:, None, :]).reshape(len(r), -1)
        away = math.hypot(np.linalg.norm(v), np.linalg.norm(w - first))
        if i % 20 == 1:
            ratios.append(np.linalg.norm(np.concatenate([features - start, hidden], axis=1), 2) / away)
        dv, dw = step * features.T @ r, step * (hidden.T @ r).reshape(w.shape)
        v, w = v - dv, w - dw
        path += math.hypot(np.linalg.norm(dv), np.linalg.norm(dw))
    return np.array(residuals), path, np.linalg.norm(w - first) / np.linalg.norm(first), max(ratios)


@pytest.mark.parametrize("activation", VALUES, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_the_flow_keeps_its_promises(activation, seed: int) -> None:
    problem = data(seed, 8, 6, 1.0)
    draw = np.random.default_rng(seed)
    w = 3 * draw.normal(size=(120, 6))
    features = VALUES[activation][0](problem.unit_rows @ w.T)
    sigma = linalg.least_singular_value(features).lower * (1 - 1e-9)
    t, setting = theorem("baseline-both-layers-flow"), ZeroOutput(activation)
    at = t.check(problem, setting=setting, given={"sigma_0": sigma})
    assert at.verdict.holds, str(at)
    length, least = (at.promised(p).lower for p in t.edition("explicit").promises)
    step = 0.02 / np.linalg.norm(features, 2) ** 2
    residuals, path, moved, ratio = run(problem, activation, w, step, 1500)
    assert path <= length * 1.01
    assert (residuals <= 1.001 * np.exp(-least * step * np.arange(1500))).all()
    lipschitz = setting.values[paper.lipschitz].upper
    assert ratio <= lipschitz * problem.spectral_norm.upper * (1 + 1e-9)
    assert moved < 1e-2  # the price: these are random features


@pytest.mark.parametrize("seed", range(5))
def test_descent_keeps_its_promises(seed: int) -> None:
    problem, draw = data(seed, 6, 5, 0.5), np.random.default_rng(seed)
    w = 2 * draw.normal(size=(150, 5))
    features = np.tanh(problem.unit_rows @ w.T)
    sigma = linalg.least_singular_value(features).lower * (1 - 1e-9)
    given = {"sigma_0": sigma, "R_B": 1.01 / sigma, "J_0": float(np.linalg.norm(features, 2)) * (1 + 1e-9)}
    t = theorem("baseline-both-layers-descent")
    step = t.step_size(problem, given=given).lower
    at = t.check(problem, step_size=step, given=given)
    assert at.verdict.holds, str(at)
    length, least = (at.promised(p).lower for p in t.edition("explicit").promises)
    residuals, path, *_ = run(problem, TANH, w, step, 400)
    assert path <= length * (1 + 1e-9)
    assert (residuals <= 0.5 * (1 - step * least) ** np.arange(400) * (1 + 1e-9)).all()


def test_labels_by_hand() -> None:
    """Orthogonal inputs, ReLU, sigma_0 = 4: |y| may be 8. With |y| = 6 the path is at most 12 / (4 + 2) = 2."""
    t, three = theorem("baseline-both-layers-flow"), np.array([6.0, 0, 0])
    assert t.limit(paper.y_norm, Problem(np.eye(3), three), given={"sigma_0": 4}).contains(8)
    at = t.check(Problem(np.eye(3), three), given={"sigma_0": 4})
    assert at.promised(t.edition("explicit").promises[0]).contains(2)
    assert at.promised(t.edition("explicit").promises[1]).contains(4)
    assert t.check(Problem(np.eye(3), 1.5 * three), given={"sigma_0": 4}).verdict.fails


def test_wider_first_weights_certify_narrower_networks() -> None:
    """ReLU at 3 neurons per input: the condition fails at omega = 1 and holds at omega = 8; singular values scale."""
    problem = data(0, 30, 15, 1.0)
    w = np.random.default_rng(1).normal(size=(90, 15))
    features = np.maximum(problem.unit_rows @ w.T, 0)
    t = theorem("baseline-both-layers-flow")
    sigma = linalg.least_singular_value(features)
    assert t.check(problem, given={"sigma_0": sigma}).verdict.fails
    wide = linalg.least_singular_value(8 * features)
    assert t.check(problem, given={"sigma_0": wide}).verdict.holds
    assert abs(wide.midpoint / sigma.midpoint - 8) < 1e-9


def test_the_matrix_of_the_features_is_certified() -> None:
    """n = 20, d = 10: 2 |X| |y| / lambda(G) neurons at omega = 1 for unit labels, a first-order figure, is some "
    "hundreds."""
    problem = data(2, 20, 10, 1.0)
    least = problem.least_eigenvalue_of(ZeroOutput())
    assert least is not None and compare(least, ">", 0).holds
    neurons = 2 * problem.spectral_norm.midpoint / least.midpoint
    assert 100 < neurons < 3000
