"""Allen-Zhu, Li and Song (ICML 2019), Theorem 2: stochastic descent with batches of b inputs, drawn afresh each step.

A step is -eta (n/b) times the sum of the batch's gradients. The steps it takes are promised to be of order 1/b, and eta
of order b; here eta = b / (n |K_0|), for which one input's step never overshoots by itself. Increments of log F are
O(eta L n^(3/2) m / (d sqrt(b))) (re-derived: see the theorem's entry in the catalogue); the printed proof bounds them
from above only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from empirical.batches import single_threaded
from empirical.dynamics import StochasticDescent, trajectory
from empirical.losses import Loss
from empirical.networks.allenzhu2019 import FullyConnected
from empirical.reproductions.allenzhu2019_laws import data
from empirical.reproductions.rows import Findings, Panel, Row, Series, mean_and_margin, mean_row, measured_series
from empirical.tangent_kernels import gram_matrix


def stochastic_descent(
    batches: Sequence[int] = (1, 2, 5, 10),
    *,
    width: int = 512,
    depth: int = 2,
    size: int = 10,
    seeds: Sequence[int] = (0, 1, 2),
    horizon: int = 3000,
) -> Findings:
    """Steps to a thousandth of F times b, and the largest changes of log F in one step.

    Args:
        batches: b.
        width: m.
        depth: L.
        size: n, d and d_out.
        seeds: of weights and batches.
        horizon: the most steps.
    """
    family = FullyConnected(width=width, depth=depth, outputs=size)
    rows: list[Row] = []
    curves = []
    scaled: dict[int, tuple[float, float | None]] = {}
    for b in batches:
        runs = [_logarithms(family, size, b, seed, horizon) for seed in seeds]
        at = f"L = {depth}, m = {width}, b = {b}"
        arrived = [logs for _, logs in runs if logs[-1] <= logs[0] - math.log(1000)]
        if len(arrived) == len(runs):
            steps = [float(len(logs) - 1) * b for logs in arrived]
            rows.append(mean_row("b times the steps to F / 1000", at, steps, "no trend in b (Theorem 2)"))
            scaled[b] = mean_and_margin(steps)
        else:  # a mean over those that arrived would be too small
            late = len(runs) - len(arrived)
            rows.append(Row("runs that needed more steps than given", at, float(late), f"{horizon} were given"))
        changes = np.concatenate([np.diff(logs) for _, logs in runs])
        eta = max(eta for eta, _ in runs)
        allowed = f"at most c {eta * depth * size**1.5 * width / (size * math.sqrt(b)):.2g} (re-derived)"
        rows.append(Row("largest increase of log F in a step", at, max(0.0, float(changes.max())), allowed))
        rows.append(Row("largest decrease of log F in a step", at, float(-changes.min()), allowed))
        logs = runs[0][1]
        shown = range(0, len(logs), max(1, len(logs) // 60))
        times = tuple(k * b / size for k in shown)
        curves.append(Series(f"b = {b}", times, tuple(math.exp(logs[k] - logs[0]) for k in shown)))
    loss_panel = Panel("Loss by passes over the data", "steps b / n", "F / F_0", tuple(curves), log="y")
    panels = [loss_panel]
    if scaled:
        by_batch = measured_series("mean over seeds", scaled)
        panels.append(Panel("b times the steps to F / 1000", "batch b", "b times steps", (by_batch,), log="x"))
    return Findings(tuple(rows), tuple(panels))


def _logarithms(family: FullyConnected, size: int, b: int, seed: int, horizon: int) -> tuple[float, np.ndarray]:
    """The step size, and log F at every step until a thousandth of the first F is reached."""
    X, Y = data(size)
    network = family.draw(size, seed)
    eta = b / (size * float(np.linalg.norm(gram_matrix(network, X), 2)))
    method = StochasticDescent(step_size=eta, steps=horizon, batch=b)
    losses: list[float] = []
    with single_threaded():
        for state in trajectory(network, torch.from_numpy(X), torch.from_numpy(Y), Loss(), method, seed=seed):
            losses.append(state.loss)
            if state.loss <= 1e-3 * losses[0]:
                break
    return eta, np.log(losses)
