"""Ding, Chen, Li and Wright: the discrete residual network approaches its limit like M^(-1/2) in width, 1/L in depth.

Theorem 5.1 of arXiv 2110.02926 asks for M > C / eps^2 and L > C / eps. The labels are y = sin(pi x_1) at nine points
(x_1, 0) of R^2, g the second coordinate. Redrawn in every layer, the start is not admitted by the theorem; there the
output deviates from the limit like (L M)^(-1/2), and like M^(-1/2) where the layers are tied (re-derived).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from empirical.dynamics import GradientDescent
from empirical.experiments import run_network
from empirical.losses import Loss
from empirical.networks.ding2021 import ResNet
from empirical.reproductions.rows import Row, exponent_row

_PACE = 0.1
"""Pseudo-time of one step: the descent's step size is this times M L."""


def _data() -> tuple[np.ndarray, np.ndarray]:
    x = np.linspace(-1, 1, 9)
    return np.stack([x, np.zeros(9)], axis=1), np.sin(np.pi * x)


def _loss_at(family: ResNet, time: float, seed: int) -> float:
    """E after a pseudo-time of the accelerated flow, by descent."""
    X, y = _data()
    method = GradientDescent(step_size=_PACE * family.depth * family.branches, steps=round(time / _PACE))
    return run_network(family, X, y, loss=Loss(reduction="mean"), method=method, seed=seed).losses[-1]


def width_rate(
    branches: Sequence[int] = (32, 64, 128, 256, 512),
    *,
    time: float = 1.0,
    depth: int = 8,
    replicas: int = 30,
    reference: int = 8192,
) -> list[Row]:
    """The root mean square of E_M - E over replicas, against a much wider network, at one pseudo-time."""
    limit = _loss_at(_family(depth, reference, "tied"), time, seed=0)
    errors = {
        M: [_loss_at(_family(depth, M, "tied"), time, seed) - limit for seed in range(1, replicas + 1)]
        for M in branches
    }
    rms = {M: float(np.sqrt(np.mean(np.square(found)))) for M, found in errors.items()}
    rows = [
        Row("rms |E_M - E| sqrt(M)", f"L = {depth}, M = {M}, time {time:g}", value * M**0.5, "constant")
        for M, value in rms.items()
    ]
    at = f"L = {depth}, time {time:g}"
    return [*rows, exponent_row("exponent of the error in M", at, list(rms), list(rms.values()), "-1/2")]


def depth_rate(
    depths: Sequence[int] = (8, 16, 32, 64),
    *,
    time: float = 2.0,
    branches: int = 32,
    reference: int = 512,
    seeds: Sequence[int] = (0, 1, 2),
) -> list[Row]:
    """|E_L - E| from the same smooth paths, against a much deeper network, at one pseudo-time; the mean over seeds."""
    errors: dict[int, list[float]] = {L: [] for L in depths}
    for seed in seeds:
        limit = _loss_at(_family(reference, branches, "smooth"), time, seed)
        for L in depths:
            errors[L].append(abs(_loss_at(_family(L, branches, "smooth"), time, seed) - limit))
    mean = {L: float(np.mean(found)) for L, found in errors.items()}
    rows = [
        Row("|E_L - E| L", f"M = {branches}, L = {L}, time {time:g}", value * L, "constant")
        for L, value in mean.items()
    ]
    at = f"M = {branches}, time {time:g}"
    return [*rows, exponent_row("exponent of the error in L", at, list(mean), list(mean.values()), "-1")]


def start_deviation(
    sizes: Sequence[tuple[int, int]] = ((8, 32), (32, 32), (128, 32), (8, 128), (8, 512)), *, replicas: int = 40
) -> list[Row]:
    """The root mean square deviation of the outputs at the start from those of infinite width, for both starts.

    By symmetry of a the limit maps each input to itself.

    Args:
        sizes: (L, M).
        replicas: seeds of each.
    """
    X = torch.from_numpy(_data()[0])
    rows = []
    for paths, power in (("independent", 1), ("tied", 0)):
        for L, M in sizes:
            with torch.no_grad():
                moves = [_family(L, M, paths).draw(2, seed).states(X)[-1] - X for seed in range(replicas)]
            rms = float(torch.stack(moves).square().sum(dim=2).mean().sqrt())
            scale, law = (L * M) ** 0.5 if power else M**0.5, "sqrt(L M)" if power else "sqrt(M)"
            rows.append(Row(f"rms output deviation {law}", f"{paths}, L = {L}, M = {M}", rms * scale, "constant"))
    return rows


def _family(depth: int, branches: int, paths: str) -> ResNet:
    kind: dict[str, Literal["smooth", "tied", "independent"]]
    kind = {"smooth": "smooth", "tied": "tied", "independent": "independent"}
    return ResNet(depth=depth, branches=branches, paths=kind[paths], sharpness=3.0, normalised="separately")
