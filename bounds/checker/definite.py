"""Eigenvalues by elimination in balls, and spectral norms of large stored matrices by an approximate eigenbasis."""

from __future__ import annotations

import math
from enum import Enum

import numpy as np
from flint import arb, arb_mat

from bounds.checker.files import Floats

UNIT = 2.0**-53


class Sign(Enum):
    """What is proved about the least eigenvalue of a symmetric matrix."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    UNKNOWN = "unknown"


def least_sign(K: arb_mat, shift: arb, factor: int = 1) -> Sign:
    """The sign of the least eigenvalue of ``factor K - shift I``, by elimination without pivoting (L D L^T).

    All pivots positive: positive definite. A negative pivot after positive ones: a negative eigenvalue, as the leading
    block has a negative determinant. Only the lower triangle is read; the true matrix is symmetric.
    """
    n = K.nrows()
    rows = [[factor * K[i, j] - (shift if i == j else 0) for j in range(i + 1)] for i in range(n)]
    for k in range(n):
        pivot = rows[k][k]
        if not pivot > 0:
            return Sign.NEGATIVE if pivot < 0 else Sign.UNKNOWN
        column = [rows[i][k] / pivot for i in range(k + 1, n)]
        for i in range(k + 1, n):
            row, multiple = rows[i], rows[i][k]
            for j in range(k + 1, i + 1):
                row[j] -= multiple * column[j - k - 1]
    return Sign.POSITIVE


def spectral_norm_bound(W: Floats) -> arb:
    """An upper bound of ||W||_2.

    For any square V with ||V^T V - I|| <= e < 1, ||W|| <= ||W V|| / sqrt(1 - e), and ||W V||^2 = ||(W V)^T (W V)|| is
    at most the largest absolute row or column sum, of a nearly diagonal matrix where V holds approximate right singular
    vectors. In float64 a product of A (m, k) and B is wrong by at most 2 k u ||A||_F ||B||_F in the Frobenius norm, for
    k < 2^30, and a computed norm or sum of fewer than 2^30 terms by less than 2^-20 of itself.
    """
    scale = float(np.abs(W).max())
    if scale == 0:
        return arb(0)
    exponent = int(np.frexp(scale)[1])
    W = np.ldexp(W, -exponent)
    W = W if W.shape[1] <= W.shape[0] else W.T
    V = np.linalg.svd(W, full_matrices=False)[2].T
    V_size, W_size, grown = float(np.linalg.norm(V)), float(np.linalg.norm(W)), 1 + 2.0**-20
    image, (m, k) = W @ V, W.shape
    image_error = 2 * k * UNIT * W_size * V_size * grown + 2.0**-500
    size = float(np.linalg.norm(image))
    rows = _sums(image.T @ image) * grown + 2 * m * UNIT * size**2 * grown + 2.0**-500
    defect = _sums(V.T @ V - np.eye(k)) * grown + 2 * k * UNIT * V_size**2 * grown + 2.0**-50
    if not defect < 0.5:
        return arb("inf")
    return ((arb(rows).sqrt() + arb(image_error)) / (1 - arb(defect)).sqrt()).upper() * arb(2) ** exponent


def ball_norm_bound(W: Floats | arb_mat) -> arb:
    """The same for a matrix of balls: of their midpoints, plus the Frobenius norm of what is left."""
    if not isinstance(W, arb_mat):
        return spectral_norm_bound(W)
    middle = [float(v.mid()) for v in W.entries()]
    left = sum((abs(v - arb(u)).upper() ** 2 for v, u in zip(W.entries(), middle, strict=True)), arb(0)).sqrt()
    return spectral_norm_bound(np.array(middle).reshape(W.nrows(), W.ncols())) + left


def above(value: arb) -> float:
    """A float above."""
    return math.nextafter(float(value.upper()), math.inf)


def _sums(a: Floats) -> float:
    """The largest absolute sum of a row or a column: at least the spectral norm."""
    size = np.abs(a)
    return max(float(size.sum(axis=0).max()), float(size.sum(axis=1).max()))
