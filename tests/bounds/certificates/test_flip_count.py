"""The flip-count certificate against exact rational gradient descent, and against cases that cannot converge."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds.certificates.flip_count import FlipCount, Start, flip_count


def rational_descent(
    X: np.ndarray, y: np.ndarray, weights: np.ndarray, signs: np.ndarray, step: Fraction, steps: int
) -> tuple[list[Fraction], list[Fraction]]:
    """Squared residual norms and squared largest travels of exact gradient descent; the width must be a square."""
    rows = [[Fraction(v) for v in row] for row in X.tolist()]
    w = [[Fraction(v) for v in row] for row in weights.tolist()]
    start = [row[:] for row in w]
    root = isqrt(len(w))
    assert root * root == len(w)
    residuals, travels = [], []
    for _ in range(steps + 1):
        z = [[sum(p * q for p, q in zip(neuron, row, strict=True)) for row in rows] for neuron in w]
        outputs = [sum(int(a) * max(zr[i], 0) for a, zr in zip(signs, z, strict=True)) / root for i in range(len(rows))]
        e = [Fraction(label) - u for label, u in zip(y.tolist(), outputs, strict=True)]
        residuals.append(sum(v * v for v in e))
        travels.append(
            max(sum((p - q) ** 2 for p, q in zip(new, old, strict=True)) for new, old in zip(w, start, strict=True))
        )
        for r, neuron in enumerate(w):
            for j in range(len(neuron)):
                push = sum(e[i] * rows[i][j] for i in range(len(rows)) if z[r][i] >= 0)
                neuron[j] += step * int(signs[r]) * push / root
    return residuals, travels


def draw(seed: int, width: int, d: int, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.standard_normal((width, d)) * scale, generator.choice([-1.0, 1.0], width)


def small_grid(array: np.ndarray) -> np.ndarray:
    """Few bits, so that exact descent stays quick."""
    return np.round(array * 16) / 16


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 2), st.floats(0.01, 0.2))
def test_exact_descent_obeys_every_certified_number(seed: int, n: int, shift: float) -> None:
    """Labels near the initial outputs make small problems certifiable."""
    X = np.array([[1.0, 0.0], [0.25, 1.0]])[:n]
    weights, signs = draw(seed, 64, 2, scale=4.0)
    weights = small_grid(weights)
    outputs = np.maximum(weights @ X.T, 0).T @ signs / 8
    y = small_grid(outputs) + np.round(shift * 64) / 64
    proof = flip_count(X, y, weights, signs)
    if not proof.verdict.holds:
        return
    step = Fraction(proof.step_size.lower).limit_denominator(64)
    step = min(step, Fraction(proof.step_size.lower))
    residuals, travels = rational_descent(X, y, weights, signs, step, 4)
    shrink = (1 - step * Fraction(proof.contraction.lower)) ** 2
    assert residuals[0] <= Fraction(proof.initial_residual.upper) ** 2
    assert residuals[0] >= Fraction(proof.initial_residual.lower) ** 2
    for before, after in zip(residuals, residuals[1:], strict=False):
        assert after <= shrink * before
    assert max(travels) <= Fraction(proof.travel.upper) ** 2


def test_most_of_those_problems_are_certified() -> None:
    """The test above must not pass by certifying nothing."""
    proved = 0
    for seed in range(20):
        X = np.array([[1.0, 0.0], [0.25, 1.0]])
        weights, signs = draw(seed, 64, 2, scale=4.0)
        outputs = np.maximum(weights @ X.T, 0).T @ signs / 8
        proved += flip_count(X, outputs + 0.02, weights, signs).verdict.holds
    assert proved >= 12


def test_four_orthonormal_inputs() -> None:
    y = np.array([1.0, -1.0, 1.0, -1.0])
    weights, signs = draw(0, 2**15, 4)
    proof = flip_count(np.eye(4), y, weights, signs)
    assert proof.verdict.holds
    assert 0.3 < proof.contraction.lower <= proof.initial_least_eigenvalue.upper <= 0.55
    narrow = flip_count(np.eye(4), y, weights[:64], signs[:64])
    assert narrow.verdict.undecided
    assert "not proved" in narrow.verdict.reason


def test_the_pieces_agree_with_their_definitions() -> None:
    """Every bound against a naive float evaluation at the certified radius: above it, and not by much."""
    generator = np.random.default_rng(3)
    X = generator.standard_normal((3, 5))
    y = generator.standard_normal(3)
    weights, signs = draw(4, 4000, 5)
    proof = flip_count(X, y, weights, signs)
    z = weights @ X.T
    near = np.abs(z) <= proof.radius.upper * np.linalg.norm(X, axis=1)
    nu, inner = near.mean(axis=0), X @ X.T
    either = np.array([[(near[:, i] | near[:, j]).mean() for j in range(3)] for i in range(3)])
    active = (z >= 0).astype(float)
    expected = {
        "drift": np.linalg.norm(np.abs(inner) * either, 2),
        "unsettled": np.linalg.norm(np.abs(inner) * nu[:, None], 2),
        "kink": np.linalg.norm(X, 2) * np.linalg.norm(nu * np.linalg.norm(X, axis=1)),
        "initial_least_eigenvalue": np.linalg.eigvalsh(inner * (active.T @ active) / 4000)[0],
        "initial_residual": np.linalg.norm(y - np.maximum(z, 0).T @ signs / np.sqrt(4000)),
        "step_size": 1 / np.linalg.norm(X, 2) ** 2,
    }
    for name, value in expected.items():
        enclosure = getattr(proof, name)
        assert enclosure.lower <= value * (1 + 1e-9) and enclosure.upper >= value * (1 - 1e-9), name
        assert enclosure.midpoint == pytest.approx(value, rel=1e-6, abs=1e-12), name


@pytest.mark.parametrize(
    ("X", "y", "width"),
    [
        (np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([1.0, -1.0]), 4096),  # contradictory duplicates
        (np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([1.0, -1.0]), 4096),  # contradictory parallel rows
        (np.eye(8)[:, :1] + np.zeros((8, 1)), np.arange(8.0), 4),  # fewer parameters than equations
        (np.eye(3), np.array([1.0, 2.0, 3.0]) * 1e6, 4096),  # labels too far away
    ],
)
def test_impossible_and_hopeless_cases_are_not_certified(X: np.ndarray, y: np.ndarray, width: int) -> None:
    X = X + 0.0
    X[~X.any(axis=1)] = 1.0
    weights, signs = draw(1, width, X.shape[1])
    assert flip_count(X, y, weights, signs).verdict.undecided


@given(st.integers(0, 10**6), st.integers(-60, 55))
def test_the_initial_residual_contains_the_exact_one(seed: int, exponent: int) -> None:
    """One input and a square width keep it rational, so that rounding in the sum over neurons shows."""
    generator = np.random.default_rng(seed)
    X, y = generator.standard_normal((1, 3)) * 2.0**exponent, generator.standard_normal(1)
    weights, signs = draw(seed, 64, 3)
    products = [
        sum(Fraction(w) * Fraction(v) for w, v in zip(row, X[0].tolist(), strict=True)) for row in weights.tolist()
    ]
    output = sum(int(a) * max(z, Fraction(0)) for a, z in zip(signs, products, strict=True)) / 8
    exact = abs(Fraction(float(y[0])) - output)
    residual = flip_count(X, y, weights, signs).initial_residual
    assert Fraction(residual.lower) <= exact <= Fraction(residual.upper)


def test_neurons_exactly_on_a_kink_count_as_near_it() -> None:
    X, y = np.eye(2), np.zeros(2)
    on_kink = np.zeros((16, 2))
    proof = flip_count(X, y, on_kink, np.ones(16))
    assert proof.verdict.undecided and proof.contraction.upper < 0


def test_bad_networks_are_refused() -> None:
    X, y = np.eye(2), np.ones(2)
    weights, signs = draw(0, 4, 2)
    for arguments in (
        (X, y[:1], weights, signs),
        (X, y, weights[:, :1], signs),
        (X, y, weights, signs * 2),
        (X, y, weights * np.nan, signs),
        (X, y, weights[:0], signs[:0]),
        (X, y, weights.astype(np.float32), signs),
    ):
        with pytest.raises(ValueError):
            flip_count(*arguments)


def test_a_result_names_its_numbers() -> None:
    weights, signs = draw(0, 16, 2)
    assert isinstance(flip_count(np.eye(2), np.ones(2), weights, signs), FlipCount)


def test_distances_that_are_no_numbers_count_as_near() -> None:
    W, signs = np.random.default_rng(0).standard_normal((8, 2)), np.tile([1.0, -1.0], 4)
    start = Start.measure(np.eye(2), np.ones(2), W, signs, centred=True)
    unknown = replace(start, magnitudes=np.full_like(start.magnitudes, np.nan))
    assert all(a.overlaps(b) for a, b in zip(unknown.losses(0.0), start.losses(1e9), strict=True))


def test_numbers_that_could_overflow_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 2\\^60"):
        flip_count(np.eye(2), np.ones(2), np.full((2, 2), 1e300), np.array([1.0, -1.0]))
