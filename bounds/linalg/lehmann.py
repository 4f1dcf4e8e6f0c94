"""From approximate eigenvectors and one bound on the next eigenvalue to an enclosure of the least eigenvalue."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from flint import arb

from bounds.linalg.cholesky import Proposer, factorise
from bounds.linalg.intervals import IntervalMatrix
from bounds.linalg.products import accurate_product
from bounds.linalg.rounding import UNIT, FloatArray, gamma, inflate


@dataclass(frozen=True)
class Ends:
    """Proved bounds ``lower <= lambda_1 <= upper`` (balls of radius zero; before the matrix is scaled back)."""

    lower: arb
    upper: arb


@dataclass(frozen=True)
class Compression:
    """What the columns of u (n, k) tell of every matrix A of an interval matrix.

    Args:
        t: (k, k) symmetric, with ``|u^T A u - t| <= t_radius`` entrywise.
        t_radius: (k, k).
        gram_defect: a bound on ``||u^T u - I||_2``.
        image: (n, k), with ``|A u - image| <= image_radius`` entrywise.
        image_radius: (n, k).
        upper: the least Rayleigh quotient of a column, an upper bound of the least eigenvalue.
    """

    t: FloatArray
    t_radius: FloatArray
    gram_defect: float
    image: FloatArray
    image_radius: FloatArray
    upper: arb


def compress(matrix: IntervalMatrix, u: FloatArray) -> Compression:
    """Enclose the products of a symmetric interval matrix with some vectors, to about one rounding."""
    return compression(u, *matrix.image(u))


def compression(u: FloatArray, image: FloatArray, image_radius: FloatArray) -> Compression:
    """Enclose ``u^T A u``, given that ``|A u - image| <= image_radius``.

    The radius of A enters as ``rad |u|`` in ``A u`` and so as ``|u|^T rad |u|`` in ``u^T A u``, which is symmetric: the
    mean of its two triangles has the mean of their radii.
    """
    size, transposed = np.abs(u), np.ascontiguousarray(u.T)
    t, error = accurate_product(transposed, image)
    error = error + inflate(size.T @ image_radius, len(u))
    gram, gram_error = accurate_product(transposed, u)
    defect = (np.abs(gram - np.eye(len(gram))) + gram_error).sum(axis=1).max()
    mean = (t + t.T) / 2
    radius = inflate((error + error.T) / 2 + UNIT * np.abs(mean), 8)
    i = int(np.argmin(np.diag(mean)))
    quotient = (arb(float(mean[i, i])) + float(radius[i, i])) / _ball(gram[i, i], gram_error[i, i])
    return Compression(mean, radius, inflate(float(defect), len(gram) + 4), image, image_radius, quotient.upper())


def lehmann(matrix: IntervalMatrix, u: FloatArray, sigma: arb) -> Ends | None:
    """Enclose the least eigenvalue of every matrix in an interval matrix, given that ``lambda_{k+1} >= sigma``.

    Args:
        matrix: symmetric.
        u: (n, k), any matrix; the bounds are good where it is near the first k eigenvectors.
        sigma: a number, exactly, known to be at most ``lambda_{k+1}`` of every matrix of the family.

    Returns:
        The two ends (see :func:`lehmann_ends`), or None where the hypotheses are not met.
    """
    return lehmann_ends(compress(matrix, u), u, sigma)


def lehmann_ends(known: Compression, u: FloatArray, sigma: arb) -> Ends | None:
    r"""Enclose the least eigenvalue from what some vectors tell, given that ``lambda_{k+1} >= sigma``.

    Let :math:`\lambda_{k+1}(A) \ge \sigma`, let P be an orthonormal basis of the span of ``u``,
    :math:`\hat T = P^T A P \prec \sigma I` and :math:`\rho \ge \|(I - P P^T) A P\|_2`. Then

    .. math:: \lambda_1 \ge \min_i \Bigl(t_i - \frac{\rho^2}{\sigma - t_i}\Bigr)
              \quad\text{over the eigenvalues } t_i \text{ of } \hat T.

    *Proof* (Lehmann 1949 from memory; re-derived). Take :math:`\sigma` no eigenvalue of A (else let a smaller one tend
    to it) and :math:`B = \sigma I - A`, which has at most k positive eigenvalues, the largest of which is
    :math:`\beta = \sigma - \lambda_1`. On the k-dimensional space of the vectors :math:`B P z`, the Rayleigh quotient
    of :math:`B^{-1}` is :math:`z^T P^T B P z / z^T P^T B^2 P z > 0`, so by Courant and Fischer the k-th largest
    eigenvalue of :math:`B^{-1}`, which is :math:`1 / \beta`, is at least its minimum. With
    :math:`D = \sigma I - \hat T`, :math:`P^T B P = D` and :math:`P^T B^2 P \preceq D^2 + \rho^2 I`, hence
    :math:`\beta \le \max_i (d_i + \rho^2 / d_i)`. For k = 1 this is Temple's inequality (1928).

    The function :math:`t - \rho^2/(\sigma - t)` is concave, so its minimum over an interval that holds all
    :math:`t_i` is at an end. With :math:`G = U^T U`, :math:`\|G - I\|_2 \le g < 1`, :math:`T = U^T A U`, the
    :math:`t_i` are the quotients :math:`z^T T z / z^T G z`, and :math:`\rho \le \|A U - U S\|_F / \sqrt{1 - g}` for any
    S, since P = U G^{-1/2} and (I - P P^T) U = 0. The radius enters as :math:`|U|^T \mathrm{rad}\, |U|` in T and as
    :math:`\mathrm{rad}\, |U|` in the residual. Any vector gives the upper bound, by its Rayleigh quotient.

    Args:
        known: of the vectors ``u``.
        u: (n, k), any matrix; the bounds are good where it is near the first k eigenvectors.
        sigma: a number, exactly, known to be at most ``lambda_{k+1}`` of every matrix of the family.

    Returns:
        The two ends, or None where the hypotheses are not met.
    """
    n, k = u.shape
    g = known.gram_defect
    extremes = _extreme_eigenvalues(known)
    if extremes is None or not g < 0.5:
        return None
    least, largest = (
        (extremes[0] / _ball(1, g)).lower(),
        (extremes[1] / _ball(1, g)).upper(),
    )
    if not largest < sigma:
        return None
    # At most k + 1 roundings in image - u t; three more make up for those of the sizes themselves.
    sizes = np.abs(known.image) + np.abs(u) @ np.abs(known.t)
    residual = np.abs(known.image - u @ known.t) + gamma(k + 4) * sizes + known.image_radius
    rho = arb(inflate(float(np.linalg.norm(residual)), n * k + k + 8)) / (1 - arb(g)).sqrt()
    first, last = (t_i - rho**2 / (sigma - t_i) for t_i in (least, largest))
    return Ends(first.min(last).lower(), known.upper)


def shifted_bound(matrix: IntervalMatrix, guess: float, propose: Proposer | None = None) -> arb | None:
    """Bound the least eigenvalue from below by one factorisation shifted a little below a guess.

    ``A >= (shift - error) I`` for the midpoint (see :func:`~bounds.linalg.cholesky.factorise`), and by Weyl the
    radius takes away at most its norm.

    Args:
        matrix: symmetric.
        guess: an approximation of the least eigenvalue, not trusted.
        propose: finds the factor elsewhere, as there.

    Returns:
        The bound, or None where no factorisation succeeds near the guess.
    """
    a = matrix.midpoint
    margin = 2 * math.sqrt(len(a)) * UNIT * (matrix.size + abs(guess)) + 2.0**-690
    for _ in range(6):
        factor = factorise(a, guess - margin, propose=propose)
        if factor is not None:
            return (arb(guess - margin) - factor.error - matrix.radius_norm).lower()
        margin *= 8
    return None


def _extreme_eigenvalues(known: Compression) -> tuple[arb, arb] | None:
    """A lower bound of the least and an upper bound of the largest eigenvalue of ``u^T A u``."""
    if len(known.t) == 1:
        entry, radius = arb(float(known.t[0, 0])), arb(float(known.t_radius[0, 0]))
        return (entry - radius).lower(), (entry + radius).upper()
    values = np.linalg.eigvalsh(known.t)
    matrix = IntervalMatrix(known.t, known.t_radius)
    least, largest = (
        shifted_bound(matrix, float(values[0])),
        shifted_bound(-matrix, -float(values[-1])),
    )
    return None if least is None or largest is None else (least, -largest)


def _ball(midpoint: float, radius: float) -> arb:
    return arb(float(midpoint), float(radius))
