"""Factors proposed from elsewhere: whatever they are, what is proved is true."""

import numpy as np
import pytest
import scipy.linalg

from bounds.linalg import least_eigenvalue
from bounds.linalg.cholesky import factorise


def honest(a):
    try:
        return scipy.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        return None


def scaled_by(factor):
    return lambda a: None if honest(a) is None else honest(a) * factor


def noisy(a):
    r = honest(a)
    return r if r is None else r + np.triu(1e-3 * np.random.default_rng(0).standard_normal(a.shape))


def in_float32(a):
    r = honest(a)
    return r if r is None else r.astype(np.float32)


def with_rubbish_below(a):
    r = honest(a)
    return r if r is None else r + np.tril(np.full(a.shape, 7.0), -1)


LIARS = {
    "nothing": lambda a: None,
    "no numbers": lambda a: np.full_like(a, np.nan),
    "infinite": lambda a: np.full_like(a, np.inf),
    "huge": lambda a: np.full_like(a, 1e200),
    "zero": np.zeros_like,
    "identity": lambda a: np.eye(len(a)),
    "too large": scaled_by(1 + 1e-3),
    "too small": scaled_by(1 - 1e-6),
    "definite": lambda a: honest(a + np.eye(len(a))),
    "noisy": noisy,
    "float32": in_float32,
    "rubbish below": with_rubbish_below,
}


def matrix(n):
    """Eigenvalues 3/2, and 2 for all others, exactly."""
    a = 2 * np.eye(n)
    a[:2, :2] -= 0.25
    return a


@pytest.mark.parametrize("n", [5, 70, 350])
@pytest.mark.parametrize("liar", LIARS)
@pytest.mark.parametrize("estimate", [None, 1.5])
def test_the_enclosure_holds_whatever_is_proposed(n, liar, estimate):
    enclosure = least_eigenvalue(matrix(n), propose=LIARS[liar], estimate=estimate)
    assert enclosure.lower <= 1.5 <= enclosure.upper


@pytest.mark.parametrize("n", [5, 70, 350])
@pytest.mark.parametrize("good", [honest, with_rubbish_below])
def test_a_good_factor_serves_as_well_as_our_own(n, good):
    enclosure = least_eigenvalue(matrix(n), propose=good)
    assert enclosure.upper - enclosure.lower < 1e-14


def test_a_factor_in_float32_proves_what_it_can():
    enclosure = least_eigenvalue(matrix(350), propose=in_float32)
    assert enclosure.lower <= 1.5 <= enclosure.upper and enclosure.lower > 1.5 - 1e-5


@pytest.mark.parametrize("liar", [scaled_by(1 + 1e-3), noisy, in_float32])
def test_the_residual_is_that_of_the_proposal(liar):
    x = np.random.default_rng(1).standard_normal((90, 120))
    a, w = np.tril(x @ x.T) + np.tril(x @ x.T, -1).T, np.random.default_rng(2).standard_normal((90, 2))
    factor = factorise(a, 0.25, w, liar)
    r = np.zeros((90, 90))
    for strip in factor.strips:
        start = 90 - len(strip)
        r[start : start + strip.shape[1], start:] = strip.T
    assert np.array_equal(r, np.asarray(liar(a + w @ w.T - 0.25 * np.eye(90)), dtype=float))
    truth = np.linalg.norm(a + w @ w.T - 0.25 * np.eye(90) - r.T @ r, 2)
    assert 1e-7 < truth <= factor.error <= 20 * truth + 1e-11


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 3\), not \(3, 3\)"):
        least_eigenvalue(np.eye(3), propose=lambda a: a[:2])
