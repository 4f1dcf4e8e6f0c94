"""Allen-Zhu, Li and Song (ICML 2019): the quantities of their lemmas in training, and their exponents in the width.

Fully-connected networks, n = d = d_out = 10, descent with eta = 1 / |K_0| to a thousandth of the first loss. What the
lemmas (from memory) allow at worst is an upper bound: a steeper measured exponent agrees with them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch

from empirical.batches import single_threaded
from empirical.dynamics import GradientDescent, trajectory
from empirical.losses import Loss
from empirical.measurements import View, flips, gradient_dominance, jacobian_change, semi_smoothness, travel
from empirical.networks.allenzhu2019 import FullyConnected, Network
from empirical.networks.layers import Draws
from empirical.reproductions.rows import (
    Findings,
    Panel,
    Row,
    Series,
    exponent_row,
    mean_and_margin,
    mean_row,
    measured_series,
    rate_panel,
)


@dataclass(frozen=True)
class _Run:
    steps: int
    dominance: float
    largest_eigenvalue: float
    quantities: dict[str, float]


ALLOWED = {
    "largest deviation of a norm from 1": (Fraction(-1, 2), "Lemma 7.1"),
    "travel, spectral": (Fraction(-1, 2), "Theorem 1"),
    "share of flips": (Fraction(-1, 3), "Lemma 8.2"),
    "change of the features": (Fraction(-1, 2), "Lemma 8.2"),
    "relative Jacobian change": (Fraction(-1, 6), "Theorem 5"),
}
"""The exponent in m that is allowed at worst, once omega is of order m^(-1/2), and what says so."""


def laws(
    depths: Sequence[int] = (2, 5),
    widths: Sequence[int] = (128, 256, 512, 1024),
    *,
    size: int = 10,
    seeds: Sequence[int] = (0, 1, 2),
    horizon: int = 400,
) -> Findings:
    """Steps to a thousandth of F, PL constants, and the exponents of what the lemmas bound.

    Args:
        depths: L.
        widths: m.
        size: n, d and d_out.
        seeds: of the weights.
        horizon: the most steps.
    """
    X, Y = data(size)
    rows: list[Row] = []
    curves: dict[str, list[Series]] = {name: [] for name in ("steps to F / 1000", *ALLOWED)}
    for L in depths:
        runs = {
            m: [_train(FullyConnected(width=m, depth=L, outputs=size), X, Y, seed, horizon) for seed in seeds]
            for m in widths
        }
        for m, found in runs.items():
            at = f"L = {L}, m = {m}"
            rows.append(mean_row("steps to F / 1000", at, [float(r.steps) for r in found], "no trend in m"))
            least = min(r.dominance for r in found) * size / m
            promised = f"at least c {0.5 * separation(X) / size**2:.1e} (Theorem 3)"
            rows.append(Row("least |grad F|^2 d / (2 m F)", at, least, promised))
            flipped = max(r.quantities["share of flips"] / r.quantities["travel, spectral"] ** (2 / 3) for r in found)
            rows.append(Row("largest share of flips / (L omega^(2/3))", at, flipped / L, "at most c (Lemma 8.2)"))
            scaled = [r.quantities["travel, spectral"] * math.sqrt(m) for r in found]
            rows.append(mean_row("travel sqrt(m), spectral", at, scaled, "at most c, no trend in m (Theorem 1)"))
            eigenvalues = [r.largest_eigenvalue / (L * m) for r in found]  # n = d
            rows.append(mean_row("largest eigenvalue of K, d / (n L m)", at, eigenvalues, "no trend in m"))
        steps = {m: mean_and_margin([float(r.steps) for r in found]) for m, found in runs.items()}
        curves["steps to F / 1000"].append(measured_series(f"L = {L}", steps))
        for name, (exponent, source) in ALLOWED.items():
            by_width = {m: [r.quantities[name] for r in found] for m, found in runs.items()}
            sizes = [m for m, values in by_width.items() for _ in values]
            flat = [value for values in by_width.values() for value in values]
            rows.append(
                exponent_row(
                    f"exponent in m of: {name}", f"L = {L}", sizes, flat, f"in the limit <= {exponent} ({source})"
                )
            )
            means = {m: mean_and_margin(values) for m, values in by_width.items()}
            curves[name].append(measured_series(f"L = {L}", means))
    steps_panel = Panel("steps to F / 1000", "width m", "steps", tuple(curves["steps to F / 1000"]), log="x")
    rates = [
        rate_panel(name, "width m", "mean over seeds", curves[name], exponent=exponent, label=f"{source}: {exponent}")
        for name, (exponent, source) in ALLOWED.items()
    ]
    return Findings(tuple(rows), (steps_panel, *rates))


def dominance_at_the_start(
    depths: Sequence[int] = (2, 5, 10), *, width: int = 512, size: int = 10, seeds: Sequence[int] = (0, 1, 2, 3)
) -> Findings:
    """|grad F|^2 d / (m F) at the start, over all layers and over the last alone, of which Theorem 3 speaks.

    Args:
        depths: L.
        width: m.
        size: n, d and d_out.
        seeds: of the weights.
    """
    X, Y = (torch.from_numpy(a) for a in data(size))
    rows: list[Row] = []
    found: dict[str, dict[int, tuple[float, float | None]]] = {"all": {}, "last_hidden": {}}
    for L in depths:
        views = []
        for seed in seeds:
            start = FullyConnected(width=width, depth=L, outputs=size).draw(size, seed)
            views.append(gradient_dominance(View(start, start, X, Y, Loss())))
        promised = f"at least c {separation(X.numpy()) / size**2:.1e} (Theorem 3)"
        for which, said in (("all", "all layers"), ("last_hidden", "last layer")):
            values = [2 * float(np.max(view[which])) * size / width for view in views]
            rows.append(mean_row(f"|grad F|^2 d / (m F), {said}", f"L = {L}, m = {width}", values, promised))
            found[which][L] = mean_and_margin(values)
    series = (measured_series("all layers", found["all"]), measured_series("last layer", found["last_hidden"]))
    panel = Panel("Gradient dominance at the start", "depth L", "|grad F|^2 d / (m F)", series, log="y")
    return Findings(tuple(rows), (panel,))


def perturbations(
    radii: Sequence[float] = (1e-3, 1e-2, 1e-1), *, width: int = 1024, depth: int = 3, size: int = 10, seed: int = 0
) -> Findings:
    """At the start, W' of spectral norm omega against the gradient, or random: semi-smoothness, and the Jacobian.

    Args:
        radii: omega.
        width: m.
        depth: L.
        size: n, d and d_out.
        seed: of the weights.
    """
    X, Y = (torch.from_numpy(a) for a in data(size))
    start = FullyConnected(width=width, depth=depth, outputs=size).draw(size, seed)
    view = View(start, start, X, Y, Loss())
    value, *gradients = view.value_and_gradient
    largest = max(float(torch.linalg.matrix_norm(g, 2)) for g in gradients)
    remainders = semi_smoothness(view, tuple(radii))["remainder"]
    assert isinstance(remainders, list)
    random = [Draws(seed + 1).normal(width, width, deviation=0.5 / math.sqrt(width)) for _ in gradients]
    rows = []
    columns: dict[str, list[float]] = {"against": [], "random": [], "bound": [], "change": []}
    for omega, remainder in zip(radii, remainders, strict=True):
        moved = _moved(start, [-omega / largest * g for g in gradients])
        quadratic = size * depth**2 * width / size * omega**2
        cross = omega ** (4 / 3) * depth**2 * math.sqrt(float(value) * width * math.log(width))
        change = jacobian_change(View(moved, start, X, Y, Loss(), initial=view))["relative"]
        assert isinstance(change, float)
        with torch.no_grad():
            after = Loss().value(_moved(start, [omega * W for W in random])(X), Y)
        linear = omega * sum(float((g * W).sum()) for g, W in zip(gradients, random, strict=True))
        aside = abs(float(after) - float(value) - linear)
        at = f"L = {depth}, m = {width}, omega = {omega:g}"
        bound = "at most 1 if c = 1 (Theorem 4)"
        rows += [
            Row("semi-smoothness, remainder / (n L^2 m omega^2 / d)", at, remainder / quadratic, "at most c"),
            Row("semi-smoothness, remainder / bound", at, remainder / (cross + quadratic), bound),
            Row("the same along a random W', absolute", at, aside / (cross + quadratic), bound),
            Row(
                "relative Jacobian change / omega^(1/3)",
                at,
                change / omega ** (1 / 3),
                f"at most c {math.sqrt(math.log(width)) * depth**3:.0f} (Theorem 5)",
            ),
        ]
        for name, number in zip(columns, (remainder, aside, cross + quadratic, change), strict=True):
            columns[name].append(number)
    at_radii = tuple(map(float, radii))
    curves = {name: tuple(column) for name, column in columns.items()}
    remainder_panel = Panel(
        "Semi-smoothness",
        "omega",
        "remainder",
        (
            Series("against the gradient", at_radii, curves["against"]),
            Series("random", at_radii, curves["random"]),
            Series("bound with c = 1", at_radii, curves["bound"], source="promised"),
        ),
        log="xy",
    )
    jacobian = Series("against the gradient", at_radii, curves["change"])
    jacobian_panel = rate_panel(
        "Change of the Jacobian", "omega", "relative change", [jacobian], exponent=Fraction(1, 3)
    )
    return Findings(tuple(rows), (remainder_panel, jacobian_panel))


def data(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of norm 1 with last coordinate 1/sqrt(2), as the paper has them, and N(0, 1) labels, both (size, size)."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((size, size - 1))
    X /= np.linalg.norm(X, axis=1, keepdims=True) * np.sqrt(2)
    return np.concatenate([X, np.full((size, 1), np.sqrt(0.5))], axis=1), rng.standard_normal((size, size))


def separation(X: np.ndarray) -> float:
    """delta, the least distance of two inputs."""
    distances = np.linalg.norm(X[:, None] - X[None], axis=2)
    return float(distances[~np.eye(len(X), dtype=bool)].min())


def _moved(start: Network, moves: Sequence[torch.Tensor]) -> Network:
    moved = copy.deepcopy(start)
    with torch.no_grad():
        for layer, move in zip(moved.hidden, moves, strict=True):
            layer.get_parameter("weight").add_(move)
    return moved


def _train(family: FullyConnected, X: np.ndarray, Y: np.ndarray, seed: int, horizon: int) -> _Run:
    inputs, labels, loss = torch.from_numpy(X), torch.from_numpy(Y), Loss()
    network = family.draw(X.shape[1], seed)
    start = copy.deepcopy(network)
    initial = View(start, start, inputs, labels, loss)
    largest = float(np.linalg.norm(initial.gram, 2))
    losses: list[float] = []
    dominance = []
    with single_threaded():
        for state in trajectory(network, inputs, labels, loss, GradientDescent(step_size=1 / largest, steps=horizon)):
            losses.append(state.loss)
            if len(losses) % 5 == 1:
                dominance.append(float(np.max(gradient_dominance(View(network, start, inputs, labels, loss))["all"])))
            if state.loss <= 1e-3 * losses[0]:
                break
    view = View(network, start, inputs, labels, loss, initial=initial)
    with torch.no_grad():
        pairs = list(zip(network.activations(inputs), start.activations(inputs), strict=True))
    return _Run(
        steps=len(losses) - 1,
        dominance=min(dominance),
        largest_eigenvalue=largest,
        quantities={
            "largest deviation of a norm from 1": max(float((then.norm(dim=1) - 1).abs().max()) for _, then in pairs),
            "travel, spectral": float(np.max(travel(view)["spectral"])),
            "share of flips": float(np.max(flips(view)["share"])),
            "change of the features": max(float((now - then).norm(dim=1).max()) for now, then in pairs),
            "relative Jacobian change": float(np.max(jacobian_change(view)["relative"])),
        },
    )
