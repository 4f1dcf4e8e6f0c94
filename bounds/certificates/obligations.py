"""The algebra of the convergence theorem and the constants of the activations, as obligations for two solvers.

Each is a step of the proofs in :mod:`bounds.certificates.newton_kantorovich` and :mod:`~bounds.certificates.kinks`, and
of the docstrings in :mod:`bounds.activations`; what is not algebra there (Cauchy and Schwarz, Weyl, Taylor's theorem
with the Lipschitz constant) is not checked by machine.
"""

from __future__ import annotations

from sympy import Eq, Ge, Gt, Le, Lt, Rational, Symbol, symbols

from bounds.proofs import Obligation


def _positive(names: str) -> tuple[Symbol, ...]:
    return tuple(symbols(names, positive=True))


s, T, t, A, B, c = _positive("s T t A B c")
smaller = Symbol("s_smaller", positive=True)
sigma, L, rho, q, length, a, D, eta, r, following, mu = _positive("sigma L rho q l a D eta r r_next mu")
v = Symbol("v", real=True)

_SPECTRUM = (Ge(T, 1), Lt(s, 2 - T))
_ROOT = (Le(q, 1), Eq(rho, c**2 * sigma**2 * (1 - q**2) / (2 * L)), Eq(length, 2 * rho / (c * sigma * (1 + q))))
"""q = sqrt(1 - h) with h = 2 L rho / (c sigma)^2."""

_CHORD = (*_SPECTRUM, Eq(A, 1 - s * T), Eq(B, 2 - s - T))

LINEAR_STEP = (
    Obligation(
        "chord",
        "(1 - t)^2 lies below its chord between s and T",
        (Ge(t, s), Le(t, T)),
        Le((1 - t) ** 2, 1 - s * T - (2 - s - T) * t),
        planted=Le((1 - t) ** 2, 1 - s * T - (2 - s - T) * t - Rational(1, 100) * t),
    ),
    Obligation(
        "chord starts positive",
        "A = 1 - s T is positive wherever s < 2 - T",
        _SPECTRUM,
        Gt(1 - s * T, 0),
        planted=Gt(1 - s * T, Rational(1, 100)),
    ),
    Obligation(
        "Cauchy and Schwarz",
        "A (1 + c^2 s / B) <= 1 at c^2 = B T / A: the best c that the chord allows",
        (*_CHORD, Le(c**2 * A, B * T)),
        Le(A * (1 + c**2 * s / B), 1),
        planted=Le(A * (1 + Rational(101, 100) * c**2 * s / B), 1),
    ),
    Obligation(
        "factor at most one",
        "c <= 1",
        (*_CHORD, Le(c**2 * A, B * T)),
        Le(c**2, 1),
        planted=Le(c**2, Rational(99, 100)),
    ),
    Obligation(
        "smaller s is safe",
        "B T / A decreases in s, so that the factor of the theorem serves smaller singular values",
        (*_SPECTRUM, Le(smaller, s)),
        Ge((2 - smaller - T) * (1 - s * T), (2 - s - T) * (1 - smaller * T)),
        planted=Gt((2 - smaller - T) * (1 - s * T), (2 - s - T) * (1 - smaller * T)),
    ),
    Obligation(
        "share of sigma",
        "T s (2 - s - T) / (1 - s T) is nowhere larger than at s = (2 - T) / T, where it is (2 - T)^2 / T",
        (*_SPECTRUM, Gt(1 - s * T, 0)),
        Le(T**2 * s * (2 - s - T), (2 - T) ** 2 * (1 - s * T)),
        planted=Le(T**2 * s * (2 - s - T), Rational(99, 100) * (2 - T) ** 2 * (1 - s * T)),
    ),
)
"""Part (a) of the proof, and which sigma is used."""

MAJORANT = (
    Obligation(
        "one step under the majorant",
        "the decrease of ||r|| in a step of length D is that of the parabola",
        (
            Le(c, 1),
            Le(following, r - c * (sigma - L * a) * D + L * D**2 / 2),
            Le(r, rho - c * sigma * a + L * a**2 / 2),
        ),
        Le(following, rho - c * sigma * (a + D) + L * (a + D) ** 2 / 2),
        planted=Le(following, rho - c * sigma * (a + D) + L * (a + D) ** 2 / 2 - Rational(1, 100) * D),
    ),
    Obligation(
        "root of the majorant",
        "l is a root: rho - c sigma l + L l^2 / 2 <= 0",
        _ROOT,
        Le(rho - c * sigma * length + L * length**2 / 2, 0),
        planted=Le(rho - c * sigma * length + L * length**2 / 2, -Rational(1, 100) * rho),
    ),
    Obligation(
        "slope at the root",
        "c sigma - L l >= mu = c sigma sqrt(1 - h)",
        _ROOT,
        Ge(c * sigma - L * length, c * sigma * q),
        planted=Ge(c * sigma - L * length, Rational(101, 100) * c * sigma * q),
    ),
    Obligation(
        "rate",
        "a step of length at least eta mu ||r|| against the slope mu shrinks ||r|| by 1 - eta mu^2",
        (Le(following, r - mu * D), Ge(D, eta * mu * r)),
        Le(following, (1 - eta * mu**2) * r),
        planted=Le(following, (1 - Rational(101, 100) * eta * mu**2) * r),
    ),
)
"""Parts (b) to (d)."""

pull, tau, e, first, gone, further, size = _positive("pull tau e e_0 gone further size")
x, w = symbols("x w", real=True)

CROSSINGS = (
    Obligation(
        "rate across kinks",
        "what crossings spoil of a step, tau D, is taken from c sigma D: ||r|| shrinks by 1 - eta mu sigma",
        (Le(following, r - pull * D + tau * D), Eq(pull, mu + tau), Ge(D, eta * sigma * r)),
        Le(following, (1 - eta * mu * sigma) * r),
        planted=Le(following, (1 - Rational(101, 100) * eta * mu * sigma) * r),
    ),
    Obligation(
        "floor from slopes 1/2",
        "(x + w)^2 >= (1 - t) x^2 - (1/t - 1) w^2, whence K_P >= (1 - t) K_b - (1/t - 1) delta^2 / 4",
        (Lt(t, 1),),
        Ge((x + w) ** 2, (1 - t) * x**2 - (1 / t - 1) * w**2),
        planted=Ge((x + w) ** 2, (1 - Rational(99, 100) * t) * x**2 - (1 / t - 1) * w**2),
    ),
    Obligation(
        "path of a flip count",
        "the bound size (||e_0|| - ||e_k||) / mu of the path survives a step of length at most eta size ||e_k||",
        (
            Le(gone * mu, size * (first - e)),
            Le(further, gone + eta * size * e),
            Le(following, (1 - eta * mu) * e),
        ),
        Le(further * mu, size * (first - following)),
        planted=Le(further * mu, size * (first - following) - Rational(1, 100) * eta * mu * size * e),
    ),
)
"""Of :mod:`bounds.certificates.kinks` and :mod:`bounds.certificates.relu_proofs`."""

g, k, u, z = symbols("g k u z", real=True)

SHARING = (
    Obligation(
        "one weight at two positions",
        "|V x_1|^2 + |V x_2|^2 <= (x_1^2 + x_2^2) V^2: the gradient is as long as both patches together",
        (),
        Le((v * x) ** 2 + (v * w) ** 2, (x**2 + w**2) * v**2),
        planted=Le((v * x) ** 2 + (v * w) ** 2, x**2 * v**2),
    ),
    Obligation(
        "one input in two patches",
        "(g_1 V h + g_2 V h)^2 <= 2 V^2 (g_1^2 + g_2^2) h^2: an entry of the input that two patches hold counts twice",
        (),
        Le((g * v * z + k * v * z) ** 2, 2 * v**2 * (g**2 + k**2) * z**2),
        planted=Le((g * v * z + k * v * z) ** 2, Rational(19, 10) * v**2 * (g**2 + k**2) * z**2),
    ),
    Obligation(
        "outputs under a unit vector",
        "(u_1 a_1 + u_2 a_2)^2 <= a_1^2 + a_2^2 for u_1^2 + u_2^2 <= 1: a column norm bounds every sum of two outputs",
        (Le(u**2 + w**2, 1),),
        Le((u * g + w * k) ** 2, g**2 + k**2),
        planted=Le((u * g + w * k) ** 2, Rational(99, 100) * (g**2 + k**2)),
    ),
)
"""The norms of :mod:`bounds.certificates.lipschitz` by which positions and outputs share weights, for two of each."""

_UNIT = (Ge(v, 0), Le(v, 1))

ACTIVATIONS = (
    Obligation(
        "tanh bends",
        "|tanh''| = 2 |v| (1 - v^2) with v = tanh is at most 4 / (3 sqrt 3)",
        (Ge(v, -1), Le(v, 1)),
        Le((2 * v * (1 - v**2)) ** 2, Rational(16, 27)),
        planted=Le((2 * v * (1 - v**2)) ** 2, Rational(15, 27)),
    ),
    Obligation(
        "sigmoid bends",
        "|s''| = s (1 - s) |1 - 2 s| is at most 1 / (6 sqrt 3)",
        _UNIT,
        Le((v * (1 - v) * (1 - 2 * v)) ** 2, Rational(1, 108)),
        planted=Le((v * (1 - v) * (1 - 2 * v)) ** 2, Rational(1, 110)),
    ),
    Obligation(
        "softplus bends",
        "softplus'' = s (1 - s), with s its slope, is at most 1/4",
        _UNIT,
        Le(v * (1 - v), Rational(1, 4)),
        planted=Le(v * (1 - v), Rational(6, 25)),
    ),
)

OBLIGATIONS = (*LINEAR_STEP, *MAJORANT, *CROSSINGS, *SHARING, *ACTIVATIONS)
"""All of them."""
