"""Activations whose Gaussian expectations are elementary.

Throughout u ~ N(0, p), v ~ N(0, q) have covariance c. Derivations use Stein's lemma in the form
E[u F(u, v)] = p E[dF/du] + c E[dF/dv].
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import factorial

import flint
from flint import arb, fmpq

from bounds.activations.activation import Activation, ClosedForm, constant
from bounds.arithmetic import Enclosure, Exact, integer_power


def _exact(value: Exact) -> fmpq:
    if isinstance(value, bool) or not isinstance(value, int | Fraction | float):
        raise ValueError(f"a coefficient is an int, a Fraction or a float at face value, not {value!r}")
    return fmpq(*value.as_integer_ratio())


def _orthant_angle(p: arb, q: arb, c: arb) -> arb:
    """The angle pi - arccos(c / sqrt(p q)), also at c^2 = p q."""
    root = (p * q - c * c).nonnegative_part().sqrt()
    return arb.pi() - arb.atan2(root, c) if c > 0 else arb.atan2(root, -c)


def _relu_product(p: arb, q: arb, c: arb) -> arb:
    """J = (sqrt(p q - c^2) + c (pi - t)) / (2 pi), cos t = c / sqrt(p q), without loss at c^2 = p q.

    Evaluated at the midpoints with twice the bits, where nothing cancels, plus a bound of the change: dJ/dc =
    (pi - t) / (2 pi) lies in [0, 1/2] and dJ/dp = sqrt(p q - c^2) / (4 pi p) below sqrt(q / p) / 4. Beyond c^2 = p q,
    where midpoints may stray, J goes on as max(c, 0) / 2 with the same bounds.
    """
    with flint.ctx.workprec(2 * int(flint.ctx.prec)):
        p_mid, q_mid, c_mid = p.mid(), q.mid(), c.mid()
        root = (p_mid * q_mid - c_mid * c_mid).nonnegative_part().sqrt()
        value = (root + c_mid * _orthant_angle(p_mid, q_mid, c_mid)) / (2 * arb.pi())
    change = c.rad() / 2 + (p.rad() * (q / p).sqrt() + q.rad() * (p / q).sqrt()) / 4
    return value + arb(0, change.upper())


def leaky_relu(slope: Exact) -> Activation:
    """s(z) = z for z >= 0 and slope z below; slope 0 is the ReLU, -1 the absolute value.

    With r the ReLU, s = slope z + (1 - slope) r and E[u r(v)] = c / 2 (Stein), so
    E[s s] = slope c + (1 - slope)^2 E[r r] and E[s' s'] = slope + (1 - slope)^2 E[r' r']. The expectations of r are
    the arc-cosine kernels of Cho and Saul (NeurIPS 2009):
    E[r r] = (sqrt(p q - c^2) + c (pi - t)) / (2 pi), E[r' r'] = (pi - t) / (2 pi), cos t = c / sqrt(p q).

    Args:
        slope: a number at face value.
    """
    a = _exact(slope)
    bend = (1 - a) ** 2

    def value(p: arb, q: arb, c: arb) -> arb:
        return a * c + bend * _relu_product(p, q, c)

    def derivative(p: arb, q: arb, c: arb) -> arb:
        return a + bend * _orthant_angle(p, q, c) / (2 * arb.pi())

    return Activation(
        {0.0: "ReLU", -1.0: "absolute value", 1.0: "identity"}.get(float(slope), f"leaky ReLU of slope {slope}"),
        ClosedForm(lambda p: (1 - a) * (p / (2 * arb.pi())).sqrt(), lambda p: (1 + a**2) * p / 2, value),
        ClosedForm(lambda p: arb((1 + a) / 2), lambda p: arb((1 + a**2) / 2), derivative),
        lipschitz=Enclosure.of(max(Fraction(1), abs(Fraction(slope)))),
        smoothness=Enclosure.of(0) if a == 1 else None,
    )


RELU = leaky_relu(0)
"""max(z, 0)."""

ABSOLUTE_VALUE = leaky_relu(-1)
"""|z|."""

STEP = Activation(
    "step",
    ClosedForm(lambda p: arb(0.5), lambda p: arb(0.5), lambda p, q, c: _orthant_angle(p, q, c) / (2 * arb.pi())),
    derivative=None,
    lipschitz=None,
    smoothness=None,
)
"""1 for z >= 0, else 0; E[s s] is the probability of an orthant (Sheppard, 1899)."""

ERF = Activation(
    "erf",
    ClosedForm(
        lambda p: arb(0),
        lambda p: 2 / arb.pi() * (2 * p / (1 + 2 * p)).asin(),
        lambda p, q, c: 2 / arb.pi() * (2 * c / ((1 + 2 * p) * (1 + 2 * q)).sqrt()).asin(),
    ),
    ClosedForm(
        lambda p: 2 / (arb.pi() * (1 + 2 * p)).sqrt(),
        lambda p: 4 / (arb.pi() * (1 + 4 * p).sqrt()),
        lambda p, q, c: 4 / (arb.pi() * ((1 + 2 * p) * (1 + 2 * q) - 4 * c * c).sqrt()),
    ),
    lipschitz=constant(lambda: 2 / arb.pi().sqrt()),
    smoothness=constant(lambda: (8 / (arb.pi() * arb(1).exp())).sqrt()),
)
"""The error function (Williams, NeurIPS 1996). |s''| = 4 |z| exp(-z^2) / sqrt(pi) is greatest at z^2 = 1/2."""


def _gelu_value(p: arb, q: arb, c: arb) -> arb:
    density, both = _gelu_parts(p, q, c)
    return c * both + density * (p * q - p * c * c / (1 + p) + c * c / (1 + q))


def _gelu_derivative(p: arb, q: arb, c: arb) -> arb:
    density, both = _gelu_parts(p, q, c)
    return both + c * density * (1 / (1 + p) + 1 / (1 + q) + 1 / ((1 + p) * (1 + q) - c * c))


def _gelu_parts(p: arb, q: arb, c: arb) -> tuple[arb, arb]:
    """E[phi(u) phi(v)] and E[Phi(u) Phi(v)]."""
    determinant = (1 + p) * (1 + q) - c * c
    both = arb(0.25) + (c / ((1 + p) * (1 + q)).sqrt()).asin() / (2 * arb.pi())
    return 1 / (2 * arb.pi() * determinant.sqrt()), both


GELU = Activation(
    "GELU",
    ClosedForm(lambda p: p / (2 * arb.pi() * (1 + p)).sqrt(), lambda p: _gelu_value(p, p, p), _gelu_value),
    ClosedForm(lambda p: arb(0.5), lambda p: _gelu_derivative(p, p, p), _gelu_derivative),
    lipschitz=constant(lambda: (1 + arb(1).erf()) / 2 + 1 / (arb.pi().sqrt() * arb(1).exp())),
    smoothness=constant(lambda: (2 / arb.pi()).sqrt()),
)
"""z Phi(z), Phi the normal distribution function and phi its density; expectations re-derived here.

Write G = E[phi(u) phi(v)] = 1 / (2 pi sqrt((1 + p)(1 + q) - c^2)) and
F = E[Phi(u) Phi(v)] = 1/4 + arcsin(c / sqrt((1 + p)(1 + q))) / (2 pi). By Stein's lemma
E[u phi(u) Phi(v)] = -p E[u phi(u) Phi(v)] + c G = c G / (1 + p), then
E[v phi(u) Phi(v)] = q G - c E[u phi(u) Phi(v)] = G (q - c^2 / (1 + p)), and
E[u Phi(u) v Phi(v)] = p E[v phi(u) Phi(v)] + c F + c E[v phi(v) Phi(u)].
s' = Phi + z phi, and E[u v phi(u) phi(v)] = c G / ((1 + p)(1 + q) - c^2), the covariance of the tilted Gaussian.
s'' = (2 - z^2) phi vanishes at z^2 = 2, where |s'| is greatest: Phi(sqrt 2) + sqrt 2 phi(sqrt 2) (the least s' is
1 minus that). s''' = (z^3 - 4 z) phi, so |s''| is greatest at 0 (sqrt(2 / pi)) and not at 2 (2 phi(2) < 0.11).
"""

SIN = Activation(
    "sin",
    ClosedForm(
        lambda p: arb(0),
        lambda p: -(-2 * p).expm1() / 2,
        lambda p, q, c: (-(p + q) / 2).exp() * c.sinh(),
    ),
    ClosedForm(
        lambda p: (-p / 2).exp(),
        lambda p: (1 + (-2 * p).exp()) / 2,
        lambda p, q, c: (-(p + q) / 2).exp() * c.cosh(),
    ),
    lipschitz=Enclosure.of(1),
    smoothness=Enclosure.of(1),
)
"""sin z; from E[exp(i (u +- v))] = exp(-(p + q) / 2 -+ c)."""

COS = Activation("cos", SIN.slope, SIN.value, lipschitz=Enclosure.of(1), smoothness=Enclosure.of(1))
"""cos z; the sign of its derivative cancels in products."""


_EXPONENTIAL = ClosedForm(lambda p: (p / 2).exp(), lambda p: (2 * p).exp(), lambda p, q, c: ((p + q) / 2 + c).exp())

EXPONENTIAL = Activation("exponential", _EXPONENTIAL, _EXPONENTIAL, lipschitz=None, smoothness=None)
"""exp z."""


def polynomial(coefficients: Sequence[Exact]) -> Activation:
    """s(z) = sum_k coefficients[k] z^k.

    Isserlis' theorem (pair l factors u with l factors v, the rest among themselves) gives
    E[u^i v^j] = sum_l i! j! / (l! a! b!) (p/2)^a (q/2)^b c^l over l = i - 2 a = j - 2 b.

    Args:
        coefficients: ascending, numbers at face value; not all zero.

    Raises:
        ValueError: no coefficient differs from zero.
    """
    exact = [_exact(value) for value in coefficients]
    while exact and exact[-1] == 0:
        exact.pop()
    if not exact:
        raise ValueError("a polynomial activation needs a coefficient that is not zero")
    return _polynomial(f"polynomial of degree {len(exact) - 1}", exact, fmpq(1))


def hermite(degree: int) -> Activation:
    """The Hermite polynomial He_degree / sqrt(degree!), orthonormal for N(0, 1).

    Args:
        degree: at least 0.

    Raises:
        ValueError: negative degree.
    """
    if degree < 0:
        raise ValueError(f"a Hermite polynomial has a degree of at least 0, not {degree}")
    coefficients = [fmpq(0)] * (degree + 1)
    for a in range(degree // 2 + 1):
        pairs = factorial(degree) // (factorial(a) * factorial(degree - 2 * a) * 2**a)
        coefficients[degree - 2 * a] = fmpq((-1) ** a * pairs)
    return _polynomial(f"Hermite polynomial of degree {degree}", coefficients, fmpq(1, factorial(degree)))


def _polynomial(name: str, coefficients: list[fmpq], squared_factor: fmpq) -> Activation:
    """sqrt(squared_factor) sum_k coefficients[k] z^k, with the constants of degrees 0 to 2."""
    slope = [k * a for k, a in enumerate(coefficients)][1:] or [fmpq(0)]
    bend = [k * a for k, a in enumerate(slope)][1:] or [fmpq(0)]

    def bound(derivative: list[fmpq]) -> Enclosure | None:
        return constant(lambda: arb(squared_factor).sqrt() * abs(derivative[0])) if len(derivative) == 1 else None

    return Activation(
        name,
        _polynomial_expectations(coefficients, squared_factor),
        _polynomial_expectations(slope, squared_factor),
        lipschitz=bound(slope),
        smoothness=bound(bend),
    )


def _polynomial_expectations(coefficients: list[fmpq], squared_factor: fmpq) -> ClosedForm:
    def mean(p: arb) -> arb:
        return arb(squared_factor).sqrt() * sum((a * _moment(i, 0, p, p, p) for i, a in _terms(coefficients)), arb(0))

    def product(p: arb, q: arb, c: arb) -> arb:
        terms = (a * b * _moment(i, j, p, q, c) for i, a in _terms(coefficients) for j, b in _terms(coefficients))
        return squared_factor * sum(terms, arb(0))

    return ClosedForm(mean, lambda p: product(p, p, p), product)


def _terms(coefficients: list[fmpq]) -> list[tuple[int, fmpq]]:
    return [(k, a) for k, a in enumerate(coefficients) if a != 0]


def _moment(i: int, j: int, p: arb, q: arb, c: arb) -> arb:
    """E[u^i v^j]."""
    total = arb(0)
    for crossed in range(i % 2, min(i, j) + 1, 2) if (i - j) % 2 == 0 else ():
        a, b = (i - crossed) // 2, (j - crossed) // 2
        ways = factorial(i) * factorial(j) // (factorial(crossed) * factorial(a) * factorial(b))
        total += ways * (p / 2) ** a * (q / 2) ** b * integer_power(c, crossed)
    return total
