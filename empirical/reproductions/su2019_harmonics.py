"""Su and Yang (NeurIPS 2019): how fast each harmonic degree of the target is learned, whatever the number of inputs.

A two-layer ReLU network, first layer trained, on the uniform sphere S^(d-1): the operator with kernel
t (pi - arccos t) / (2 pi) has the spherical harmonics of degree l as eigenspaces. Its eigenvalues beta_l predict the
residual (1 - eta beta_l)^k of a target of degree l with the loss (1/2n) sum (f - y)^2.
Odd degrees from 3 on have eigenvalue 0: such a target is not learned beyond what finite n leaks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bounds.gram import sphere_eigenspaces
from empirical.datasets import on_the_sphere
from empirical.dynamics import GradientDescent
from empirical.experiments import run_network
from empirical.losses import Loss
from empirical.networks.shallow import TwoLayer
from empirical.reproductions.rows import Findings, Panel, Series, mean_and_margin, mean_row

TARGETS: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray]]] = {
    "x_1": (1, lambda X: X[:, 0]),
    "1": (0, lambda X: np.ones(len(X))),
    "x_1^2 - x_2^2": (2, lambda X: X[:, 0] ** 2 - X[:, 1] ** 2),
    "x_1 x_2 x_3": (3, lambda X: X[:, 0] * X[:, 1] * X[:, 2]),
}
"""Harmonic polynomials by name, with their degree."""


def residuals(
    target: str,
    points: Sequence[int] = (50, 200, 800),
    *,
    dimension: int = 5,
    width: int = 1024,
    step_size: float = 1.0,
    steps: Sequence[int] = (20, 60, 200),
    seeds: Sequence[int] = (0, 1, 2),
) -> Findings:
    """Train on one target and compare root mean square residuals, over the first, with their predicted decay.

    Args:
        target: one of :data:`TARGETS`.
        points: the numbers n of inputs, uniform on the sphere.
        dimension: d.
        width: m, started antisymmetrically.
        step_size: eta, of the loss (1/2n) sum.
        steps: those of the rows; the last is the horizon.
        seeds: of inputs and weights.
    """
    degree, function = TARGETS[target]
    beta = sphere_eigenspaces(dimension, degree)[degree].eigenvalue.lower
    rows, curves, horizon = [], [], max(steps)
    for n in points:
        found = np.array([_residuals(function, n, dimension, width, step_size, horizon, seed) for seed in seeds])
        for k in steps:
            predicted = (1 - step_size * beta) ** k
            promised = f"{predicted:.4f}" if predicted > 1e-3 else f"{predicted:.1e}"
            rows.append(
                mean_row(f"residual of {target} over the first", f"n = {n}, step {k}", found[:, k].tolist(), promised)
            )
        shown = range(0, horizon + 1, max(1, horizon // 40))
        means = [mean_and_margin(found[:, k].tolist()) for k in shown]
        curves.append(Series(f"n = {n}", tuple(map(float, shown)), tuple(mean for mean, _ in means)))
    every = tuple(map(float, range(horizon + 1)))
    curve = tuple((1 - step_size * beta) ** k for k in every)
    curves.append(Series("predicted", every, curve, source="promised"))
    title = f"{target}, degree {degree}: eigenvalue {beta:.3g}"
    return Findings(tuple(rows), (Panel(title, "step k", "residual over the first", tuple(curves), log="y"),))


def _residuals(
    function: Callable[[np.ndarray], np.ndarray],
    n: int,
    dimension: int,
    width: int,
    step_size: float,
    steps: int,
    seed: int,
) -> np.ndarray:
    X = on_the_sphere(np.random.default_rng([seed, n]), n, dimension)
    run = run_network(
        TwoLayer(width=width, start="antisymmetric"),
        X,
        function(X),
        loss=Loss(reduction="mean"),
        method=GradientDescent(step_size=step_size, steps=steps),
        seed=seed,
    )
    return np.sqrt(np.array(run.losses) / run.losses[0])
