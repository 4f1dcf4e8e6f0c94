"""The integral operator of the two-layer ReLU kernel on the sphere (Su and Yang, NeurIPS 2019, arXiv 1905.10826).

(L f)(x) = E[K(x, s) f(s)], s uniform on the unit sphere of R^d, K(x, s) = t (pi - arccos t) / (2 pi), t = <x, s>: the
first layer trained, for the loss (1 / 2n) sum of squares. Its eigenspaces are the spherical harmonics of degree l,
of dimension N(d, l), with eigenvalue beta_l; the matrix K(x_i, x_j) / n of n inputs has eigenvalues near these.
(Object and name from memory; the eigenvalues are re-derived here.)

Derivation. P_l is the Legendre polynomial of dimension d with P_l(1) = 1, and the eigenvalue of a kernel k(t) is
E[k(t) P_l(t)] (Funk and Hecke). First, s_l for sign(t) and odd l (it is 0 for even l). With
c = Gamma(d/2) / (sqrt(pi) Gamma((d-1)/2)), the density of t is c (1 - t^2)^((d-3)/2), and from Legendre's equation
((1 - t^2)^((d-1)/2) P_l')' = -l (l + d - 2) (1 - t^2)^((d-3)/2) P_l, s_l = 2 c P_l'(0) / (l (l + d - 2)) =
2 c P_{l-1}(0) / (l + d - 2), by (1 - t^2) P_l' = l (P_{l-1} - t P_l). With (l + d - 2) P_{l+1}(0) = -l P_{l-1}(0),

    s_1 = E|t| = Gamma(d/2) / (sqrt(pi) Gamma((d+1)/2)),    s_{l+2} = -l / (l + d) s_l.

Next, E[1{w.x >= 0} 1{w.s >= 0}] = 1/4 + E[sign(w.x) sign(w.s)] / 4 has the eigenvalues kappa_0 = 1/4,
kappa_l = s_l^2 / 4, since the sign operator is applied twice. Last, K is t times it, and
(2 l + d - 2) t P_l = (l + d - 2) P_{l+1} + l P_{l-1} gives

    beta_l = l / (2 l + d - 2) kappa_{l-1} + (l + d - 2) / (2 l + d - 2) kappa_{l+1},

so beta_0 = s_1^2 / 4, beta_1 = 1 / (4 d), beta_l = 0 for odd l >= 3, and sum_l N(d, l) beta_l = K(x, x) = 1/2. Every
beta_l is rational, but for the common factor s_1^2 of even degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import flint
from flint import arb, fmpq

from bounds.arithmetic import PRECISION, Enclosure
from bounds.gram.matrix import Array, checked_count
from bounds.gram.two_layers import two_layer
from bounds.linalg import spectrum


@dataclass(frozen=True)
class Eigenspace:
    """An eigenvalue of the operator, with the space of spherical harmonics it belongs to.

    Args:
        degree: l.
        multiplicity: N(d, l), its dimension.
        eigenvalue: beta_l.
    """

    degree: int
    multiplicity: int
    eigenvalue: Enclosure


def sphere_eigenspaces(d: int, degree: int) -> tuple[Eigenspace, ...]:
    """Enclose the eigenvalues of the operator up to a degree.

    Args:
        d: dimension of the inputs, at least 2.
        degree: the largest degree, at least 0.

    Returns:
        The eigenspaces of degrees 0, 1, ..., ``degree``. By size the order is 1, 0, 2, 4, 6, ...

    Raises:
        ValueError: ``d`` or ``degree`` is out of range.
    """
    d, degree = _checked(d, degree)
    with flint.ctx.workprec(PRECISION):
        squared = _first_sign_number(d) ** 2
        share = _odd_shares(d, degree + 1)

        def eigenvalue(at: int) -> arb:
            if at == 1:
                return arb(fmpq(1, 4 * d))
            if at % 2:
                return arb(0)
            if at == 0:
                return squared * share[1]
            return squared * ((at * share[at - 1] + (at + d - 2) * share[at + 1]) / (2 * at + d - 2))

        return tuple(Eigenspace(at, _multiplicity(d, at), Enclosure(eigenvalue(at))) for at in range(degree + 1))


def sphere_trace_beyond(d: int, degree: int) -> Enclosure:
    """Enclose the trace that an expansion up to a degree leaves out, sum of N(d, l) beta_l over l > ``degree``.

    It does not use that all of them add up to 1/2, and so checks it; as a number, 1/2 less the sum of those up to the
    degree is sharper, and far sharper below degree d^2 / 2. With k_j = N(d, j) s_j^2 / 4 for odd j,
    N(d, l) beta_l = (l + d - 3) / (2 l + d - 4) k_{l-1} + (l + 1) / (2 l + d) k_{l+1} for even l >= 2, where the two
    shares of one k_j add up to 1. So, for even m, the trace beyond m is (m + d - 1) / (2 m + d) k_{m+1} and all later
    k_j. These are bounded through their ratios: k_{j+2} / k_j =
    (2 j + d + 2) (j + d - 1) (j + d - 2) j^2 / ((2 j + d - 2) (j + 2) (j + 1) (j + d)^2) is at most
    (j + a) / (j + a + 4) with a = d/2 - 1, and at least that with a = d/2 - 3 if j >= d^2 / 2 (the tests show the
    polynomials to be positive). Those are the ratios of 1 / ((j + a) (j + a + 2)), which adds up to 1 / (2 (j + a)) in
    steps of 2 from j on; hence k_j + k_{j+2} + ... lies between (j + d/2 - 1) k_j / 2 and (j + d/2 + 1) k_j / 2.

    Args:
        d: dimension of the inputs, at least 2.
        degree: the largest degree of the expansion, at least 0; from d^2 / 2 on the relative width is 2 / degree.

    Raises:
        ValueError: ``d`` or ``degree`` is out of range.
    """
    d, degree = _checked(d, degree)
    even = degree - degree % 2
    with flint.ctx.workprec(PRECISION):
        squared = _first_sign_number(d) ** 2
        share = _odd_shares(d, even + 3)
        first, second = (squared * share[odd] * _multiplicity(d, odd) for odd in (even + 1, even + 3))
        centre = arb(fmpq(2 * even + 6 + d, 4))
        least = centre - fmpq(1, 2) if 2 * (even + 3) >= d * d else arb(1)
        beyond = first * fmpq(even + d - 1, 2 * even + d) + second * least.union(centre + fmpq(1, 2))
        return Enclosure(beyond + fmpq(1, 4) if degree == 0 else beyond)


def sample_spectrum(X: Array) -> tuple[Enclosure, ...]:
    """Enclose the eigenvalues of the kernel matrix K(x_i, x_j) / n of any inputs, which samples the operator.

    Args:
        X: (n, d) float64 inputs, used as stored and divided by their exact norms.

    Returns:
        n enclosures in descending order. For inputs drawn from the uniform distribution they tend to the beta_l with
        their multiplicities as n grows.

    Raises:
        ValueError: as for :func:`bounds.gram.two_layer`.
    """
    matrix = two_layer(X, normalised=True)
    with flint.ctx.workprec(PRECISION):
        return tuple(Enclosure(value.ball / len(X)) for value in reversed(spectrum(matrix.midpoint, matrix.radius)))


def _first_sign_number(d: int) -> arb:
    """s_1, the mean of |t|."""
    return arb(fmpq(d, 2)).gamma() / (arb.pi().sqrt() * arb(fmpq(d + 1, 2)).gamma())


def _odd_shares(d: int, last: int) -> dict[int, fmpq]:
    """kappa_l / s_1^2 for odd l up to ``last`` (or one beyond)."""
    shares = {1: fmpq(1, 4)}
    for odd in range(1, last, 2):
        shares[odd + 2] = shares[odd] * fmpq(odd, odd + d) ** 2
    return shares


def _multiplicity(d: int, degree: int) -> int:
    """N(d, l): homogeneous harmonic polynomials of degree l in d variables."""
    return 1 if degree == 0 else (2 * degree + d - 2) * comb(degree + d - 3, degree - 1) // degree


def _checked(d: int, degree: int) -> tuple[int, int]:
    return checked_count(d, "d, the dimension of the inputs,", 2), checked_count(degree, "degree", 0)
