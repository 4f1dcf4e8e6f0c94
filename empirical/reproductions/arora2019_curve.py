"""Arora, Du, Hu, Li and Wang (ICML 2019): the whole loss curve from the eigenvectors of the limit matrix.

|y - u(k)| = sqrt(sum_i (1 - eta lambda_i)^(2k) (v_i . y)^2) +- eps (Theorem 4.1, from memory), for a two-layer ReLU
network whose first layer is trained. The deviation must shrink with the width; linearisation suggests m^(-1/2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bounds.gram import two_layer
from empirical.dynamics import GradientDescent
from empirical.experiments import run_network
from empirical.losses import Loss
from empirical.networks.shallow import TwoLayer
from empirical.reproductions.rows import Row, exponent_row


def predicted_norms(H: np.ndarray, residual: np.ndarray, step_size: float, steps: int) -> np.ndarray:
    """|(I - eta H)^k r| for k = 0, ..., steps."""
    eigenvalues, vectors = np.linalg.eigh(H)
    components = vectors.T @ residual
    factors = (1 - step_size * eigenvalues)[None] ** np.arange(steps + 1)[:, None]
    return np.linalg.norm(factors * components, axis=1)


def curve_deviations(
    widths: Sequence[int] = (512, 1024, 2048, 4096, 8192),
    *,
    points: int = 50,
    dimension: int = 20,
    step_size: float = 0.2,
    steps: int = 300,
    seeds: Sequence[int] = (0, 1, 2),
) -> list[Row]:
    """The largest deviation of |y - u(k)| from the predicted curve over k, relative to |y|, at each width.

    Args:
        widths: m, started antisymmetrically so that u(0) = 0.
        points: n random inputs of the sphere in R^d, labels +-1 at random.
        dimension: d.
        step_size: eta, of the loss (1/2) sum.
        steps: the horizon.
        seeds: of the weights; rows give the mean over them.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((points, dimension))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = rng.choice([-1.0, 1.0], points)
    limit = two_layer(X).midpoint
    deviations: dict[int, list[float]] = {m: [] for m in widths}
    for m in widths:
        for seed in seeds:
            run = run_network(
                TwoLayer(width=m, start="antisymmetric"),
                X,
                y,
                loss=Loss(),
                method=GradientDescent(step_size=step_size, steps=steps),
                seed=seed,
            )
            norms = np.sqrt(2 * np.array(run.losses))
            curve = predicted_norms(limit, y, step_size, steps)
            deviations[m].append(float(np.abs(norms - curve).max() / np.linalg.norm(y)))
    rows = [
        Row("largest deviation / |y|", f"m = {m}", float(np.mean(found)), "smaller with m")
        for m, found in deviations.items()
    ]
    sizes = [m for m in widths for _ in seeds]
    values = [d for m in widths for d in deviations[m]]
    at = f"m = {min(widths)}..{max(widths)}"
    return [*rows, exponent_row("exponent of the deviation in m", at, sizes, values, "-1/2")]
