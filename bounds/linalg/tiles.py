r"""The factorisation of :mod:`bounds.linalg.cholesky` in square tiles, for matrices that no single memory holds.

Tiles :math:`A_{IJ}`, I <= J, of one size t (the last may be smaller) are worked on by pure functions, wherever they
lie. In the order K = 1, 2, ... each tile is begun, updated by the strips above it, and ends as a tile of the factor:

.. math:: C_{IJ} = A_{IJ} + W_I W_J^T - \sigma I - \sum_{K < I} R_{KI}^T R_{KJ}, \qquad
          R_{II}^T R_{II} \approx C_{II}, \quad R_{II}^T R_{IJ} \approx C_{IJ}, \quad
          \tilde M_{IJ} = C_{IJ} - R_{II}^T R_{IJ}.

Products are cut into pieces of inner length at most 256. With p pieces in a tile and B tiles on a side, every term of
:math:`\tilde M_{ij}` passes through at most :math:`\max(\min(t, 256), k)` roundings within its inner product and at
most :math:`B p + 2` additions after it, so the bound of :func:`bounds.linalg.cholesky.factorise` holds with
:math:`N = \max(\min(t, 256), k) + B p + 2`, whatever computed R.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dtrsm
from scipy.linalg.lapack import dpotrf

from bounds.linalg.intervals import blocks
from bounds.linalg.products import accurate_product
from bounds.linalg.rounding import FloatArray, gamma, inflate, require_ieee_arithmetic

PIECE = 256
"""Longest inner product."""


class NotDefinite(ValueError):
    """A pivot is not positive: the matrix is not definite, or nearly not."""


@dataclass(frozen=True)
class Survey:
    """What a tile of midpoint and radius contributes to norms of the whole.

    Args:
        squares: the sum of the squares of its midpoints.
        diagonal: of ``|midpoint|``, the sum over the diagonal of the whole.
        rows, columns: sums of the radius along rows (for the rows of I) and columns (for those of J).
        largest: magnitude of midpoint and radius.
    """

    squares: float
    diagonal: float
    rows: FloatArray
    columns: FloatArray
    largest: float


@dataclass(frozen=True)
class Residual:
    """Sums of ``|M|`` of a tile along rows and columns, and the sum of squares of its tile of the factor."""

    rows: FloatArray
    columns: FloatArray
    squares: float


def survey(midpoint: FloatArray, radius: FloatArray, *, on_diagonal: bool) -> Survey:
    """Sum up what one tile tells of norms; a tile beside the diagonal stands for its mirror image too.

    Raises:
        ValueError: an entry is infinite or not a number, or a radius is negative.
    """
    largest = max(float(np.abs(midpoint).max()), float(radius.max()))
    if not largest < math.inf or not radius.min() >= 0:
        raise ValueError("the matrix has entries that are infinite or not a number, or a negative radius")
    if on_diagonal and not np.array_equal(midpoint, midpoint.T):
        raise ValueError("the matrix is not symmetric")
    return Survey(
        (1 if on_diagonal else 2) * float(np.vdot(midpoint, midpoint)),
        float(np.abs(np.diag(midpoint)).sum()) if on_diagonal else 0.0,
        radius.sum(axis=1),
        radius.sum(axis=0),
        largest,
    )


def begin(
    midpoint: FloatArray, shift: float, w_rows: FloatArray, w_columns: FloatArray, *, on_diagonal: bool
) -> FloatArray:
    """A tile of ``a + w w^T - shift I``."""
    require_ieee_arithmetic()
    c = midpoint.copy()
    if on_diagonal:
        c[np.diag_indices(len(c))] -= shift
    if w_rows.shape[1]:
        c += w_rows @ w_columns.T
    return c


def update(c: FloatArray, left: FloatArray, right: FloatArray) -> FloatArray:
    """A tile less the product ``left^T right`` of two tiles of a strip above it."""
    require_ieee_arithmetic()
    c = c.copy()
    for piece in blocks(len(left), PIECE):
        c -= left[piece].T @ right[piece]
    return c


def pivot(c: FloatArray) -> FloatArray:
    """The upper Cholesky factor of a tile on the diagonal.

    Raises:
        NotDefinite: there is none.
    """
    r, failed = dpotrf(c, clean=1)
    if failed:
        raise NotDefinite("a pivot is not positive")
    return np.asarray(r)


def solve(r: FloatArray, b: FloatArray, *, transposed: bool) -> FloatArray:
    """Solve ``r x = b``, or ``r^T x = b``, for upper triangular r."""
    return np.asarray(dtrsm(1.0, r, b, trans_a=transposed))


def residual(c: FloatArray, r_diagonal: FloatArray, r: FloatArray) -> Residual:
    """What is left of a tile when its tile of the factor is multiplied out."""
    m = np.abs(update(c, r_diagonal, r))
    return Residual(m.sum(axis=1), m.sum(axis=0), float(np.vdot(r, r)))


def image(midpoint: FloatArray, radius: FloatArray, u: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """``A_IJ u_J``, a bound on its distance for every A within the radius, and its size."""
    require_ieee_arithmetic()
    y, error = accurate_product(midpoint, u)
    return y, inflate(error + inflate(radius @ np.abs(u), u.shape[0]), 2), np.abs(y)


def total(parts: Iterable[tuple[FloatArray, FloatArray, FloatArray]]) -> tuple[FloatArray, FloatArray]:
    """The sum over J of what :func:`image` gives, and a bound on its distance from ``A_I u``."""
    images, radii, sizes = zip(*parts, strict=True)
    count = len(images)
    return sum(images), inflate(sum(radii) + gamma(count) * sum(sizes), 2 * count + 2)


def size(surveys: Iterable[Survey], n: int) -> float:
    """Bound the Frobenius norm of the midpoint."""
    return inflate(math.sqrt(sum(part.squares for part in surveys)), n * n)


def roundings(n: int, tile: int, rank: int) -> int:
    """The number N of the module's head for a matrix of size n, tiles of that size and w of that rank."""
    return max(min(tile, PIECE), rank) + math.ceil(n / tile) * math.ceil(tile / PIECE) + 2


def residual_norm(row_sums: FloatArray, squares: float, size: float, shift: float, w: FloatArray, tile: int) -> float:
    """Bound ``||a + w w^T - shift I - r^T r||_2`` from sums over all tiles.

    Args:
        row_sums: of ``|M|`` (n,), tiles beside the diagonal counted for their mirror images too.
        squares: of all entries of r.
        size: a bound on the Frobenius norm of a.
        shift: sigma.
        w: (n, k).
        tile: the size of a tile.
    """
    n, rank = w.shape
    sizes = size + abs(shift) + inflate(float(np.vdot(w, w)) + squares, n * n)
    return inflate(inflate(float(row_sums.max()), 2 * n) + gamma(roundings(n, tile, rank)) * sizes, 6)
