"""Containment, refusal and three-valued comparison of the exact arithmetic."""

from __future__ import annotations

import copy
import math
import pickle
from fractions import Fraction

import flint
import mpmath
import pytest
import sympy
from flint import arb
from hypothesis import assume, given
from hypothesis import strategies as st

from bounds.arithmetic import (
    Enclosure,
    Kind,
    Outcome,
    Verdict,
    compare,
    conjunction,
    decide,
    decimal,
    evaluate,
    exact_ball,
    large_constant,
    small_constant,
)

x, y = sympy.symbols("x y", positive=True)
rationals = st.fractions(min_value=Fraction(1, 1000), max_value=1000, max_denominator=1000)
finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.floats(-4, 4), st.floats(-4, 4), st.integers(0, 5), st.floats(0, 1))
def test_powers_of_balls_wherever_they_lie(first: float, second: float, power: int, share: float) -> None:
    """Also around 0 and centred there, where python-flint's own power is no number."""
    for low, high in ((first, second), (-abs(first), abs(first))):
        low, high = min(low, high), max(low, high)
        point = min(max(low + share * (high - low), low), high)
        found = evaluate(sympy.Symbol("z") ** power, {sympy.Symbol("z"): Enclosure.between(low, high)})
        assert found.lower <= Fraction(point) ** power <= found.upper
        assert found.upper <= 8.1**power


def test_the_square_of_a_ball_around_zero() -> None:
    z = sympy.Symbol("z")
    square, cube = (evaluate(z**power, {z: Enclosure.between(-2.0, 2.0)}) for power in (2, 3))
    assert (square.lower, cube.lower) == pytest.approx((0, -8), abs=1e-6)
    assert (square.upper, cube.upper) == pytest.approx((4, 8), abs=1e-6)
    assert evaluate(z**-2, {z: Enclosure.of(0)}).upper == math.inf


@given(rationals, rationals, st.integers(-6, 6))
def test_rational_expressions_contain_the_exact_value(a: Fraction, b: Fraction, power: int) -> None:
    expression = (x**power + y / 3) * (x - 2 * y) ** 2 / (x + y)
    truth = (a**power + b / 3) * (a - 2 * b) ** 2 / (a + b)
    assert evaluate(expression, {x: a, y: b}).contains(truth)


@given(rationals, rationals)
def test_functions_contain_the_value_at_four_times_the_precision(a: Fraction, b: Fraction) -> None:
    expression = sympy.log(1 + x) * sympy.exp(-y / 100) + sympy.sqrt(x / sympy.pi) - sympy.erf(y) + sympy.Max(x, y)
    enclosure = evaluate(expression, {x: a, y: b})
    with mpmath.workprec(768):
        p, q = mpmath.mpf(a.numerator) / a.denominator, mpmath.mpf(b.numerator) / b.denominator
        truth = mpmath.log(1 + p) * mpmath.exp(-q / 100) + mpmath.sqrt(p / mpmath.pi) - mpmath.erf(q) + max(p, q)
        with flint.ctx.workprec(768):
            assert enclosure.ball.contains(arb(mpmath.nstr(truth, 220)))
    assert enclosure.upper - enclosure.lower <= 4 * math.ulp(max(1.0, abs(enclosure.midpoint)))


@given(finite)
def test_a_stored_float_is_exact(value: float) -> None:
    enclosure = Enclosure.of(value)
    assert enclosure.kind is Kind.EXACT
    assert enclosure.lower == enclosure.upper == value


@given(rationals)
def test_float_bounds_are_on_the_safe_side_and_tight(value: Fraction) -> None:
    enclosure = evaluate(x / 1, {x: value})
    assert Fraction(enclosure.lower) <= value <= Fraction(enclosure.upper)
    assert enclosure.upper <= math.nextafter(math.nextafter(enclosure.lower, math.inf), math.inf)


@given(finite, finite)
def test_comparison_of_exact_numbers_is_decided(a: float, b: float) -> None:
    for relation, truth in (("<", a < b), ("<=", a <= b), (">", a > b), (">=", a >= b)):
        assert compare(a, relation, b).outcome is (Outcome.HOLDS if truth else Outcome.FAILS)


@given(finite, finite, finite, finite)
def test_comparison_of_intervals_never_contradicts_a_member(a: float, b: float, c: float, d: float) -> None:
    left, right = Enclosure.between(min(a, b), max(a, b)), Enclosure.between(min(c, d), max(c, d))
    for relation, truths in (
        ("<", {p < q for p in (a, b) for q in (c, d)}),
        ("<=", {p <= q for p in (a, b) for q in (c, d)}),
    ):
        verdict = compare(left, relation, right)
        assert not (verdict.holds and False in truths)
        assert not (verdict.fails and True in truths)


@given(finite, finite)
def test_known_ends_are_kept_and_compared_exactly(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    between = Enclosure.between(low, high)
    assert (between.lower, between.upper) == (low, high)
    assert compare(between, ">=", low).holds and compare(between, "<=", high).holds
    assert between.contains(low) and between.contains(high)


@pytest.mark.parametrize(
    "ball", [arb(0), arb(1) / 3, arb(-7, 2**-60), arb("nan"), arb("inf"), arb("-inf"), arb(0, "inf"), arb(2) ** 5000]
)
def test_an_enclosure_goes_to_other_processes(ball: arb) -> None:
    for enclosure in (Enclosure(ball, "C at 1"), Enclosure(ball, ends=(0.0, 1.0))):
        for there in (pickle.loads(pickle.dumps(enclosure)), copy.deepcopy(enclosure)):
            assert repr(there) == repr(enclosure) and there.ends == enclosure.ends and there.kind == enclosure.kind
            if ball.is_finite():
                assert there.ball.mid() == ball.mid() and there.ball.contains(ball)
                assert there.ball.rad() <= ball.rad() * arb(1 + 2**-27)
            else:
                assert str(there.ball) == str(ball) and str(there.ball.rad()) == str(ball.rad())


def test_not_a_number_is_undecided() -> None:
    nan = Enclosure(arb("nan"))
    assert compare(nan, "<", 1).undecided
    assert compare(1, ">=", nan).undecided
    assert nan.lower == -math.inf and nan.upper == math.inf
    assert not nan.contains(0)
    assert evaluate(sympy.log(x), {x: Enclosure.between(-1.0, 1.0)}).lower == -math.inf


def test_close_numbers_are_told_apart_whatever_precision_the_caller_left() -> None:
    twelve = evaluate(10**12 * sympy.log(12), {})
    for precision in (10, 53, 400):
        with flint.ctx.workprec(precision):
            assert compare(2484906649788, "<", twelve).holds
            assert evaluate(x / 3, {x: 1}).lower == evaluate(x / 3, {x: 1}).lower < Fraction(1, 3)


def test_overlap_is_undecided_and_a_tie_is_not_strict() -> None:
    third = evaluate(x / 3, {x: 1})
    assert compare(third, "<", third).undecided
    assert compare(1, "<", 1).fails
    assert compare(1, "<=", 1).holds


def test_a_third_times_three_contains_one() -> None:
    assert evaluate(x / 3, {x: 3}).contains(1)


def test_the_square_of_a_number_near_zero_is_a_number() -> None:
    square = evaluate(sympy.Symbol("z") ** 2, {sympy.Symbol("z"): Enclosure.between(-1.0, 2.0)})
    assert square.contains(4) and square.upper < 5


def test_operators_and_truth_values_are_refused() -> None:
    number = Enclosure.of(1)
    for operation in (
        lambda: number < number,
        lambda: number == number,
        lambda: number != number,
        lambda: bool(number),
    ):
        with pytest.raises(TypeError, match=r"\.holds"):
            operation()
    with pytest.raises(TypeError, match=r"\.undecided"):
        bool(Verdict(Outcome.HOLDS))


def test_floats_and_unknown_functions_are_refused() -> None:
    with pytest.raises(TypeError, match="Float"):
        evaluate(0.1 * x, {x: 1})
    with pytest.raises(TypeError, match="zeta"):
        evaluate(sympy.zeta(x), {x: 2})
    with pytest.raises(KeyError, match="no value for y"):
        evaluate(x + y, {x: 1})
    with pytest.raises(TypeError, match="bool"):
        exact_ball(True)
    for infinite in (math.inf, -math.inf, math.nan):
        with pytest.raises(ValueError, match="no exact number"):
            compare(infinite, "<=", infinite)
    with pytest.raises(TypeError):
        decide(sympy.Eq(x, y), {x: 1, y: 2})
    with pytest.raises(ValueError, match="unknown relation"):
        compare(1, "==", 1)


def test_hidden_constants_are_taken_as_one_and_never_hold() -> None:
    for constant, word in ((large_constant("C"), "lower estimate"), (small_constant("c"), "upper estimate")):
        number = evaluate(constant * x, {x: 7})
        assert number.contains(7)
        assert word in number.assumption
        assert compare(10**9, ">=", number).undecided
        assert compare(1, ">=", number).undecided
        assert evaluate(constant * x, {x: 7, constant: 3}).assumption == ""


def test_an_assumption_survives_arithmetic() -> None:
    assumed = evaluate(large_constant("C") * x, {x: 2})
    assert evaluate(y + 1, {y: assumed}).assumption == assumed.assumption


def test_conjunction() -> None:
    holds, fails, undecided = (Verdict(outcome) for outcome in Outcome)
    assert conjunction(()).holds
    assert conjunction((holds, holds)).holds
    assert conjunction((holds, undecided)).undecided
    assert conjunction((undecided, fails, holds)).fails


@given(rationals, rationals)
def test_decimal_text_is_true(a: Fraction, b: Fraction) -> None:
    assume(a != b)
    low, high = sorted((float(a), float(b)))
    text = decimal(Enclosure.between(low, high))
    if text.startswith("["):
        left, right = (Fraction(part.strip()) for part in text.strip("[]").split(","))
        assert left <= Fraction(low) and right >= Fraction(high)
    else:
        assert abs(float(text) - low) <= 1e-5 * abs(low) and abs(float(text) - high) <= 1e-5 * abs(high)
