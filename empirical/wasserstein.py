"""Distances of particle measures: how far apart two networks are in the space that a mean-field limit lives in.

The measure of a layer puts equal mass on its particles. W_2 is computed exactly where that is cheap: on the line by
sorting, in R^k for equal numbers of particles by the assignment of least cost (scipy's ``linear_sum_assignment``). For
many particles there is the sliced distance, the root mean square of W_2 over projections to lines. Its directions are
drawn, so it is an estimate; it is at most W_2 / sqrt(k), and, unlike W_2 in R^k, which M samples approach like
M^(-1/k) only, samples approach it like M^(-1/2).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch import nn

from empirical.networks import ding2021, shallow

MOST_ASSIGNED = 1024
"""Particles up to which W_2 in R^k is computed: the assignment costs their cube, a second or so here."""


def particles(network: nn.Module) -> list[np.ndarray]:
    """The particles of a network, (M, k) for each layer: (a, V, b) of Ding et al., (a_r, w_r) of two layers.

    Raises:
        ValueError: the network has no mean-field form.
    """
    if isinstance(network, ding2021.Network):
        layers = (part.detach().cpu().numpy() for part in (network.a, network.V, network.b))
        return [np.concatenate([a[:, None], V.reshape(len(V), -1), b], axis=1) for a, V, b in zip(*layers, strict=True)]
    if isinstance(network, shallow.TwoLayerModule) and math.isclose(network.scale * network.output.in_features, 1):
        W, signs = (layer.get_parameter("weight").detach().cpu().numpy() for layer in (network.hidden, network.output))
        return [np.concatenate([signs.T, W], axis=1)]
    raise ValueError("particles are those of networks in mean-field form: Ding et al.'s, or two layers over m")


def wasserstein(P: np.ndarray, Q: np.ndarray) -> float:
    """W_2 between the measures of two sets of points, exactly up to rounding.

    Args:
        P: points (M, k).
        Q: points (N, k); in more than one dimension M = N.

    Raises:
        ValueError: the sets do not fit each other.
    """
    if P.shape[1] != Q.shape[1]:
        raise ValueError(f"points of R^{P.shape[1]} and R^{Q.shape[1]} have no distance")
    if P.shape[1] == 1:
        return math.sqrt(float(_squares_on_lines(P, Q)[0]))
    if len(P) != len(Q):
        raise ValueError(f"in R^{P.shape[1]} an assignment needs equally many points, not {len(P)} and {len(Q)}")
    costs = cdist(P, Q, "sqeuclidean")
    return math.sqrt(float(costs[linear_sum_assignment(costs)].mean()))


def sliced_wasserstein(P: np.ndarray, Q: np.ndarray, *, directions: int = 64, seed: int = 0) -> float:
    """The root mean square of W_2 over random projections to lines, each exact: an estimate of the sliced distance.

    Args:
        P: points (M, k).
        Q: points (N, k).
        directions: uniform on the sphere.
        seed: of the directions.

    Raises:
        ValueError: the points are not of one space.
    """
    if P.shape[1] != Q.shape[1]:
        raise ValueError(f"points of R^{P.shape[1]} and R^{Q.shape[1]} have no distance")
    lines = np.random.default_rng(seed).standard_normal((P.shape[1], directions))
    lines /= np.linalg.norm(lines, axis=0)
    return math.sqrt(float(_squares_on_lines(P @ lines, Q @ lines).mean()))


def _squares_on_lines(P: np.ndarray, Q: np.ndarray) -> np.ndarray:
    """W_2^2 in each column: the integral of the squared difference of the quantile functions, which are steps."""
    M, N = len(P), len(Q)
    ends = np.union1d(np.arange(1, M + 1) * N, np.arange(1, N + 1) * M)  # of the steps of either, times M N
    lengths = np.diff(ends, prepend=0) / (M * N)
    difference = np.sort(P, axis=0)[(ends - 1) // N] - np.sort(Q, axis=0)[(ends - 1) // M]
    return lengths @ difference**2
