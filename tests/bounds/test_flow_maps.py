"""Flow maps on a line: the loss that no increasing output goes below, and labels that are attained."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from bounds import Problem
from bounds.flow_maps import attained_on_a_line, increasing_floor

small = st.integers(-4, 4)


def test_two_crossed_points() -> None:
    assert increasing_floor([-1, 1], [1, -1]) == Fraction(1, 2)
    assert increasing_floor([1, -1], [1, -1]) == 0


@given(st.lists(st.tuples(small, small), min_size=1, max_size=12))
def test_floor_is_that_of_isotonic_regression(points: list[tuple[int, int]]) -> None:
    """Against scikit-learn, whose outputs at equal inputs are one as well."""
    x, y = (np.array(side, dtype=float) for side in zip(*points, strict=True))
    fit = IsotonicRegression().fit(x, y).predict(x)
    assert float(increasing_floor(list(x), list(y))) == pytest.approx(np.mean(np.square(fit - y)) / 2, abs=1e-12)


def test_inputs_without_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="1 inputs and 2 labels: give each input one label"):
        increasing_floor([0], [0, 1])


@pytest.mark.parametrize(
    ("x", "y", "outcome"),
    [
        ([2, -1, 1], [3, 0, 2], "holds"),
        ([2, -1, 1], [0, 3, 1], "holds"),  # g may decrease
        ([-1, 3, 1], [1, 1, 0], "fails"),
        ([-1, 3, 1], [0, 1, 0], "fails"),  # flow maps increase strictly
        ([1, 1], [0, 1], "fails"),
        ([1, 1], [2, 2], "holds"),
    ],
)
def test_labels_on_a_line(x: list[float], y: list[float], outcome: str) -> None:
    verdict = attained_on_a_line(Problem(np.array(x, dtype=float)[:, None], np.array(y, dtype=float)))
    assert (verdict.holds, verdict.fails) == (outcome == "holds", outcome == "fails")


def test_more_dimensions_are_not_decided() -> None:
    assert attained_on_a_line(Problem(np.eye(2), np.ones(2))).undecided
