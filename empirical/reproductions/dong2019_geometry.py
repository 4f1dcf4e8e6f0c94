r"""What Dong and Zhou (2019) speak of, made measurable (G1 to G5): paths, curvature, sensitivity, test error.

The notes state no inequality. Beside each number stands a re-derived theorem where there is one; none of it is theirs.

*G1, G2.* A path is at least as long as the distance it covers. The last weights solve F(w) = F_T exactly, so that they
are at least (sqrt(1 + 2 b kappa) - 1) / kappa from the first, with b = |J_0^+ (F_T - F_0)|, however far training has
come. Here J has the Lipschitz constant beta = max |s''| |X| / sqrt(m) at all weights: for unit inputs row i of a
difference of Jacobians, applied to v, is at most m^(-1/2) max |s''| sum_r |u_r| |v_r . x_i|. And kappa = beta /
sigma_0.
*G3.* h = beta |r_0| / sigma_0^2. With eta = 1 / (|J_0| + sigma_0)^2, the sharp edition of ``baseline-descent`` holds on
the ball of radius sigma_0 / beta if h < 1/2, and bounds the path by 2 |r_0| / (sigma_0 (1 + sqrt(1 - 2 h))).
*G4, G5* have no theorem. E trace(K) = n E s'(z)^2 at the start, whatever m, so that trace(K) per parameter is of order
1/m; but that is counting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import msgspec
import numpy as np
import torch

from bounds.activations import TANH
from empirical.batches import single_threaded
from empirical.datasets import on_the_sphere
from empirical.dynamics import GradientDescent, trajectory
from empirical.experiments import NetworkRun, run_network
from empirical.losses import Loss
from empirical.networks.shallow import TwoLayer
from empirical.reproductions.rows import (
    Findings,
    Panel,
    Row,
    Series,
    correlation_row,
    exponent_row,
    fisher_margin,
    mean_and_margin,
    mean_row,
    measured_series,
    rate_panel,
)
from empirical.tangent_kernels import gram_matrix

DETOUR, OUTPUT_DETOUR = "G1: path over distance, parameters", "G2: path over distance, outputs"
OVER_STEP = "G1: distance over b"
OVER_NEAREST, OVER_LONGEST = "G1: distance over its lower bound", "G1: path over its upper bound"
CURVATURE = "G3: h = beta |r_0| / sigma_0^2"
RANKS = ("G4: effective rank of J, start", "G4: effective rank of J, end")
SPREADS = ("G4: largest over least singular value of J, start", "G4: largest over least singular value of J, end")
TRACE = "G4: trace(K) per parameter, start"

STATED = {
    DETOUR: "at least 1: re-derived",
    OUTPUT_DETOUR: "at least 1: re-derived",
    OVER_STEP: "no theorem; 1 if F is linear",
    OVER_NEAREST: "at least 1: re-derived",
    OVER_LONGEST: "at most 1 where h < 1/2: re-derived",
    CURVATURE: "descent converges below 1/2: re-derived",
    **dict.fromkeys((*RANKS, *SPREADS, TRACE), "no theorem"),
}
"""What each measurable stands beside."""


def paths(
    widths: Sequence[int] = (32, 128, 512, 2048, 4096, 8192),
    *,
    points: int = 10,
    dimension: int = 20,
    steps: int = 200,
    seeds: Sequence[int] = (0, 1, 2, 3, 4, 5),
) -> Findings:
    """G1 to G4 along gradient descent on tanh networks, by width.

    Args:
        widths: m, even.
        points: n random inputs of the sphere in R^d, labels N(0, 1).
        dimension: d.
        steps: the horizon.
        seeds: of the weights.
    """
    rng = np.random.default_rng(0)
    X = on_the_sphere(rng, points, dimension)
    y = rng.standard_normal(points)
    runs = {m: [_geometry(m, X, y, steps, seed) for seed in seeds] for m in widths}
    by_name = {
        name: {m: [run[name] for run in found] for m, found in runs.items() if all(name in run for run in found)}
        for name in STATED
    }
    rows: list[Row] = []
    for name, stated in STATED.items():
        found = by_name[name]
        ends = sorted({min(found), max(found)}) if found else []
        rows += [mean_row(name, f"m = {m}", found[m], stated) for m in ends]
    for name, stated in ((CURVATURE, "-1/2 in the limit: re-derived"), (TRACE, "-1: re-derived, by counting")):
        sizes, values = zip(*((m, value) for m, found in by_name[name].items() for value in found), strict=True)
        rows.append(exponent_row(f"exponent in m of {name}", f"m = {widths[0]} to {widths[-1]}", sizes, values, stated))
    return Findings(tuple(rows), _panels(by_name))


def _geometry(m: int, X: np.ndarray, y: np.ndarray, steps: int, seed: int) -> dict[str, float]:
    """All measurables of one run; the path's upper bound only where there is one."""
    family = TwoLayer(width=m, activation="tanh", start="antisymmetric")
    eigenvalues = np.linalg.eigvalsh(gram_matrix(family.draw(X.shape[1], seed), X))
    sigma, largest = math.sqrt(eigenvalues[0]), math.sqrt(eigenvalues[-1])
    run = run_network(
        family,
        X,
        y,
        loss=Loss(),
        method=GradientDescent(step_size=(largest + sigma) ** -2, steps=steps),
        seed=seed,
        observe={"residuals": range(steps + 1), "travel": (steps,), "sensitivity": (0, steps)},
    )
    residuals = np.array(list(run.series("residuals", "components").values()))  # along eigenvectors of K_0
    moved, path = residuals[-1] - residuals[0], run.path_lengths[-1]
    distance = float(_seen(run, "travel", "distance", steps))
    assert TANH.smoothness is not None
    beta = TANH.smoothness.upper * float(np.linalg.norm(X, 2)) / math.sqrt(m)
    first, step = float(np.linalg.norm(residuals[0])), float(np.linalg.norm(moved / np.sqrt(eigenvalues)))
    h = beta * first / sigma**2
    found = {
        DETOUR: path / distance,
        OUTPUT_DETOUR: float(np.linalg.norm(np.diff(residuals, axis=0), axis=1).sum() / np.linalg.norm(moved)),
        OVER_STEP: distance / step,
        OVER_NEAREST: distance * (1 + math.sqrt(1 + 2 * step * beta / sigma)) / (2 * step),
        CURVATURE: h,
        TRACE: float(_seen(run, "sensitivity", "trace_per_parameter", 0)),
    }
    if h < 1 / 2:
        found[OVER_LONGEST] = path * sigma * (1 + math.sqrt(1 - 2 * h)) / (2 * first)
    for at, rank, spread in zip((0, steps), RANKS, SPREADS, strict=True):
        values = _seen(run, "sensitivity", "singular_values", at)
        found[rank] = float(_seen(run, "sensitivity", "effective_rank", at))
        found[spread] = float(values[0] / values[-1])
    return found


def _seen(run: NetworkRun, observable: str, value: str, at: int) -> np.ndarray:
    return np.asarray(run.series(observable, value)[at])


def _panels(by_name: Mapping[str, Mapping[int, Sequence[float]]]) -> tuple[Panel, ...]:
    def series(label: str, name: str) -> Series:
        return measured_series(label, {m: mean_and_margin(found) for m, found in by_name[name].items()})

    detours = (series("of the parameters", DETOUR), series("of the outputs", OUTPUT_DETOUR))
    bounds = [series("distance over the least", OVER_NEAREST)]
    if by_name[OVER_LONGEST]:
        bounds.append(series("path over the longest", OVER_LONGEST))
    curvature = rate_panel("G3: curvature h", "width m", "h", [series("h", CURVATURE)], exponent=Fraction(-1, 2))
    widths = curvature.series[0].x
    certified = Series("certified below", widths, (0.5,) * len(widths), source="promised")
    spreads = tuple(series(label, name) for label, name in zip(("at the start", "at the end"), SPREADS, strict=True))
    return (
        Panel("G1 and G2: path over distance", "width m", "ratio", detours, log="x"),
        Panel("G1: against the bounds", "width m", "ratio", tuple(bounds), log="x"),
        msgspec.structs.replace(curvature, series=(*curvature.series, certified)),
        Panel("G4: spread of singular values", "width m", "largest over least", spreads, log="x"),
    )


def correlations(
    noises: Sequence[float] = (0.0, 0.25, 0.5, 1.0, 2.0),
    *,
    seeds: Sequence[int] = tuple(range(20)),
    points: int = 20,
    dimension: int = 10,
    width: int = 256,
    steps: int = 300,
    tests: int = 1000,
) -> Findings:
    """G5: how b^2 / n at the start, b = |J_0^+ r_0|, goes with the test error of the trained network.

    Every pair has its own inputs, noise, weights and test inputs, so that pairs are independent. Correlations are of
    logarithms: over all levels of noise, within the levels (their means subtracted), and at each level.

    Args:
        noises: standard deviations of what is added to the labels sqrt(d) x_1, which have variance 1.
        seeds: of the draws at each level.
        points: n random inputs of the sphere in R^d.
        dimension: d.
        width: m, even.
        steps: the horizon.
        tests: further inputs, labelled without noise.
    """
    pairs = np.array(
        [[_pair(noise, seed, points, dimension, width, steps, tests) for seed in seeds] for noise in noises]
    )
    levels = dict(zip(noises, pairs, strict=True))
    logs = np.log(pairs)
    rows = [
        _correlation("over all levels of noise", logs),
        _correlation("within the levels", logs - logs.mean(axis=1, keepdims=True), means=len(noises)),
        *(_correlation(f"noise {noise:g}", np.log(found)) for noise, found in levels.items()),
    ]
    by_noise = tuple(
        measured_series(name, {noise: mean_and_margin(found[:, k].tolist()) for noise, found in levels.items()})
        for k, name in enumerate(("b^2 / n", "test error"))
    )
    z = tuple(float(np.arctanh(np.corrcoef(found.T)[0, 1])) for found in logs)
    alone = Series("at that noise", tuple(map(float, noises)), z, (fisher_margin(len(seeds)),) * len(z))
    panels = (
        Panel("G5: means by noise", "noise of the labels", "mean", by_noise, log="y"),
        Panel("G5: correlation at one noise", "noise of the labels", "Fisher's z", (alone,)),
    )
    return Findings(tuple(rows), panels)


def _correlation(at: str, logs: np.ndarray, means: int = 1) -> Row:
    x, y = logs.reshape(-1, 2).T.tolist()
    quantity = "G5: correlation of log(b^2 / n) with log(test error)"
    return correlation_row(quantity, at, x, y, "no theorem", means=means)


def _pair(
    noise: float, seed: int, points: int, dimension: int, width: int, steps: int, tests: int
) -> tuple[float, float]:
    """b^2 / n at the start and the mean squared error on new inputs at the end."""
    rng = np.random.default_rng([seed, int.from_bytes(np.float64(noise).tobytes(), "little")])
    X = on_the_sphere(rng, points + tests, dimension)
    target = math.sqrt(dimension) * X[:, 0]
    y = target[:points] + noise * rng.standard_normal(points)
    family = TwoLayer(width=width, activation="tanh", start="antisymmetric")
    network = family.draw(dimension, int(rng.integers(2**31)))
    gram = gram_matrix(network, X[:points])
    method = GradientDescent(step_size=1 / float(np.linalg.norm(gram, 2)), steps=steps)
    inputs = torch.from_numpy(X)
    with single_threaded():
        for _ in trajectory(network, inputs[:points], torch.from_numpy(y), Loss(), method):
            pass
    with torch.no_grad():
        outputs = network(inputs[points:]).numpy()
    return float(y @ np.linalg.solve(gram, y)) / points, float(np.mean((outputs - target[points:]) ** 2))
