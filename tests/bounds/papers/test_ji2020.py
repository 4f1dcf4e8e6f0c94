"""Ji and Telgarsky (2020): formulas typed again, and the widths they ask for."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem

mp = mpmath.mp


def scale(v):
    return (mp.sqrt(2 * mp.log(4 * v.n / v.delta)) + mp.log(4 / v.eps)) / (v.gamma / 4)


RETYPED = {
    ("Theorem 2.2", "printed", "if step size"): ("eta <=", lambda v: 1),
    ("Theorem 2.2", "printed", "where lambda_s"): ("lambda_s =", scale),
    ("Theorem 2.2", "printed", "if steps"): ("T >=", lambda v: 2 * v.lambda_s**2 / v.eta / v.eps),
    ("Theorem 2.2", "printed", "if width"): ("m >=", lambda v: (64 * v.lambda_s / v.gamma**3) ** 2),
    ("Theorem 2.2", "printed", "then average risk"): ("R_T <=", lambda v: v.eps),
    ("Theorem 2.2", "printed", "then travel"): ("W_k <=", lambda v: 4 * v.lambda_s / v.gamma / mp.sqrt(v.m)),
}


@pytest.mark.parametrize(("margin", "expected"), [(0.5, 1.4e9), (0.2, 2.1e12), (0.1, 5.5e14)])
def test_widths_for_a_thousand_inputs(margin: float, expected: float) -> None:
    """n = 1000, delta = eps = 0.05."""
    problem = Problem(np.tile(np.eye(2), (500, 1)), np.ones(1000), delta=0.05)
    width = theorem("ji2020-logistic").width(problem, "printed", given={"gamma": margin, "eps": 0.05})
    assert width.upper == pytest.approx(expected, rel=0.05)


def test_separable_data_reach_the_risk_with_far_fewer_neurons() -> None:
    """Four separable points: the average risk is small after few steps, at a width millions below the one asked for."""
    draw = np.random.default_rng(0)
    X, y, m, eta = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]]), np.array([1.0, 1, -1, -1]), 256, 1.0
    w, a = draw.normal(size=(m, 2)), draw.choice([-1.0, 1.0], m)
    risks = []
    for _ in range(400):
        margins = y * (np.maximum(X @ w.T, 0) @ a) / np.sqrt(m)
        risks.append(np.log1p(np.exp(-margins)).mean())
        pull = y / (1 + np.exp(margins)) / len(y)
        w = w + eta * (a / np.sqrt(m))[:, None] * (((X @ w.T >= 0) * pull[:, None]).T @ X)
    assert np.mean(risks) < 0.2
    given = {"gamma": 0.25, "eps": 0.2, "T": 400}
    at = theorem("ji2020-logistic").check(Problem(X, y), width=m, step_size=eta, edition="printed", given=given)
    assert {c.name: v for c, v in at.conditions}["width"].fails
