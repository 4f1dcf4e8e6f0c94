"""From a matrix to its least eigenvalue: deflate what is least, prove the rest positive, refine, and bound."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from flint import arb

from bounds.linalg.cholesky import Proposer, factorise, roundings
from bounds.linalg.intervals import IntervalMatrix
from bounds.linalg.lehmann import Ends, lehmann
from bounds.linalg.ritz import Operator, RitzPairs, Separation, lanczos
from bounds.linalg.rounding import UNIT, FloatArray, gamma


@dataclass(frozen=True)
class Deflation:
    """A guess that ``a + w w^T > shift I``, which leaves only ``k = w.shape[1]`` eigenvalues of ``a`` below the shift.

    Args:
        shift: sigma.
        w: (n, k).
        start: (n, k) approximate eigenvectors of the first k eigenvalues, from which to iterate.
    """

    shift: float
    w: FloatArray
    start: FloatArray


def resolution(matrix: IntervalMatrix) -> float:
    """Several times what the factorisation and the radius lose: no narrower gap can be proved."""
    trace = float(np.abs(np.diag(matrix.midpoint)).sum())
    return 20 * gamma(roundings(len(matrix.midpoint))) * (matrix.size + trace) + 8 * matrix.radius_norm


def from_pairs(size: float, pairs: RitzPairs, separation: Separation) -> Deflation | None:
    """Deflate the eigenvectors below the first gap of a matrix of that size; None where no gap is seen."""
    k = separation.count(pairs.values, pairs.errors)
    if k == 0:
        return None
    vectors = pairs.vectors[:, :k]
    gap = float(pairs.values[k] - pairs.values[k - 1])
    return Deflation(float(pairs.values[k - 1]) + gap / 4, math.sqrt(_weight(size, len(vectors))) * vectors, vectors)


def from_estimate(matrix: IntervalMatrix, estimate: float) -> Deflation:
    """Deflate a random vector, for a shift a little above an estimate of the least eigenvalue.

    With unit eigenvectors v_i and a random unit w, the deflated matrix is definite up to about
    ``lambda_1 + (w.v_1)^2 / sum (w.v_i)^2 / (lambda_i - lambda_1)``, which is far more than the resolution above
    lambda_1, wherever the eigenvector may be concentrated. So one factorisation serves to prove ``lambda_2 >= sigma``,
    and, its shift being so near, to find the eigenvector in a few steps.
    """
    n = len(matrix.midpoint)
    w = np.random.default_rng(n).standard_normal((n, 1))
    w *= math.sqrt(_weight(matrix.size, n)) / np.linalg.norm(w)
    return Deflation(estimate + resolution(matrix), w, w)


def enclose(matrix: IntervalMatrix, deflation: Deflation, propose: Proposer | None = None) -> Ends | None:
    """Enclose the least eigenvalue, given a deflation.

    If ``a + w w^T >= (shift - error) I`` with k columns in w, then ``lambda_{k+1}(a) >= shift - error``: on the
    (n - k)-dimensional space orthogonal to w the Rayleigh quotient of a is no less (Courant and Fischer). The radius
    takes away its norm (Weyl), and :func:`~bounds.linalg.lehmann.lehmann` does the rest.

    Returns:
        The two ends, or None where the guess was wrong.
    """
    factor = factorise(matrix.midpoint, deflation.shift, deflation.w, propose)
    if factor is None:
        return None
    sigma = (arb(deflation.shift) - factor.error - matrix.radius_norm).lower()
    try:
        vectors = refined(factor.solve, lambda basis: matrix.midpoint @ basis, matrix.size, deflation)
    except np.linalg.LinAlgError:  # the shift hit an eigenvalue
        return None
    del factor
    return lehmann(matrix, vectors, sigma)


def refined(solve: Operator, multiply: Operator, size: float, deflation: Deflation) -> FloatArray:
    """Iterate with the inverse of ``a - shift I``, by Woodbury's formula, to eigenvectors below the shift.

    Args:
        solve: b (n, k) to approximately x with ``(a + w w^T - shift I) x = b``.
        multiply: b (n, k) to approximately ``a b``.
        size: of a, in some norm.
        deflation: the shift, w and the vectors to start from.
    """
    w, shift = deflation.w, deflation.shift
    k = w.shape[1]
    solved = solve(w)
    capacitance = np.eye(k) - w.T @ solved

    def inverse(b: FloatArray) -> FloatArray:
        x = solve(b)
        return -(x + solved @ np.linalg.solve(capacitance, w.T @ x))

    def converged(mu: FloatArray, residuals: FloatArray) -> bool:
        if not mu[k - 1] > 0:
            return False
        eigenvalues, errors = shift - 1 / mu[:k], residuals[:k] / mu[:k] ** 2
        wanted = np.sqrt(UNIT / 8 * np.abs(eigenvalues[0]) / mu[k - 1])
        return bool(errors.max() < max(wanted, UNIT / 8 * size))

    _, _, vectors = lanczos(inverse, deflation.start, converged, 16 * k)
    basis = np.linalg.qr(inverse(vectors[:, :k]))[0]
    if k == 1:
        return np.asarray(basis)
    _, rotation = np.linalg.eigh(basis.T @ multiply(basis))
    return np.asarray(basis @ rotation)


def _weight(size: float, n: int) -> float:
    """A typical eigenvalue of an (n, n) matrix: enough to lift a deflated vector well above the least ones."""
    return size / math.sqrt(n)
