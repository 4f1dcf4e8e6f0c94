"""The operator on the sphere, against quadrature, the trace, its kernel, and inputs drawn at random."""

from math import comb

import flint
import mpmath
import numpy as np
import pytest
import sympy
from flint import arb
from mpmath import mpf

from bounds.gram import sample_spectrum, sphere, sphere_eigenspaces, sphere_trace_beyond, two_layer
from bounds.linalg import least_eigenvalue

GOLDEN = {
    3: ("0.0625", "0.08333", "0.02734", "0", "0.002279"),
    5: ("0.03516", "0.05", "0.01074", "0", "4.425e-4"),
    10: ("0.01673", "0.025", "0.002904", "0", "4.009e-5"),
    20: ("0.008159", "0.0125", "7.586e-4", "0", "3.113e-6"),
}


@pytest.mark.parametrize("d", GOLDEN)
def test_golden_values(d):
    for space, golden in zip(sphere_eigenspaces(d, 4), GOLDEN[d], strict=True):
        assert float(f"{space.eigenvalue.midpoint:.3e}") == float(f"{float(golden):.3e}")


def legendre(d, degree, t):
    """P_l(t) of dimension d, by its three-term recursion."""
    before, value = mpf(0), mpf(1)
    for k in range(degree):
        before, value = value, t if k == 0 else ((2 * k + d - 2) * t * value - k * before) / (k + d - 2)
    return value


def funk_hecke(d, degree):
    """E[K(t) P_l(t)] by quadrature over the angle, t = cos a of density sin^(d-2) a."""

    def density(a):
        return mpmath.sin(a) ** (d - 2)

    def integrand(a):
        return mpmath.cos(a) * (mpmath.pi - a) / (2 * mpmath.pi) * legendre(d, degree, mpmath.cos(a)) * density(a)

    pieces = mpmath.linspace(0, mpmath.pi, 7)
    return mpmath.quad(integrand, pieces) / mpmath.quad(density, pieces)


@pytest.mark.parametrize("d", [2, 3, 4, 5, 10, 23])
def test_eigenvalues_are_those_of_funk_and_hecke(d):
    with mpmath.workdps(40), flint.ctx.workprec(200):
        for space in sphere_eigenspaces(d, 8):
            truth = funk_hecke(d, space.degree)
            assert space.eigenvalue.ball.overlaps(arb(mpmath.nstr(truth, 38)) + arb(0, 1e-30))
            assert float(space.eigenvalue.ball.rad()) <= 1e-50


@pytest.mark.parametrize("d", [2, 3, 4, 7])
def test_multiplicities_count_harmonic_polynomials(d):
    """All homogeneous polynomials of degree l, less those divisible by |x|^2."""
    for space in sphere_eigenspaces(d, 9):
        size = space.degree
        assert space.multiplicity == comb(d + size - 1, size) - (comb(d + size - 3, size - 2) if size >= 2 else 0)


@pytest.mark.parametrize("d", [2, 3, 5, 10, 50])
@pytest.mark.parametrize("degree", [0, 1, 2, 3, 40, 401])
def test_the_trace_is_one_half(d, degree):
    with flint.ctx.workprec(192):
        inside = sum((s.multiplicity * s.eigenvalue.ball for s in sphere_eigenspaces(d, degree)), arb(0))
        beyond = sphere_trace_beyond(d, degree)
        assert (inside + beyond.ball).contains(arb(0.5))
        assert beyond.lower > 0
        assert (inside + beyond.lower) <= arb(0.5) <= (inside + beyond.upper)
        if 2 * degree >= d * d:
            assert beyond.upper - beyond.lower <= 2.2 / max(degree, 1) * beyond.upper


def test_the_bounds_of_the_trace_beyond_are_nearly_attained():
    """A tail a thousandth larger or smaller would be noticed."""
    with flint.ctx.workprec(192):
        inside = sum((s.multiplicity * s.eigenvalue.ball for s in sphere_eigenspaces(4, 4000)), arb(0))
        for factor in (0.999, 1.001):
            assert not (inside + factor * sphere_trace_beyond(4, 4000).ball).contains(arb(0.5))


def test_ratios_of_the_trace_are_bounded_as_claimed():
    """The polynomials behind the two bounds have only positive coefficients, in every dimension and degree."""
    j, d, t, u = sympy.symbols("j d t u")
    ratio = (2 * j + d + 2) * (j + d - 1) * (j + d - 2) * j**2
    ratio /= (2 * j + d - 2) * (j + 2) * (j + 1) * (j + d) ** 2
    cleared = (2 * j + d - 2) * (j + 2) * (j + 1) * (j + d) ** 2
    for a, sign, start in ((d / 2 - 1, 1, 1), (d / 2 - 3, -1, d**2 / 2)):
        difference = sign * sympy.cancel(((j + a) - (j + a + 4) * ratio) * cleared)
        shifted = sympy.Poly(sympy.expand(difference.subs(j, start + t).subs(d, 2 + u)), t, u)
        assert all(coefficient >= 0 for coefficient in shifted.coeffs())
    terms = [sphere._multiplicity(5, odd) * share for odd, share in sphere._odd_shares(5, 9).items()]
    for k in range(4):
        found = terms[k + 1] / terms[k]
        assert sympy.Rational(int(found.p), int(found.q)) == ratio.subs({j: 2 * k + 1, d: 5})


def test_the_expansion_adds_up_to_the_kernel():
    """K(t) = sum_l N(d, l) beta_l P_l(t), with an error of at most the trace beyond."""
    for d in (3, 6):
        spaces, beyond = sphere_eigenspaces(d, 60), sphere_trace_beyond(d, 60).upper
        for t in (-0.9, -0.2, 0.0, 0.5, 0.99):
            series = sum(s.multiplicity * s.eigenvalue.midpoint * float(legendre(d, s.degree, mpf(t))) for s in spaces)
            assert abs(series - t * (np.pi - np.arccos(t)) / (2 * np.pi)) <= beyond + 1e-13


def test_random_inputs_sample_the_spectrum():
    X, d = np.random.default_rng(0).standard_normal((700, 3)), 3
    found = sample_spectrum(X)
    limit = sorted(
        (s.eigenvalue.midpoint for s in sphere_eigenspaces(d, 4) for _ in range(s.multiplicity)), reverse=True
    )
    assert len(found) == 700
    assert max(abs(value.midpoint - beta) for value, beta in zip(found, limit[:9], strict=False)) <= 0.01
    assert all(first.upper >= second.lower for first, second in zip(found, found[1:], strict=False))
    matrix = two_layer(X, normalised=True)
    least = least_eigenvalue(matrix.midpoint, matrix.radius)
    with flint.ctx.workprec(192):
        assert found[-1].ball.overlaps(least.ball / 700)
        assert sum((value.ball for value in found), arb(0)).contains(arb(0.5))
    assert found[0].upper - found[0].lower <= 1e-13


def test_refusals():
    for call, message in (
        (lambda: sphere_eigenspaces(1, 3), "integer of at least 2, not 1"),
        (lambda: sphere_eigenspaces(3, -1), "integer of at least 0, not -1"),
        (lambda: sphere_eigenspaces(3.0, 2), "integer of at least 2, not 3.0"),
        (lambda: sphere_trace_beyond(3, -1), "integer of at least 0"),
        (lambda: sample_spectrum(np.zeros((2, 2))), "row 0 of X is zero"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
