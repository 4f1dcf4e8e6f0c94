"""Exact gradient descent from given weights, proved to reach zero loss by following it in floating point.

:func:`certify_trajectory` starts from stored weights, data and step alone. A float64 run is followed, with a proved
bound of its distance from gradient descent in real arithmetic, until a theorem applies that covers all steps to come.
The same call proves the statement anew on any machine, although runs may differ there in their last bits.
"""

from __future__ import annotations

import math

import numpy as np

from bounds.activations.float64 import EVALUATED
from bounds.certificates import relu_shadow, smooth_shadow
from bounds.certificates.trajectory import Trajectory
from bounds.linalg.rounding import FloatArray, require_ieee_arithmetic

LARGEST = 2.0**60
"""Of the stored numbers: the rounding bounds are made for harmless magnitudes."""


def certify_trajectory(
    X: FloatArray,
    y: FloatArray,
    weights: FloatArray,
    signs: FloatArray,
    *,
    activation: str = "tanh",
    step_size: float | None = None,
    offset: FloatArray | None = None,
    most_steps: int = 25_000,
) -> Trajectory:
    """Try to prove that gradient descent from these weights reaches zero loss.

    The network is f(x) = m^(-1/2) sum_r a_r s(w_r.x), first layer trained; the loss is 1/2 ||f - offset - y||^2. All
    inputs are the real numbers that float64 stores; nothing is normalised.

    Args:
        X: inputs (n, d).
        y: labels (n,).
        weights: first layer at the start (m, d).
        signs: output weights (m,), each -1 or +1.
        activation: ``tanh``, ``erf``, ``softplus``, ``GELU`` or ``ReLU``.
        step_size: eta; by default 1 / ||J||^2 at the start, rounded down; 9/10 of it for the ReLU.
        offset: taken from the outputs (n,); zeros by default. With :func:`initial_outputs` the start has outputs of
            zero up to rounding; neurons in pairs of equal weights and opposite signs make them zero exactly.
        most_steps: how long to follow.

    Returns:
        The proof's numbers, or the inequality that is missing and what would mend it.

    Raises:
        ValueError: shapes that do not fit, numbers that are not finite or beyond 2^60, output weights other than -1
            and +1, an unknown activation, or a step size that is not positive.
    """
    require_ieee_arithmetic()
    X, y, weights, signs, targets = _checked(X, y, weights, signs, offset)
    if step_size is not None and not 0 < step_size < math.inf:
        raise ValueError(f"the step size is {step_size}: give a positive number")
    if most_steps < 0:
        raise ValueError(f"{most_steps} steps cannot be followed: give a number that is not negative")
    if activation == "ReLU":
        return relu_shadow.follow(X, targets, weights, signs, step_size, most_steps)
    if activation not in EVALUATED:
        raise ValueError(f"unknown activation {activation!r}: use ReLU, {', '.join(EVALUATED)}")
    return smooth_shadow.follow(X, targets, weights, signs, EVALUATED[activation], step_size, most_steps)


def initial_outputs(X: FloatArray, weights: FloatArray, signs: FloatArray, *, activation: str = "tanh") -> FloatArray:
    """Outputs of the network, in float64: an offset that makes a start at outputs of zero, up to rounding.

    Args:
        X: inputs (n, d).
        weights: first layer (m, d).
        signs: output weights (m,).
        activation: as in :func:`certify_trajectory`.
    """
    z = weights @ X.T
    values = np.maximum(z, 0.0) if activation == "ReLU" else EVALUATED[activation].jet(z).value
    return np.asarray(signs @ values / math.sqrt(len(weights)))


def _checked(
    X: FloatArray, y: FloatArray, weights: FloatArray, signs: FloatArray, offset: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    named = {"X": X, "y": y, "weights": weights, "output weights": signs}
    named["offset"] = np.zeros(np.shape(y)) if offset is None else offset
    arrays = []
    for name, given in named.items():
        array = np.ascontiguousarray(given)
        if array.dtype != np.float64 or not array.size or not np.abs(array).max() <= LARGEST:
            raise ValueError(f"{name} must hold finite float64 numbers of at most 2^60, at least one")
        arrays.append(array)
    X, y, weights, signs, offset = arrays
    if X.ndim != 2 or y.shape != X.shape[:1] or weights.ndim != 2 or weights.shape[1] != X.shape[1]:
        raise ValueError(f"X {X.shape}, y {y.shape} and weights {weights.shape} do not fit: (n, d), (n,) and (m, d)")
    if signs.shape != weights.shape[:1] or not np.isin(signs, (-1.0, 1.0)).all():
        raise ValueError(f"output weights of shape {signs.shape}: give -1 or +1 per neuron, shape ({len(weights)},)")
    if offset.shape != y.shape:
        raise ValueError(f"an offset of shape {offset.shape} does not fit {len(y)} outputs")
    return X, y, weights, signs, np.stack([offset, y])
