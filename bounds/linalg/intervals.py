"""Matrices known up to an entrywise radius, checked and brought to a harmless scale."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bounds.linalg.products import accurate_product
from bounds.linalg.rounding import FloatArray, inflate, require_ieee_arithmetic

_ROWS = 256


@dataclass(frozen=True)
class IntervalMatrix:
    """The matrices ``2^exponent (midpoint + D)`` with ``|D| <= radius`` entrywise.

    Args:
        midpoint: (m, n) float64; the largest entry of midpoint and radius is 0 or lies in [2^-100, 2^100].
        radius: (m, n) float64 >= 0, possibly a broadcast view; None for a matrix known exactly.
        exponent: of the power of two taken out.
    """

    midpoint: FloatArray
    radius: FloatArray | None
    exponent: int = 0

    def __neg__(self) -> IntervalMatrix:
        return IntervalMatrix(-self.midpoint, self.radius, self.exponent)

    def radius_times(self, vectors: FloatArray) -> FloatArray:
        """Bound ``radius @ vectors`` from above, for vectors (n, k) >= 0."""
        product = np.zeros((self.midpoint.shape[0], vectors.shape[1]))
        if self.radius is not None:
            for rows in blocks(len(product), _ROWS):
                product[rows] = self.radius[rows] @ vectors
        return inflate(product, len(vectors))

    def image(self, vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The product with vectors (n, k) to about one rounding, and a bound of its distance for every matrix."""
        product, error = accurate_product(self.midpoint, vectors)
        return product, inflate(error + self.radius_times(np.abs(vectors)), 2)

    @cached_property
    def size(self) -> float:
        """A bound on the Frobenius norm of the midpoint."""
        return inflate(float(np.linalg.norm(self.midpoint)), self.midpoint.size)

    @cached_property
    def radius_norm(self) -> float:
        """Bound ``||D||_2`` for all ``|D| <= radius``: by ``(||D||_1 ||D||_inf)^(1/2)``, the sums of ``radius``.

        ``||D||_2^2`` is the spectral radius of ``D^T D``, at most ``||D^T D||_1 <= ||D^T||_1 ||D||_1``, and
        ``||D^T||_1 = ||D||_inf`` (Higham, Accuracy and Stability of Numerical Algorithms, section 6.2).
        """
        if self.radius is None:
            return 0.0
        m, n = self.radius.shape
        rows, columns = np.zeros(m), np.zeros(n)
        for block in blocks(m, _ROWS):
            rows[block] = self.radius[block].sum(axis=1)
            columns += self.radius[block].sum(axis=0)
        return inflate(math.sqrt(float(rows.max())) * math.sqrt(float(columns.max())), m + n)


def blocks(length: int, size: int) -> Iterator[slice]:
    """Cut ``range(length)`` into slices of the given size."""
    return (slice(start, min(start + size, length)) for start in range(0, length, size))


def interval_matrix(a: Any, radius: Any = None) -> IntervalMatrix:
    """Check a rectangular matrix with its entrywise radius, and scale it by a power of two where its size asks for it.

    Scaling is exact but for entries that become subnormal; each loses at most 2^-1074, which
    :data:`~bounds.linalg.rounding.TINY` covers many times over.

    Args:
        a: (m, n) array of real numbers that float64 stores without rounding.
        radius: None, or float64 >= 0 that broadcasts to (m, n).

    Raises:
        ValueError: wrong shape or type, entries that are not finite, a negative radius.
    """
    require_ieee_arithmetic()
    midpoint = _float64(a, "the matrix")
    if midpoint.ndim != 2 or 0 in midpoint.shape:
        raise ValueError(f"the matrix has shape {midpoint.shape}: two dimensions and at least one entry are needed")
    size = _largest(midpoint, "the matrix")
    spread = None
    if radius is not None:
        spread = _float64(radius, "the radius")
        try:
            spread = np.broadcast_to(spread, midpoint.shape)
        except ValueError:
            raise ValueError(f"a radius of shape {spread.shape} does not fit a matrix of {midpoint.shape}") from None
        if spread.min() < 0:
            raise ValueError("the radius has a negative entry: pass bounds on absolute errors")
        size = max(size, _largest(spread, "the radius"))
    exponent = math.frexp(size)[1]
    if abs(exponent) <= 99:
        return IntervalMatrix(midpoint, spread)
    if spread is not None:
        spread = np.ldexp(spread, -exponent) + 2.0**-1074
    return IntervalMatrix(np.ldexp(midpoint, -exponent), spread, exponent)


def symmetric_matrix(a: Any, radius: Any = None) -> IntervalMatrix:
    """Check and scale a symmetric matrix with its radius; see :func:`interval_matrix`.

    Raises:
        ValueError: as there, and where the matrix is not square or not exactly symmetric.
    """
    matrix = interval_matrix(a, radius)
    m, n = matrix.midpoint.shape
    if m != n:
        raise ValueError(f"the matrix has shape {m, n}: eigenvalues need a square one")
    for rows in blocks(n, _ROWS):
        for columns in blocks(rows.stop, _ROWS):
            if not np.array_equal(matrix.midpoint[rows, columns], matrix.midpoint[columns, rows].T):
                raise ValueError("the matrix is not symmetric: pass (a + a.T) / 2, with the difference in the radius")
    return matrix


def _float64(a: Any, name: str) -> FloatArray:
    if isinstance(a, np.ma.MaskedArray):
        raise ValueError(f"{name} is a masked array, whose mask would be lost: fill or remove the masked entries")
    array = np.asarray(a)
    if array.dtype == np.float64:
        return array
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise ValueError(f"{name} has type {array.dtype}: real numbers that float64 stores exactly are needed")
    converted = array.astype(np.float64)
    if array.dtype.kind != "f" and array.size and np.abs(converted).max() >= 2.0**53:
        raise ValueError(f"{name} has integers of 2^53 or more, which float64 may round")
    return converted


def _largest(array: FloatArray, name: str) -> float:
    largest = max(float(array.max()), -float(array.min()))
    if not largest < math.inf:
        raise ValueError(f"{name} has entries that are infinite or not a number")
    return largest
