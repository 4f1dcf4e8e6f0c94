"""What the proofs speak of, measured on a network and its initial state.

Symbols of Du et al. (ICLR 2019): H(k) the Gram matrix after k steps, e(k) = y - f the residual, and S_i-perp(R) the
neurons whose pattern on x_i some move of length R can change, which are those with |w_r(0) . x_i| <= R (unit x_i).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec
import torch
from torch import Tensor

from empirical.networks import Trained, TwoLayerNetwork


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one run after ``step`` steps; every number is a float64 estimate.

    H is the first layer's Gram matrix, of which all statements of the paper speak; where both layers are trained, the
    second layer's is added to it in the dynamics but not here.

    Args:
        step: number k of gradient steps taken.
        loss: 1/2 ||e(k)||^2.
        residual_norm: ||e(k)||.
        least_eigenvalue, largest_eigenvalue: of H(k).
        drift_from_start: ||H(k) - H(0)|| in spectral norm.
        drift_from_limit: ||H(k) - H_infinity|| in spectral norm, where the limit matrix was given.
        travel: max_r ||w_r(k) - w_r(0)||.
        output_travel: max_r |a_r(k) - a_r(0)|, where both layers are trained.
        flips: share of the pairs (neuron, input) whose pattern differs from the initial one.
        flips_per_input: the number of such neurons for each input.
        movable_at_travel: |S_i-perp| for each input, at radius ``travel``.
        contraction: ||e(k+1)|| / ||e(k)||, where step k+1 was taken.
        identity_residual: norm of the difference of the two sides of :func:`split_step_residual`, where step k+1
            was taken and only the first layer is trained; rounding errors alone make it differ from 0.
    """

    step: int
    loss: float
    residual_norm: float
    least_eigenvalue: float
    largest_eigenvalue: float
    drift_from_start: float
    drift_from_limit: float | None
    travel: float
    output_travel: float | None
    flips: float
    flips_per_input: tuple[int, ...]
    movable_at_travel: tuple[int, ...]
    contraction: float | None = None
    identity_residual: float | None = None


def travel(network: TwoLayerNetwork, start: TwoLayerNetwork) -> float:
    """The largest distance of a neuron from its initial position, max_r ||w_r - w_r(0)||."""
    return float((network.weights - start.weights).norm(dim=1).max())


def flips_per_input(network: TwoLayerNetwork, start: TwoLayerNetwork, X: Tensor) -> Tensor:
    """The number of neurons whose pattern differs from the initial one, for each row of X: (n,) integers."""
    pairs = zip(network.blocks(len(X)), start.blocks(len(X)), strict=True)
    return _sum((now.patterns(X) != then.patterns(X)).sum(dim=1) for now, then in pairs)


def movable(start: TwoLayerNetwork, X: Tensor, radius: float) -> Tensor:
    """Which patterns (n, m) a move of each neuron by ``radius`` can change: |w_r(0) . x_i| <= radius ||x_i||."""
    return (X @ start.weights.T).abs() <= radius * X.norm(dim=1, keepdim=True)


def movable_per_input(start: TwoLayerNetwork, X: Tensor, radius: float) -> tuple[int, ...]:
    """|S_i-perp(radius)|, the number of neurons that are :func:`movable` on each row of X."""
    return tuple(_sum(movable(block, X, radius).sum(dim=1) for block in start.blocks(len(X))).tolist())


def split_step_residual(
    start: TwoLayerNetwork,
    before: TwoLayerNetwork,
    after: TwoLayerNetwork,
    X: Tensor,
    y: Tensor,
    step_size: float,
) -> float:
    """Check the identity that the convergence proof rests on, over one gradient step of the first layer.

    e(k+1) = (I - eta (H(k) - H-perp(k))) e(k) - I_2(k) holds exactly when both iterates lie within R of the start:
    neurons outside S_i-perp(R) keep their pattern on x_i, so that their part of the output moves linearly; H-perp
    collects the entries of the others and I_2 the true change of their part. R is the larger travel of the two
    iterates. (Du et al. 2019, proof of Theorem 4.1; re-derived.)

    Returns:
        The Euclidean norm of the difference of the two sides.
    """
    n, width = len(X), start.width
    radius = max(travel(before, start), travel(after, start))
    outputs_before, outputs_after, change_free = (X.new_zeros(n) for _ in range(3))
    overlaps_kept = X.new_zeros(n, n)  # those of H - H-perp
    for initial, old, new in zip(start.blocks(n), before.blocks(n), after.blocks(n), strict=True):
        free = movable(initial, X, radius)
        z_old, z_new = X @ old.weights.T, X @ new.weights.T
        active = (z_old >= 0).to(X.dtype)
        overlaps_kept += (active * ~free) @ active.T
        z_old.clamp_(min=0)
        z_new.clamp_(min=0)
        outputs_before += z_old @ initial.signs
        outputs_after += z_new @ initial.signs
        change_free += (z_new.sub_(z_old) * free) @ initial.signs
    scale = 1 / math.sqrt(width)
    error_before, error_after = y - scale * outputs_before, y - scale * outputs_after
    gram_kept = (X @ X.T) * overlaps_kept / width
    predicted = error_before - step_size * (gram_kept @ error_before) - scale * change_free
    return float((error_after - predicted).norm())


def _sum(terms: Iterable[Tensor]) -> Tensor:
    """The sum of one tensor or more."""
    first, *others = terms
    return sum(others, first)


def spectral_norm(symmetric: Tensor) -> float:
    """The largest absolute eigenvalue of a symmetric matrix."""
    return float(torch.linalg.eigvalsh(symmetric).abs().max())


def measure(
    step: int,
    network: TwoLayerNetwork,
    start: TwoLayerNetwork,
    X: Tensor,
    *,
    residual_norm: float,
    trained: Trained = "first",
    initial_gram: Tensor,
    limit_gram: Tensor | None = None,
) -> Observation:
    """Measure a network against its initial state; see :class:`Observation`.

    Args:
        step: number of gradient steps taken.
        network: the network now.
        start: the network as drawn.
        X: inputs (n, d).
        residual_norm: ||e(k)||.
        trained: the trained layers.
        initial_gram: H(0) (n, n), on the CPU.
        limit_gram: H_infinity (n, n), on the CPU, where the drift from it is wanted.
    """
    gram = network.gram(X).cpu()  # whose eigenvalues of small matrices are found sooner than a GPU's
    eigenvalues = torch.linalg.eigvalsh(gram)
    flips = flips_per_input(network, start, X)
    largest_travel = travel(network, start)
    return Observation(
        step=step,
        loss=residual_norm**2 / 2,
        residual_norm=residual_norm,
        least_eigenvalue=float(eigenvalues[0]),
        largest_eigenvalue=float(eigenvalues[-1]),
        drift_from_start=spectral_norm(gram - initial_gram),
        drift_from_limit=None if limit_gram is None else spectral_norm(gram - limit_gram),
        travel=largest_travel,
        output_travel=float((network.signs - start.signs).abs().max()) if trained == "both" else None,
        flips=float(flips.sum()) / (len(X) * network.width),
        flips_per_input=tuple(flips.tolist()),
        movable_at_travel=movable_per_input(start, X, largest_travel),
    )
