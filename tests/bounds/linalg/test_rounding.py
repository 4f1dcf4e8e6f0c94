from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bounds.linalg import least_eigenvalue
from bounds.linalg.rounding import TINY, UNIT, gamma, inflate, require_ieee_arithmetic
from tests.bounds.floating_point import DEFAULT, DOWN, FLUSH, SUBNORMALS_ARE_ZERO, TOWARDS_ZERO, UP, in_thread

U = Fraction(1, 2**53)


@given(st.integers(0, 2**40))
def test_gamma_bounds_the_growth_of_products(roundings):
    assert Fraction(gamma(roundings)) >= roundings * U / (1 - roundings * U)


def test_gamma_refuses_what_its_bound_is_not_made_for():
    with pytest.raises(ValueError, match="at most 2\\^40"):
        gamma(2**40 + 1)


@given(st.lists(st.floats(0, 1e200), min_size=1, max_size=40))
def test_inflate_bounds_a_sum(terms):
    total = 0.0
    for term in terms:
        total += term
    assert Fraction(inflate(total, len(terms))) >= sum(map(Fraction, terms))


@given(st.floats(1e-90, 1e90), st.floats(1e-90, 1e90), st.floats(1e-90, 1e90))
def test_inflate_bounds_products_quotients_and_roots(a, b, c):
    assert Fraction(inflate(np.sqrt(a * b / c), 4)) ** 2 >= Fraction(a) * Fraction(b) / Fraction(c)


def test_inflate_covers_underflow():
    assert inflate(2.0**-800 * 2.0**-800, 1) >= TINY > 0


def test_inflate_is_needed():
    """Without it the sum of an ulp's thirds falls short."""
    terms = [1.0] + [UNIT / 2] * 8
    assert Fraction(sum(terms)) < sum(map(Fraction, terms)) <= Fraction(inflate(sum(terms), 9))


def test_this_process_rounds_to_nearest():
    require_ieee_arithmetic()


def refusal():
    try:
        least_eigenvalue([[1.0]])
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("register", "message"),
    [
        (DEFAULT, ""),
        (FLUSH, "subnormal numbers are flushed"),
        (SUBNORMALS_ARE_ZERO, "subnormal numbers are flushed"),
        (DOWN, "does not round to nearest"),
        (UP, "does not round to nearest"),
        (TOWARDS_ZERO, "does not round to nearest"),
    ],
    ids=["default", "flush to zero", "subnormals are zero", "down", "up", "towards zero"],
)
def test_other_arithmetic_is_refused(register, message):
    refused = in_thread(register, refusal)
    assert (message in refused) if message else refused == ""
