r"""Two-layer ReLU networks at their start: gradient flow converges if an integral over the flips is large. Re-derived.

No probability, no infinite width, the counts of the drawn weights themselves; inputs need not be unit vectors. Write
S = ||X||^2, r_i = ||x_i||, sigma_0^2 = lambda_min(H(0)), and k(u) = max_i #{r: |w_r(0).x_i| <= u r_i}.

The gradient of neuron r has norm at most sqrt(S/m) ||e||, so up to time t no neuron moves farther than

    u(t) = sqrt(S/m) int_0^t ||e||,

and on each input at most k(u) patterns differ from the start's. J - J(0) has the Gram matrix (1/m) sum_r D_r X X^T
D_r with D_r diagonal, entries -1, 0, 1, of which at most k(u) per input are not 0: ||J - J(0)||^2 <= S k(u) / m.
Hence

    sigma_min(J) >= sigma(u) = sigma_0 - sqrt(S k(u) / m),   d||e|| / du <= -sqrt(m/S) sigma(u)^2   while sigma(u) >= 0,

and if int_0^U sigma(u)^2 du >= sqrt(S/m) ||e(0)|| with sigma >= 0 up to U, the residual would be 0 before u exceeds
U: so u stays below U for all time, the residual tends to 0, and ||e(t)|| <= exp(-sigma(U-)^2 t) ||e(0)||.

k is a step function, so the integral is a finite sum. Where weights are Gaussian, k(u) is about sqrt(2/pi) m u, and
the condition is about m >= (72/pi) S^3 ||e(0)||^2 / sigma_0^8: the baseline of the catalogue with its error of the
counts left out. The flow is that of Clarke subgradients; the chain rule along it is that of definable functions
(Davis, Drusvyatskiy, Kakade and Lee 2020, from memory). Finite steps are not covered: see
:mod:`bounds.certificates.flip_count`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import flint
import numpy as np

from bounds.arithmetic import PRECISION, Enclosure, Outcome, Verdict, compare
from bounds.certificates.flip_count import UNIT_ROUNDOFF, Start
from bounds.certificates.stack import Floats
from bounds.linalg.rounding import UNDERFLOW

SLACK = 2.0**-30
"""What the numbers at the start are relaxed by, so that a checker with other roundings reaches what follows."""


@dataclass(frozen=True)
class FlipIntegral:
    """What the argument proves about the gradient flow of one network from its start.

    Args:
        verdict: holds where convergence to zero loss is proved; else undecided, with the inequality that is missing.
        gained: a lower bound of the integral, over all flips that leave sigma(u) >= 0.
        needed: sqrt(S/m) ||e(0)||.
        travel: where the integral is so large, an upper bound of every neuron's travel where the verdict holds.
        decay: a lower bound of sigma(U-)^2 where the verdict holds; the residual decays at least at this rate.
        initial_residual: ||e(0)||.
        initial_least_eigenvalue: lambda_min(H(0)).
    """

    verdict: Verdict
    gained: Enclosure
    needed: Enclosure
    travel: Enclosure
    decay: Enclosure
    initial_residual: Enclosure
    initial_least_eigenvalue: Enclosure


def flip_integral(X: Floats, y: Floats, weights: Floats, signs: Floats, *, centred: bool = False) -> FlipIntegral:
    """Try to prove that gradient flow from these weights reaches zero loss.

    Args:
        X: inputs (n, d), float64, taken as stored.
        y: labels (n,).
        weights: first layer (m, d), float64, taken as stored.
        signs: output weights (m,), each -1 or +1.
        centred: whether the exact outputs at the start are subtracted, so that e(0) = -y.

    Raises:
        ValueError: shapes that do not fit, numbers that are not finite, output weights other than -1 and +1.
    """
    with flint.ctx.workprec(PRECISION):
        start = Start.measure(X, y, weights, signs, centred=centred)
        needed = Enclosure(start.spectral * start.residual / flint.arb(start.width).sqrt())
        goal = Enclosure.of(needed.upper * (1 + 4 * SLACK) + UNDERFLOW)  # of two factors, each relaxed
        ends, integrals, singular = _steps(start)
        gained = Enclosure.of(float(integrals[-1]))
        verdict = compare(gained, ">", goal)
        unknown = Enclosure(flint.arb("nan"))
        if not verdict.holds:
            verdict = Verdict(Outcome.UNDECIDED, gained, ">", goal, "the integral is not proved large enough")
            return FlipIntegral(verdict, gained, needed, unknown, unknown, *_start(start))
        reached = int(np.searchsorted(integrals, goal.upper))
        slope = flint.arb(float(singular[reached])) ** 2
        before, done = (ends[reached - 1], integrals[reached - 1]) if reached else (0.0, 0.0)
        travel = flint.arb(float(before)) + (flint.arb(goal.upper) - flint.arb(float(done))) / slope
        return FlipIntegral(verdict, gained, needed, Enclosure(travel), Enclosure(slope), *_start(start))


def _start(start: Start) -> tuple[Enclosure, Enclosure]:
    return Enclosure(start.residual), Enclosure(start.least_eigenvalue)


def _steps(start: Start) -> tuple[Floats, Floats, Floats]:
    """The radii at which k(u) grows, lower bounds of the integral up to each, and of sigma(u) just before each.

    While k(u) = j, u is below the (j+1)-th smallest |w_r.x_i| / r_i of some input. Each rounding below is one of at
    most m + 8 in a chain of sums and products of nonnegative numbers; the two sides of the difference in sigma are
    rounded away from one another first.
    """
    margin = 8 * UNIT_ROUNDOFF
    least = math.sqrt(max(Enclosure(start.least_eigenvalue).lower * (1 - SLACK), 0.0)) * (1 - margin)
    largest = Enclosure(start.spectral).upper * (1 + SLACK) * (1 + margin)
    ends = np.sort(start.magnitudes, axis=0).min(axis=1)
    counts = np.arange(start.width, dtype=np.float64)
    singular = np.maximum(least - largest * np.sqrt(counts / start.width), 0.0) * (1 - margin)
    lengths = np.diff(ends, prepend=0.0)
    shrink = 1 - (2 * start.width + 64) * UNIT_ROUNDOFF
    return ends, np.cumsum(singular**2 * lengths) * shrink, singular
