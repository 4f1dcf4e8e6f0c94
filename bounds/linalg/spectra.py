"""All eigenvalues of a symmetric matrix with an entrywise radius, within one proved distance."""

from __future__ import annotations

from typing import Any

import flint
import numpy as np
from flint import arb

from bounds.arithmetic import PRECISION, Enclosure
from bounds.linalg.intervals import IntervalMatrix, symmetric_matrix
from bounds.linalg.products import accurate_product
from bounds.linalg.rounding import FloatArray, gamma, inflate


def spectrum(a: Any, radius: Any = None) -> tuple[Enclosure, ...]:
    r"""Enclose every eigenvalue of every symmetric matrix within an entrywise radius of a midpoint.

    All enclosures have the same half-width, some :math:`n u \|A\|_2` and the norm of the radius. The extreme ones come
    sharper from :func:`~bounds.linalg.eigenvalues.least_eigenvalue` and
    :func:`~bounds.linalg.eigenvalues.largest_eigenvalue`.

    *Proof* (Weyl's inequality; re-derived). Let Q be any square matrix with :math:`\|Q^T Q - I\|_2 \le g < 1`, in
    practice of approximate eigenvectors, :math:`U = Q (Q^T Q)^{-1/2}`, which is orthogonal and within g of Q since
    :math:`|\sqrt{x} - 1| \le |x - 1|`, and :math:`\Lambda` any diagonal matrix. Then
    :math:`A U - U \Lambda = A Q - Q \Lambda + A (U - Q) - (U - Q) \Lambda`, so that :math:`U^T A U`, which has the
    eigenvalues of A, is within :math:`\epsilon \le \rho + (\|A\|_2 + \|\Lambda\|_2) g` of :math:`\Lambda`,
    :math:`\rho \ge \|A Q - Q \Lambda\|_2`. With :math:`\|A\|_2 \le \|\Lambda\|_2 + \epsilon`,
    :math:`\epsilon \le (\rho + 2 \|\Lambda\|_2 g) / (1 - g)`; in order of size no eigenvalue is farther from its entry
    of :math:`\Lambda`, and the radius adds its norm.

    Args:
        a: (n, n) float64, exactly symmetric.
        radius: entrywise bound >= 0 that broadcasts to (n, n); None where ``a`` is meant exactly.

    Returns:
        n enclosures in ascending order, of all symmetric A with ``|A - a| <= radius``.

    Raises:
        ValueError: as :func:`~bounds.linalg.eigenvalues.least_eigenvalue`.
    """
    matrix = symmetric_matrix(a, radius)
    values, vectors = np.linalg.eigh(matrix.midpoint)
    with flint.ctx.workprec(PRECISION):
        distance = (_distance(matrix, values, vectors) + matrix.radius_norm).upper()
        scale = arb(2) ** matrix.exponent
        return tuple(Enclosure((arb(value) + arb(0, distance)) * scale) for value in np.sort(values).tolist())


def _distance(matrix: IntervalMatrix, values: FloatArray, vectors: FloatArray) -> arb:
    """Bound how far the eigenvalues of the midpoint are from the given ones."""
    n = len(values)
    image, error = accurate_product(matrix.midpoint, vectors)
    moved = vectors * values
    residual = np.abs(image - moved) + gamma(3) * (np.abs(image) + np.abs(moved)) + error
    rho = arb(inflate(float(np.linalg.norm(residual)), n * n + 8))
    gram, error = accurate_product(np.ascontiguousarray(vectors.T), vectors)
    defect = (np.abs(gram - np.eye(n)) + error).sum(axis=1).max()
    g = arb(inflate(float(defect), n + 4))
    largest = arb(float(np.abs(values).max()))
    return (rho + 2 * largest * g) / (1 - g) if g < 1 else largest + matrix.size
