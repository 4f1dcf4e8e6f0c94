"""Norms and the least singular value of rectangular matrices with an entrywise radius."""

from __future__ import annotations

from typing import Any

import flint
import numpy as np
from flint import arb

from bounds.arithmetic import PRECISION, Enclosure
from bounds.linalg.eigenvalues import largest_eigenvalue
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
    size = np.abs(matrix.midpoint)
    spread = 0.0 if matrix.radius is None else matrix.radius
    largest, smallest = size + spread, np.maximum(size - spread, 0.0)
    roundings = size.shape[1] + 8
    upper = inflate(np.square(largest).sum(axis=1), roundings)
    lower = np.maximum(np.square(smallest).sum(axis=1) * (1 - gamma(roundings)) - TINY, 0.0)
    with flint.ctx.workprec(PRECISION):
        squared = _sum(lower).union(_sum(upper))
        return Enclosure(_root(squared) * arb(2) ** matrix.exponent)


def spectral_norm(a: Any, radius: Any = None) -> Enclosure:
    """Enclose the largest singular value of every matrix within an entrywise radius of a midpoint.

    It is the root of the largest eigenvalue of the Gram matrix of the shorter side, formed with entries accurate to
    about one rounding (:func:`~bounds.linalg.products.accurate_product`): the bounds agree to some 14 digits. With
    ``A = a + D``, ``|D| <= r``, the entries of ``A^T A`` are within ``(|a| + r)^T r + r^T |a|`` of those of ``a^T a``.

    Args:
        a: (m, n) float64.
        radius: None, or float64 >= 0 that broadcasts to (m, n).

    Returns:
        An enclosure of ``||A||_2`` for all A with ``|A - a| <= radius``.

    Raises:
        ValueError: as :func:`~bounds.linalg.intervals.interval_matrix`.
    """
    matrix = interval_matrix(a, radius)
    with flint.ctx.workprec(PRECISION):
        squared = largest_eigenvalue(*_gram(_tall(matrix))).ball
        return Enclosure(_root(squared) * arb(2) ** matrix.exponent)


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
    f, f_radius = accurate_product(matrix.midpoint, z)
    f_radius = inflate(f_radius + matrix.radius_times(np.abs(z)), 2)
    gram, gram_radius = _gram(IntervalMatrix(f, f_radius))
    defect = np.abs(gram - np.eye(len(gram))) + gram_radius
    distance = arb(inflate(float(defect.sum(axis=1).max()), len(gram) + 2))
    return ((1 - distance).sqrt() / arb(spectral_norm(z).upper)).lower() if distance < 1 else arb(0)


def _image_norm(matrix: IntervalMatrix, v: FloatArray) -> arb:
    """Bound ``||A v|| / ||v||`` from above for every A of the family."""
    y, y_radius = accurate_product(matrix.midpoint, v)
    y_radius = inflate(y_radius + matrix.radius_times(np.abs(v)), 2)
    return (frobenius_norm(y, y_radius).ball / frobenius_norm(v).ball).upper()


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
