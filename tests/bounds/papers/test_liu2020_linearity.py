"""Liu, Zhu and Belkin (2020): formulas typed again, and two-layer networks held against them."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.activations import ERF, SIN, TANH
from bounds.papers import liu2020_linearity as paper
from bounds.settings import TwoLayer

mp = mpmath.mp

TWO, LINEAR, KERNEL = (
    "Hessian of two-layer networks",
    "Transition to linearity",
    "Constancy of the kernel of two-layer networks",
)
RANGES = {"H_layers": (1, 3)}
RETYPED = {
    ("Hessian of wide networks", "printed", "then Hessian"): (
        "h_F <=",
        lambda v: v.C * v.R_B ** (3 * v.H_layers) / mp.sqrt(v.m),
    ),
    (TWO, "explicit", "then Hessian"): ("h_F <=", lambda v: v.beta / mp.sqrt(v.m)),
    (TWO, "explicit", "then Jacobian"): ("J_k <=", lambda v: v.beta * v.X * v.R_B / mp.sqrt(v.m)),
    (LINEAR, "explicit", "then distance from the linearisation"): ("T_2 <=", lambda v: v.h_F * v.R_B**2 / 2),
    (LINEAR, "explicit", "then entry of the kernel"): ("K_ij <=", lambda v: 2 * v.G_f * v.h_F * v.R_B),
    (KERNEL, "explicit", "then distance from the linearisation"): (
        "T_2 <=",
        lambda v: v.beta * v.R_B**2 / mp.sqrt(v.m) / 2,
    ),
    (KERNEL, "explicit", "then entry of the kernel"): ("K_ij <=", lambda v: 2 * v.L * v.beta * v.R_B / mp.sqrt(v.m)),
}

VALUES = {
    TANH: (np.tanh, lambda z: 1 / np.cosh(z) ** 2, lambda z: -2 * np.tanh(z) / np.cosh(z) ** 2),
    SIN: (np.sin, np.cos, lambda z: -np.sin(z)),
    ERF: (
        np.vectorize(math.erf),
        lambda z: 2 / math.sqrt(math.pi) * np.exp(-(z**2)),
        lambda z: -4 * z / math.sqrt(math.pi) * np.exp(-(z**2)),
    ),
}


@pytest.mark.parametrize("activation", VALUES, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_two_layer_networks_keep_the_bounds(activation, seed: int) -> None:
    draw = np.random.default_rng(seed)
    n, d, m, radius = 4, 3, int(draw.integers(5, 60)), 1.5
    problem = Problem(draw.normal(size=(n, d)), draw.normal(size=n))
    inputs, signs, start = problem.unit_rows, draw.choice([-1.0, 1.0], m), draw.normal(size=(m, d))
    if seed % 2:  # all the curvature in one neuron at its steepest
        start[0] = 0.66 * inputs[0]
    value, slope, second = VALUES[activation]

    def output(w):
        return value(inputs @ w.T) @ signs / math.sqrt(m)

    def jacobian(w):
        return ((slope(inputs @ w.T) * signs)[:, :, None] * inputs[:, None, :]).reshape(n, -1) / math.sqrt(m)

    setting = TwoLayer("first", activation)
    hessian, kernel = theorem("liu2020-two-layer"), theorem("liu2020-linearity")
    at = hessian.check(problem, width=m, setting=setting, given={"R_B": radius})
    bounds = [at.promised(p).upper for p in hessian.editions[0].promises]
    at = kernel.check(problem, width=m, setting=setting, given={"R_B": radius})
    bounds += [at.promised(p).upper for p in kernel.editions[0].promises]
    worst = [0.0] * 4
    for trial in range(60):
        move = draw.normal(size=(m, d))
        if trial % 2:
            move = np.outer(np.eye(m)[0], inputs[0])
        there = start + radius * (trial / 59) * move / np.linalg.norm(move)
        curvature = np.abs(second(inputs @ there.T)).max() / math.sqrt(m)  # blocks s'' x x^T / sqrt(m)
        change = jacobian(there) - jacobian(start)
        linear = output(start) + jacobian(start) @ (there - start).ravel()
        kernels = np.abs(jacobian(there) @ jacobian(there).T - jacobian(start) @ jacobian(start).T)
        measured = (curvature, np.linalg.norm(change, 2), np.abs(output(there) - linear).max(), kernels.max())
        worst = [max(pair) for pair in zip(worst, measured, strict=True)]
    assert all(w <= b * (1 + 1e-9) for w, b in zip(worst, bounds, strict=True))
    assert worst[0] > 0.2 * bounds[0]


def test_deep_bound_by_hand() -> None:
    """Two hidden layers, R = 2, m = 16: 64 / 4, with the hidden constant at 1."""
    at = theorem("liu2020-hessian").check(
        Problem(np.eye(2), np.ones(2)), width=16, edition="printed", given={"H_layers": 2, "R_B": 2}
    )
    bound = at.promised(paper.hessian_bound.editions[0].promises[0])
    assert bound.contains(16) and bound.assumption
