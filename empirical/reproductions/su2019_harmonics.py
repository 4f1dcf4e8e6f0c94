"""Su and Yang (NeurIPS 2019): how fast each harmonic degree of the target is learned, whatever the number of inputs.

A two-layer ReLU network, first layer trained, on the uniform sphere S^(d-1): the operator with kernel
t (pi - arccos t) / (2 pi) has the spherical harmonics of degree l as eigenspaces. Its eigenvalues beta_l predict the
residual (1 - eta beta_l)^k of a target of degree l with the loss (1/2n) sum (f - y)^2.
Odd degrees from 3 on have eigenvalue 0: such a target is not learned beyond what finite n leaks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from bounds.gram import sphere_eigenspaces
from empirical.dynamics import GradientDescent
from empirical.experiments import run_network
from empirical.losses import Loss
from empirical.networks.shallow import TwoLayer
from empirical.reproductions.rows import Row

TARGETS: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray]]] = {
    "x_1": (1, lambda X: X[:, 0]),
    "1": (0, lambda X: np.ones(len(X))),
    "x_1^2 - x_2^2": (2, lambda X: X[:, 0] ** 2 - X[:, 1] ** 2),
    "x_1 x_2 x_3": (3, lambda X: X[:, 0] * X[:, 1] * X[:, 2]),
}
"""Harmonic polynomials by name, with their degree."""


def residuals_by_degree(
    points: Sequence[int] = (100, 400, 1600),
    *,
    dimension: int = 5,
    width: int = 2048,
    step_size: float = 1.0,
    steps: Sequence[int] = (0, 20, 60, 200),
    seed: int = 0,
) -> list[Row]:
    """Train on each target and compare root mean square residuals with their predicted decay.

    Args:
        points: the numbers n of inputs, uniform on the sphere.
        dimension: d.
        width: m, started antisymmetrically.
        step_size: eta, of the loss (1/2n) sum.
        steps: when to look.
        seed: of inputs and weights.
    """
    rows = []
    for name, (degree, target) in TARGETS.items():
        beta = sphere_eigenspaces(dimension, degree)[degree].eigenvalue.lower
        for n in points:
            X = np.random.default_rng([seed, n]).standard_normal((n, dimension))
            X /= np.linalg.norm(X, axis=1, keepdims=True)
            run = run_network(
                TwoLayer(width=width, start="antisymmetric"),
                X,
                target(X),
                loss=Loss(reduction="mean"),
                method=GradientDescent(step_size=step_size, steps=max(steps)),
                seed=seed,
            )
            first = math.sqrt(2 * run.losses[0])
            rows += [
                Row(
                    f"rms residual of {name}",
                    f"n = {n}, step {k}",
                    math.sqrt(2 * run.losses[k]),
                    f"{first * (1 - step_size * beta) ** k:.4f}",
                )
                for k in steps
            ]
    return rows
