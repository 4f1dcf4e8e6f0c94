"""Estimates of the least eigenvalues and their eigenvectors; nothing here is proved, and nothing needs to be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.linalg.lapack import dpotrf

from bounds.linalg.cholesky import Proposer, proposal, solve
from bounds.linalg.rounding import UNIT, FloatArray
from bounds.progress import Stage

Operator = Callable[[FloatArray], FloatArray]
Spectrum = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]

SMALL = 300
"""Up to this size it is quickest to compute all eigenvalues or eigenvectors."""

_DIRECT, _INVERSE = 64, 320
_LONG = 4000


@dataclass(frozen=True)
class RitzPairs:
    """Approximations of the least eigenvalues, ascending, each with an estimate of its error, and of eigenvectors."""

    values: FloatArray
    errors: FloatArray
    vectors: FloatArray


@dataclass(frozen=True)
class Separation:
    """What counts as a gap between two eigenvalues that are known approximately.

    Args:
        resolution: a gap is wider than this.
        caution: so many times wider than the errors of the values up to its upper end.
    """

    resolution: float
    caution: float

    def count(self, values: FloatArray, errors: FloatArray) -> int:
        """Count the values below the first gap; 0 where there is none."""
        gaps = np.diff(values)
        blur = np.maximum.accumulate(errors)[1:]
        wide = (gaps > self.resolution) & (gaps > self.caution * blur)
        return int(np.argmax(wide)) + 1 if wide.any() else 0


def dense_pairs(a: FloatArray) -> RitzPairs:
    """All eigenpairs of a symmetric matrix (n, n), by LAPACK."""
    values, vectors = np.linalg.eigh(a)
    return RitzPairs(values, np.zeros(len(a)), vectors)


def least_ritz_pairs(a: FloatArray, separation: Separation, propose: Proposer | None = None) -> RitzPairs:
    """Estimate the least eigenvalues of a symmetric matrix (n, n), up to the first gap.

    Small matrices are diagonalised. Otherwise Lanczos is run on the inverse of the matrix, if it is positive definite;
    if not, on its negative, and where this shows no gap, on the inverse of the matrix shifted by what was found. The
    inverse is that of a factor, from LAPACK unless it is proposed elsewhere.
    """
    n = len(a)
    if n <= SMALL:
        return dense_pairs(a)
    start = np.random.default_rng(n).standard_normal((n, 1))
    shift = -4 * math.sqrt(n) * UNIT * float(np.linalg.norm(a))
    may_be_definite = float(np.diag(a).min()) > shift
    inverse = _inverse(a, shift, propose or _lapack, start) if may_be_definite else None
    if inverse is None:
        pairs = _lanczos_pairs(lambda x: -(a @ x), lambda mu, error: (-mu, error), start, separation, _DIRECT)
        if separation.count(pairs.values, pairs.errors):
            return pairs
        shift += float(pairs.values[0] - 2 * pairs.errors[0])
        inverse = _inverse(a, shift, propose or _lapack, start)
        if inverse is None:
            return pairs
    return inverse_ritz_pairs(inverse, shift, start, separation)


def inverse_ritz_pairs(solve: Operator, shift: float, start: FloatArray, separation: Separation) -> RitzPairs:
    """Estimate the least eigenvalues of a matrix, up to the first gap, given the inverse of ``a - shift I``."""
    return _lanczos_pairs(solve, lambda mu, error: (shift + 1 / mu, error / mu**2), start, separation, _INVERSE)


def lanczos(
    apply: Operator,
    start: FloatArray,
    converged: Callable[[FloatArray, FloatArray], bool],
    dimension: int,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Estimate the largest eigenvalues of a symmetric operator by block Lanczos with full orthogonalisation.

    Args:
        apply: maps (n, p) to (n, p).
        start: (n, p) first block.
        converged: told the Ritz values, descending, and their residual norms, says when to stop.
        dimension: of the largest basis to build.

    Returns:
        Ritz values, descending, their residual norms, and orthonormal Ritz vectors in columns.
    """
    n, p = start.shape
    largest = max(min(dimension, n) // p, 1) * p
    basis = np.empty((n, largest), order="F")
    projected = np.zeros((largest, largest))
    block = _orthonormal(start)[0]
    check, stage = p, Stage("iterating", largest)
    for size in range(p, largest + 1, p):
        basis[:, size - p : size] = block
        known = basis[:, :size]
        image = apply(block)
        coefficients = known.T @ image
        image = image - known @ coefficients
        image -= known @ (known.T @ image)
        projected[:size, size - p : size] = coefficients
        block, coupling = _orthonormal(image)
        if np.abs(np.diag(coupling)).min() < 1e-6 * np.abs(coefficients).max():  # what is left is mostly rounding
            block = _orthonormal(block - known @ (known.T @ block))[0]
        if size >= check or size == largest:
            check = size + max(p, size // 4)
            values, vectors = np.linalg.eigh(projected[:size, :size], UPLO="U")
            values, vectors = values[::-1], vectors[:, ::-1]
            residuals = np.linalg.norm(coupling @ vectors[-p:], axis=0)
            if converged(values, residuals):
                break
        stage.reached(size)
    stage.reached(largest)
    return values, residuals, known @ vectors


def _orthonormal(block: FloatArray) -> tuple[FloatArray, FloatArray]:
    """QR factors; of a single column, without the price of calling LAPACK."""
    norm = float(np.linalg.norm(block))
    if block.shape[1] > 1 or norm == 0:
        q, r = np.linalg.qr(block)
        return q, r
    return block / norm, np.array([[norm]])


def _lanczos_pairs(
    apply: Operator, spectrum: Spectrum, start: FloatArray, separation: Separation, dimension: int
) -> RitzPairs:
    """Run Lanczos until a gap is seen; ``spectrum`` maps Ritz values of the operator to eigenvalues and errors."""

    def separated(mu: FloatArray, error: FloatArray) -> bool:
        return separation.count(*spectrum(_leading(mu), _leading(error))) > 0

    mu, error, vectors = lanczos(apply, start, separated, dimension)
    return RitzPairs(*spectrum(_leading(mu), _leading(error)), vectors[:, : len(_leading(mu))])


def _leading(mu: FloatArray) -> FloatArray:
    """The first quarter of the Ritz values: between later ones, eigenvalues may still be missing."""
    return mu[: len(mu) // 4 + 1]


def _inverse(a: FloatArray, shift: float, propose: Proposer, start: FloatArray) -> Operator | None:
    """The inverse of ``a - shift I`` by a Cholesky factor, of which one image is finite and nothing is proved."""
    stage = Stage("first factor")
    if len(a) > _LONG:
        stage.begin()
    r = proposal(a, shift, None, propose)
    stage.reached(1.0)
    return partial(solve, r) if r is not None and np.isfinite(solve(r, start)).all() else None


def _lapack(a: FloatArray) -> FloatArray | None:
    upper, failed = dpotrf(a.T, clean=0, overwrite_a=1)
    return None if failed else np.asarray(upper)
