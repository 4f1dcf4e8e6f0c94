"""Exact gradient descent from given weights, proved to reach zero loss by following it in floating point.

:func:`certify_trajectory` starts from stored weights, data and step alone. A float64 run is followed, with a proved
bound of its distance from gradient descent in real arithmetic, until a theorem applies that covers all steps to come.
The same call proves the statement anew on any machine, although runs may differ there in their last bits.
"""

from __future__ import annotations

import math

import flint
import numpy as np
from flint import arb, arb_mat

from bounds.activations.float64 import EVALUATED
from bounds.arithmetic import PRECISION
from bounds.certificates import relu_shadow, smooth_shadow
from bounds.certificates.smooth_descent import LARGEST
from bounds.certificates.trajectory import Trajectory
from bounds.linalg.double_double import split
from bounds.linalg.rounding import FloatArray, require_ieee_arithmetic

LEAST_STEP = 2.0**-900
"""Products with shorter steps could vanish in float64."""


def certify_trajectory(
    X: FloatArray,
    y: FloatArray,
    weights: FloatArray,
    signs: FloatArray,
    *,
    activation: str = "tanh",
    step_size: float | None = None,
    centred: bool = True,
    most_steps: int = 25_000,
) -> Trajectory:
    """Try to prove that gradient descent from these weights reaches zero loss.

    The network is f(x) = m^(-1/2) sum_r a_r s(w_r.x), first layer trained; the loss is 1/2 ||f - f_0 - y||^2. All
    inputs are the real numbers that float64 stores; nothing is normalised.

    Args:
        X: inputs (n, d).
        y: labels (n,).
        weights: first layer at the start (m, d).
        signs: output weights (m,), each -1 or +1.
        activation: ``tanh``, ``erf``, ``softplus``, ``gelu`` or ``relu``.
        step_size: eta; by default 1 / ||J||^2 at the start, rounded down.
        centred: whether f_0 are the exact outputs at the start, so that descent begins at zero, or else zeros.
            (Neurons in pairs of equal weights and opposite signs start at zero by themselves.)
        most_steps: how long to follow.

    Returns:
        The proof's numbers, or the inequality that is missing and what would mend it.

    Raises:
        ValueError: shapes that do not fit, numbers that are not finite or beyond 2^60, output weights other than -1
            and +1, an unknown activation, or a step size that is not positive.
    """
    require_ieee_arithmetic()
    X, y, weights, signs = _checked(X, y, weights, signs)
    if step_size is not None and not LEAST_STEP <= step_size < math.inf:
        raise ValueError(f"the step size is {step_size}: give a positive number, at least 2^-900")
    if most_steps < 0:
        raise ValueError(f"{most_steps} steps cannot be followed: give a number that is not negative")
    activation, step_size = activation.lower(), None if step_size is None else float(step_size)
    if activation != "relu" and activation not in EVALUATED:
        raise ValueError(f"unknown activation {activation!r}: use relu, {', '.join(EVALUATED)}")
    with np.errstate(over="ignore", invalid="ignore"):  # of a run that explodes: what is no number proves nothing
        if activation == "relu":
            start = _outputs(X, weights, signs) if centred else np.zeros((2, len(y)))
            return relu_shadow.follow(X, np.vstack([start, y]), weights, signs, step_size, most_steps)
        return smooth_shadow.follow(X, y, weights, signs, EVALUATED[activation], step_size, most_steps, centred)


def _outputs(X: FloatArray, weights: FloatArray, signs: FloatArray) -> FloatArray:
    """The exact outputs of a ReLU network in two parts (2, n), whose sum is right to 2^-104 of the first."""
    with flint.ctx.workprec(PRECISION):
        z = arb_mat(weights.tolist()) * arb_mat(X.T.tolist())
        root, sums = arb(len(weights)).sqrt(), [arb(0)] * len(X)
        for sign, row in zip(signs.tolist(), z.tolist(), strict=True):
            values = (entry.nonnegative_part() for entry in row)
            sums = [total + sign * value for total, value in zip(sums, values, strict=True)]
        return np.ascontiguousarray(np.array([split(total / root) for total in sums]).T)


def _checked(
    X: FloatArray, y: FloatArray, weights: FloatArray, signs: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    named = {"X": X, "y": y, "weights": weights, "output weights": signs}
    arrays = []
    for name, given in named.items():
        array = np.ascontiguousarray(given)
        if array.dtype != np.float64 or not array.size or not np.abs(array).max() <= LARGEST:
            raise ValueError(f"{name} must hold finite float64 numbers of at most 2^60, at least one")
        arrays.append(array)
    X, y, weights, signs = arrays
    if X.ndim != 2 or y.shape != X.shape[:1] or weights.ndim != 2 or weights.shape[1] != X.shape[1]:
        raise ValueError(f"X {X.shape}, y {y.shape} and weights {weights.shape} do not fit: (n, d), (n,) and (m, d)")
    if signs.shape != weights.shape[:1] or not np.isin(signs, (-1.0, 1.0)).all():
        raise ValueError(f"output weights of shape {signs.shape}: give -1 or +1 per neuron, shape ({len(weights)},)")
    return X, y, weights, signs
