r"""Exact laws of the features of deep ReLU networks at their random start, and of the neurons that a change flips.

The networks are h_0 = relu(A x), h_l = relu(W_l h_(l-1)) with entries N(0, 2/m) and unit inputs, those of Allen-Zhu, Li
and Song (2019). What their Lemmas 7.1, 7.5 and 8.2 say up to constants is given here by formula. Re-derived.

*Norms.* Given h_(l-1), preactivations are independent N(0, 2 ||h_(l-1)||^2 / m). So ||h_l||^2 is a product of l + 1
independent factors R = (2/m) chi^2_w, w ~ Bin(m, 1/2) the number of active neurons. With moments
E (chi^2_w)^s = 2^s Gamma(w/2 + s) / Gamma(w/2), Markov's inequality for powers s > 0 gives

    P(||h_l|| >= 1 + eps) <= (1 + eps)^(-2s) M(s)^(l+1),
    P(||h_l|| <= 1 - eps) <= (1 - eps)^(2s) N(s)^(l+1) + (l + 1) P(w < m/4),
    M(s) = E R^s = sum_w Bin(w) (4/m)^s Gamma(w/2 + s) / Gamma(w/2),

where N(s) is the sum of Bin(w) (m/4)^s Gamma(w/2 - s) / Gamma(w/2) over w >= m/4, finite for s < m/8. Any s is allowed;
the one taken is best for a normal logarithm of mean -5 (l + 1) / (2 m) and variance 5 (l + 1) / m.

*Angles.* At infinite width two features at angle t are at angle arccos((sin t + (pi - t) cos t) / pi) one layer later.

*Flips.* A change of W_l of spectral norm omega moves preactivations g = W_l h by at most omega ||h|| in norm, and a
neuron flips only if it moves by |g_j| at least; the change of rank one that reverses the smallest ones attains it.
"""

from __future__ import annotations

from fractions import Fraction

import flint
import numpy as np
from flint import arb
from numpy.typing import NDArray

from bounds.arithmetic import PRECISION, Enclosure, Exact, exact_ball


def norm_failure(m: int, *, depth: int, inputs: int, epsilon: Exact) -> Enclosure:
    """Enclose a bound on the probability that some feature vector's norm is not within epsilon of 1 at the start.

    Args:
        m: width.
        depth: L; the layers are h_0, ..., h_L.
        inputs: how many unit vectors are fed.
        epsilon: between 0 and 1.

    Returns:
        The union bound over inputs and layers, by the formulas above; it may exceed 1. Time grows as m times depth.

    Raises:
        ValueError: sizes below 1, a depth below 0, or epsilon outside (0, 1).
    """
    if min(m, inputs) < 1 or depth < 0 or not 0 < epsilon < 1:
        raise ValueError("norms need m >= 1, at least one input, depth >= 0 and epsilon strictly between 0 and 1")
    with flint.ctx.workprec(PRECISION):
        accuracy, few = exact_ball(epsilon), _probability_of_few(m)
        total = arb(0)
        for factors in range(1, depth + 2):
            total += _above(m, factors, accuracy) + _below(m, factors, accuracy) + factors * few
        return Enclosure(inputs * total)


def next_angle(angle: Enclosure) -> Enclosure:
    """Enclose the angle of two features one layer later, at infinite width.

    The map is increasing, so its values at the two ends suffice.

    Args:
        angle: between 0 and pi.
    """
    with flint.ctx.workprec(PRECISION):
        ends = (angle.ball.lower(), angle.ball.upper())
        low, high = (((t.sin() + (arb.pi() - t) * t.cos()) / arb.pi()).acos() for t in ends)
        return Enclosure(low.union(high))


def most_flips(preactivations: NDArray[np.float64], feature_norm: Exact, omega: Exact) -> int:
    """The largest number of neurons that a change of the layer's weights of spectral norm omega can flip, exactly.

    Args:
        preactivations: of one layer for one input (m,), float64, taken at face value.
        feature_norm: norm of the features that enter the layer.
        omega: of the change; features stay.

    Raises:
        ValueError: preactivations that are not finite numbers.
    """
    if not np.isfinite(preactivations).all():
        raise ValueError("preactivations must be finite numbers")
    budget = (Fraction(omega) * Fraction(feature_norm)) ** 2
    count, used = 0, Fraction(0)
    for size in np.sort(np.abs(preactivations)).tolist():
        used += Fraction(size) ** 2
        if used > budget:
            break
        count += 1
    return count


def _above(m: int, factors: int, epsilon: arb) -> arb:
    log = (1 + epsilon).log()
    s = arb(float((2 * log * m / (5 * factors) + 0.5).mid()))
    return (factors * _moment(m, s, 0).log() - 2 * s * log).exp()


def _below(m: int, factors: int, epsilon: arb) -> arb:
    log = (1 - epsilon).log()
    s = arb(min(float((-2 * log * m / (5 * factors) - 0.5).mid()), 0.12 * m))
    return (factors * _moment(m, -s, _quarter(m)).log() + 2 * s * log).exp() if s > 0 else arb(1)


def _moment(m: int, s: arb, fewest: int) -> arb:
    """E R^s over draws with at least that many active neurons; none active is R = 0."""
    scale = (arb(4) / m).log() * s
    terms = (
        _log_binomial(m, w) + scale + (arb(w) / 2 + s).lgamma() - (arb(w) / 2).lgamma()
        for w in range(max(fewest, 1), m + 1)
    )
    return sum((term.exp() for term in terms), arb(0))


def _probability_of_few(m: int) -> arb:
    return sum((_log_binomial(m, w).exp() for w in range(_quarter(m))), arb(0))


def _quarter(m: int) -> int:
    """The least w >= m/4."""
    return -(-m // 4)


def _log_binomial(m: int, w: int) -> arb:
    return arb(m + 1).lgamma() - arb(w + 1).lgamma() - arb(m - w + 1).lgamma() - m * arb(2).log()
