r"""Smooth two-layer networks followed from their start until they must converge. Re-derived.

Exact descent is w_{k+1} = w_k - eta J(w_k)^T r(w_k), the run v_k, w_0 = v_0; notation of
:mod:`bounds.certificates.smooth_descent`, with B = sup |s'''|. Let ||w_k - v_k|| <= E_k, E_0 = 0.

**One step.** The Hessian of the loss is J^T J + blockdiag(H_r), H_r = c a_r X^T diag(r_i s''(w_r.x_i)) X. If on the
segment from v_k to w_k every H_r lies between -s^- and s^+, both at least 0, and ||J||^2 <= Lambda, then the mean M of
the Hessian over the segment has -s^- <= M <= Lambda + s^+, and w_{k+1} - v_{k+1} = (I - eta M)(w_k - v_k) plus a vector
as long as the defect d_k. So

    E_{k+1} = max(1 + eta s^-, eta (Lambda + s^+) - 1) E_k + d_k.

(The two zeros matter: without them the factor may come out below the true one.) On the segment ||J|| <= N + L E, r
moves by at most (N + L E) E and s'' by B v E, so the H_r move by at most c S^2 (beta (N + L E) + B v ||r||) E;
:mod:`bounds.certificates.curvature` bounds them at v_k. Each update is rounded up.

A run that float64 loses begins again with many bits (:mod:`bounds.certificates.precise_head`).

**The end.** :mod:`bounds.certificates.newton_kantorovich` applies to w_k, E_k away from v_k, as soon as
2 L ||r|| < sigma_min(J)^2, up to the corrections for E_k and long steps. L holds everywhere, so any radius will do.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bounds.activations.float64 import Float64Activation
from bounds.arithmetic import Enclosure, Outcome, Verdict
from bounds.certificates import newton_kantorovich
from bounds.certificates.curvature import Curvature
from bounds.certificates.newton_kantorovich import Convergence, Point
from bounds.certificates.precise_head import Head
from bounds.certificates.shadowing import LOST, UP, Shadow, State
from bounds.certificates.smooth_descent import LARGEST, SmoothDescent, evaluate
from bounds.certificates.trajectory import Trajectory
from bounds.linalg.rounding import FloatArray, inflate

EXPLODED = "the run left all bounds: take a smaller step"

SLACK = 2.0**-20
ROOM = 1.0 + 2.0**-10
"""What the numbers of the end theorem are relaxed by, and the radius of the ball over the path."""

HEAD_SHARE = 0.25
"""Of the growth exponent that float64 bore until it was lost, what is then taken at many bits."""

LEAST_ALLOWANCE, CAREFUL_ALLOWANCE, MOST_ALLOWANCE, DEAR = 0.1, 1.0, 10.0, 5e4
"""Growth exponent that bounds without spectra may cost: m d^3 / DEAR within the least and the most, as spectra cost
m d^3. Where that is much it is for :data:`SHORT` runs; others go on, or begin again, with the careful one."""

SHORT, CALM = 240, 11.0
"""Steps that may be followed without spectra, and the growth exponent after them that need not be smaller."""

AIM = 0.8
"""The h at which the end theorem will apply, about: less than 1, as its ball makes the norm of the Jacobian larger."""

FIRST_WINDOW, LAST_WINDOW = 16, 256
WINDOW_ENTRIES = 2**19
"""Steps evaluated together, and numbers in the largest array of a window."""


def follow(
    X: FloatArray,
    y: FloatArray,
    weights: FloatArray,
    signs: FloatArray,
    activation: Float64Activation,
    step_size: float | None,
    most_steps: int,
    centred: bool,
) -> Trajectory:
    """Follow gradient descent until it is proved to converge, or for so many steps.

    Args:
        X: inputs (n, d).
        y: labels (n,).
        weights: of the start (m, d).
        signs: a (m,).
        activation: s.
        step_size: eta, or None for 1 / ||J||^2 at the start, rounded down.
        most_steps: how long to follow.
        centred: whether the outputs at the start are subtracted.
    """
    targets = np.vstack([np.zeros((2, len(y))), y])
    descent = SmoothDescent(X, targets, signs, activation, 1.0 if step_size is None else step_size)
    if centred:
        descent = descent.centred(weights)
    if step_size is None:
        descent = replace(descent, step_size=math.nextafter(1.0 / inflate(descent.spectrum(weights)[1] ** 2, 2), 0.0))
    m, d = weights.shape
    allowance = min(max(m * d**3 / DEAR, LEAST_ALLOWANCE), MOST_ALLOWANCE)
    careful = min(allowance, CAREFUL_ALLOWANCE)
    state, start, followed = State(), weights, 0
    if allowance > careful:
        found = _follow(_shadow(descent, allowance, state), weights, 0, min(most_steps, SHORT))
        if found.error <= LOST and (found.verdict.holds or found.steps < SHORT or most_steps <= SHORT):
            return found
        if found.growth <= CALM:
            state, start, followed = State(found.error, found.growth, found.travelled), found.weights, found.steps
    found = _follow(_shadow(descent, careful, state), start, followed, most_steps)
    if not found.error <= LOST and followed:
        found = _follow(_shadow(descent, careful, State()), weights, 0, most_steps)
    if found.error <= LOST:
        return found
    head = Head(descent, weights, centred, careful)
    while not (found.error <= LOST or head.spent or head.steps >= most_steps):
        head.advance(HEAD_SHARE * (found.growth - head.growth))
        if head.exploded:
            return replace(found, verdict=Verdict(Outcome.UNDECIDED, reason=EXPLODED))
        found = _follow(head.shadow(), head.weights, head.steps, most_steps)
    return found


def _shadow(descent: SmoothDescent, allowance: float, state: State) -> Shadow:
    return Shadow(descent, Curvature(descent.X, descent.spectral, descent.step_size, allowance), state)


def _follow(shadow: Shadow, weights: FloatArray, steps: int, most_steps: int) -> Trajectory:
    """Follow the run from the weights after so many steps, in float64."""
    np.empty(4 * WINDOW_ENTRIES)  # freed at once: glibc then keeps the smaller arrays to come mapped
    descent = shadow.descent
    size, room = FIRST_WINDOW, max(1, WINDOW_ENTRIES // (len(weights) * max(descent.X.shape)))
    bar, guess = math.inf, _Guess.at(descent, weights, shadow.state.error)
    while True:
        history = descent.run(weights, max(1, min(size, room, most_steps - steps)))
        if not np.abs(history).max() < LARGEST:
            return _result(descent, shadow.state, Verdict(Outcome.UNDECIDED, reason=EXPLODED), steps, math.inf, weights)
        window = evaluate(descent, history)
        states = shadow.advance(window)
        before = guess.condition(descent, float(window.residual[0]))
        for k, state in enumerate(states):
            error = state.error
            residual = float(window.residual[k] + window.residual_error[k]) * UP
            if not error <= LOST:
                return _result(descent, state, _lost(state), steps + k, residual, history[k])
            rho = residual + float(window.jacobian[k]) * error
            promising = rho < bar and guess.condition(descent, rho) < 0.99
            if promising:
                bar, guess = 0.9 * rho, _Guess.at(descent, history[k], error)
                promising = guess.condition(descent, rho) < 0.99
            last = steps + k >= most_steps
            if promising or last:
                end = _end(descent, history[k], residual, error)
                if end[1].verdict.holds or last:
                    return _result(descent, state, end[1].verdict, steps + k, residual, history[k], end)
        steps += len(states)
        weights, guess = history[-1], _Guess.at(descent, history[-1], shadow.state.error)
        after = guess.condition(descent, float(window.residual[-1]))
        size = min(2 * size, LAST_WINDOW, _ahead(before, after, len(states)))


def _ahead(before: float, after: float, steps: int) -> int:
    """How many steps h will take to fall to :data:`AIM`, if it goes on as it fell from ``before`` to ``after``."""
    if not 0.0 < after < before < math.inf:
        return LAST_WINDOW
    ahead = steps * math.log(max(after / AIM, 1.0)) / math.log(before / after)
    return FIRST_WINDOW + math.ceil(min(ahead, LAST_WINDOW))


def _lost(state: State) -> Verdict:
    reason = f"the error may have grown by exp({state.growth:.3g}), more than float64 bears: take a wider network"
    if not state.error < math.inf:
        return Verdict(Outcome.UNDECIDED, reason=reason)
    return Verdict(Outcome.UNDECIDED, Enclosure.of(state.error), "<=", Enclosure.of(LOST), reason)


def _result(
    descent: SmoothDescent,
    state: State,
    verdict: Verdict,
    steps: int,
    residual: float,
    weights: FloatArray,
    end: tuple[Point, Convergence] | None = None,
) -> Trajectory:
    point, ahead = end if end and verdict.holds else (None, None)
    if point is None:
        norm = descent.spectrum(weights)[1]
        residual = (residual + state.error * (norm + descent.lipschitz * state.error)) * UP
    return Trajectory(
        verdict,
        descent.step_size,
        steps,
        state.error,
        state.growth,
        point.residual.upper if point else residual,
        state.path,
        (state.path + ahead.path.upper) * UP if ahead else math.inf,
        ahead.decay.lower if ahead else 0.0,
        weights,
        point,
    )


class _Guess(NamedTuple):
    """About the least singular value and the norm of the Jacobian, to see when the end theorem is worth a proof."""

    sigma: float
    norm: float

    @classmethod
    def at(cls, descent: SmoothDescent, weights: FloatArray, error: float) -> _Guess:
        gram, _ = descent.computed_gram(descent.activation.jet(weights @ descent.X.T).slope)
        values = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0.0))
        moved = descent.lipschitz * error
        return cls(max(float(values[0]) - moved, 0.0), float(values[-1]) + moved)

    def condition(self, descent: SmoothDescent, residual: float) -> float:
        """About h, for a ball as large as it asks for itself."""
        h, radius, eta, lipschitz = math.inf, 0.0, descent.step_size, descent.lipschitz
        for _ in range(8):
            norm = self.norm + lipschitz * radius
            largest = max(eta * norm * norm, 1.0)
            if not (self.sigma > 0.0 and largest < 2.0):
                return math.inf
            s = min(eta * self.sigma**2, (2.0 - largest) / largest * (1.0 - 1e-9))
            square = largest * s * (2.0 - s - largest) / (1.0 - s * largest) / eta
            h = 2.0 * lipschitz * residual / square if square > 0.0 else math.inf
            if not h < 1.0:
                return h
            radius = 2.0 * residual / (math.sqrt(square) * (1.0 + math.sqrt(1.0 - h)))
        return h


def _end(descent: SmoothDescent, weights: FloatArray, residual: float, error: float) -> tuple[Point, Convergence]:
    """Try the end theorem at the exact weights, in a ball as large as it first seems to need.

    All numbers are relaxed a little, so that a replay with other roundings proves the same ones.
    """
    sigma, norm = descent.spectrum(weights)
    lipschitz = descent.lipschitz * (1.0 + SLACK)
    rho = (residual + (norm + lipschitz * error) * error) * (1.0 + SLACK)
    norm, sigma = (norm + lipschitz * error) * (1.0 + SLACK), max(sigma - lipschitz * error, 0.0) * (1.0 - SLACK)
    strength = max(sigma, 1e-100)
    radius = 2 * rho / (strength * (1.0 + math.sqrt(max(1.0 - 2 * lipschitz * rho / strength**2, 0.0)))) * ROOM
    for _ in range(4):
        point = Point(
            Enclosure.between(sigma, max(sigma, norm)),
            Enclosure.between(0.0, norm),
            Enclosure.between(0.0, rho),
            Enclosure.between(0.0, lipschitz),
            radius,
        )
        found = newton_kantorovich.descent(point, descent.step_size)
        if found.verdict.holds or not radius < found.path.upper < math.inf:
            break
        radius = found.path.upper * ROOM
    return point, found
