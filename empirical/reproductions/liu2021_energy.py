"""Orthogonal over-parameterised training (Liu et al., CVPR 2021): laws of the hyperspherical energy it keeps.

For neurons uniform on S^(d-1) and 0 < s < d-1: E[E_s] = n (n-1) I_s and, for 2s < d-1,
Var E_s = 2 n (n-1)(I_2s - I_s^2) (pairs are uncorrelated; re-derived). The least energy is
I_s n^2 - Theta(n^(1+s/(d-1))) (Wagner; Kuijlaars and Saff 1998), so random neurons exceed it by a share of order
n^(-1+s/(d-1)): near the minimum only in the limit, although rotations keep the energy exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import minimize

from empirical.dynamics import GradientDescent, OrthogonalDescent, trajectory
from empirical.losses import Loss
from empirical.networks.layers import Draws
from empirical.networks.liu2021_opt import (
    ORTHOGONALISERS,
    OrthogonalLayer,
    OrthogonalModule,
    OrthogonalNetwork,
    energy,
    mean_energy,
    orthogonal_step,
)
from empirical.networks.shallow import TwoLayer
from empirical.reproductions.rows import Row, exponent_row


def moments(
    cases: Sequence[tuple[int, float]] = ((8, 1.0), (8, 2.0), (16, 2.0)), *, n: int = 64, draws: int = 1000
) -> list[Row]:
    """Mean and variance of E_s over draws, against their formulas.

    Args:
        cases: (d, s) with 2 s < d - 1.
        n: neurons.
        draws: seeds.
    """
    rows = []
    for d, s in cases:
        found = np.array([energy(Draws(seed).normal(n, d), s) for seed in range(draws)])
        mean, pair = mean_energy(n, d, s), mean_energy(2, d, s) / 2
        variance = 2 * n * (n - 1) * (mean_energy(2, d, 2 * s) / 2 - pair**2)
        margin = 1.96 * math.sqrt(variance / draws)
        at = f"d = {d}, s = {s:g}, n = {n}"
        rows.append(Row("mean of E_s", at, float(found.mean()), f"{mean:.6g}", margin))
        rows.append(Row("variance of E_s / promised", at, float(found.var(ddof=1)) / variance, "1"))
    return rows


def gap_exponent(
    d: int = 3, s: float = 1.0, *, sizes: Sequence[int] = (16, 32, 64, 128), restarts: int = 5
) -> list[Row]:
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
    return [*rows, exponent_row("exponent of the gap in n", at, sizes, gaps, f"{-1 + s / (d - 1):.3g}")]


def _minimise(n: int, d: int, s: float, seed: int) -> float:
    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        neurons = torch.from_numpy(flat.reshape(n, d)).requires_grad_()
        value = 2 * torch.nn.functional.pdist(neurons / neurons.norm(dim=1, keepdim=True)).pow(-s).sum()
        (gradient,) = torch.autograd.grad(value, neurons)
        return float(value.detach()), gradient.numpy().ravel()

    start = Draws(seed).normal(n, d).numpy().ravel()
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    return float(found.fun)


def orthogonality(sizes: Sequence[int] = (32, 128)) -> list[Row]:
    """|R^T R - I| of each exact orthogonaliser in float32 from a Gaussian raw matrix."""
    rows = []
    for name in ("gram-schmidt", "householder", "lowdin", "cayley"):
        for d in sizes:
            R = ORTHOGONALISERS[name](Draws(0).normal(d, d).float()).double()
            rows.append(Row("|R^T R - I|, float32", f"{name}, d = {d}", _defect(R), "0"))
    return rows


def descent_drift(steps: Sequence[int] = (100, 500, 2000), *, d: int = 64, rate: float = 0.02) -> list[Row]:
    """|R^T R - I| after so many steps of descent on random gradients, which its sweeps do not keep at 0."""
    R, momentum, draws = torch.eye(d, dtype=torch.float64), torch.zeros(d, d, dtype=torch.float64), Draws(0)
    rows = []
    for step in range(1, max(steps) + 1):
        R, momentum = orthogonal_step(R, draws.normal(d, d), momentum, rate)
        if step in steps:
            rows.append(Row("|R^T R - I|", f"descent, d = {d}, step {step}", _defect(R), "0"))
    return rows


def energy_in_training(steps: int = 200, *, width: int = 32, d: int = 10, s: float = 1.0, seed: int = 0) -> list[Row]:
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
    loss, rows = Loss(reduction="mean"), []
    free = TwoLayer(width=width, form="standard", trained="both").draw(d, seed)
    before = energy(free.hidden.weight, s)
    first, *_, last = trajectory(free, X, y, loss, GradientDescent(step_size=0.5, steps=steps))
    change = abs(energy(free.hidden.weight, s) / before - 1)
    rows.append(Row(f"change of E_{s:g}", f"free, F from {first.loss:.2g} to {last.loss:.2g}", change, "no statement"))
    for way in ORTHOGONALISERS:
        network = OrthogonalNetwork(widths=(width,), orthogonaliser=way).draw(d, seed)
        before = energy(_neurons(network), s)
        method = OrthogonalDescent(step_size=0.5, steps=steps)
        first, *_, last = trajectory(network, X, y, loss, method)
        change = abs(energy(_neurons(network), s) / before - 1)
        defect = _defect(_layer(network).rotation.detach())
        promised = "0" if way not in ("descent", "regularised") else "no bound, |R^T R - I| >= 1"
        if way in ("descent", "regularised") and defect < 1:
            promised = f"at most {((1 + defect) / (1 - defect)) ** (s / 2) - 1:.2g}"
        at = f"{way}, F from {first.loss:.2g} to {last.loss:.2g}"
        rows.append(Row(f"change of E_{s:g}", at, change, promised))
    return rows


def _layer(network: OrthogonalModule) -> OrthogonalLayer:
    layer = network.hidden[0]
    assert isinstance(layer, OrthogonalLayer)
    return layer


def _neurons(network: OrthogonalModule) -> torch.Tensor:
    layer = _layer(network)
    return (layer.rotation @ layer.V).detach().T


def _defect(R: torch.Tensor) -> float:
    return float(torch.linalg.matrix_norm(R.T @ R - torch.eye(len(R), dtype=R.dtype), 2))
