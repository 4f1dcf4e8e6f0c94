"""Decades between promise and measurement: sign, interval, and what is not comparable."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bounds.arithmetic import Enclosure, evaluate, large_constant
from reports.looseness import Sense, looseness
from reports.schema import LoosenessRow, Number

ABOVE: Sense = "promised above measured"
BELOW: Sense = "promised below measured"
positive = st.floats(1e-100, 1e100)


def row(promised: Number, measured: Number, sense: Sense = ABOVE) -> LoosenessRow:
    return looseness("width", "Theorem", "explicit", promised=promised, measured=measured, sense=sense)


@given(positive, positive)
def test_pessimism_is_positive_whichever_way_the_inequality_runs(a: float, b: float) -> None:
    promised, measured = Number.enclosed(Enclosure.of(a)), Number.measured(b)
    above, below = row(promised, measured, ABOVE), row(promised, measured, BELOW)
    assert above.decades_lower == pytest.approx(math.log10(a) - math.log10(b), abs=1e-9)
    assert above.decades_lower == pytest.approx(-below.decades_lower, abs=1e-9)


@given(positive, positive, positive, positive)
def test_the_interval_contains_every_pair_of_members(a: float, b: float, c: float, d: float) -> None:
    promised = Number.enclosed(Enclosure.between(min(a, b), max(a, b)))
    measured = Number.estimated(min(c, d), max(c, d), confidence=0.95, samples=29)
    result = row(promised, measured)
    for p in (a, b):
        for m in (c, d):
            decades = math.log10(p) - math.log10(m)
            assert result.decades_lower - 1e-9 <= decades <= result.decades_upper + 1e-9


def test_a_measured_zero_is_not_comparable() -> None:
    result = row(Number.enclosed(Enclosure.of(1.0)), Number.measured(0.0))
    assert result.decades_lower is None and result.decades_upper is None
    assert "not comparable" in result.note


@pytest.mark.parametrize("sense", [ABOVE, BELOW])
def test_a_side_that_exploded_is_not_comparable(sense: Sense) -> None:
    """Infinitely many decades cannot be written: the page of a run that exploded ended in a traceback."""
    one, exploded = Number.enclosed(Enclosure.of(1.0)), Number.measured(math.inf)
    for result in (row(one, exploded, sense), row(exploded, one, sense)):
        assert (result.decades_lower, result.decades_upper) == (None, None)
        assert "not comparable" in result.note


def test_a_hidden_constant_bounds_one_side_only() -> None:
    assumed = evaluate(large_constant("C") * 1000, {})
    result = row(Number.enclosed(assumed), Number.measured(10.0))
    assert result.decades_lower == pytest.approx(2.0)
    assert result.decades_upper is None
    assert "hidden constant" in result.note


def test_a_search_without_an_upper_end_gives_an_upper_bound_of_the_decades_only() -> None:
    result = row(Number.enclosed(Enclosure.of(1e6)), Number.estimated(10.0, math.inf, confidence=0.95, samples=29))
    assert result.decades_lower is None
    assert result.decades_upper == pytest.approx(5.0)


def test_a_number_keeps_its_bounds_exactly() -> None:
    number = Number.enclosed(Enclosure.between(0.1, 0.3))
    assert number.bounds == (0.1, 0.3)
    assert (float(number.lower), float(number.upper)) == (0.1, 0.3)
    assert number.kind == "enclosed"
    assert Number.enclosed(Enclosure.of(3)).kind == "exact"
