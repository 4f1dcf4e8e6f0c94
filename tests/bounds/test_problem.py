"""A problem's certified invariants, its identity, and what it refuses."""

from __future__ import annotations

import copy
import itertools
import pickle
from fractions import Fraction

import flint
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds import Problem, TwoLayer, theorem
from bounds.arithmetic import Enclosure


def balls(X: np.ndarray) -> tuple[list[list[arb]], list[list[arb]]]:
    """Cosines and infinite-width entries of the exactly normalised rows, as balls at the working precision."""
    rows = [[arb(value) for value in row] for row in X.tolist()]
    squares = [sum((v * v for v in row), arb(0)) for row in rows]
    cosines, limit = [], []
    for (a, aa), (b, bb) in itertools.product(zip(rows, squares, strict=True), repeat=2):
        c = arb(1) if a is b else sum((p * q for p, q in zip(a, b, strict=True)), arb(0)) / (aa * bb).sqrt()
        cosines.append(c)
        limit.append(c * (arb.pi() - c.acos()) / (2 * arb.pi()))
    n = len(rows)
    return [cosines[i * n : i * n + n] for i in range(n)], [limit[i * n : i * n + n] for i in range(n)]


def eigenvalues(matrix: list[list[arb]]) -> list[arb]:
    return sorted(
        (v.real for v in flint.acb_mat(flint.arb_mat(matrix)).eig(multiple=True)), key=lambda ball: float(ball.mid())
    )


shapes = st.tuples(st.integers(2, 6), st.integers(2, 5), st.integers(0, 10**6))


@settings(max_examples=40, deadline=None)
@given(shapes, st.floats(-40, 40))
def test_invariants_agree_with_balls_at_four_times_the_precision(shape: tuple[int, int, int], scale: float) -> None:
    n, d, seed = shape
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((n, d)) * np.exp2(scale * generator.random((n, 1)))
    problem = Problem(X, generator.standard_normal(n))
    with flint.ctx.workprec(768):
        cosines, limit = balls(X)
        assert problem.least_eigenvalue.ball.overlaps(eigenvalues(limit)[0])
        assert problem.spectral_norm.ball.overlaps(eigenvalues(cosines)[-1].sqrt())
        frobenius = sum((c * c for row in cosines for c in row), arb(0)).sqrt()
        assert problem.gram_frobenius.ball.overlaps(frobenius)
        pairs = [cosines[i][j] for i in range(n) for j in range(i)]
        nearest = min((2 - 2 * abs(c) for c in pairs), key=lambda ball: float(ball.mid()))
        assert problem.separation.ball.overlaps(nearest.sqrt())
    for enclosure in (problem.spectral_norm, problem.gram_frobenius):
        assert enclosure.upper - enclosure.lower <= 1e-12 * enclosure.upper
    assert problem.least_eigenvalue.upper - problem.least_eigenvalue.lower <= 1e-13


@settings(max_examples=40, deadline=None)
@given(shapes, st.floats(0.1, 10))
def test_permutation_scaling_and_rotation_change_nothing(shape: tuple[int, int, int], factor: float) -> None:
    n, d, seed = shape
    generator = np.random.default_rng(seed)
    X, y = generator.integers(-9, 10, (n, d)) + 0.5, generator.standard_normal(n)
    problem = Problem(X, y)
    order = generator.permutation(n)
    signed = np.eye(d)[generator.permutation(d)] * generator.choice([-1.0, 1.0], d)
    for other in (Problem(X[order], y[order]), Problem(X * np.exp2(round(factor)), y), Problem(X @ signed, y)):
        for name in ("least_eigenvalue", "spectral_norm", "gram_frobenius", "separation", "label_norm"):
            assert getattr(problem, name).ball.overlaps(getattr(other, name).ball), name
        assert (problem.degeneracy is None) == (other.degeneracy is None)


@settings(max_examples=30, deadline=None)
@given(shapes)
def test_known_inequalities_between_invariants(shape: tuple[int, int, int]) -> None:
    n, d, seed = shape
    problem = Problem(np.random.default_rng(seed).standard_normal((n, d)), np.ones(n))
    assert problem.least_eigenvalue.upper <= 0.5 + 1e-12
    assert 1 - 1e-12 <= problem.spectral_norm.upper and problem.spectral_norm.lower <= n**0.5 + 1e-12
    assert problem.gram_frobenius.lower <= problem.spectral_norm.upper * n**0.5 * (1 + 1e-12)
    assert problem.label_norm.ball.overlaps(arb(n).sqrt())


def test_orthonormal_inputs_are_exact() -> None:
    problem = Problem(np.eye(3), [3.0, 0.0, 4.0])
    assert problem.least_eigenvalue.contains(0.5)
    assert problem.spectral_norm.contains(1)
    assert problem.label_norm.contains(5)
    with flint.ctx.workprec(200):
        assert problem.separation.ball.overlaps(arb(2).sqrt())


def test_parallel_rows_have_no_separation_and_no_eigenvalue() -> None:
    for rows, degenerate in (([[1, 2], [2, 4]], True), ([[1, 2], [-2, -4]], False), ([[1, 2], [1, 2 + 2**-40]], False)):
        problem = Problem(np.array(rows, dtype=float), np.ones(2))
        assert (problem.degeneracy is not None) == degenerate
        assert (problem.least_eigenvalue.upper == 0) == degenerate
        assert (problem.separation.upper == 0) == (rows[1][1] in (4, -4))


def test_identity_is_that_of_the_exact_bytes() -> None:
    X, y = np.eye(2), np.ones(2)
    same = Problem(X.tolist(), y.tolist())
    assert Problem(X, y).identity == same.identity
    changed = X.copy()
    changed[0, 0] = np.nextafter(1.0, 2.0)
    negative_zero = X.copy()
    negative_zero[0, 1] = -0.0
    others = [Problem(changed, y), Problem(negative_zero, y), Problem(X, -y), Problem(X, y, 0.2), Problem(X[::-1], y)]
    assert len({p.identity for p in [same, *others]}) == 6


def test_stored_arrays_are_copies_that_cannot_change() -> None:
    X = np.eye(2)
    problem = Problem(X, np.ones(2))
    X[0, 0] = 7.0
    assert problem.X[0, 0] == 1.0
    with pytest.raises(ValueError):
        problem.X[0, 0] = 7.0


@given(st.integers(1, 5), st.floats(-300, 300), st.integers(0, 1000))
def test_unit_rows_are_unit_at_any_scale(d: int, exponent: float, seed: int) -> None:
    X = np.random.default_rng(seed).standard_normal((2, d)) * 10.0**exponent
    if not X.any(axis=1).all():
        return
    unit = Problem(X, np.ones(2)).unit_rows
    for row in unit.tolist():
        squared = sum(Fraction(v) ** 2 for v in row)
        assert abs(squared - 1) <= Fraction(d + 4, 2**52)


@pytest.mark.parametrize(
    ("X", "y", "delta", "message"),
    [
        (np.ones((2, 2)) * [[1, np.nan], [1, 2]], np.ones(2), 0.1, r"X\[0, 1\] is nan"),
        (np.ones((2, 2)) * [[1, 1], [np.inf, 2]], np.ones(2), 0.1, r"X\[1, 0\] is inf"),
        (np.eye(2), np.array([1.0, np.nan]), 0.1, r"y\[1\] is nan"),
        (np.zeros((0, 2)), np.zeros(0), 0.1, "at least two inputs"),
        (np.ones((1, 2)), np.ones(1), 0.1, "at least two inputs"),
        (np.ones(3), np.ones(3), 0.1, r"shape \(n, d\)"),
        (np.array([[1.0, 0.0], [0.0, 0.0]]), np.ones(2), 0.1, "row 1 of X is zero"),
        (np.eye(3), np.ones(2), 0.1, "one label per row"),
        (np.array([["a", "b"], ["c", "d"]]), np.ones(2), 0.1, "real numbers"),
        (np.eye(2) * 1j, np.ones(2), 0.1, "real numbers"),
        (np.array([[2**53 + 1, 0], [0, 1]]), np.ones(2), 0.1, "cannot store exactly"),
        (np.ma.masked_array(np.eye(2), np.eye(2) == 0), np.ones(2), 0.1, "X is a masked array"),
        (np.eye(2), np.ones(2), 0.0, "strictly between 0 and 1"),
        (np.eye(2), np.ones(2), 1.0, "strictly between 0 and 1"),
        (np.eye(2), np.ones(2), float("nan"), "strictly between 0 and 1"),
        (np.eye(2), np.ones(2), "0.1", "delta is '0.1'"),
        (np.eye(2), np.ones(2), None, "delta is None"),
    ],
)
def test_bad_input_is_refused_in_words(X: np.ndarray, y: np.ndarray, delta: float, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        Problem(X, y, delta)
    assert "\n" not in str(refusal.value)


def test_a_problem_goes_to_other_processes() -> None:
    problem = Problem(np.array([[1.0, 2.0], [3.0, -4.0]]), np.array([1.0, -1.0]), 0.25)
    before = problem.least_eigenvalue
    for there in (pickle.loads(pickle.dumps(problem)), copy.deepcopy(problem)):
        assert there.identity == problem.identity and not there.X.flags.writeable
        assert repr(there.least_eigenvalue) == repr(before)


def test_the_matrix_of_a_setting_is_computed_once() -> None:
    problem = Problem(np.eye(2), np.ones(2))
    assert problem.gram(TwoLayer()) is problem.gram(TwoLayer())
    assert Enclosure.of(0.5).contains(float(problem.gram(TwoLayer()).midpoint[0, 0]))


def test_several_labels_a_row_are_for_certificates_alone() -> None:
    """They belong to the identity, and no theorem takes them."""
    X = np.eye(2)
    several = Problem(X, np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert several.identity != Problem(X, np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 4.0]])).identity
    with pytest.raises(ValueError, match="one label a row"):
        theorem("du2019-two-layer").width(several)
    for y in (np.ones((2, 1)), np.ones((3, 2)), np.ones((2, 2, 2))):
        with pytest.raises(ValueError, match="y has shape"):
            Problem(X, y)
