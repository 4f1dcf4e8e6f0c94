r"""Two-layer ReLU networks followed from their start until they must converge. Re-derived.

Exact descent is w_{k+1} = w_k - eta J(w_k)^T r(w_k), the run v_k, w_0 = v_0, ||w_k - v_k|| <= E_k; notation of
:mod:`bounds.certificates.relu_descent`, v = max ||x_i||.

**Following.** Where |z_ri| > v E_k for all preactivations of v_k, w_k has the same activation pattern, f is linear
between the two, and with the same J, w_{k+1} - v_{k+1} = (I - eta J^T J)(w_k - v_k) up to the defect d_k of the run:

    E_{k+1} = max(1, eta ||J||^2 - 1) E_k + d_k,   ||J||^2 <= S^2 max_i mean_r 1{z_ri > 0}.

Errors only add up; but no preactivation of any step may be as small as v E. So the run has twice the bits of float64.

**The end** is :mod:`bounds.certificates.kinks`.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bounds.arithmetic import Enclosure, Outcome, Verdict
from bounds.certificates.kinks import End, converges
from bounds.certificates.relu_descent import ReluDescent, Step, largest
from bounds.certificates.smooth_descent import LARGEST
from bounds.certificates.trajectory import Trajectory
from bounds.linalg.rounding import UNIT, FloatArray, inflate

UP = 1.0 + 2.0**-48
"""Rounds an update of fewer than 16 roundings up."""

DOWN = 1.0 - 2.0**-40
"""What a computed norm and its bound from above differ by, at most, for 2000 inputs."""

PATIENCE = 0.9
"""The end theorem is tried again when the residual has shrunk by this factor."""


def follow(
    X: FloatArray,
    targets: FloatArray,
    weights: FloatArray,
    signs: FloatArray,
    step_size: float | None,
    most_steps: int,
) -> Trajectory:
    """Follow gradient descent until it is proved to converge, or for so many steps.

    Args:
        X: inputs (n, d).
        targets: what the outputs should be, in three parts (3, n).
        weights: of the start (m, d).
        signs: a (m,).
        step_size: eta, or None for 1 / ||J||^2 at the start, rounded down.
        most_steps: how long to follow.

    Raises:
        ValueError: no step size is given and no neuron is active.
    """
    descent = ReluDescent(X, targets, signs, 1.0 if step_size is None else step_size)
    if step_size is None:
        active = weights @ X.T > 0.0
        if not active.any():
            raise ValueError("every neuron is inactive on every input: descent does not move; take other weights")
        descent = replace(descent, step_size=math.nextafter(1.0 / inflate(descent.jacobian_norm(active) ** 2, 2), 0.0))
    high, low = weights, np.zeros_like(weights)
    error, path, growth, bar = 0.0, 0.0, 0.0, math.inf
    for k in range(most_steps + 1):
        step = descent.step(high, low)
        nearest = float(np.abs(step.preactivations).min()) * (1.0 - 4 * UNIT)
        margin = (error * descent.longest + step.preactivation_error) * UP
        lost = not nearest > margin
        off = step.residual_error + step.jacobian * error
        if lost:  # neurons that are off in the run may be on; S bounds the Jacobian of every pattern
            missed = math.sqrt(step.preactivations.size) * step.preactivation_error
            off = step.residual_error + missed + descent.spectral * error
        residual = (step.residual + off) * UP
        exploded = not (largest(step.high) < LARGEST and residual < math.inf)
        last = lost or exploded or k == most_steps
        if residual < PATIENCE * bar or last:
            least, residual = (0.0, math.inf) if exploded else (max(step.residual * DOWN - off * UP, 0.0), residual)
            size = Enclosure.between(least, residual)
            end, bar = _end(descent, step, size, error, margin, nearest, exploded), residual
        if end.verdict.holds or last:
            decay = math.nextafter(end.strength * end.sigma * (1.0 - 4 * UNIT), 0.0)
            return Trajectory(
                end.verdict, descent.step_size, k, error, growth, residual, path, (path + end.path) * UP, decay, high,
                kinks=end,
            )  # fmt: skip
        factor = max(1.0, descent.step_size * step.jacobian**2 * UP - 1.0)
        following = (factor * error + step.defect) * UP
        path = (path + step.length + error + following) * UP
        error, growth = following, growth + math.log(factor)
        high, low = step.high, step.low
    raise AssertionError("the last step returns")


def _end(
    descent: ReluDescent, step: Step, residual: Enclosure, error: float, margin: float, nearest: float, exploded: bool
) -> End:
    """The end theorem, or else why the run cannot be followed any further."""
    if exploded:
        return End(Verdict(Outcome.UNDECIDED, reason="the run left all bounds: take a smaller step"))
    end = converges(descent, step, residual, error)
    if end.verdict.holds or nearest > margin:
        return end
    reason = "the run came nearer to a kink than the proved error: take another step size or a wider network"
    return End(Verdict(Outcome.UNDECIDED, Enclosure.of(margin), "<", Enclosure.of(nearest), reason))
