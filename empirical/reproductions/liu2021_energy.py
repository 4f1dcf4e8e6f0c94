"""Orthogonal over-parameterised training (Liu et al., CVPR 2021): laws of the hyperspherical energy it keeps.

For neurons uniform on S^(d-1) and 0 < s < d-1: E[E_s] = n (n-1) I_s and, for 2s < d-1,
Var E_s = 2 n (n-1)(I_2s - I_s^2) (pairs are uncorrelated; re-derived). The least energy is
I_s n^2 - Theta(n^(1+s/(d-1))) (Wagner; Kuijlaars and Saff 1998), so random neurons exceed it by a share of order
n^(-1+s/(d-1)): near the minimum only in the limit, although rotations keep the energy exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np
import torch
from scipy.optimize import minimize
from torch import nn

from empirical.dynamics import GradientDescent, Method, OrthogonalDescent, trajectory
from empirical.losses import Loss
from empirical.networks.layers import Draws
from empirical.networks.liu2021_opt import (
    ORTHOGONALISERS,
    Orthogonaliser,
    OrthogonalLayer,
    OrthogonalModule,
    OrthogonalNetwork,
    energy,
    mean_energy,
    orthogonal_step,
)
from empirical.networks.shallow import TwoLayer
from empirical.reproductions.rows import Findings, Panel, Row, Series, exponent_row, rate_panel


def moments(
    cases: Sequence[tuple[int, float]] = ((8, 1.0), (8, 2.0), (16, 2.0)),
    *,
    sizes: Sequence[int] = (16, 64, 256),
    draws: int = 2000,
) -> Findings:
    """Mean and variance of E_s over draws, against their formulas.

    Args:
        cases: (d, s) with 2 s < d - 1.
        sizes: numbers n of neurons.
        draws: seeds.
    """
    rows, means, variances = [], [], []
    for d, s in cases:
        ratios = []
        for n in sizes:
            found = np.array([energy(Draws(seed).normal(n, d), s) for seed in range(draws)])
            mean, pair = mean_energy(n, d, s), mean_energy(2, d, s) / 2
            variance = 2 * n * (n - 1) * (mean_energy(2, d, 2 * s) / 2 - pair**2)
            margin = 1.96 * math.sqrt(variance / draws)
            at = f"d = {d}, s = {s:g}, n = {n}"
            rows.append(Row("mean of E_s", at, float(found.mean()), f"{mean:.6g}", margin))
            squares = np.square(found - found.mean()) * draws / (draws - 1)
            spread = 1.96 * float(squares.std()) / math.sqrt(draws) / variance
            rows.append(Row("variance of E_s / promised", at, float(squares.mean()) / variance, "1", spread))
            ratios.append((float(found.mean()) / mean, margin / mean, float(squares.mean()) / variance, spread))
        of_mean, its_margin, of_variance, its_spread = (tuple(column) for column in zip(*ratios, strict=True))
        at_sizes = tuple(map(float, sizes))
        means.append(Series(f"d = {d}, s = {s:g}", at_sizes, of_mean, its_margin))
        variances.append(Series(f"d = {d}, s = {s:g}", at_sizes, of_variance, its_spread))
    one = Series("promised", at_sizes, (1.0,) * len(sizes), source="promised")
    return Findings(
        tuple(rows),
        (
            Panel("Mean of E_s over its formula", "neurons n", "ratio", (*means, one), log="x"),
            Panel("Variance of E_s over its formula", "neurons n", "ratio", (*variances, one), log="x"),
        ),
    )


def gap_exponent(
    d: int = 3, s: float = 1.0, *, sizes: Sequence[int] = (16, 32, 64, 128), restarts: int = 5
) -> Findings:
    """How far the mean energy is above the least one that an optimiser finds, and the exponent of that in n.

    Args:
        d: dimension.
        s: power, 0 < s < d - 1.
        sizes: n.
        restarts: of the optimiser; what it finds is an upper bound of the minimum.
    """
    gaps = []
    for n in sizes:
        least = min(_minimise(n, d, s, seed) for seed in range(restarts))
        gaps.append(mean_energy(n, d, s) / least - 1)
    at = f"d = {d}, s = {s:g}"
    rows = [
        Row("(mean - least) / least energy", f"{at}, n = {n}", gap, "-> 0") for n, gap in zip(sizes, gaps, strict=True)
    ]
    power = Fraction(s) / (d - 1) - 1
    curve = Series(at, tuple(map(float, sizes)), tuple(gaps))
    title = "Random neurons above the least energy"
    return Findings(
        (*rows, exponent_row("exponent of the gap in n", at, sizes, gaps, f"{float(power):.3g}")),
        (rate_panel(title, "neurons n", "(mean - least) / least", [curve], exponent=power),),
    )


def _minimise(n: int, d: int, s: float, seed: int) -> float:
    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        neurons = torch.from_numpy(flat.reshape(n, d)).requires_grad_()
        value = 2 * torch.nn.functional.pdist(neurons / neurons.norm(dim=1, keepdim=True)).pow(-s).sum()
        (gradient,) = torch.autograd.grad(value, neurons)
        return float(value.detach()), gradient.numpy().ravel()

    start = Draws(seed).normal(n, d).numpy().ravel()
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    return float(found.fun)


def orthogonality(sizes: Sequence[int] = (32, 64, 128)) -> Findings:
    """|R^T R - I| of each exact orthogonaliser in float32 from a Gaussian raw matrix."""
    rows, series = [], []
    for name in ("gram-schmidt", "householder", "lowdin", "cayley"):
        defects = [_defect(ORTHOGONALISERS[name](Draws(0).normal(d, d).float()).double()) for d in sizes]
        for d, defect in zip(sizes, defects, strict=True):
            rows.append(Row("|R^T R - I|, float32", f"{name}, d = {d}", defect, "0"))
        series.append(Series(name, tuple(map(float, sizes)), tuple(defects)))
    panel = Panel("Defect of one orthogonalisation, float32", "dimension d", "|R^T R - I|", tuple(series), log="xy")
    return Findings(tuple(rows), (panel,))


def descent_drift(steps: Sequence[int] = (100, 200, 500, 1000, 2000), *, d: int = 64, rate: float = 0.02) -> Findings:
    """|R^T R - I| after so many steps of descent on random gradients, which its sweeps do not keep at 0."""
    R, momentum, draws = torch.eye(d, dtype=torch.float64), torch.zeros(d, d, dtype=torch.float64), Draws(0)
    defects = {}
    for step in range(1, max(steps) + 1):
        R, momentum = orthogonal_step(R, draws.normal(d, d), momentum, rate)
        if step in steps:
            defects[step] = _defect(R)
    rows = [Row("|R^T R - I|", f"descent, d = {d}, step {step}", defect, "0") for step, defect in defects.items()]
    curve = Series(f"descent, d = {d}", tuple(map(float, defects)), tuple(defects.values()))
    panel = Panel("Drift of descent on the group", "steps", "|R^T R - I|", (curve,), log="xy")
    return Findings(tuple(rows), (panel,))


def energy_in_training(steps: int = 200, *, width: int = 32, d: int = 10, s: float = 1.0, seed: int = 0) -> Findings:
    """The relative change of E_s in training, in each of the six ways and with neurons trained freely.

    A rotation keeps E_s. With |R^T R - I| = e it changes by a factor of at most ((1 + e) / (1 - e))^(s/2) (re-derived).

    Args:
        steps: of descent.
        width: neurons of the one hidden layer.
        d: their dimension, and that of the inputs.
        s: power.
        seed: of the weights.
    """
    rng = np.random.default_rng(0)
    X, y = torch.from_numpy(rng.standard_normal((30, d))), torch.from_numpy(rng.standard_normal(30))
    X /= X.norm(dim=1, keepdim=True)
    rows, series = [], []
    ways: tuple[Literal["free"] | Orthogonaliser, ...] = ("free", *ORTHOGONALISERS)
    for way in ways:
        network: nn.Module
        if way == "free":
            network = TwoLayer(width=width, form="standard", trained="both").draw(d, seed)
            method: Method = GradientDescent(step_size=0.5, steps=steps)
        else:
            network = OrthogonalNetwork(widths=(width,), orthogonaliser=way).draw(d, seed)
            method = OrthogonalDescent(step_size=0.5, steps=steps)
        before, losses, changes = energy(_neurons(network), s), [], {}
        for state in trajectory(network, X, y, Loss(reduction="mean"), method):
            losses.append(state.loss)
            if state.at % max(1, steps // 20) == 0:
                changes[state.at] = abs(energy(_neurons(network), s) / before - 1)
        at = f"{way}, F from {losses[0]:.2g} to {losses[-1]:.2g}"
        rows.append(Row(f"change of E_{s:g}", at, changes[float(steps)], _promised(network, way, s)))
        seen = {at: change for at, change in changes.items() if change > 1e-15}
        if seen:  # a logarithmic axis has no zero
            series.append(Series(way, tuple(seen), tuple(seen.values())))
    title = f"Change of E_{s:g} in training"
    return Findings(tuple(rows), (Panel(title, "step", "relative change", tuple(series), log="y"),))


def _promised(network: nn.Module, way: str, s: float) -> str:
    if not isinstance(network, OrthogonalModule):
        return "no statement"
    if way not in ("descent", "regularised"):
        return "0"
    defect = _defect(_layer(network).rotation.detach())
    return f"at most {((1 + defect) / (1 - defect)) ** (s / 2) - 1:.2g}" if defect < 1 else "no bound, |R^T R - I| >= 1"


def _layer(network: OrthogonalModule) -> OrthogonalLayer:
    layer = network.hidden[0]
    assert isinstance(layer, OrthogonalLayer)
    return layer


def _neurons(network: nn.Module) -> torch.Tensor:
    if isinstance(network, OrthogonalModule):
        layer = _layer(network)
        return (layer.rotation @ layer.V).detach().T
    return network.get_parameter("hidden.weight").detach()


def _defect(R: torch.Tensor) -> float:
    return float(torch.linalg.matrix_norm(R.T @ R - torch.eye(len(R), dtype=R.dtype), 2))
