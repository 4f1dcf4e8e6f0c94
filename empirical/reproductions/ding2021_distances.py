"""How far the particles of a residual network are from its mean-field limit, by the number M of its branches.

The limit of Ding et al. is a curve in the measures of finite second moment with d_1 = sup_t W_2, and states differ by
at most C d_1 (appendix A of arXiv 2110.02926). Three distances after the same pseudo-time, with different rates:

*From the ideal particles*, which start at the same places and are driven by the limit: by Lemma F.1 and Gronwall the
root mean square over particles is O(M^(-1/2)), and W_2, which may match them better, is at most that. Here a very wide
network stands for the limit, and the networks of width M take disjoint groups of its particles at the start.

*From the limit itself, sliced*: along a line M draws approach their law like M^(-1/2) (for bounded densities; up to
logarithms for Gaussian tails; Bobkov and Ledoux 2019, from memory). The reference's own draws add their share, so
that the exponent comes out a few hundredths too small.

*Between two networks of different draws, in R^k*: draws of one law in R^k, k > 4, approach it like M^(-1/k) and no
faster (Dudley 1969; Fournier and Guillin 2015, from memory). With k = 7 here, the distance that the statements are
made in hardly falls, although every loss and output falls like M^(-1/2).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import torch

from empirical.batches import single_threaded
from empirical.dynamics import GradientDescent, trajectory
from empirical.losses import Loss
from empirical.networks.ding2021 import Network
from empirical.reproductions.ding2021_rates import PACE, data, family
from empirical.reproductions.rows import Findings, Row, exponent_row, mean_and_margin, measured_series, rate_panel
from empirical.wasserstein import particles, sliced_wasserstein, wasserstein


def distances(
    branches: Sequence[int] = (16, 32, 64, 128, 256),
    *,
    time: float = 1.0,
    depth: int = 4,
    replicas: int = 16,
    reference: int = 4096,
) -> Findings:
    """The three distances, each the largest over layers, against M.

    Args:
        branches: M.
        time: pseudo-time of the accelerated flow.
        depth: L; the layers are tied at the start.
        replicas: networks of each M, on disjoint groups of particles.
        reference: branches of the network that stands for the limit.

    Raises:
        ValueError: the reference has fewer particles than the replicas need.
    """
    if max(branches) * replicas > reference:
        raise ValueError(f"{replicas} groups of {max(branches)} particles need a reference of as many, not {reference}")
    with single_threaded():
        start = family(depth, reference, "tied").draw(2, seed=0)
        limit = _trained(start, time)
        other = particles(_trained(family(depth, reference, "tied").draw(2, seed=1), time))
        found: dict[str, dict[int, list[float]]] = {name: {M: [] for M in branches} for name in _LAWS}
        for M in branches:
            groups = [slice(first, first + M) for first in range(0, M * replicas, M)]
            networks = [particles(_trained(_part(start, group), time)) for group in groups]
            for network, group in zip(networks, groups, strict=True):
                ideal = [layer[group] for layer in particles(limit)]
                found[_IDEAL][M].append(_largest(wasserstein, network, ideal))
                found[_SLICED][M].append(_largest(sliced_wasserstein, network, other))
            for one, another in zip(networks[::2], networks[1::2], strict=True):
                found[_APART][M].append(_largest(wasserstein, one, another))
        moved = _largest(sliced_wasserstein, particles(limit), particles(start))
    at = f"L = {depth}, time {time:g}"
    rows = [Row("sliced W_2 of the limit from its start", at, moved, "no statement")]
    for name, by_width in found.items():
        for M, values in by_width.items():
            mean, margin = mean_and_margin(values)
            rows.append(Row(name, f"{at}, M = {M}", mean, "falls with M", margin))
        sizes = [M for M, values in by_width.items() for _ in values]
        flat = [value for values in by_width.values() for value in values]
        rows.append(exponent_row(f"exponent in M of: {name}", at, sizes, flat, _LAWS[name][1]))
    panels = []
    for name, (exponent, _) in _LAWS.items():
        curve = measured_series(
            f"L = {depth}, time {time:g}", {M: mean_and_margin(values) for M, values in found[name].items()}
        )
        panels.append(rate_panel(name, "branches M", "distance", [curve], exponent=exponent))
    return Findings(tuple(rows), tuple(panels))


_IDEAL = "W_2 from the ideal particles"
_SLICED = "sliced W_2 from the limit"
_APART = "W_2 between networks of different draws"
_LAWS = {
    _IDEAL: (Fraction(-1, 2), "<= -1/2 (re-derived)"),
    _SLICED: (Fraction(-1, 2), "-1/2, up to logarithms"),
    _APART: (Fraction(-1, 7), "-1/7 in the limit"),
}


def _part(network: Network, group: slice) -> Network:
    """The network of some of the branches."""
    a, V, b = (part[:, group].detach().clone() for part in (network.a, network.V, network.b))
    return Network(a, V, b, network.sharpness, network.normalised)


def _trained(start: Network, time: float) -> Network:
    network = copy.deepcopy(start)
    X, y = (torch.from_numpy(part) for part in data())
    method = GradientDescent(step_size=PACE * network.a.numel(), steps=round(time / PACE))
    for _ in trajectory(network, X, y, Loss(reduction="mean"), method):
        pass
    return network


def _largest(
    distance: Callable[[np.ndarray, np.ndarray], float], P: Sequence[np.ndarray], Q: Sequence[np.ndarray]
) -> float:
    """d_1 = max_l of a distance, the supremum over t of two curves that are constant in each layer."""
    return max(distance(p, q) for p, q in zip(P, Q, strict=True))
