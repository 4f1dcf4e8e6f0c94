"""Gaussian expectations of smooth functions by Hermite series with proved coefficients and tails.

With orthonormal Hermite polynomials h_k and a_k(p) = E[g(sqrt(p) z) h_k(z)], Mehler's formula reads
E[g(u) g(v)] = sum_k a_k(p) a_k(q) r^k, r = c / sqrt(p q). By Parseval the squares of a_k(p) add up to
E[g(u)^2], so the terms from N on are at most |r|^N sqrt(tail(p) tail(q)), tail = E[g(u)^2] - sum_{k<N} a_k^2.
Near r = 1 and r = -1, where that says least, and for p = q, sum_k a_k^2 r^k is within |r - 1| sum_k k a_k^2 of
E[g(u)^2] and within |r + 1| sum_k k a_k^2 of E[g(u) g(-u)], since r^k changes by at most k with r; the sum is
p E[g'(u)^2].

Coefficients and E[g(u)^2] are integrals over the line; the trapezoidal rule with step H gives all of them from one
table of h_k. Its error is proved from what is known of g, either of two ways:

- g is analytic and |g(x + iy)| <= A + B |x| for |y| <= w. An integrand f with int |f(x + iy)| dx <= M for |y| < a
  is integrated within 2 M / (exp(2 pi a / H) - 1) (Trefethen and Weideman, SIAM Review 56, 2014, Theorem 5.1).
- |g(x)| <= A + B |x| and sup |g^(j)| <= B_j for 1 <= j <= r. Poisson summation and |f^(s)| <= int |f^(r)| / |s|^r
  for the Fourier transform bound the error by 2 zeta(r) (H / (2 pi))^r int |f^(r)|.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import flint
from flint import arb, arb_mat, arb_poly

HORIZON = 24
"""Half-width of the interval of the rule: what lies beyond is below exp(-144), and bounded."""

FINEST = 7
"""The finest step is 2^-FINEST: a bound on time and memory, not on validity."""

TERMS = 256
"""The longest series: likewise."""

ACCURACY = 2.0**-128
"""Aimed at, for the tail relative to max(1, E[g^2]); what is reached enters the balls."""


@dataclass(frozen=True)
class Strip:
    """g is analytic and |g(x + iy)| <= constant + slope |x| for |y| <= half_width.

    Derivation of the errors. Put g_p(z) = g(sqrt(p) z), which is analytic for |y| <= half_width / sqrt(p); let phi be
    the standard normal density, |phi(x + iy)| = phi(x) exp(y^2 / 2). By Cauchy-Schwarz under phi and
    int |h_k(x + iy)|^2 phi = sum_i C(k, i) y^(2i) / i! (Taylor's formula and orthogonality), which is at most
    sum_i (k y^2)^i / i!^2 <= exp(2 |y| sqrt k), int |g_p h_k phi| <= (A + B sqrt p) exp(a^2 / 2 + a sqrt k) on the
    strip |y| < a. For g_p^2 phi it is (A + B sqrt p)^2 exp(a^2 / 2). Any smaller positive a may be used; the best one,
    up to the -1, is 2 pi / H - sqrt k.
    """

    half_width: float
    constant: float
    slope: float

    def coefficient_error(self, deviation: arb, degree: int, step: arb) -> arb:
        """The rule's error for E[g(deviation z) h_degree(z)]."""
        return self._error(self.constant + self.slope * deviation, deviation, degree, step)

    def square_error(self, deviation: arb, step: arb) -> arb:
        """The rule's error for E[g(deviation z)^2] and E[g(deviation z) g(-deviation z)]."""
        return self._error((self.constant + self.slope * deviation) ** 2, deviation, 0, step)

    def energy(self, deviation: arb) -> arb:
        """A bound of p E[g'(u)^2]: by Cauchy's formula |g'(x)| <= (A + B (|x| + w)) / w, and Minkowski's inequality."""
        slope = (self.constant + self.slope * (deviation + self.half_width)) / self.half_width
        return (deviation * slope) ** 2

    def _error(self, growth: arb, deviation: arb, degree: int, step: arb) -> arb:
        best = 2 * math.pi / float(step) - math.sqrt(degree)
        a = arb(min(float((self.half_width / deviation).lower()) * (1 - 2.0**-40), best))
        mass = growth * (a**2 / 2 + a * arb(degree).sqrt()).exp()
        return (2 * mass / (2 * arb.pi() * a / step).expm1()).abs_upper()


@dataclass(frozen=True)
class DerivativeBounds:
    """|g(x)| <= constant + slope |x|, and sup |g^(j)| <= bounds[j - 1] for j = 1, ..., len(bounds) >= 2.

    Derivation of the errors, for r = len(bounds) and f = g_p h_k phi with g_p(z) = g(sqrt(p) z): by Leibniz' rule and
    (h_k phi)^(i) = (-1)^i sqrt((k + i)! / k!) h_{k+i} phi, with int |h_j| phi <= 1, int |f^(r)| is at most
    sum_j C(r, j) p^(j/2) B_j sqrt((k + r - j)! / k!). Where g itself enters, B_0 = A + 1.4 B sqrt(p) serves, since
    the second and fourth moments of |z| are 1 and 3 < 1.4^4. For g_p^2 the products of derivatives replace B_j.
    """

    bounds: tuple[float, ...]
    constant: float
    slope: float

    def __post_init__(self) -> None:
        if len(self.bounds) < 2:
            raise ValueError("bounds of the first two derivatives at least are needed to bound the rule's error")

    def coefficient_error(self, deviation: arb, degree: int, step: arb) -> arb:
        """The rule's error for E[g(deviation z) h_degree(z)]."""
        return self._error(self._scaled(deviation), degree, step)

    def energy(self, deviation: arb) -> arb:
        """A bound of p E[g'(u)^2]."""
        return (deviation * self.bounds[0]) ** 2

    def square_error(self, deviation: arb, step: arb) -> arb:
        """The rule's error for E[g(deviation z)^2] and E[g(deviation z) g(-deviation z)]."""
        single = self._scaled(deviation)
        squared = [
            sum((math.comb(j, i) * single[i] * single[j - i] for i in range(j + 1)), arb(0)) for j in range(len(single))
        ]
        return self._error(squared, 0, step)

    def _scaled(self, deviation: arb) -> list[arb]:
        growth = self.constant + arb(1.4) * self.slope * deviation
        return [growth, *(bound * deviation ** (j + 1) for j, bound in enumerate(self.bounds))]

    def _error(self, derivatives: list[arb], degree: int, step: arb) -> arb:
        order = len(derivatives) - 1
        mass = sum(
            (
                math.comb(order, j) * derivative * arb(degree + 1).rising(order - j).sqrt()
                for j, derivative in enumerate(derivatives)
            ),
            arb(0),
        )
        return (2 * arb(order).zeta() * (step / (2 * arb.pi())) ** order * mass).abs_upper()


@dataclass(frozen=True, eq=False)
class SmoothFunction:
    """A function given by its values on balls and what is known of its size and smoothness.

    Args:
        evaluate: an enclosure of g on a ball.
        regularity: a :class:`Strip` or :class:`DerivativeBounds`; the results are only as true as it is.
    """

    evaluate: Callable[[arb], arb]
    regularity: Strip | DerivativeBounds

    def at(self, variance: arb) -> HermiteMarginal:
        """Expand g(u), u ~ N(0, variance), with as fine a step and as many terms as the accuracy asks for.

        The bound of the tail falls with every term until the errors of the coefficients outweigh it.
        """
        with flint.ctx.workprec(int(flint.ctx.prec) + 64):
            deviation = variance.sqrt()
            series, square, flipped = self._expand(deviation, self._halvings(deviation))
            tails, remaining = [], square
            for coefficient in series:
                remaining -= coefficient * coefficient
                tails.append(remaining.nonnegative_part().upper())
                if tails[-1] <= ACCURACY * square.max(arb(1)):
                    break
            least = min(range(len(tails)), key=lambda k: float(tails[k]))
        return HermiteMarginal(
            variance,
            tuple(series[: least + 1]),
            tails[least],
            series[0],
            square,
            flipped,
            self.regularity.energy(deviation),
        )

    def _halvings(self, deviation: arb) -> int:
        for halvings in range(2, FINEST):
            if self.regularity.coefficient_error(deviation, TERMS, arb(2) ** -halvings) <= ACCURACY:
                return halvings
        return FINEST

    def _expand(self, deviation: arb, halvings: int) -> tuple[list[arb], arb, arb]:
        """The first coefficients, E[g(u)^2] and E[g(u) g(-u)], by the trapezoidal rule on [-HORIZON, HORIZON].

        Beyond, |h_k(x)| <= 1.09 exp(x^2 / 4) (Cramer's inequality, Abramowitz and Stegun 22.14.17) leaves terms below
        2 H 1.09 (A + B sqrt(p) x) exp(-x^2 / 4) / sqrt(2 pi), decreasing for x >= 2, so that their sum is at most the
        integral from T = HORIZON: 2 * 1.09 (2 A / T + 2 B sqrt p) exp(-T^2 / 4) / sqrt(2 pi). For products of two g,
        (A + B sqrt(p) x)^2 exp(-x^2 / 4) being decreasing: 2 (A + B sqrt(p) T)^2 exp(-T^2 / 2) (2 / T) / sqrt(2 pi).
        """
        weights, table = _rule(halvings, int(flint.ctx.prec))
        step = arb(2) ** -halvings
        right = [self.evaluate(deviation * step * j) for j in range(len(weights))]
        left = [self.evaluate(-deviation * step * j) for j in range(len(weights))]
        even = arb_mat([[w * (a + b) for w, a, b in zip(weights, right, left, strict=True)]]) * table[0]
        odd = arb_mat([[w * (a - b) for w, a, b in zip(weights, right, left, strict=True)]]) * table[1]
        square = sum((w * (a * a + b * b) for w, a, b in zip(weights, right, left, strict=True)), arb(0))
        flipped = sum((w * 2 * a * b for w, a, b in zip(weights, right, left, strict=True)), arb(0))

        constant, slope = self.regularity.constant, self.regularity.slope * deviation
        density = 2 * arb(-(HORIZON**2) / arb(4)).exp() / (2 * arb.pi()).sqrt()
        beyond = arb(1.09) * density * (2 * arb(constant) / HORIZON + 2 * slope)
        beyond_square = density * arb(-(HORIZON**2) / arb(4)).exp() * (constant + slope * HORIZON) ** 2 * 2 / HORIZON
        series = []
        for k in range(TERMS):
            error = self.regularity.coefficient_error(deviation, k, step) + beyond
            series.append((odd if k % 2 else even)[0, k // 2] + _symmetric(error))
        products = _symmetric(self.regularity.square_error(deviation, step) + beyond_square)
        return series, square + products, flipped + products


@dataclass(frozen=True, eq=False)
class HermiteMarginal:
    """The Hermite coefficients of g(u), u ~ N(0, variance), and what the rest of them amounts to.

    Args:
        variance: of u.
        series: the coefficients kept.
        tail: an upper bound of the sum of squares of the others.
        mean: E[g(u)].
        square: E[g(u)^2].
        flipped: E[g(u) g(-u)].
        energy: an upper bound of variance E[g'(u)^2].
    """

    variance: arb
    series: tuple[arb, ...]
    tail: arb
    mean: arb
    square: arb
    flipped: arb
    energy: arb

    def product(self, other: HermiteMarginal, covariance: arb) -> arb:
        """E[g(u) g(v)] by Mehler's formula; the shorter series ends the sum."""
        if other is self:
            correlation, coefficients = covariance / self.variance, self._squares
        else:
            correlation = covariance / (self.variance * other.variance).sqrt()
            coefficients = arb_poly([a * b for a, b in zip(self.series, other.series, strict=False)])
        terms = min(len(self.series), len(other.series))
        largest = min(correlation.abs_upper(), arb(1))
        rest = largest**terms * (self._rest(terms) * other._rest(terms)).sqrt()
        found = coefficients(correlation) + _symmetric(rest)
        if other is self:
            for end, value in ((1, self.square), (-1, self.flipped)):
                near = value + _symmetric(abs(correlation - end) * self.energy)
                found = near if near.rad() < found.rad() else found
        return found

    @cached_property
    def _squares(self) -> arb_poly:
        return arb_poly([a * a for a in self.series])

    def _rest(self, terms: int) -> arb:
        """The sum of squares of all coefficients from ``terms`` on, bounded from above."""
        return (self.tail + sum((a * a for a in self.series[terms:]), arb(0))).upper()


@lru_cache(maxsize=FINEST)
def _rule(halvings: int, precision: int) -> tuple[list[arb], tuple[arb_mat, arb_mat]]:
    """Weights H phi(j H) of j = 0, ..., HORIZON / H, the first halved, and h_k(j H) for even and for odd k < TERMS.

    The recursion for h_k loses at most about a bit a term, which it is given; the table is rounded afterwards.
    """
    with flint.ctx.workprec(precision + TERMS):
        step = arb(2) ** -halvings
        nodes = [step * j for j in range(HORIZON * 2**halvings + 1)]
        weights = [step * (-(x**2) / 2).exp() / (2 * arb.pi()).sqrt() for x in nodes]
        weights[0] /= 2
        roots = [arb(k).sqrt() for k in range(TERMS)]
        rows = []
        for x in nodes:
            row = [arb(1), x]
            for k in range(2, TERMS):
                row.append((x * row[k - 1] - roots[k - 1] * row[k - 2]) / roots[k])
            with flint.ctx.workprec(precision):
                rows.append([1 * entry for entry in row])
    return weights, (arb_mat([row[0::2] for row in rows]), arb_mat([row[1::2] for row in rows]))


def _symmetric(radius: arb) -> arb:
    """The ball of everything up to ``radius`` in absolute value."""
    return arb(0, radius.upper())
