"""Allen-Zhu, Li and Song (ICML 2019): the quantities of their lemmas in training, and their exponents in the width.

Fully-connected networks, n = d = d_out = 10, descent with eta = 1 / |K_0| to a thousandth of the first loss. What the
lemmas (from memory) allow at worst is an upper bound: a steeper measured exponent agrees with them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import torch

from empirical.dynamics import GradientDescent, trajectory
from empirical.experiments import run_network
from empirical.losses import Loss
from empirical.measurements import View, jacobian_change, semi_smoothness
from empirical.networks.allenzhu2019 import FullyConnected
from empirical.reproductions.rows import Row, exponent_row
from empirical.tangent_kernels import gram_matrix


@dataclass(frozen=True)
class _Run:
    steps: int
    dominance: float
    quantities: dict[str, float]


ALLOWED = {
    "largest ||h| - 1| at the start": "-1/2 (Lemma 7.1)",
    "travel, spectral": "-1/2 (Theorem 1)",
    "share of flips": "-1/3 (Lemma 8.2)",
    "relative Jacobian change": "-1/6 (Theorem 5)",
}


def laws(
    widths: Sequence[int] = (128, 256, 512, 1024),
    *,
    depth: int = 2,
    size: int = 10,
    seeds: Sequence[int] = (0, 1, 2),
    horizon: int = 400,
) -> list[Row]:
    """Steps to a thousandth of F, PL constants, and the exponents of what the lemmas bound.

    Args:
        widths: m.
        depth: L.
        size: n, d and d_out.
        seeds: of the weights.
        horizon: the most steps.
    """
    X, Y = _data(size)
    families = {m: FullyConnected(width=m, depth=depth, outputs=size) for m in widths}
    runs = {m: [_train(family, X, Y, seed, horizon) for seed in seeds] for m, family in families.items()}
    rows = []
    for m, found in runs.items():
        at = f"L = {depth}, m = {m}"
        rows.append(Row("steps to F / 1000, mean", at, float(np.mean([r.steps for r in found])), "no trend in m"))
        least = min(r.dominance for r in found) * size / m
        promised = f"at least c {0.5 * _separation(X) / size**2:.1e} (Theorem 3)"
        rows.append(Row("least |grad F|^2 d / (2 m F)", at, least, promised))
        flips = max(r.quantities["share of flips"] / r.quantities["travel, spectral"] ** (2 / 3) for r in found)
        rows.append(Row("largest share of flips / (L omega^(2/3))", at, flips / depth, "at most c (Lemma 8.2)"))
    for name, allowed in ALLOWED.items():
        sizes = [m for m, found in runs.items() for _ in found]
        values = [r.quantities[name] for found in runs.values() for r in found]
        promised = f"in the limit <= {allowed}"
        rows.append(exponent_row(f"exponent in m of: {name}", f"L = {depth}", sizes, values, promised))
    return rows


def perturbations(
    radii: Sequence[float] = (1e-3, 1e-2, 1e-1), *, width: int = 1024, depth: int = 3, size: int = 10, seed: int = 0
) -> list[Row]:
    """At the start, W' of spectral norm omega against the gradient: semi-smoothness, and the change of the Jacobian.

    Args:
        radii: omega.
        width: m.
        depth: L.
        size: n, d and d_out.
        seed: of the weights.
    """
    X, Y = (torch.from_numpy(a) for a in _data(size))
    start = FullyConnected(width=width, depth=depth, outputs=size).draw(size, seed)
    view = View(start, start, X, Y, Loss())
    value, *gradients = view.value_and_gradient
    largest = max(float(torch.linalg.matrix_norm(g, 2)) for g in gradients)
    remainders = semi_smoothness(view, tuple(radii))["remainder"]
    assert isinstance(remainders, list)
    rows = []
    for omega, remainder in zip(radii, remainders, strict=True):
        moved = copy.deepcopy(start)
        with torch.no_grad():
            for layer, g in zip(moved.hidden, gradients, strict=True):
                layer.get_parameter("weight").sub_(g, alpha=omega / largest)
        quadratic = size * depth**2 * width / size * omega**2
        cross = omega ** (4 / 3) * depth**2 * math.sqrt(float(value) * width * math.log(width))
        change = jacobian_change(View(moved, start, X, Y, Loss(), initial=view))["relative"]
        assert isinstance(change, float)
        at = f"L = {depth}, m = {width}, omega = {omega:g}"
        rows.append(Row("semi-smoothness, remainder / (n L^2 m omega^2 / d)", at, remainder / quadratic, "at most c"))
        bound = "at most 1 if c = 1 (Theorem 4)"
        rows.append(Row("semi-smoothness, remainder / bound", at, remainder / (cross + quadratic), bound))
        promised = f"at most c {math.sqrt(math.log(width)) * depth**3:.0f} (Theorem 5)"
        rows.append(Row("relative Jacobian change / omega^(1/3)", at, change / omega ** (1 / 3), promised))
    return rows


def _data(size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((size, size - 1))
    X /= np.linalg.norm(X, axis=1, keepdims=True) * np.sqrt(2)
    return np.concatenate([X, np.full((size, 1), np.sqrt(0.5))], axis=1), rng.standard_normal((size, size))


def _separation(X: np.ndarray) -> float:
    """delta, the least distance of two inputs."""
    distances = np.linalg.norm(X[:, None] - X[None], axis=2)
    return float(distances[~np.eye(len(X), dtype=bool)].min())


def _train(family: FullyConnected, X: np.ndarray, Y: np.ndarray, seed: int, horizon: int) -> _Run:
    largest = float(np.linalg.norm(gram_matrix(family.draw(X.shape[1], seed), X), 2))
    loss = Loss()
    method = GradientDescent(step_size=1 / largest, steps=horizon)
    losses: list[float] = []
    for state in trajectory(family.draw(X.shape[1], seed), torch.from_numpy(X), torch.from_numpy(Y), loss, method):
        losses.append(state.loss)
        if state.loss <= 1e-3 * losses[0]:
            break
    steps = len(losses) - 1
    run = run_network(
        family,
        X,
        Y,
        loss=loss,
        method=msgspec.structs.replace(method, steps=steps),
        seed=seed,
        observe={
            "forward norms": [0],
            "gradient dominance": range(0, steps + 1, 5),
            "travel": [steps],
            "flips": [steps],
            "jacobian change": [steps],
        },
    )
    norms = [run.series("forward norms", which)[0.0] for which in ("least", "largest")]
    return _Run(
        steps=steps,
        dominance=min(float(np.min(v)) for v in run.series("gradient dominance", "all").values()),
        quantities={
            "largest ||h| - 1| at the start": float(np.abs(np.array(norms) - 1).max()),
            "travel, spectral": float(np.max(run.series("travel", "spectral")[steps])),
            "share of flips": float(np.max(run.series("flips", "share")[steps])),
            "relative Jacobian change": float(np.max(run.series("jacobian change", "relative")[steps])),
        },
    )
