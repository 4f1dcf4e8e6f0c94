"""Ends of many small spectra: outside the true ones, and close to them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bounds.linalg import batches as module
from bounds.linalg import largest_eigenvalue, least_eigenvalue
from bounds.linalg.batches import spectral_ends, upper_ends


def batch(seed, k, d, scale=1.0):
    a = np.random.default_rng(seed).standard_normal((k, d, d)) * scale
    return (a + a.transpose(0, 2, 1)) / 2


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 12), st.sampled_from([1e-30, 1e-3, 1.0, 1e20]))
def test_ends_enclose_the_certified_spectrum_closely(seed, k, d, scale):
    a = batch(seed, k, d, scale)
    lower, upper = spectral_ends(a)
    for matrix, low, high in zip(a, lower, upper, strict=True):
        size = np.linalg.norm(matrix)
        assert low <= least_eigenvalue(matrix).upper
        assert high >= largest_eigenvalue(matrix).lower
        assert least_eigenvalue(matrix).upper - low <= 1e-11 * size
        assert high - largest_eigenvalue(matrix).lower <= 1e-11 * size


def test_singular_equal_and_zero_matrices():
    ones, zero = np.ones((6, 6)), np.zeros((6, 6))
    lower, upper = spectral_ends(np.stack([ones, zero, np.eye(6), -np.eye(6)]))
    assert (lower <= [0.0, 0.0, 1.0, -1.0]).all()
    assert (upper >= [6.0, 0.0, 1.0, -1.0]).all()
    assert np.abs(lower - [0.0, 0.0, 1.0, -1.0]).max() < 1e-11
    assert np.abs(upper - [6.0, 0.0, 1.0, -1.0]).max() < 1e-11


@pytest.mark.parametrize("off", [-1.0, 1e-9, 3.0])
def test_wrong_guesses_are_not_trusted(monkeypatch, off):
    a = batch(1, 3, 5)
    true = np.linalg.eigvalsh(a)
    monkeypatch.setattr(module.np.linalg, "eigvalsh", lambda matrices: true + off)
    lower, upper = spectral_ends(a)
    assert (lower <= true[:, 0]).all()
    assert (upper >= true[:, -1]).all()


def test_a_wrong_factor_is_not_trusted(monkeypatch):
    a = batch(2, 3, 5)
    true = np.linalg.eigvalsh(a)
    honest = np.linalg.cholesky
    monkeypatch.setattr(module.np.linalg, "cholesky", lambda matrices: honest(matrices) * 1.01)
    lower, _ = spectral_ends(a)
    assert (lower <= true[:, 0]).all()
    assert (lower < true[:, 0] - 1e-3).all()


@pytest.mark.parametrize("scale", [1e-160, 1e-170, 1e-250, 1e-320])
def test_ends_of_matrices_whose_squares_vanish(scale):
    lower, upper = spectral_ends(np.array([[[-1.0, 0.0], [0.0, 2.0]]]) * scale)
    assert lower[0] <= -scale
    assert upper[0] >= 2 * scale


def test_upper_ends_are_those_of_the_whole_spectrum():
    a = np.random.default_rng(3).standard_normal((5, 7, 7))
    a = a + a.transpose(0, 2, 1)
    assert np.array_equal(upper_ends(a), spectral_ends(a)[1])
