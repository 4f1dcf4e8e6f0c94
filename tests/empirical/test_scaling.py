"""Exponents of synthetic laws are found, at the confidence that is claimed; theorems' exponents are read off."""

import numpy as np
import pytest
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress
from scipy.stats import t as student

from bounds import quantities as q
from bounds.catalogue import theorem
from bounds.problem import Problem
from bounds.settings import TwoLayer
from empirical.networks import initial_network
from empirical.scaling import exponent_of_intervals, promised_exponent, scaling_exponent
from tests.empirical.cases import unit_rows

exponents = st.floats(-4, 8)


@given(exponents, st.floats(1e-6, 1e6), st.lists(st.integers(1, 10**5), min_size=3, max_size=8, unique=True))
def test_an_exact_law_is_found_exactly(a, c, sizes):
    sizes = [*sizes, 3 * max(sizes)]  # logarithms as close as those of 99998 and 99999 are mostly rounding
    found = scaling_exponent(sizes * 2, [c * s**a for s in sizes] * 2)
    assert found.value == pytest.approx(a, abs=1e-9) and found.sizes == len(sizes)
    assert found.lower == pytest.approx(a, abs=1e-6) and found.upper == pytest.approx(a, abs=1e-6)


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    sizes = np.repeat([32, 64, 128, 256, 512], 4)
    covered = 0
    for _ in range(1000):
        found = scaling_exponent(sizes, 3 * sizes**-0.5 * np.exp(0.3 * rng.standard_normal(20)))
        covered += found.lower <= -0.5 <= found.upper
    assert 930 <= covered <= 968  # 950 +- 2.6 standard deviations


def test_the_interval_is_that_of_a_regression_of_the_means():
    """By scipy's own regression and Student's quantile."""
    rng = np.random.default_rng(1)
    sizes, values = np.repeat([3.0, 7.0, 20.0, 100.0], 5), np.exp(rng.standard_normal(20))
    means = np.log(values).reshape(4, 5).mean(axis=1)
    line = linregress(np.log([3.0, 7.0, 20.0, 100.0]), means)
    found = scaling_exponent(sizes, values, confidence=0.9)
    assert found.value == pytest.approx(line.slope, rel=1e-12)
    assert found.upper - found.value == pytest.approx(student.ppf(0.95, 2) * line.stderr, rel=1e-12)
    assert found.value - found.lower == pytest.approx(found.upper - found.value, rel=1e-12)


def test_noise_and_curvature_widen_the_interval():
    sizes = np.array([10, 100, 1000, 10000])
    straight = scaling_exponent(sizes, sizes**2.0)
    curved = scaling_exponent(sizes, sizes**2.0 * np.exp(0.2 * np.log(sizes) ** 2))
    assert straight.upper - straight.lower < 1e-9
    assert curved.upper - curved.lower > 1


@given(
    st.lists(
        st.tuples(st.integers(1, 10**4), st.floats(0.1, 1e4), st.floats(1, 5)),
        min_size=2,
        max_size=6,
        unique_by=lambda row: row[0],
    ),
    st.integers(0, 2**32),
)
def test_every_choice_within_the_intervals_has_its_exponent_in_the_range(rows, seed):
    sizes = [size for size, _, _ in rows]
    found = exponent_of_intervals(sizes, [(low, low * factor) for _, low, factor in rows])
    rng = np.random.default_rng(seed)
    reached = []
    for _ in range(200):
        at = rng.integers(0, 2, len(rows)) if rng.random() < 0.5 else rng.random(len(rows))
        chosen = [low * factor**u for (_, low, factor), u in zip(rows, at, strict=True)]
        reached.append(np.polyfit(np.log(sizes), np.log(chosen), 1)[0])
    slack = 1e-9 * (1 + abs(found.lower) + abs(found.upper))
    assert found.lower - slack <= min(reached) and max(reached) <= found.upper + slack
    if len(rows) == 2:  # 200 draws of 4 pairs of ends have met all of them
        assert min(reached) == pytest.approx(found.lower) and max(reached) == pytest.approx(found.upper)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ([1, 2], [1, 2], "3 different sizes"),
        ([1, 1, 2], [1, 2, 3], "3 different sizes"),
        ([1, 2, 3], [1, 0, 2], "a value is 0"),
        ([1, 2, 3], [1, float("nan"), 2], "a value is nan"),
        ([1, -2, 3], [1, 2, 3], "a size is -2"),
        ([1, 2, 3], [1, 2], "equally long"),
    ],
)
def test_what_has_no_exponent_is_refused(x, y, words):
    with pytest.raises(ValueError, match=words):
        scaling_exponent(x, y)


def test_open_or_repeated_intervals_are_refused():
    with pytest.raises(ValueError, match="a value is inf"):
        exponent_of_intervals([1, 2], [(1, 2), (1, float("inf"))])
    with pytest.raises(ValueError, match="each given once"):
        exponent_of_intervals([1, 1], [(1, 2), (1, 2)])
    with pytest.raises(ValueError, match="in order"):
        exponent_of_intervals([1, 2], [(2, 1), (1, 2)])


def test_a_theorem_s_exponents_are_read_off_its_formula():
    n, least = sympy.symbols("n lambda_0", positive=True)
    assert promised_exponent(7 * n**6 / (least**4 * 3), n) == 6
    assert promised_exponent(7 * n**6 / (least**4 * 3), least) == -4
    with pytest.raises(ValueError, match="no power of n"):
        promised_exponent(n**2 + n, n)


def test_du_et_al_ask_for_the_sixth_power_of_n():
    width = theorem("du2019-two-layer").edition("printed").limit(q.m)
    assert [promised_exponent(width, symbol) for symbol in (q.n, q.lambda_0, q.delta)] == [6, -4, -3]


def test_the_gram_matrix_of_finite_width_nears_its_limit_as_the_root_of_the_width():
    rng = np.random.default_rng(1)
    X, y = unit_rows(rng, 12, 6), rng.standard_normal(12)
    inputs = torch.as_tensor(X)
    limit = Problem(X, y).gram(TwoLayer()).midpoint
    widths = np.repeat([64, 256, 1024, 4096], 24)
    drifts = [
        np.linalg.norm(initial_network(width, 6, seed).gram(inputs).numpy() - limit, 2)
        for seed, width in enumerate(widths.tolist())
    ]
    found = scaling_exponent(widths, drifts, promised=-0.5)
    assert found.lower <= -0.5 <= found.upper and found.upper - found.lower < 0.4
    assert "promised -0.5" in str(found)
