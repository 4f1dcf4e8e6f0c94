"""Baselines for systems: formulas typed again; violations searched for on random and on worst-case systems."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.arithmetic import compare, evaluate
from bounds.papers import baseline_systems as paper
from tests.bounds.papers.systems import QuadraticSystem, descend, random_system

mp = mpmath.mp

FLOW, EXIST, DESCENT = "Flow under a parabola", "Solutions near the start", "Descent under a parabola"
RANGES = {"sigma_0": (2, 3), "b": (0.2, 0.6), "k_c": (0.2, 0.6), "eta": (0.01, 0.1)}


def _root(v):
    return (v.sigma_0 - mp.sqrt(v.sigma_0**2 - 2 * v.beta_F * v.e_0)) / v.beta_F


def _slope(v):
    return (v.sigma_0 - v.beta_F * v.eta * v.L_F * v.e_0 / 2) / 2


def _plain(v):
    return 2 * (_slope(v) - mp.sqrt(_slope(v) ** 2 - v.beta_F * v.e_0)) / v.beta_F


def _least(v):
    return v.sigma_0**2 - 2 * v.beta_F * v.e_0


RETYPED = {
    ("*", "*", "if ball"): ("R_B >=", _root),
    ("*", "*", "then path"): ("S_k <=", _root),
    ("*", "*", "then residual along the path"): (
        "e_k <=",
        lambda v: v.e_0 - v.sigma_0 * v.S_k + v.beta_F / 2 * v.S_k**2,
    ),
    ("*", "*", "then least eigenvalue"): ("lambda_k >=", _least),
    (FLOW, "explicit", "if Jacobian"): ("beta_F <=", lambda v: v.sigma_0**2 / v.e_0 / 2),
    (FLOW, "explicit", "then convergence"): ("e_k**2 <=", lambda v: v.e_0**2 * mp.exp(-2 * _least(v) * v.t)),
    (EXIST, "explicit", "if curvature"): ("k_c <", lambda v: 1 / (2 * v.b)),
    (EXIST, "explicit", "if ball"): ("R_B >=", lambda v: (1 - mp.sqrt(1 - 2 * v.b * v.k_c)) / v.k_c),
    (EXIST, "explicit", "then distance"): ("D_k <=", lambda v: (1 - mp.sqrt(1 - 2 * v.b * v.k_c)) / v.k_c),
    (EXIST, "explicit", "then nearest solution"): ("D_min >=", lambda v: (mp.sqrt(1 + 2 * v.b * v.k_c) - 1) / v.k_c),
    (DESCENT, "explicit", "if Jacobian"): ("beta_F <=", lambda v: v.sigma_0**2 / v.e_0 / 8),
    (DESCENT, "explicit", "if ball"): ("R_B >=", _plain),
    (DESCENT, "explicit", "if step size"): ("eta <=", lambda v: 1 / v.L_F**2),
    (DESCENT, "explicit", "then path"): ("S_k <=", _plain),
    (DESCENT, "explicit", "then residual along the path"): (
        "e_k <=",
        lambda v: v.e_0 - _slope(v) * v.S_k + v.beta_F * v.S_k**2 / 4,
    ),
    (DESCENT, "sharp", "if Jacobian"): ("beta_F <", lambda v: v.sigma_0**2 / v.e_0 / 2),
    (DESCENT, "sharp", "if ball"): ("R_B >", _root),
    (DESCENT, "sharp", "if step size"): ("eta <=", lambda v: 1 / (v.J_0 + v.beta_F * v.R_B) ** 2),
    (DESCENT, "sharp", "then convergence"): ("e_k <=", lambda v: v.e_0 * (1 - v.eta * _least(v)) ** v.k),
}

PROBLEM = Problem(np.eye(2), np.ones(2))


def promised(identifier: str, edition: str, numbers: dict[str, float], residual: float, step: float | None = None):
    t = theorem(identifier)
    at = t.check(PROBLEM, step_size=step, edition=edition, given=numbers, initial_residual=residual)
    assert at.verdict.holds, str(at)
    return at, {p.name: p for p in t.edition(edition).conclusions}


@pytest.mark.parametrize("seed", range(60))
def test_no_flow_leaves_the_parabola(seed: int) -> None:
    system = random_system(seed, np.random.default_rng(seed).uniform(0.05, 0.98))
    residual = float(np.linalg.norm(system.target))
    numbers = {"sigma_0": system.sigma, "beta_F": system.beta, "R_B": 3 * residual / system.sigma}
    at, promises = promised("baseline-flow", "explicit", numbers, residual)
    step = 0.002 / (system.norm + system.beta * numbers["R_B"]) ** 2
    run, slack = descend(system, step, 6000), 1.005
    assert run.paths[-1] <= slack * at.promised(promises["path"]).upper
    assert run.kernels.min() >= at.promised(promises["least eigenvalue"]).lower - 1e-9
    parabola = residual - system.sigma * run.paths + system.beta * run.paths**2 / 2
    assert (run.residuals <= parabola + 0.005 * residual).all()


@pytest.mark.parametrize("edition", ["explicit", "sharp"])
@pytest.mark.parametrize("seed", range(60))
def test_no_descent_leaves_the_parabola(edition: str, seed: int) -> None:
    draw = np.random.default_rng(seed)
    system = random_system(seed, draw.uniform(0.02, 0.249 if edition == "explicit" else 0.98))
    residual = float(np.linalg.norm(system.target))
    ball = 3 * residual / system.sigma
    largest = system.norm + system.beta * ball
    step = draw.uniform(0.2, 0.999) / largest**2
    numbers = {"sigma_0": system.sigma, "beta_F": system.beta, "R_B": ball}
    numbers |= {"J_0": system.norm * (1 + 1e-12)} if edition == "sharp" else {"L_F": largest}
    at, promises = promised("baseline-descent", edition, numbers, residual, step)
    run = descend(system, step, 600)
    assert run.paths[-1] <= at.promised(promises["path"]).upper * (1 + 1e-9)
    if edition == "sharp":
        factor = 1 - step * (system.sigma**2 - 2 * system.beta * residual)
        assert (run.residuals <= residual * factor ** np.arange(601) * (1 + 1e-9) + 1e-14).all()
        assert run.kernels.min() >= at.promised(promises["least eigenvalue"]).lower - 1e-9
        parabola = residual - system.sigma * run.paths + system.beta * run.paths**2 / 2
    else:
        slope = (system.sigma - system.beta * step * largest * residual / 2) / 2
        parabola = residual - slope * run.paths + system.beta * run.paths**2 / 4
    assert (run.residuals <= parabola + 1e-9).all()


@pytest.mark.parametrize("seed", range(40))
def test_solutions_lie_where_promised(seed: int) -> None:
    system = random_system(seed, np.random.default_rng(seed).uniform(0.05, 0.98))
    inverse = np.linalg.pinv(system.linear)
    b = float(np.linalg.norm(inverse @ system.target))
    stacked = np.einsum("pi,ijk->pjk", inverse, system.quadratic).reshape(-1, system.linear.shape[1])
    curvature = float(np.linalg.norm(stacked, 2))
    curvature = min(curvature, system.beta / system.sigma)
    at, promises = promised("baseline-existence", "explicit", {"b": b, "k_c": curvature, "R_B": 2.01 * b}, 1.0)
    w = np.zeros(system.linear.shape[1])
    for _ in range(3000):
        w = w - inverse @ system.residual(w)
    assert np.linalg.norm(system.residual(w)) < 1e-6
    found = float(np.linalg.norm(w))
    assert found <= at.promised(promises["distance"]).upper * (1 + 1e-6)
    assert found >= at.promised(promises["nearest solution"]).lower * (1 - 1e-6)


def test_the_condition_is_best_and_the_path_is_attained() -> None:
    """F(w) = w - w^2 / 2 has no solution of F = y for y > 1/2; at y = 3/8 the flow stops at 1/2, its first root."""
    limit = theorem("baseline-flow").limit(paper.beta_F, PROBLEM, given={"sigma_0": 1}, initial_residual=0.5)
    assert limit.contains(1)
    length = evaluate(paper.first_root, {paper.e_0: 0.375, paper.sigma_0: 1, paper.beta_F: 1})
    assert length.contains(0.5)
    system = QuadraticSystem(np.eye(1), -np.ones((1, 1, 1)), np.array([0.375]))
    assert descend(system, 0.5, 400).paths[-1] == pytest.approx(0.5, abs=1e-9)
    assert descend(QuadraticSystem(np.eye(1), -np.ones((1, 1, 1)), np.array([0.51])), 0.1, 4000).residuals[-1] > 0.009


def test_the_length_of_the_linear_step_does_not_bound_the_flow() -> None:
    """Linear F with K = diag(1, 400): the path of the flow is longer than b, by quadrature 1.403 b."""
    direction = np.array([1.0, 1.0]) / math.sqrt(2)
    times = np.concatenate([[0], np.geomspace(1e-6, 60, 200001)])
    # w' = -J^T r with J = diag(1, 20): w - w* decays like exp(-K t), so the speed is |K exp(-K t) d|
    speed = np.linalg.norm(np.exp(-np.outer(times, [1, 400])) * [1, 400] * direction, axis=1)
    path = float(np.sum(np.diff(times) * (speed[1:] + speed[:-1]) / 2))
    assert path == pytest.approx(1.403, abs=2e-3)
    proved = evaluate(
        paper.first_root, {paper.e_0: math.hypot(1, 20) / math.sqrt(2), paper.sigma_0: 1, paper.beta_F: 0}
    )
    assert compare(proved, ">=", path).holds
