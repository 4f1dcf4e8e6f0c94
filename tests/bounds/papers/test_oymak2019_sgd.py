"""Stochastic descent of Oymak and Soltanolkotabi (2019): formulas typed again; random systems held against them."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.papers import oymak2019_sgd as paper
from tests.bounds.papers.systems import random_system

mp = mpmath.mp

NAME = "Stochastic descent"
RANGES = {
    "nu": (3, 9),
    "alpha": [0.3, 2.5, 0.7, 3.5, 0.2, 1.1],
    "beta_J": [0.9, 3.1, 1.2, 4.2, 0.3, 2.2],
    "k_s": [1, 2, 3, 5, 1, 2],
    "beta_F": [0.3, 0.2, 0.9, 0.1, 2, 0.4],
}


def _step(v):
    power = mp.mpf(1) / v.k_s
    return (
        v.alpha**2
        / v.nu
        / (v.beta_J * v.B_J) ** 2
        * min(1, v.alpha**2 * (v.alpha / v.beta_J) ** power / (v.beta_F * v.e_0))
    )


RETYPED = {
    (NAME, "printed", "if ball"): ("R_B >=", lambda v: v.nu / v.alpha * v.e_0),
    (NAME, "printed", "if wide enough"): ("nu >=", lambda v: 3),
    (NAME, "printed", "if step size"): ("eta <=", _step),
    (NAME, "printed", "then mean squared residual"): (
        "E_k <=",
        lambda v: v.e_0**2 * (1 - v.eta / v.n * v.alpha**2 / 2) ** v.k,
    ),
    (NAME, "printed", "then probability of leaving"): (
        "P_out <=",
        lambda v: 4 * mp.root(v.beta_J / v.alpha, int(v.k_s * v.p)) / v.nu,
    ),
    (NAME, "explicit", "if ball"): ("R_B >=", lambda v: v.e_0 * v.B_J * mp.sqrt(4 * v.n) / v.delta / v.alpha**2),
    (NAME, "explicit", "if step size"): (
        "eta <=",
        lambda v: (v.alpha / v.B_J) ** 2 / (v.beta_J**2 + 3 * v.e_B * v.beta_F),
    ),
    (NAME, "explicit", "if step within the larger ball"): ("eta <=", lambda v: v.R_B / v.e_B / v.B_J),
    (NAME, "explicit", "where e_B"): ("e_B =", lambda v: v.e_0 + v.R_B * v.beta_J),
    (NAME, "explicit", "then mean squared residual"): (
        "E_k <=",
        lambda v: v.e_0**2 * (1 - v.eta / v.n * v.alpha**2) ** v.k,
    ),
    (NAME, "explicit", "then probability of leaving"): ("P_out <=", lambda v: v.delta),
}


@pytest.mark.parametrize("seed", range(12))
def test_runs_keep_the_explicit_promises(seed: int) -> None:
    """delta = 1/2 and curvature so small that the bounds hold on twice the ball; 400 runs side by side."""
    system = random_system(seed, 1e-4)
    n, p = system.linear.shape
    problem = Problem(np.eye(n), np.ones(n), delta=0.5)
    residual, alpha = float(np.linalg.norm(system.target)), 0.9 * system.sigma
    rows = 1.1 * float(np.linalg.norm(system.linear, axis=1).max())
    radius = 2 * np.sqrt(n) * rows * residual / (0.5 * alpha**2) * (1 + 1e-9)
    spread = 2 * radius * system.beta
    assert system.sigma - spread >= alpha and np.linalg.norm(system.linear, axis=1).max() + spread <= rows
    beta = system.norm + spread
    given = {"alpha": alpha, "beta_J": beta, "B_J": rows, "beta_F": system.beta, "R_B": radius}
    t = theorem("oymak2019-sgd")
    eta = t.step_size(problem, given=given, initial_residual=residual).lower
    answer = t.check(problem, step_size=eta, given=given, initial_residual=residual)
    assert all(v.holds for c, v in answer.conditions if c.relation is not None)
    rng = np.random.default_rng(seed)
    w, inside = np.zeros((400, p)), np.ones(400, dtype=bool)
    squares = []
    for _ in range(400):
        jacobians = system.linear + np.einsum("ijk,rk->rij", system.quadratic, w)
        residuals = w @ system.linear.T + np.einsum("ijk,rj,rk->ri", system.quadratic, w, w) / 2 - system.target
        squares.append(np.mean(np.sum(residuals**2, axis=1) * inside))
        chosen = rng.integers(n, size=400)
        at = np.arange(400)
        w = w - eta * residuals[at, chosen][:, None] * jacobians[at, chosen]
        inside &= np.linalg.norm(w, axis=1) <= radius
    promised = residual**2 * (1 - eta * alpha**2 / n) ** np.arange(400)
    assert (np.array(squares) <= promised * 1.05).all()  # means of 400 runs, 5 % for chance
    assert squares[-1] < 0.99 * squares[0] and np.mean(~inside) <= 0.5


def test_the_ball_by_hand() -> None:
    """n = 4, B = 2, e_0 = 3, alpha = 1, delta = 1/8: 2 * 2 * 2 * 3 * 8 = 192; printed with nu = 5: 15."""
    problem = Problem(np.eye(4), np.ones(4), delta=0.125)
    t = theorem("oymak2019-sgd")
    known = {"alpha": 1, "B_J": 2}
    assert t.limit(paper.ball, problem, given=known, initial_residual=3).contains(192)
    assert t.limit(paper.ball, problem, "printed", given={"alpha": 1, "nu": 5}, initial_residual=3).contains(15)
