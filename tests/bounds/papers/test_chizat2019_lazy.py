"""Chizat, Oyallon and Bach (2019): formulas typed again; flows of scaled random systems."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.arithmetic import compare
from bounds.papers import chizat2019_lazy as paper
from tests.bounds.papers.systems import QuadraticSystem, random_system

mp = mpmath.mp


def _c0(v, kappa):
    return v.sigma_h**3 / mp.sqrt(kappa) ** 3 / v.D_h / v.L_D / 32


def _kept(v):
    return v.sigma_h**2 - 2 * v.L_D * v.e_0 / v.alpha


OVER = "Theorem 2.4"
RANGES = {"sigma_h": (2, 3), "alpha": (1, 2)}
RETYPED = {
    ("Finite horizon", "*", "if scale"): ("alpha >=", lambda v: v.K * v.e_0 / v.L_h / v.r_0),
    ("Finite horizon", "*", "then gap"): ("g_lin <=", lambda v: (v.K * v.e_0 / v.L_h) ** 2 * v.L_D / v.alpha),
    (OVER, "printed", "if initial output"): ("h_0 <=", lambda v: _c0(v, v.kappa_R)),
    (OVER, "printed", "if scale"): ("alpha >", lambda v: v.y_star / _c0(v, v.kappa_R)),
    (OVER, "printed", "then convergence"): (
        "e_k <=",
        lambda v: mp.sqrt(v.kappa_R) * v.e_0 * mp.exp(-v.t * v.m_R * v.sigma_h**2 / 4),
    ),
    (OVER, "explicit", "if initial output"): ("h_0 <=", lambda v: _c0(v, 1)),
    (OVER, "explicit", "if scale"): ("alpha >", lambda v: v.y_star / _c0(v, 1)),
    (OVER, "explicit", "then least eigenvalue"): ("lambda_k >=", lambda v: v.sigma_h**2 * 7 / 8),
    (OVER, "explicit", "then convergence"): ("e_k <=", lambda v: v.e_0 * mp.exp(-v.t * v.sigma_h**2 / 4)),
    (OVER, "sharp", "if scale"): ("alpha >=", lambda v: 2 * v.L_D * v.e_0 / v.sigma_h**2),
    (OVER, "sharp", "then path, left"): ("=", lambda v: v.alpha * v.S_k),
    (OVER, "sharp", "then path"): ("<=", lambda v: v.alpha / v.L_D * (v.sigma_h - mp.sqrt(_kept(v)))),
    (OVER, "sharp", "then least eigenvalue"): ("lambda_k >=", _kept),
    (OVER, "sharp", "then convergence"): ("e_k**2 <=", lambda v: v.e_0**2 * mp.exp(-2 * v.t * _kept(v))),
}

PROBLEM = Problem(np.eye(2), np.ones(2))


def flow(h: QuadraticSystem, alpha: float, until: float, steps: int):
    """The flow on |alpha h - y|^2 / (2 alpha^2) by small steps: residuals, path, gap to the linear model at the end."""
    w, linear, length, step, residuals = np.zeros(h.linear.shape[1]), -h.target, 0.0, until / steps, []
    for _ in range(steps):
        value = h.residual(w) + h.target
        r = alpha * value - h.target
        residuals.append(float(np.linalg.norm(r)))
        move = step / alpha * h.jacobian(w).T @ r
        w, length = w - move, length + float(np.linalg.norm(move))
        linear = linear - step * h.linear @ h.linear.T @ linear
    value = alpha * (h.residual(w) + h.target) - h.target
    return np.array(residuals), length, float(np.linalg.norm(value - linear))


@pytest.mark.parametrize("seed", range(15))
def test_flows_at_the_sharp_scale(seed: int) -> None:
    h = random_system(seed, 0.5)
    residual = float(np.linalg.norm(h.target))
    t, given = theorem("chizat2019-lazy"), {"sigma_h": h.sigma, "L_D": h.beta}
    alpha = 1.05 * t.limit(paper.alpha, PROBLEM, "sharp", given=given, initial_residual=residual).upper
    at = t.check(PROBLEM, edition="sharp", given={**given, "alpha": alpha}, initial_residual=residual)
    assert at.verdict.holds
    length, least = (at.promised(p).upper for p in t.edition("sharp").promises)
    until = 4 / h.sigma**2
    residuals, path, _ = flow(h, alpha, until, 4000)
    assert alpha * path <= length * 1.01
    assert (residuals <= 1.01 * residual * np.exp(-least * until / 4000 * np.arange(4000))).all()


@pytest.mark.parametrize("seed", range(15))
def test_the_gap_at_the_horizon(seed: int) -> None:
    h = random_system(seed, 0.5)
    residual, reach, horizon = float(np.linalg.norm(h.target)), 0.5, 1.5
    lipschitz = h.norm + h.beta * reach
    given = {"L_h": lipschitz, "L_D": h.beta, "r_0": reach, "K": horizon}
    t = theorem("chizat2019-horizon")
    alpha = 1.01 * t.limit(paper.alpha, PROBLEM, given=given, initial_residual=residual).upper
    at = t.check(PROBLEM, given={**given, "alpha": alpha}, initial_residual=residual)
    assert at.verdict.holds
    bound = at.promised(t.edition("explicit").promises[0]).upper
    *_, gap = flow(h, alpha, horizon / lipschitz**2, 3000)
    assert 0 < gap <= bound


def test_the_sharp_scale_is_smaller_by_sixteen_condition_numbers() -> None:
    """h(w_0) = 0, sigma = 2, ||Dh|| = 6, Lip(Dh) = 3, |y| = 5: 5 * 32 * 18 / 8 = 360 against 30 / 4 = 7.5."""
    t, given = theorem("chizat2019-lazy"), {"sigma_h": 2, "L_D": 3}
    printed = t.limit(paper.alpha, PROBLEM, given={**given, "D_h": 6, "y_star": 5})
    sharp = t.limit(paper.alpha, PROBLEM, "sharp", given=given, initial_residual=5)
    assert printed.contains(360) and sharp.contains(7.5) and compare(sharp, "<", printed).holds
    assert math.isclose(printed.midpoint / sharp.midpoint, 16 * 6 / 2)
