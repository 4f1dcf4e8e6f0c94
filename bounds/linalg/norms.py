"""Norms and the least singular value of rectangular matrices with an entrywise radius."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import flint
import numpy as np
from flint import arb

from bounds.arithmetic import PRECISION, Enclosure
from bounds.linalg.eigenvalues import least_ends
from bounds.linalg.intervals import IntervalMatrix, interval_matrix
from bounds.linalg.products import accurate_product
from bounds.linalg.rounding import TINY, UNIT, FloatArray, gamma, inflate


def frobenius_norm(a: Any, radius: Any = None) -> Enclosure:
    """Enclose the Frobenius norm of every matrix within an entrywise radius of a midpoint.

    The squares of ``|a| + radius`` and of ``max(|a| - radius, 0)`` are summed by rows in float64, with at most n + 4
    roundings on each path, and the m row sums in balls.

    Args:
        a: (m, n) float64.
        radius: None, or float64 >= 0 that broadcasts to (m, n).

    Returns:
        An enclosure of ``||A||_F`` for all A with ``|A - a| <= radius``.

    Raises:
        ValueError: as :func:`~bounds.linalg.intervals.interval_matrix`.
    """
    matrix = interval_matrix(a, radius)
    if matrix.radius is None:
        least = most = np.einsum("ij,ij->i", matrix.midpoint, matrix.midpoint)
    else:
        size = np.abs(matrix.midpoint)
        least = np.square(np.maximum(size - matrix.radius, 0.0)).sum(axis=1)
        most = np.square(size + matrix.radius).sum(axis=1)
    roundings = matrix.midpoint.shape[1] + 8
    lower, upper = np.maximum(least * (1 - gamma(roundings)) - TINY, 0.0), inflate(most, roundings)
    with flint.ctx.workprec(PRECISION):
        squared = _sum(lower).union(_sum(upper))
        return Enclosure(_root(squared) * arb(2) ** matrix.exponent)


def spectral_norm(a: Any, radius: Any = None) -> Enclosure:
    """Enclose the largest singular value of every matrix within an entrywise radius of a midpoint.

    It is the root of the largest eigenvalue of the Gram matrix of the shorter side. A factorisation of that matrix in
    plain float64, whose error in norm is bounded (:class:`_NegativeGram`), proves where the second eigenvalue ends, for
    which that is enough; given this, the first comes from images under ``a`` alone, each to about one rounding: the
    bounds agree to some 14 digits where there is a gap between the two, and to the error in norm where there is none.
    The radius adds or takes away at most its own norm (Weyl's inequality for singular values).

    Args:
        a: (m, n) float64.
        radius: None, or float64 >= 0 that broadcasts to (m, n).

    Returns:
        An enclosure of ``||A||_2`` for all A with ``|A - a| <= radius``.

    Raises:
        ValueError: as :func:`~bounds.linalg.intervals.interval_matrix`.
    """
    matrix = _tall(interval_matrix(a, radius))
    if matrix.midpoint.shape[1] == 1:
        return frobenius_norm(a, radius)
    with flint.ctx.workprec(PRECISION):
        gram = _NegativeGram.of(matrix.midpoint)
        ends = least_ends(gram)
        largest = _root((-ends.lower).union(-ends.upper)) * arb(2) ** gram.exponent
        lower, upper = largest - matrix.radius_norm, largest + matrix.radius_norm
        return Enclosure(lower.lower().max(arb(0)).union(upper.upper()) * arb(2) ** matrix.exponent)


def least_singular_value(a: Any, radius: Any = None) -> Enclosure:
    r"""Enclose the last singular value, the min(m, n)-th, of every matrix within an entrywise radius of a midpoint.

    Let A be tall, and Z any square matrix with :math:`F = A Z` of full rank. Then Z is regular, a unit vector is
    :math:`v = Z z`, and :math:`\|A v\| = \|F z\| \ge \sigma_{\min}(F) \|z\| \ge \sigma_{\min}(F) / \|Z\|_2`. With
    :math:`Z \approx V \Sigma^{-1}` from a singular value decomposition F is near the orthonormal :math:`U`, so that
    :math:`\sigma_{\min}(F)^2 \ge 1 - \|F^T F - I\|_2` loses little (the idea is Rump's, from memory; re-derived). Any
    vector gives an upper bound.

    Args:
        a: (m, n) float64.
        radius: None, or float64 >= 0 that broadcasts to (m, n).

    Returns:
        An enclosure of the least singular value of all A with ``|A - a| <= radius``; its lower end is 0 where the
        matrix is not proved to have full rank.

    Raises:
        ValueError: as :func:`~bounds.linalg.intervals.interval_matrix`.
    """
    matrix = interval_matrix(a, radius)
    tall = _tall(matrix)
    _, values, basis = np.linalg.svd(tall.midpoint, full_matrices=False)
    with flint.ctx.workprec(PRECISION):
        upper = _image_norm(tall, basis[-1:].T)
        lower = arb(0)
        if values[-1] > 2.0**-60 * values[0]:
            lower = _least_from_inverse(tall, basis.T / values)
        return Enclosure(lower.union(upper) * arb(2) ** matrix.exponent)


def _least_from_inverse(matrix: IntervalMatrix, z: FloatArray) -> arb:
    """Bound the least singular value from below by that of ``matrix @ z``, divided by ``||z||_2``."""
    gram, gram_radius = _gram(IntervalMatrix(*matrix.image(z)))
    defect = np.abs(gram - np.eye(len(gram))) + gram_radius
    distance = arb(inflate(float(defect.sum(axis=1).max()), len(gram) + 2))
    return ((1 - distance).sqrt() / arb(spectral_norm(z).upper)).lower() if distance < 1 else arb(0)


def _image_norm(matrix: IntervalMatrix, v: FloatArray) -> arb:
    """Bound ``||A v|| / ||v||`` from above for every A of the family."""
    return (frobenius_norm(*matrix.image(v)).ball / frobenius_norm(v).ball).upper()


@dataclass(frozen=True, kw_only=True)
class _NegativeGram(IntervalMatrix):
    r"""The matrix ``-x^T x``, of which ``midpoint`` is the product in plain float64, made symmetric.

    An entry of the product is wrong by at most :math:`\gamma_{m+2} (|x|^T |x|)_{ij}`, the mean of its two triangles
    included, and :math:`\| |x|^T |x| \|_2 \le \|x\|_F^2`. Images are formed under x and its transpose in turn.

    Args:
        x: (m, n), its largest entry 0 or in [2^-30, 2^30].
    """

    x: FloatArray

    @classmethod
    def of(cls, x: FloatArray) -> _NegativeGram:
        exponent = math.frexp(max(float(x.max()), -float(x.min())))[1]
        if abs(exponent) < 30:
            exponent = 0
        else:
            x = np.ldexp(x, -exponent)
        product = x.T @ x
        return cls((product + product.T) / -2, None, exponent, x=x)

    @cached_property
    def radius_norm(self) -> float:
        m, n = self.x.shape
        return inflate(gamma(m + 2) * inflate(float(np.linalg.norm(self.x)), m * n) ** 2, 4)

    def image(self, vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The product with vectors (n, k), and a bound of its error."""
        transposed = np.ascontiguousarray(self.x.T)
        inner, inner_error = accurate_product(self.x, vectors)
        product, error = accurate_product(transposed, inner)
        return -product, inflate(error + inflate(np.abs(transposed) @ inner_error, len(inner)), 2)


def _tall(matrix: IntervalMatrix) -> IntervalMatrix:
    m, n = matrix.midpoint.shape
    if m >= n:
        return matrix
    return IntervalMatrix(
        matrix.midpoint.T,
        None if matrix.radius is None else matrix.radius.T,
        matrix.exponent,
    )


def _gram(matrix: IntervalMatrix) -> tuple[FloatArray, FloatArray]:
    """The midpoint, exactly symmetric, and radius of ``A^T A`` for every A of the family."""
    x = np.ascontiguousarray(matrix.midpoint.T)
    gram, error = accurate_product(x, matrix.midpoint)
    if matrix.radius is not None:
        size, spread = np.abs(x), np.ascontiguousarray(matrix.radius.T)
        cross = (size + spread) @ spread.T
        error = error + inflate(cross + spread @ size.T, x.shape[1] + 4)
    symmetric = (gram + gram.T) / 2
    return symmetric, inflate(np.maximum(error, error.T) + UNIT * np.abs(symmetric), 4)


def _sum(values: FloatArray) -> arb:
    return sum((arb(float(value)) for value in values), arb(0))


def _root(squared: arb) -> arb:
    """The root of a number that is not negative, of which a ball may know less."""
    return squared.lower().max(arb(0)).sqrt().lower().union(squared.upper().sqrt().upper())
