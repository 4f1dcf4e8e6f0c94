"""Curvature along a run: bounds hold in every step, with few spectra, and interpolation is not trusted blindly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bounds.certificates.curvature import Curvature
from bounds.linalg import spectral_norm


def path(seed, steps, m, n, wiggle):
    """Vectors that move smoothly from one place to another, with a disturbance."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.standard_normal((3, m * n))
    t = np.linspace(0, 1, steps)[:, None]
    return np.exp(-t) * a + t**2 * b + wiggle * np.sin(9 * t) * c


def truth(q, X):
    """max over neurons of the largest eigenvalue of -H and of H, at least 0, step by step."""
    vectors = q.reshape(len(q), -1, len(X))
    values = np.linalg.eigvalsh(np.einsum("kri,id,ie->krde", vectors, X, X))
    return np.maximum(-values[..., 0].min(axis=1), 0.0), np.maximum(values[..., -1].max(axis=1), 0.0)


@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(1, 4), st.sampled_from([0.0, 0.02, 2.0]))
def test_bounds_hold_in_every_step_of_every_window(seed, steps, m, wiggle):
    X = np.random.default_rng(seed).standard_normal((5, 3))
    q = path(seed, steps, m, 5, wiggle)
    curvature = Curvature(X, spectral_norm(X).upper, 0.1, 0.0)
    for window in np.array_split(q, 2):
        growth = curvature.bound(window)
        negative, positive = truth(window, X)
        assert (growth.negative >= negative * (1 - 1e-13)).all()
        assert (growth.positive >= positive * (1 - 1e-13)).all()
        assert (growth.negative >= 0).all()


def test_smooth_paths_need_few_spectra_and_lose_little():
    X = np.random.default_rng(0).standard_normal((20, 6)) / 4
    q = path(0, 200, 8, 20, 0.0)
    curvature = Curvature(X, spectral_norm(X).upper, 0.1, 0.0)
    growth = curvature.bound(q)
    negative, _ = truth(q, X)
    assert curvature.spectra < 40
    assert negative.sum() < growth.negative.sum() < 1.25 * negative.sum()


def test_an_allowance_saves_spectra_and_is_spent():
    X = np.random.default_rng(0).standard_normal((20, 6)) / 4
    q = path(0, 50, 8, 20, 0.0) * 1e-3
    curvature = Curvature(X, spectral_norm(X).upper, 0.1, 1.0)
    growth = curvature.bound(q)
    assert curvature.spectra == 0
    assert (growth.negative >= truth(q, X)[0]).all()
    assert curvature.allowance == pytest.approx(1.0 - 0.1 * growth.negative.sum())


def test_a_flip_of_sign_between_the_ends_is_seen():
    """Both ends have no negative curvature; the middle has."""
    X = np.eye(2)
    q = np.array([[1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [1.0, 1.0], [1.0, 1.0]])
    growth = Curvature(X, spectral_norm(X).upper, 1.0, 0.0).bound(q)
    assert growth.negative[2] >= 1.0


def test_many_neurons_are_taken_in_parts(monkeypatch):
    X = np.random.default_rng(0).standard_normal((6, 3))
    q = path(3, 5, 7, 6, 0.1)
    whole = Curvature(X, spectral_norm(X).upper, 1.0, 0.0).bound(q)
    monkeypatch.setattr("bounds.certificates.curvature.TOGETHER", 20)
    parts = Curvature(X, spectral_norm(X).upper, 1.0, 0.0).bound(q)
    assert np.allclose(whole.negative, parts.negative, rtol=1e-9)
    assert np.allclose(whole.positive, parts.positive, rtol=1e-9)


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 12))
def test_both_bounds_without_spectra_hold(seed, m, n):
    X = np.random.default_rng(seed).standard_normal((n, 3))
    q = path(seed, 6, m, n, 1.0)
    curvature = Curvature(X, spectral_norm(X).upper, 1e-9, 0.0)
    _, positive = truth(q, X)
    for little in (0.0, 1.0):
        assert (curvature._sizes(q, little).max(axis=1) >= positive * (1 - 1e-13) - 1e-12).all()


def test_the_norm_of_frobenius_is_much_smaller_for_many_inputs():
    X = np.random.default_rng(0).standard_normal((60, 30))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    q = np.random.default_rng(1).standard_normal((4, 5 * 60))
    curvature = Curvature(X, spectral_norm(X).upper, 1e-9, 0.0)
    assert (curvature._sizes(q, 0.0).max(axis=1) < 0.7 * curvature._sizes(q, 1.0).max(axis=1)).all()


@given(st.integers(0, 10**6), st.integers(2, 40), st.floats(0.1, 3.0))
def test_runs_that_swing_to_and_fro_are_bounded_too(seed, steps, swing):
    X = np.random.default_rng(seed).standard_normal((5, 3))
    q = path(seed, steps, 2, 5, 0.0)
    q[::2] += swing * np.random.default_rng([seed, 1]).standard_normal(10)
    growth = Curvature(X, spectral_norm(X).upper, 0.1, 0.0).bound(q)
    negative, positive = truth(q, X)
    assert (growth.negative >= negative * (1 - 1e-13)).all()
    assert (growth.positive >= positive * (1 - 1e-13)).all()


def test_runs_that_swing_to_and_fro_need_few_spectra():
    X = np.random.default_rng(0).standard_normal((20, 6)) / 4
    q = path(0, 200, 8, 20, 0.0)
    q[::2] *= -1.0
    curvature = Curvature(X, spectral_norm(X).upper, 0.1, 0.0)
    growth = curvature.bound(q)
    negative, _ = truth(q, X)
    assert curvature.spectra < 80
    assert negative.sum() < growth.negative.sum() < 1.25 * negative.sum()
