"""Liu, Zhu and Belkin (2022), conditioning: formulas typed again; adversarial search; measured non-convexity."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.papers import liu2022_conditioning as paper
from tests.bounds.papers.systems import random_system

mp = mpmath.mp

RANGES = {"lambda_H0": (0.95, 2), "mu": (0.01, 0.1), "rho_g": (0.5, 1), "L": (1, 3), "R_B": (0.5, 2)}


def _width(radius):
    return lambda v: v.C * v.n * radius(v) ** (2 + 6 * v.L) / (v.lambda_H0 - v.mu / v.rho_g**2) ** 2


RETYPED = {
    ("Uniform conditioning", "sharp", "if Jacobian"): (
        "beta_F <=",
        lambda v: (mp.sqrt(v.lambda_H0) - mp.sqrt(v.mu)) / v.R_B,
    ),
    ("Uniform conditioning", "*", "if Hessian"): (
        "h_F <=",
        lambda v: (v.lambda_H0 - v.mu) / (2 * v.L_F * mp.sqrt(v.n) * v.R_B),
    ),
    ("*", "*", "then kernel on the ball"): ("lambda_k >=", lambda v: v.mu),
    ("Output maps", "explicit", "then kernel after the output map"): ("lambda_g >=", lambda v: v.rho_g**2 * v.lambda_k),
    ("Input maps", "explicit", "then kernel after the input map"): ("lambda_F >=", lambda v: v.lambda_psi * v.lambda_k),
    ("Hessian after an output map", "explicit", "then Hessian"): (
        "h_g >=",
        lambda v: v.g_2 * v.G_f**2 - v.g_1 * v.h_F,
    ),
    ("Essential non-convexity", "explicit", "if rank"): ("rank_H >", lambda v: 2 * v.n),
    ("Essential non-convexity", "explicit", "then negative curvature"): ("c_L >", lambda v: 0),
    ("*", "*", "if mu"): ("mu <", lambda v: v.rho_g**2 * v.lambda_H0),
    ("Wide networks", "printed", "if width"): ("m >=", _width(lambda v: v.R_B)),
    ("Descent on wide networks", "printed", "if width"): ("m >=", _width(lambda v: 2 * v.L_F * v.e_0 / v.mu)),
    ("Descent on wide networks", "printed", "if step size"): ("eta <=", lambda v: 1 / (v.L_F**2 + v.beta_F * v.e_0)),
    ("Descent on wide networks", "printed", "then convergence"): (
        "e_k**2 <=",
        lambda v: (1 - v.eta * v.mu) ** v.k * v.e_0**2,
    ),
}


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("edition", ["explicit", "sharp"])
def test_no_point_of_the_ball_has_a_smaller_kernel(edition: str, seed: int) -> None:
    """The largest radius that the condition allows, searched along the weakest direction and at random."""
    system = random_system(seed, 0.2)
    draw, mu = np.random.default_rng(seed), system.sigma**2 / 4
    if edition == "sharp":
        radius = (system.sigma - math.sqrt(mu)) / system.beta
    else:  # h R = (lambda - mu) / (2 sqrt(n) (||J_0|| + beta R)): the root of a quadratic
        n = len(system.target)
        b, c = system.norm / system.beta, (system.sigma**2 - mu) / (2 * math.sqrt(n) * system.hessian * system.beta)
        radius = 2 * c / (b + math.sqrt(b * b + 4 * c))
    given = {"mu": mu, "R_B": radius * (1 - 1e-9), "lambda_H0": system.sigma**2}
    given |= {"beta_F": system.beta} if edition == "sharp" else {}
    given |= {"h_F": system.hessian, "L_F": system.norm + system.beta * radius} if edition == "explicit" else {}
    problem = Problem(np.eye(len(system.target)), system.target)
    assert theorem("liu2022-conditioning").check(problem, edition=edition, given=given).verdict.holds
    _, _, vt = np.linalg.svd(system.jacobian(np.zeros(system.linear.shape[1])))
    directions = [*vt, *-vt, *draw.normal(size=(100, vt.shape[0]))]
    for direction in directions:
        w = radius * direction / np.linalg.norm(direction)
        assert np.linalg.svd(system.jacobian(w), compute_uv=False)[-1] ** 2 >= mu * (1 - 1e-9)


def test_conditioning_by_weyl_is_attained() -> None:
    """F(w) = w - w^2 / 4, sigma_0 = 1, beta = 1/2: at distance 1 the slope is 1/2, the kernel 1/4 = mu, by hand."""
    limit = theorem("liu2022-conditioning").limit(
        paper.beta_F, Problem(np.eye(2), np.ones(2)), "sharp", given={"lambda_H0": 1, "mu": 0.25, "R_B": 1}
    )
    assert limit.contains(0.5)


def test_width_by_hand() -> None:
    """n = 2, L = 1, R = 2, rho = 1, lambda = 1, mu = 1/2: 2 * 2^8 / (1/4) = 2048; e_0 = 1, L_F = 1/2: the same R."""
    problem, given = Problem(np.eye(2), np.ones(2)), {"L": 1, "rho_g": 1, "lambda_H0": 1, "mu": 0.5}
    width = theorem("liu2022-wide").width(problem, "printed", given={**given, "R_B": 2})
    assert width.contains(2048) and width.assumption
    again = theorem("liu2022-wide-descent").width(problem, "printed", given={**given, "L_F": 0.5}, initial_residual=1)
    assert again.contains(2048)


@pytest.mark.parametrize("seed", range(10))
def test_transformations(seed: int) -> None:
    draw = np.random.default_rng(seed)
    jacobian, inner = draw.normal(size=(3, 6)), draw.normal(size=(6, 9))
    slopes = draw.uniform(0.3, 2, 3) * draw.choice([-1, 1], 3)
    least = np.linalg.eigvalsh(jacobian @ jacobian.T)[0]
    output = slopes[:, None] * jacobian
    assert np.linalg.eigvalsh(output @ output.T)[0] >= np.abs(slopes).min() ** 2 * least * (1 - 1e-12)
    changed = jacobian @ inner
    assert np.linalg.eigvalsh(changed @ changed.T)[0] >= np.linalg.eigvalsh(inner @ inner.T)[0] * least * (1 - 1e-12)
    gradient, second = draw.normal(size=6), draw.normal(size=(6, 6))
    second = second + second.T
    g_1, g_2 = draw.normal(size=2)
    whole = np.linalg.norm(g_2 * np.outer(gradient, gradient) + g_1 * second, 2)
    assert whole >= abs(g_2) * gradient @ gradient - abs(g_1) * np.linalg.norm(second, 2) - 1e-12


def test_a_trained_network_is_not_convex_near_its_solution() -> None:
    """Two-layer tanh, n = 3, 40 neurons, d = 4: rank 160 > 6, and the curvature falls linearly with the distance."""
    n, m, d = 3, 40, 4
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(n, d))
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    labels, signs, weights = draw.normal(size=n), draw.choice([-1.0, 1.0], m), draw.normal(size=(m, d))

    def residual(w):
        return np.tanh(inputs @ w.T) @ signs / math.sqrt(m) - labels

    def jacobian(w):
        slope = signs / np.cosh(inputs @ w.T) ** 2 / math.sqrt(m)
        return (slope[:, :, None] * inputs[:, None, :]).reshape(n, m * d)

    def component_hessian(w, i):
        z = w @ inputs[i]
        second = -2 * np.tanh(z) / np.cosh(z) ** 2 * signs / math.sqrt(m)
        return np.kron(np.diag(second), np.outer(inputs[i], inputs[i]))

    for _ in range(20):  # Gauss-Newton reaches a solution
        weights = weights - (np.linalg.pinv(jacobian(weights)) @ residual(weights)).reshape(m, d)
    assert np.linalg.norm(residual(weights)) < 1e-14
    assert np.linalg.matrix_rank(component_hessian(weights, 0)) > 2 * n
    least = []
    for distance in (1e-1, 1e-2, 1e-3):
        for sign in (1, -1):
            move = np.linalg.pinv(jacobian(weights))[:, 0].reshape(m, d)
            there = weights + sign * distance * move / np.linalg.norm(move)
            r = residual(there)
            curvature = jacobian(there).T @ jacobian(there) + sum(r[i] * component_hessian(there, i) for i in range(n))
            least.append(np.linalg.eigvalsh(curvature)[0])
    assert max(least) < 0
    assert least[0] / least[2] == pytest.approx(10, rel=0.2) and least[2] / least[4] == pytest.approx(10, rel=0.05)
