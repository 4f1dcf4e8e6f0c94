import math
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bounds.arithmetic import Enclosure
from reports.numerals import (
    as_html,
    as_latex,
    as_text,
    decades,
    digits_above,
    digits_of,
    digits_of_float,
    lowest_kind,
    power_of_ten,
)
from reports.schema import Number

finite = st.floats(allow_nan=False, allow_infinity=False)
moderate = st.floats(-1e30, 1e30)


def values(written):
    return [Decimal(m) for m in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", written)]


def half_unit(written):
    """Half a unit in the last written place of a plain decimal."""
    mantissa, _, exponent = written.partition("e")
    places = len(mantissa.partition(".")[2])
    return Decimal(10) ** (int(exponent or 0) - places) / 2


@given(moderate, moderate, st.integers(2, 9))
def test_a_written_enclosure_contains_the_enclosure(a, b, digits):
    low, high = min(a, b), max(a, b)
    number = Number._of("enclosed", low, high)
    written = digits_of(number, digits)
    shown = values(written)
    if len(shown) == 2:
        assert shown[0] <= Decimal(low) <= Decimal(high) <= shown[1]
    else:
        slack = half_unit(written)
        assert shown[0] - slack <= Decimal(low) <= Decimal(high) <= shown[0] + slack


@given(finite, st.integers(1, 17))
def test_a_written_float_is_within_half_a_unit_of_its_last_digit(value, digits):
    written = digits_of_float(value, digits)
    assert abs(values(written)[0] - Decimal(repr(value))) <= half_unit(written)


@given(st.floats(-700, 700), st.floats(0, 700))
def test_written_decades_contain_the_interval(low, width):
    high = low + width
    shown = values(decades(low, high))
    slack = 0 if len(shown) == 2 else Decimal("0.05")
    assert shown[0] - slack <= Decimal(low) and Decimal(high) <= shown[-1] + slack


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (Number.measured(0.1), "0.1"),
        (Number.measured(12345.678), "1.235e4"),
        (Number.measured(4096), "4096"),
        (Number.measured(1e30), "1e30"),
        (Number.measured(math.nan), "unknown"),
        (Number.measured(math.inf), "∞"),
        (Number.enclosed(Enclosure.of(1_043_038)), "1043038"),
        (Number._of("enclosed", 0.0134604999, 0.0134605001), "0.01346"),
        (Number._of("enclosed", 1.23449, 1.23451), "[1.234, 1.235]"),
        (Number.estimated(45, 64, confidence=0.95, samples=29), "[45, 64]"),
        (Number.estimated(120, math.inf, confidence=0.95, samples=29), "≥ 120"),
        (Number.estimated(-math.inf, 3.5, confidence=0.95, samples=29), "≤ 3.500"),
        (Number.estimated(1.00001, 1.00002, confidence=0.95, samples=29), "[1.000, 1.001]"),
    ],
)
def test_examples(number, written):
    assert digits_of(number) == written


@pytest.mark.parametrize(
    ("ends", "written"),
    [
        ((12.34, 12.34), "12.3"),
        ((12.34, 12.36), "[12.3, 12.4]"),
        ((12.31, None), "≥ 12.3"),
        ((None, 12.31), "≤ 12.4"),
        ((None, None), "not comparable"),
        ((-0.04, 0.01), "0.0"),
    ],
)
def test_examples_of_decades(ends, written):
    assert decades(*ends) == written


def test_one_number_in_three_languages():
    assert as_text("[-1.03e11, 2e-7]") == "[−1.03 × 10¹¹, 2 × 10⁻⁷]"
    assert as_latex("[-1.03e11, 2e-7]") == r"[\num{-1.03e11}, \num{2e-7}]"
    assert "1.03\u202f×\u202f10<sup>11</sup>" in as_html("1.03e11")
    assert as_latex("≥ 120") == r"$\geq$ \num{120}"
    assert power_of_ten(-12) == "10⁻¹²"


@given(finite, st.integers(2, 9))
def test_a_written_upper_bound_is_one(value, digits):
    (written,) = values(digits_above(value, digits))
    assert Decimal(value) <= written <= Decimal(value) + 2 * half_unit(digits_above(value, digits))


def test_mixing_lowers_the_kind():
    exact, enclosed = Number.enclosed(Enclosure.of(2)), Number.enclosed(Enclosure.between(1.0, 2.0))
    estimated, measured = Number.estimated(1, 2, confidence=0.95, samples=9), Number.measured(1.0)
    assert lowest_kind(exact, enclosed) == "enclosed"
    assert lowest_kind(estimated, enclosed) == "estimated"
    assert lowest_kind(measured, estimated, exact) == "float"
