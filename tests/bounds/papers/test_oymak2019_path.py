"""Oymak and Soltanolkotabi (2019): formulas typed again; random systems held against the constants."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.arithmetic import compare
from bounds.papers import oymak2019_path as paper
from tests.bounds.papers.systems import descend, random_system

mp = mpmath.mp

NAME, START = "Descent and the shortest path", "From the start"
RETYPED = {
    ("*", "*", "if ball"): ("R_B >=", lambda v: 4 * v.e_0 / v.alpha),
    ("*", "*", "if step size"): ("eta <=", lambda v: 1 / v.beta_J**2 / 2),
    ("*", "*", "if step size, curvature"): ("eta <=", lambda v: v.alpha**2 / v.beta_F / v.e_0 / v.beta_J**2 / 2),
    ("*", "*", "then path"): ("S_k <=", lambda v: 4 * v.e_0 / v.alpha),
    ("*", "*", "then nearest solution"): ("D_min >=", lambda v: v.e_0 / v.beta_J),
    ("*", "*", "then distance and residual, left"): ("=", lambda v: v.D_k * v.alpha / 4 + v.e_k),
    ("*", "*", "then distance and residual"): ("<=", lambda v: v.e_0),
    ("*", "*", "then convergence"): ("e_k**2 <=", lambda v: (1 - v.eta / 2 * v.alpha**2) ** v.k * v.e_0**2),
    (NAME, "improved", "if ball"): ("R_B >=", lambda v: 2 * v.e_0 / v.alpha),
    (NAME, "improved", "then path"): ("S_k <=", lambda v: 2 * v.e_0 / v.alpha),
    (NAME, "improved", "then distance and residual, left"): ("=", lambda v: v.D_k * v.alpha / 2 + v.e_k),
    (NAME, "improved", "then convergence"): ("e_k <=", lambda v: (1 - v.eta / 2 * v.alpha**2) ** v.k * v.e_0),
    (START, "explicit", "if Jacobian"): ("beta_F <=", lambda v: (v.sigma_0 / 4) ** 2 / v.e_0),
    (START, "explicit", "if ball"): ("R_B >=", lambda v: 8 * v.e_0 / v.sigma_0),
    (START, "explicit", "then path"): ("S_k <=", lambda v: 8 * v.e_0 / v.sigma_0),
    (START, "explicit", "then convergence"): ("e_k**2 <=", lambda v: (1 - v.eta * v.sigma_0**2 / 8) ** v.k * v.e_0**2),
}

PROBLEM = Problem(np.eye(2), np.ones(2))


@pytest.mark.parametrize("seed", range(40))
def test_descent_keeps_the_printed_and_the_improved_promises(seed: int) -> None:
    """2 beta e_0 <= sigma_0^2 / 8, so that alpha = sigma_0 / 2 holds on the printed ball, of radius 8 e_0 / sigma_0."""
    system = random_system(seed, np.random.default_rng(seed).uniform(0.01, 0.124))
    residual = float(np.linalg.norm(system.target))
    ball = 8 * residual / system.sigma
    given = {"beta_J": (system.norm + system.beta * ball) * (1 + 1e-12), "R_B": ball * (1 + 1e-12)}
    numbers = {**given, "beta_F": system.beta, "sigma_0": system.sigma}
    t = theorem("oymak2019-start")
    step = t.step_size(PROBLEM, given=numbers, initial_residual=residual).lower
    assert t.check(PROBLEM, step_size=step, given=numbers, initial_residual=residual).verdict.holds
    alpha = system.sigma / 2
    assert step <= alpha**2 / (2 * given["beta_J"] ** 2 * system.beta * residual)
    run = descend(system, step, 500)
    assert (run.residuals <= residual * (1 - step * alpha**2 / 2) ** np.arange(501) * (1 + 1e-9) + 1e-14).all()
    assert run.paths[-1] <= 2 * residual / alpha
    assert (alpha / 2 * run.paths + run.residuals <= residual * (1 + 1e-9)).all()
    assert run.kernels.min() >= alpha**2


def test_the_baseline_asks_eight_times_less() -> None:
    """sigma_0 = 4, e_0 = 1: beta_F may be 1 here and 8 under a parabola, by hand."""
    here = theorem("oymak2019-start").limit(paper.beta_F, PROBLEM, given={"sigma_0": 4}, initial_residual=1)
    there = theorem("baseline-descent").limit(paper.beta_F, PROBLEM, "sharp", given={"sigma_0": 4}, initial_residual=1)
    assert here.contains(1) and there.contains(8) and compare(here, "<", there).holds


def test_printed_radius_by_hand() -> None:
    """alpha = 1/2, e_0 = 3: 24, and 12 improved; the nearest solution is at least 3/2 away for beta = 2."""
    t = theorem("oymak2019-path")
    for edition, expected in (("printed", 24), ("improved", 12)):
        assert t.limit(paper.ball, PROBLEM, edition, given={"alpha": 0.5}, initial_residual=3).contains(expected)
    at = t.check(PROBLEM, edition="printed", given={"alpha": 0.5, "beta_J": 2}, initial_residual=3)
    assert at.promised(paper.FAR).contains(1.5)
    assert math.isclose(at.promised(t.edition("printed").promises[1]).midpoint, 24)
