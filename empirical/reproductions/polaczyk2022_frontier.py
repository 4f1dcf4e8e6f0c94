"""Polaczyk and Cyranka (TMLR 2022): the least width at which ordinary training interpolates, against n and d.

The setting of their programs (read): n inputs uniform in the cube [-1, 1]^d, then normalised; labels +-1; f(x) = sum_r
v_r relu(w_r . x) with w_r ~ N(0, I) trained and v_r = +-m^(-1/2) fixed, half of them negative; the mean of (f - y)^2 by
full descent with eta = 0.15 and momentum 0.9 for 50,000 steps; success is a mean below 2.5e-3 sqrt(n) at the end.
Theirs is a grid of d and m in 2, 4, ..., 60 at n = 200; here the least even width at which most draws succeed is
sought by bisection, as if success were monotone, for some d and some n.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from bounds.gram import two_layer
from empirical.batches import single_threaded
from empirical.networks.layers import Draws
from empirical.reproductions.rows import Findings, Panel, Row, Series, exponent_row

STEP, MOMENTUM = 0.15, 0.9
SUCCESS = 2.5e-3
"""Of the mean squared error over sqrt(n)."""

_PATIENCE = 100
"""Steps between two looks at whether all draws have succeeded."""


def by_dimension(
    dimensions: Sequence[int] = (8, 12, 16, 24, 32),
    *,
    points: int = 200,
    steps: int = 50_000,
    seeds: Sequence[int] = (0, 1, 2),
) -> Findings:
    """The frontier at one number of inputs, by their dimension, and its exponent.

    Args:
        dimensions: d.
        points: n.
        steps: of descent.
        seeds: of data and weights; the frontier is where most of them succeed.
    """
    widths = {d: least_width(points, d, steps=steps, seeds=seeds) for d in dimensions}
    rows = [_row(m, points, d, seeds[0]) for d, m in widths.items()]
    share = [d * m / points for d, m in widths.items()]
    rows.append(exponent_row("exponent of d m / n in d", f"n = {points}", list(widths), share, "0 if d m ~ n"))
    at = f"n = {points}"
    rows.append(exponent_row("exponent of the least width in d", at, list(widths), list(widths.values()), "-1"))
    return Findings(tuple(rows), (_panel("By dimension", "dimension d", widths, lambda d: (points, d)),))


def by_points(
    points: Sequence[int] = (50, 80, 125, 200),
    *,
    dimension: int = 8,
    steps: int = 50_000,
    seeds: Sequence[int] = (0, 1, 2),
) -> Findings:
    """The frontier at one dimension, by the number of inputs, and its exponent.

    Args:
        points: n.
        dimension: d.
        steps: of descent.
        seeds: of data and weights; the frontier is where most of them succeed.
    """
    widths = {n: least_width(n, dimension, steps=steps, seeds=seeds) for n in points}
    rows = [_row(m, n, dimension, seeds[0]) for n, m in widths.items()]
    promised = "1 if d m ~ n; sufficient 1.25 (theirs), 1.5 (Song et al.)"
    at = f"d = {dimension}"
    rows.append(exponent_row("exponent of the least width in n", at, list(widths), list(widths.values()), promised))
    return Findings(tuple(rows), (_panel("By number of inputs", "inputs n", widths, lambda n: (n, dimension)),))


def least_width(points: int, dimension: int, *, steps: int, seeds: Sequence[int]) -> int:
    """The least even width at which most seeds succeed, by bisection, as if none below n / (4 d) did."""
    data = [cube_data(points, dimension, seed) for seed in seeds]
    X, y = (torch.from_numpy(np.stack(parts)) for parts in zip(*data, strict=True))

    def succeeds(width: int) -> bool:
        return 2 * sum(interpolates(X, y, width, steps=steps, seeds=seeds)) > len(seeds)

    lower = 2 * (points // (8 * dimension))
    upper = max(2, 4 * lower)
    while not succeeds(upper):
        lower, upper = upper, 2 * upper
    while upper - lower > 2:
        middle = 2 * round((lower + upper) / 4)
        lower, upper = (lower, middle) if succeeds(middle) else (middle, upper)
    return upper


def cube_data(points: int, dimension: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Normalised inputs (n, d), uniform in the cube before, and labels +-1 (n,)."""
    rng = np.random.default_rng([seed, points, dimension])
    X = rng.uniform(-1, 1, (points, dimension))
    return X / np.linalg.norm(X, axis=1, keepdims=True), rng.choice([-1.0, 1.0], points)


def interpolates(X: Tensor, y: Tensor, width: int, *, steps: int, seeds: Sequence[int]) -> list[bool]:
    """Whether each draw reaches the threshold: at the last step, or all of them at one that is looked at before.

    Args:
        X: inputs (draws, n, d).
        y: labels (draws, n).
        width: m, even.
        steps: of descent.
        seeds: of the weights, one for each draw.
    """
    n, d = X.shape[1:]
    weights = torch.stack([Draws(seed).normal(width, d) for seed in seeds])
    signs = torch.ones(width, 1, dtype=torch.float64)
    signs[: width // 2] = -1
    signs /= math.sqrt(width)
    velocity, transposed = torch.zeros_like(weights), X.transpose(1, 2).contiguous()
    with single_threaded():
        for step in range(steps + 1):
            z = torch.bmm(weights, transposed)
            errors = (signs * z.clamp(min=0)).sum(dim=1) - y
            if step % _PATIENCE == 0 or step == steps:
                reached = errors.square().mean(dim=1) < SUCCESS * math.sqrt(n)
                if reached.all() or step == steps:
                    break
            gradient = signs * torch.bmm((z >= 0).to(z.dtype) * errors[:, None], X)
            velocity.mul_(MOMENTUM).add_(gradient, alpha=2 / n)
            weights.sub_(velocity, alpha=STEP)
    return reached.tolist()


def sufficient_widths(points: int, dimension: int, seed: int) -> tuple[float, float]:
    """What the re-derived baselines ask of the same data, to leading order in their width; estimates.

    First layer: (72 / pi) |X|^6 |y|^2 / lambda_0^4. Both layers from zero output weights: 2 |X| |y| / lambda(G), with
    G = E[relu(w.x_i) relu(w.x_j)], and at least n.
    """
    X, y = cube_data(points, dimension, seed)
    norm, size = float(np.linalg.norm(X, 2)), float(np.linalg.norm(y))
    first, last = (float(np.linalg.eigvalsh(two_layer(X, trained=t).midpoint)[0]) for t in ("first", "last"))
    return 72 / math.pi * norm**6 * size**2 / first**4, max(float(points), 2 * norm * size / last)


def _row(width: int, n: int, d: int, seed: int) -> Row:
    first, both = sufficient_widths(n, d, seed)
    promised = (
        f"n/d {n / d:.3g}, n {n}, n^1.25 {n**1.25:.3g}, n^1.5/d {n**1.5 / d:.3g}; "
        f"proved: first layer {first:.1e}, both layers {both:.1e}"
    )
    return Row("least width that interpolates", f"n = {n}, d = {d}", float(width), promised)


def _panel(title: str, axis: str, widths: dict[int, int], sizes: Callable[[int], tuple[int, int]]) -> Panel:
    laws: dict[str, Callable[[int, int], float]] = {
        "n / d": lambda n, d: n / d,
        "n": lambda n, d: float(n),
        "n^1.25": lambda n, d: n**1.25,
        "n^1.5 / d": lambda n, d: n**1.5 / d,
    }
    x = tuple(map(float, widths))
    measured = Series("least width that interpolates", x, tuple(map(float, widths.values())))
    lines = (Series(name, x, tuple(law(*sizes(at)) for at in widths), source="promised") for name, law in laws.items())
    return Panel(title, axis, "width m", (measured, *lines), log="xy")
