"""Ding, Chen, Li and Wright: the discrete residual network approaches its limit like M^(-1/2) in width, 1/L in depth.

Theorem 5.1 of arXiv 2110.02926 asks for M > C / eps^2 and L > C / eps. The labels are y = sin(pi x_1) at nine points
(x_1, 0) of R^2, g the second coordinate. Redrawn in every layer, the start is not admitted by the theorem; there the
output deviates from the limit like (L M)^(-1/2), and like M^(-1/2) where the layers are tied (re-derived).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np
import torch

from empirical.dynamics import GradientDescent
from empirical.experiments import run_network
from empirical.losses import Loss
from empirical.networks.ding2021 import ResNet
from empirical.reproductions.rows import (
    Findings,
    Row,
    Series,
    exponent_row,
    mean_and_margin,
    measured_series,
    rate_panel,
    rms_and_margin,
)

PACE = 0.1
"""Pseudo-time of one step: the descent's step size is this times M L."""


def data() -> tuple[np.ndarray, np.ndarray]:
    """Nine points (x, 0) of R^2 and sin(pi x)."""
    x = np.linspace(-1, 1, 9)
    return np.stack([x, np.zeros(9)], axis=1), np.sin(np.pi * x)


def _loss_at(network: ResNet, time: float, seed: int) -> float:
    """E after a pseudo-time of the accelerated flow, by descent."""
    X, y = data()
    method = GradientDescent(step_size=PACE * network.depth * network.branches, steps=round(time / PACE))
    return run_network(network, X, y, loss=Loss(reduction="mean"), method=method, seed=seed).losses[-1]


def width_rate(
    branches: Sequence[int] = (32, 64, 128, 256, 512),
    *,
    time: float = 1.0,
    depth: int = 8,
    replicas: int = 30,
    reference: int = 8192,
) -> Findings:
    """The root mean square of E_M - E over replicas, against a much wider network, at one pseudo-time."""
    limit = _loss_at(family(depth, reference, "tied"), time, seed=0)
    rms = {
        M: rms_and_margin([_loss_at(family(depth, M, "tied"), time, seed) - limit for seed in range(1, replicas + 1)])
        for M in branches
    }
    rows = [
        Row("rms |E_M - E| sqrt(M)", f"L = {depth}, M = {M}, time {time:g}", *_scaled(found, M**0.5))
        for M, found in rms.items()
    ]
    at = f"L = {depth}, time {time:g}"
    rows.append(exponent_row("exponent of the error in M", at, list(rms), [mean for mean, _ in rms.values()], "-1/2"))
    curve = measured_series(f"L = {depth}, time {time:g}", rms)
    panel = rate_panel("Error of the loss by width", "branches M", "rms error", [curve], exponent=Fraction(-1, 2))
    return Findings(tuple(rows), (panel,))


def depth_rate(
    depths: Sequence[int] = (8, 16, 32, 64),
    *,
    time: float = 2.0,
    branches: int = 32,
    reference: int = 512,
    seeds: Sequence[int] = (0, 1, 2),
) -> Findings:
    """|E_L - E| from the same smooth paths, against a much deeper network, at one pseudo-time; the mean over seeds."""
    errors: dict[int, list[float]] = {L: [] for L in depths}
    for seed in seeds:
        limit = _loss_at(family(reference, branches, "smooth"), time, seed)
        for L in depths:
            errors[L].append(abs(_loss_at(family(L, branches, "smooth"), time, seed) - limit))
    mean = {L: mean_and_margin(found) for L, found in errors.items()}
    rows = [
        Row("|E_L - E| L", f"M = {branches}, L = {L}, time {time:g}", *_scaled(found, L)) for L, found in mean.items()
    ]
    at = f"M = {branches}, time {time:g}"
    rows.append(exponent_row("exponent of the error in L", at, list(mean), [value for value, _ in mean.values()], "-1"))
    curve = measured_series(f"M = {branches}, time {time:g}", mean)
    panel = rate_panel("Error of the loss by depth", "layers L", "mean error", [curve], exponent=Fraction(-1))
    return Findings(tuple(rows), (panel,))


def start_deviation(
    sizes: Sequence[tuple[int, int]] = ((8, 32), (32, 32), (128, 32), (8, 64), (8, 256)), *, replicas: int = 40
) -> Findings:
    """The root mean square deviation of the outputs at the start from those of infinite width, for both starts.

    By symmetry of a the limit maps each input to itself.

    Args:
        sizes: (L, M).
        replicas: seeds of each.
    """
    X = torch.from_numpy(data()[0])
    rows = []
    series = []
    for paths, label in (("independent", "of L M, layers redrawn"), ("tied", "of M, layers tied")):
        found = {}
        for L, M in sizes:
            with torch.no_grad():
                moves = [family(L, M, paths).draw(2, seed).states(X)[-1] - X for seed in range(replicas)]
            norms = torch.stack(moves).square().sum(dim=2).mean(dim=1).sqrt().tolist()
            count = L * M if paths == "independent" else M
            found[(L, M)] = count, rms_and_margin(norms)
            law = "sqrt(L M)" if paths == "independent" else "sqrt(M)"
            at = f"{paths}, L = {L}, M = {M}"
            rows.append(Row(f"rms output deviation {law}", at, *_scaled(found[(L, M)][1], count**0.5)))
        points = sorted(found.values())
        series.append(
            Series(
                label,
                tuple(float(count) for count, _ in points),
                tuple(value for _, (value, _) in points),
                tuple(margin or 0.0 for _, (_, margin) in points),
            )
        )
    panel = rate_panel(
        "Deviation of the outputs at the start", "number of draws", "rms deviation", series, exponent=Fraction(-1, 2)
    )
    return Findings(tuple(rows), (panel,))


def _scaled(found: tuple[float, float | None], scale: float) -> tuple[float, str, float | None]:
    """The cells of a row about a number times the scale of its law."""
    value, margin = found
    return value * scale, "constant", None if margin is None else margin * scale


def family(depth: int, branches: int, paths: str) -> ResNet:
    """The network of this experiment, normalised separately and with C = 3."""
    kind: dict[str, Literal["smooth", "tied", "independent"]]
    kind = {"smooth": "smooth", "tied": "tied", "independent": "independent"}
    return ResNet(depth=depth, branches=branches, paths=kind[paths], sharpness=3.0, normalised="separately")
