"""How far the tangent kernel moves in training, by width: Liu, Zhu and Belkin (NeurIPS 2020), and paired neurons.

The general bound is |K_t - K_0| = O(m^(-1/2)) on the ball that training needs. Trained networks do better where s is
smooth: neuron r moves by m^(-1/2) a_r times a function of w_r, so that to first order dK is m^(-3/2) times a sum of m
independent terms with the random signs a_r, which is of order m^(-1); with paired signs it is 0, and the second order
m^(-1) is left (re-derived). So both starts give about -1, and the start shows in the constant only. The ReLU is not
smooth: there the kernel changes with the share of flips, which moves of order m^(-1/2) make one of that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np

from empirical.datasets import on_the_sphere
from empirical.dynamics import GradientDescent
from empirical.experiments import run_network
from empirical.losses import Loss
from empirical.networks.shallow import TwoLayer
from empirical.reproductions.rows import (
    Findings,
    Row,
    Series,
    exponent_row,
    mean_and_margin,
    mean_row,
    measured_series,
    rate_panel,
)
from empirical.tangent_kernels import gram_matrix
from empirical.training import schedule

Start = Literal["independent", "antisymmetric"]
PROMISED = {
    ("tanh", "independent"): "<= -1/2, about -1",
    ("tanh", "antisymmetric"): "<= -1/2, about -1",
    ("relu", "independent"): "no statement; flips suggest -1/2",
    ("relu", "antisymmetric"): "no statement; flips suggest -1/2",
}


def drift_exponents(
    widths: Sequence[int] = (64, 256, 1024, 4096),
    *,
    points: int = 10,
    dimension: int = 20,
    steps: int = 200,
    seeds: Sequence[int] = (0, 1, 2, 3),
) -> Findings:
    """The exponent in m of the largest relative drift along gradient descent with eta = 1 / |K_0|.

    Args:
        widths: m.
        points: n random inputs of the sphere in R^d, labels N(0, 1).
        dimension: d.
        steps: the horizon; the drift is looked at on a logarithmic schedule.
        seeds: of the weights.
    """
    rng = np.random.default_rng(0)
    X = on_the_sphere(rng, points, dimension)
    y = rng.standard_normal(points)
    rows: list[Row] = []
    curves: dict[str, list[Series]] = {}
    for (activation, start), promised in PROMISED.items():
        at = f"{activation}, {start} start"
        drifts = {m: [_drift(activation, start, m, X, y, steps, seed) for seed in seeds] for m in widths}
        rows.append(mean_row("largest relative drift", f"{at}, m = {widths[-1]}", drifts[widths[-1]], "small"))
        sizes = [m for m in widths for _ in seeds]
        values = [d for found in drifts.values() for d in found]
        rows.append(exponent_row("exponent of the kernel drift in m", at, sizes, values, promised))
        by_width = measured_series(f"{start} start", {m: mean_and_margin(found) for m, found in drifts.items()})
        curves.setdefault(activation, []).append(by_width)
    panels = [
        rate_panel(
            f"Activation {activation}",
            "width m",
            "largest relative drift",
            found,
            exponent=Fraction(-1, 2),
        )
        for activation, found in curves.items()
    ]
    return Findings(tuple(rows), tuple(panels))


def _drift(activation: str, start: str, m: int, X: np.ndarray, y: np.ndarray, steps: int, seed: int) -> float:
    """The largest |K_t - K_0| / |K_0| of one run."""
    family = TwoLayer(width=m, activation=activation, start=_start(start))
    scale = float(np.linalg.norm(gram_matrix(family.draw(X.shape[1], seed), X), 2))
    run = run_network(
        family,
        X,
        y,
        loss=Loss(),
        method=GradientDescent(step_size=1 / scale, steps=steps),
        seed=seed,
        observe={"tangent kernel": schedule(steps)},
    )
    return max(float(np.max(d)) for d in run.series("tangent kernel", "drift_from_start").values()) / scale


def _start(name: str) -> Start:
    return "independent" if name == "independent" else "antisymmetric"
