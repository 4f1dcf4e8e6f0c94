"""How far the tangent kernel moves in training, by width: Liu, Zhu and Belkin (NeurIPS 2020), and paired neurons.

The general bound is |K_t - K_0| = O(m^(-1/2)) on the ball that training needs. Trained networks do better where s is
smooth: neuron r moves by m^(-1/2) a_r times a function of w_r, so that to first order dK is m^(-3/2) times a sum of m
independent terms with the random signs a_r, which is of order m^(-1); with paired signs it is 0, and the second order
m^(-1) is left (re-derived). So both starts give about -1, and the start shows in the constant only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from empirical.dynamics import GradientDescent
from empirical.experiments import run_network
from empirical.losses import Loss
from empirical.networks.shallow import TwoLayer
from empirical.reproductions.rows import Row, exponent_row
from empirical.tangent_kernels import gram_matrix
from empirical.training import schedule

Start = Literal["independent", "antisymmetric"]
PROMISED = {
    ("tanh", "independent"): "<= -1/2, about -1",
    ("tanh", "antisymmetric"): "<= -1/2, about -1",
    ("relu", "independent"): "<= -1/2",
    ("relu", "antisymmetric"): "<= -1/2",
}


def drift_exponents(
    widths: Sequence[int] = (64, 256, 1024, 4096),
    *,
    points: int = 10,
    dimension: int = 20,
    steps: int = 200,
    seeds: Sequence[int] = (0, 1, 2, 3),
) -> list[Row]:
    """The exponent in m of the largest relative drift along gradient descent with eta = 1 / |K_0|.

    Args:
        widths: m.
        points: n random inputs of the sphere in R^d, labels N(0, 1).
        dimension: d.
        steps: the horizon; the drift is looked at on a logarithmic schedule.
        seeds: of the weights.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((points, dimension))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = rng.standard_normal(points)
    rows = []
    for (activation, start), promised in PROMISED.items():
        sizes, drifts = [], []
        for m in widths:
            for seed in seeds:
                family = TwoLayer(width=m, activation=activation, start=_start(start))
                scale = float(np.linalg.norm(gram_matrix(family.draw(dimension, seed), X), 2))
                run = run_network(
                    family,
                    X,
                    y,
                    loss=Loss(),
                    method=GradientDescent(step_size=1 / scale, steps=steps),
                    seed=seed,
                    observe={"tangent kernel": schedule(steps)},
                )
                found = run.series("tangent kernel", "drift_from_start").values()
                sizes.append(m)
                drifts.append(max(float(np.max(d)) for d in found) / scale)
        at_widest = float(np.mean(drifts[-len(seeds) :]))
        rows.append(Row("largest relative drift", f"{activation}, {start} start, m = {widths[-1]}", at_widest, "small"))
        at = f"{activation}, {start} start"
        rows.append(exponent_row("exponent of the kernel drift in m", at, sizes, drifts, promised))
    return rows


def _start(name: str) -> Start:
    return "independent" if name == "independent" else "antisymmetric"
