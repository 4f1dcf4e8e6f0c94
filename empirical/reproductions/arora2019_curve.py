"""Arora, Du, Hu, Li and Wang (ICML 2019): the whole loss curve from the eigenvectors of the limit matrix.

|y - u(k)| = sqrt(sum_i (1 - eta lambda_i)^(2k) (v_i . y)^2) +- eps (Theorem 4.1, from memory), for a two-layer ReLU
network whose first layer is trained. The deviation must shrink with the width; linearisation suggests m^(-1/2).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from bounds.gram import two_layer
from empirical.datasets import on_the_sphere
from empirical.dynamics import GradientDescent
from empirical.experiments import run_network
from empirical.losses import Loss
from empirical.networks.shallow import TwoLayer
from empirical.reproductions.rows import (
    Findings,
    Panel,
    Series,
    exponent_row,
    mean_and_margin,
    mean_row,
    measured_series,
    rate_panel,
)


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
    seeds: Sequence[int] = (0, 1, 2, 3),
) -> Findings:
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
    X = on_the_sphere(rng, points, dimension)
    y = rng.choice([-1.0, 1.0], points)
    size = float(np.linalg.norm(y))
    curve = predicted_norms(two_layer(X).midpoint, y, step_size, steps) / size
    norms: dict[int, list[np.ndarray]] = {m: [] for m in widths}
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
            norms[m].append(np.sqrt(2 * np.array(run.losses)) / size)
    deviations = {m: [float(np.abs(one - curve).max()) for one in found] for m, found in norms.items()}
    rows = [mean_row("largest deviation / |y|", f"m = {m}", found, "smaller with m") for m, found in deviations.items()]
    sizes = [m for m in widths for _ in seeds]
    values = [d for m in widths for d in deviations[m]]
    at = f"m = {min(widths)}..{max(widths)}"
    rows.append(exponent_row("exponent of the deviation in m", at, sizes, values, "-1/2"))
    shown = range(0, steps + 1, max(1, steps // 50))
    curves = [
        Series(f"m = {m}, one seed", tuple(map(float, shown)), tuple(float(norms[m][0][k]) for k in shown))
        for m in (widths[0], widths[-1])
    ]
    promised = Series("predicted", tuple(map(float, range(steps + 1))), tuple(curve.tolist()), source="promised")
    by_width = measured_series("largest deviation", {m: mean_and_margin(found) for m, found in deviations.items()})
    return Findings(
        tuple(rows),
        (
            Panel("Residual and prediction", "step k", "|y - u(k)| / |y|", (*curves, promised), log="y"),
            rate_panel("Largest deviation", "width m", "deviation / |y|", [by_width], exponent=Fraction(-1, 2)),
        ),
    )
