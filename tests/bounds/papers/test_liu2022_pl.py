"""Liu, Zhu and Belkin (2022), PL*: formulas typed again, and descent and flow on random systems held against them."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.papers import liu2022_pl as paper
from tests.bounds.papers.systems import descend, random_system

mp = mpmath.mp


def _paper(v):
    return 2 * v.L_F * v.e_0 / v.mu


def _descent(v):
    return 2 * v.e_0 / mp.sqrt(v.mu)


RANGES = {"p": (41, 60), "eps": (0.0001, 0.004)}
NAME, FLOW, FLOOR = (
    "Existence and gradient descent under PL*",
    "Existence and gradient flow under PL*",
    "Gradient descent under PL*_eps",
)
SGD = "Stochastic gradient descent under PL*"
RETYPED = {
    ("PL* from the tangent kernel", "explicit", "if kernel"): ("lambda_k >=", lambda v: v.mu),
    ("PL* from the tangent kernel", "explicit", "then PL* inequality"): ("P_k >=", lambda v: v.mu),
    ("Condition number of Gaussian Jacobians", "printed", "if enough parameters"): ("p >=", lambda v: v.n),
    ("Condition number of Gaussian Jacobians", "printed", "then condition number"): (
        "C_K <",
        lambda v: 5 + mp.log((v.p / (v.p + 1 - v.n)) ** 2),
    ),
    ("*", "*", "if step size"): ("eta <=", lambda v: 1 / (v.beta_F * v.e_0 + v.L_F**2)),
    ("*", "*", "if ball"): ("R_B >=", _paper),
    ("*", "*", "then path"): ("S_k <=", _paper),
    (NAME, "printed", "then distance"): ("D_k <=", _paper),
    (NAME, "improved", "if ball"): ("R_B >=", _descent),
    (NAME, "sharp", "if ball"): ("R_B >=", _descent),
    (NAME, "improved", "then path"): ("S_k <=", _descent),
    (NAME, "sharp", "then path"): ("S_k <=", _descent),
    (NAME, "sharp", "if Jacobian"): ("beta_F <=", lambda v: (mp.sqrt(v.lambda_H0) - mp.sqrt(v.mu)) / v.R_B),
    (NAME, "sharp", "then kernel on the ball"): ("lambda_k >=", lambda v: v.mu),
    (NAME, "*", "then convergence"): ("e_k**2 <=", lambda v: (1 - v.eta * v.mu) ** v.k * v.e_0**2),
    (FLOW, "explicit", "if ball"): ("R_B >=", lambda v: v.e_0 / mp.sqrt(v.mu)),
    (FLOW, "explicit", "then path"): ("S_k <=", lambda v: v.e_0 / mp.sqrt(v.mu)),
    (FLOW, "explicit", "then convergence"): ("e_k**2 <=", lambda v: mp.exp(-2 * v.mu * v.t) * v.e_0**2),
    (SGD, "printed", "if ball"): ("R_B >=", lambda v: 2 * v.n / (v.mu * v.delta) * mp.sqrt(2 * v.beta_l * v.L_0)),
    (SGD, "printed", "if step size"): (
        "eta <=",
        lambda v: v.n * v.mu / v.beta_l / (v.n**2 * v.beta_l + v.mu * v.s - v.mu),
    ),
    (SGD, "explicit", "if ball"): ("R_B >=", lambda v: mp.sqrt(8 * v.n * v.beta_l * v.L_0) / v.mu / v.delta),
    (SGD, "explicit", "if step size"): (
        "eta <=",
        lambda v: v.mu / (v.n * v.beta_l**2 + v.beta_l * v.mu * (v.s - 1)),
    ),
    (SGD, "*", "then mean loss"): ("E_k <=", lambda v: v.L_0 * (1 - v.eta * v.s * v.mu / v.n) ** v.k),
    (FLOOR, "explicit", "if floor below the start"): ("eps <=", lambda v: v.e_0 * v.e_0 / 2),
    (FLOOR, "explicit", "then steps"): (
        "T_eps <=",
        lambda v: 1 - mp.log(v.e_0**2 / 2 / v.eps) / mp.log(1 - v.eta * v.mu),
    ),
}


def given(system, mu, radius):
    """All numbers that the sharp edition needs, each rounded so that it is safe."""
    up = 1 + 1e-9
    return {
        "mu": mu,
        "R_B": radius,
        "L_F": (system.norm + system.beta * radius) * up,
        "beta_F": system.beta * up,
        "lambda_H0": system.sigma**2 / up,
    }


@pytest.mark.parametrize("seed", range(60))
def test_descent_and_flow_keep_what_the_editions_promise(seed: int) -> None:
    system = random_system(seed, curvature=np.random.default_rng(seed).uniform(0.02, 0.24))
    residual = float(np.linalg.norm(system.target))
    mu = system.sigma**2 / 4  # 2 e_0 / sqrt(mu) = 4 e_0 / sigma, and beta times it is at most sigma / 2
    numbers = given(system, mu, 2 * residual / math.sqrt(mu) * (1 + 1e-9))
    problem = Problem(np.eye(2), np.ones(2))
    t = theorem("liu2022-pl")
    step = t.step_size(problem, "sharp", given=numbers, initial_residual=residual).lower
    verdict = t.check(problem, step_size=step, edition="sharp", given=numbers, initial_residual=residual)
    assert verdict.verdict.holds
    run = descend(system, step, 400)
    promised = residual * np.sqrt(1 - step * mu) ** np.arange(401)
    assert (run.residuals <= promised * (1 + 1e-9) + 1e-14).all()
    assert run.paths[-1] <= 2 * residual / math.sqrt(mu) and run.kernels.min() >= mu
    # the flow: a small step leaves half the room
    fine = descend(system, 0.02 * step, 3000)
    assert fine.paths[-1] <= 1.02 * residual / math.sqrt(mu)


@pytest.mark.parametrize("seed", range(20))
def test_the_floor_is_reached_in_time(seed: int) -> None:
    system = random_system(seed, 0.2)
    residual = float(np.linalg.norm(system.target))
    mu, floor = system.sigma**2 / 4, 1e-3 * residual**2 / 2
    numbers = given(system, mu, 1.0)
    step = 0.5 / (system.norm**2 + system.beta * residual + 4 * system.beta * residual)
    numbers = {"mu": mu, "L_F": numbers["L_F"], "beta_F": numbers["beta_F"], "eps": floor}
    bound = theorem("liu2022-pl-eps").check(
        Problem(np.eye(2), np.ones(2)), step_size=step, given=numbers, initial_residual=residual
    )
    most = bound.promised(paper.floored.editions[0].promises[1])
    losses = descend(system, step, 4000).residuals ** 2 / 2
    assert np.flatnonzero(losses < floor)[0] <= most.upper


def test_the_paper_radius_is_larger_by_the_square_root_of_the_conditioning() -> None:
    """mu = 1/4, L_F = 2, ||r_0|| = 3: 48, 12 and 6, by hand."""
    problem, numbers = Problem(np.eye(2), np.ones(2)), {"mu": 0.25, "L_F": 2.0}
    for identifier, edition, expected in (
        ("liu2022-pl", "printed", 48),
        ("liu2022-pl", "improved", 12),
        ("liu2022-pl-flow", "explicit", 6),
    ):
        known = numbers if expected == 48 else {"mu": 0.25}
        limit = theorem(identifier).limit(paper.ball, problem, edition, given=known, initial_residual=3)
        assert limit.contains(expected)


def test_the_inequality_on_the_ball_is_never_taken_for_granted() -> None:
    evaluation = theorem("liu2022-pl").check(
        Problem(np.eye(2), np.ones(2)),
        step_size=0.01,
        given={"mu": 0.25, "L_F": 2.0, "beta_F": 1.0, "R_B": 100.0},
        initial_residual=1,
    )
    assert evaluation.verdict.undecided
    assert all(verdict.holds for condition, verdict in evaluation.conditions if condition.relation is not None)


@pytest.mark.parametrize(("rows", "columns"), [(10, 20), (10, 10), (5, 40)])
def test_gaussian_jacobians_are_conditioned_as_promised(rows: int, columns: int) -> None:
    draws = np.random.default_rng(0).normal(size=(400, rows, columns))
    values = np.linalg.svd(draws, compute_uv=False)
    mean = float(np.mean(2 * np.log(values[:, 0] / values[:, -1])))
    assert mean < 2 * math.log(columns / (columns - rows + 1)) + 5


@pytest.mark.parametrize("batch", [1, 3])
def test_stochastic_descent_decays_in_the_mean_and_stays_near(batch: int) -> None:
    """Least squares with n = 4 unit rows, beta = 1: 300 runs of 150 steps; the mean is below the curve, none leaves."""
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(4, 6))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    target = draw.normal(size=4)
    first, mu = float(target @ target) / 2, float(np.linalg.svd(rows, compute_uv=False)[-1] ** 2) * (1 - 1e-12)
    t, problem = theorem("liu2022-sgd"), Problem(np.eye(4), np.ones(4), delta=0.1)
    given = {"mu": mu, "beta_l": 1, "s": batch, "L_0": first}
    step = t.step_size(problem, given=given).lower
    ball = t.limit(paper.ball, problem, given=given).upper
    w, path, losses = np.zeros((300, 6)), np.zeros(300), []
    for _ in range(150):
        losses.append(np.mean(np.sum((w @ rows.T - target) ** 2, axis=1)) / 2)
        chosen = draw.integers(0, 4, size=(300, batch))
        errors = np.einsum("rsd,rd->rs", rows[chosen], w) - target[chosen]
        move = step * np.einsum("rs,rsd->rd", errors, rows[chosen])
        w, path = w - move, path + np.linalg.norm(move, axis=1)
    curve = first * (1 - mu * batch * step / 4) ** np.arange(150)
    assert (np.array(losses) <= curve * 1.02).all() and losses[-1] < 0.9 * first
    assert path.max() <= ball and path.mean() <= 0.1 * ball
