"""Arora et al. (2019): formulas typed again, and the predicted curve held against networks."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.papers import arora2019 as paper

mp = mpmath.mp

RETYPED = {
    ("*", "*", "if positive least eigenvalue"): ("lambda_0 >", lambda v: 0),
    ("Decay of the predicted curve", "explicit", "if step size"): ("eta <=", lambda v: 1 / v.n),
    ("Decay of the predicted curve", "explicit", "then predicted residual"): (
        "c_k <=",
        lambda v: v.Y * (1 - v.eta * v.lambda_0) ** v.k,
    ),
    ("Theorem 4.1", "printed", "if small start"): ("kappa <=", lambda v: v.c * v.eps * v.delta / mp.sqrt(v.n)),
    ("Theorem 4.1", "printed", "if step size"): ("eta <=", lambda v: v.c * v.lambda_0 / v.n / v.n),
    ("Theorem 4.1", "printed", "if width"): (
        "m >=",
        lambda v: v.C * v.n**7 / (v.lambda_0 * v.delta) ** 4 / (v.kappa * v.eps) ** 2,
    ),
    ("Theorem 4.1", "printed", "then distance from the predicted curve"): ("D_curve <=", lambda v: v.eps),
    ("Theorem 5.1", "printed", "then population loss"): (
        "L_D <=",
        lambda v: mp.sqrt(2 * v.C_y / v.n) + v.C * mp.sqrt(mp.log(v.n / v.lambda_0 / v.delta) / v.n),
    ),
}


def data(seed: int, n: int = 12, d: int = 10):
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    t = np.clip(X @ X.T, -1, 1)
    return draw, X, draw.choice([-1.0, 1.0], n), t * (np.pi - np.arccos(t)) / (2 * np.pi)


@pytest.mark.parametrize("seed", range(3))
def test_predicted_curve_decays(seed: int) -> None:
    _, X, y, H = data(seed)
    values, vectors = np.linalg.eigh(H)
    eta = 1 / len(X)
    statement = paper.decay
    at = statement.check(Problem(X, y), step_size=eta, given={"lambda_0": float(values[0])})
    assert at.conditions[-1][1].undecided or at.conditions[-1][1].holds
    for k in (0, 1, 10, 100):
        curve = np.linalg.norm((1 - eta * values) ** k * (vectors.T @ y))
        bound = at.promised(statement.editions[0].promises[0], k=k)
        assert curve <= bound.upper * (1 + 1e-9)


def test_networks_approach_the_predicted_curve_as_they_widen() -> None:
    draw, X, y, H = data(0)
    values, vectors = np.linalg.eigh(H)
    eta, worst = 0.2, []
    for m in (128, 8192):
        half = draw.normal(size=(m // 2, X.shape[1]))
        w, a = np.concatenate([half, half]), np.repeat([1.0, -1.0], m // 2)
        far = 0.0
        for k in range(80):
            r = np.maximum(X @ w.T, 0) @ a / math.sqrt(m) - y
            far = max(far, abs(np.linalg.norm(r) - np.linalg.norm((1 - eta * values) ** k * (vectors.T @ y))))
            w = w - eta * (a / math.sqrt(m))[:, None] * (((X @ w.T >= 0) * r[:, None]).T @ X)
        worst.append(far / np.linalg.norm(y))
    assert worst[1] < 0.02 and worst[1] < worst[0] / 3


def test_width_by_hand() -> None:
    """n = 2, lambda_0 = 1/2, kappa = 1/8, delta = 1/4, eps = 1/2: 2^7 * 2^4 * 2^6 * 2^8 * 2^2 = 2^27."""
    given = {"lambda_0": 0.5, "kappa": 0.125, "eps": 0.5}
    width = theorem("arora2019-curve").width(Problem(np.eye(2), np.ones(2), delta=0.25), "printed", given=given)
    assert width.contains(2**27) and width.assumption
