from fractions import Fraction

import flint
import numpy as np
import pytest
from flint import arb

from bounds.linalg import cholesky
from bounds.linalg.cholesky import factorise


def upper(factor):
    """The factor as a matrix."""
    n = len(factor.strips[0])
    r = np.zeros((n, n))
    for strip in factor.strips:
        start = n - len(strip)
        r[start : start + strip.shape[1], start:] = strip.T
    return r


def exact(a):
    return [[arb(float(entry)) for entry in row] for row in a]


def residual_norm(a, shift, w, r):
    """The Frobenius norm of ``a + w w^T - shift I - r^T r``, in balls; it is at least the spectral norm."""
    n = len(a)
    a, r = exact(a), exact(np.triu(r))
    w = exact(w) if w is not None else [[]] * n
    total = arb(0)
    for i in range(n):
        for j in range(n):
            entry = a[i][j] + sum((p * q for p, q in zip(w[i], w[j], strict=True)), arb(0)) - (shift if i == j else 0)
            total += (entry - sum((r[k][i] * r[k][j] for k in range(min(i, j) + 1)), arb(0))) ** 2
    return total.sqrt()


def spectral(a, shift, w, r):
    """The spectral norm of the residual, in float64 from entries that are exact to double: an estimate."""
    m = a + (0 if w is None else w @ w.T) - shift * np.eye(len(a)) - np.triu(r).T @ np.triu(r)
    return np.linalg.norm(m, 2)


@pytest.mark.parametrize("seed", range(12))
def test_residual_bound_holds(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.choice([2, 5, 17, 40]))
    x = rng.standard_normal((n, n + 2))
    a = np.tril(x @ x.T) + np.tril(x @ x.T, -1).T
    w = None if seed % 3 == 0 else rng.standard_normal((n, int(rng.integers(1, 4))))
    factor = factorise(a, 1e-3, w)
    with flint.ctx.workprec(300):
        # For a symmetric n x n matrix ||M||_2 >= ||M||_F / sqrt(n): a bound below that would be wrong for certain.
        assert residual_norm(a, arb(1e-3), w, upper(factor)) / arb(n).sqrt() <= arb(factor.error)
    assert factor.error < 1e-11


def test_bound_covers_rounding_that_the_computed_residual_does_not_show():
    """The square of a rounded root rounds back to the entry, so that the computed residual is often exactly zero."""
    for seed in range(50):
        entries = np.random.default_rng(seed).uniform(1, 4, 5)
        factor = factorise(np.diag(entries), 0.0)
        truth = max(abs(Fraction(a) - Fraction(r) ** 2) for a, r in zip(entries, np.diag(upper(factor)), strict=True))
        assert 0 < truth <= Fraction(factor.error)


@pytest.mark.parametrize("harm", [1e-2, 1e-6, 1e-10])
@pytest.mark.parametrize("victim", ["dpotrf", "dtrsm"])
def test_bound_does_not_depend_on_the_library(monkeypatch, victim, harm):
    """Whatever LAPACK returns, the bound describes what it returned."""
    honest = getattr(cholesky, victim)
    rng = np.random.default_rng(0)

    def harmful(*arguments, **keywords):
        result = honest(*arguments, **keywords)
        if victim == "dtrsm":
            return result * (1 + harm * rng.standard_normal(result.shape))
        return np.triu(result[0] * (1 + harm * rng.standard_normal(result[0].shape))), result[1]

    monkeypatch.setattr(cholesky, victim, harmful)
    x = rng.standard_normal((70, 90))
    a = np.tril(x @ x.T) + np.tril(x @ x.T, -1).T
    factor = factorise(a, 0.5)
    truth = spectral(a, 0.5, None, upper(factor))
    assert truth > 1e-3 * harm
    assert truth <= factor.error * (1 + 1e-10)


def test_bound_sees_columns_as_well_as_rows(monkeypatch):
    """An error that fills one column beyond the strip has a norm of many of its entries."""
    honest = cholesky.dtrsm

    def harmful(*arguments, **keywords):
        result = honest(*arguments, **keywords)
        result[-1] += 1e-3
        return result

    monkeypatch.setattr(cholesky, "dtrsm", harmful)
    a = np.eye(90)
    factor = factorise(a, 0.5)
    truth = spectral(a, 0.5, None, upper(factor))
    assert 3e-3 < truth <= factor.error


def test_what_is_not_definite_is_refused():
    assert factorise(np.array([[1.0, 2.0], [2.0, 1.0]]), 0.0) is None
    assert factorise(np.eye(2), 1.0) is None
    assert factorise(-np.eye(300), 0.0) is None


def test_deflation_lifts_what_is_least():
    w = np.array([[2.0], [0.0], [0.0]])
    assert factorise(np.diag([-1.0, 2.0, 3.0]), 1.5, w).error < 1e-13


@pytest.mark.parametrize("n", [2, 15, 16, 17, 63, 64, 65, 130, 300])
def test_solve_inverts(n):
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, 2 * n))
    a = np.tril(x @ x.T) + np.tril(x @ x.T, -1).T
    b = rng.standard_normal((n, 3))
    factor = factorise(a, 0.0)
    for right in (b, b[:, :1]):
        assert np.allclose(a @ factor.solve(right), right, atol=1e-8)
