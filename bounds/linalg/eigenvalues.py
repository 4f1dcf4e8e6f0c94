"""Least and largest eigenvalues of symmetric matrices with an entrywise radius, proved on both sides."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import flint
import numpy as np
from flint import arb

from bounds.arithmetic import PRECISION, Enclosure, Verdict, compare
from bounds.linalg.cholesky import Proposer
from bounds.linalg.deflation import enclose, from_estimate, from_pairs, resolution
from bounds.linalg.intervals import IntervalMatrix, blocks, symmetric_matrix
from bounds.linalg.lehmann import Ends, compress, shifted_bound
from bounds.linalg.ritz import SMALL, RitzPairs, Separation, dense_pairs, least_ritz_pairs
from bounds.linalg.rounding import inflate

_DENSE = 2000
"""Up to this size all eigenpairs are computed where a few do not serve."""


def least_eigenvalue(
    a: Any, radius: Any = None, *, estimate: float | None = None, propose: Proposer | None = None
) -> Enclosure:
    r"""Enclose the least eigenvalue of every symmetric matrix within an entrywise radius of a midpoint.

    A factorisation with bounded residual proves :math:`\lambda_{k+1} \ge \sigma`
    (:func:`~bounds.linalg.cholesky.factorise`, :func:`~bounds.linalg.deflation.enclose`); given that, approximate
    eigenvectors enclose :math:`\lambda_1` with a quadratic error (:func:`~bounds.linalg.lehmann.lehmann_ends`; Temple
    1928, Lehmann 1949, re-derived there). Where no gap is seen, :math:`\lambda_1` itself is bounded by a factorisation
    shifted just below it and by Gershgorin's discs, and from above by a Rayleigh quotient. The radius takes away its
    norm (Weyl). Every derivation stands in the functions named.

    Args:
        a: (n, n) float64, exactly symmetric.
        radius: entrywise bound >= 0 that broadcasts to (n, n); None where ``a`` is meant exactly.
        estimate: an approximation of the least eigenvalue if one is known; it saves time and is never trusted.
        propose: computes an upper Cholesky factor of a matrix (n, n) elsewhere, on a GPU say; its residual is bounded
            here, in float64, so that it is never trusted either.

    Returns:
        An enclosure of ``lambda_min(A)`` for all symmetric A with ``|A - a| <= radius``.

    Raises:
        ValueError: ``a`` is not a finite symmetric matrix, the radius is negative, the estimate is not finite, or the
            arithmetic is not IEEE.
    """
    matrix = symmetric_matrix(a, radius)
    if estimate is not None and not math.isfinite(estimate):
        raise ValueError(f"the estimate {estimate} is no finite number: leave it out where none is known")
    with flint.ctx.workprec(PRECISION):
        return _enclosure(least_ends(matrix, _scaled(estimate, matrix.exponent), propose), matrix.exponent)


def largest_eigenvalue(a: Any, radius: Any = None) -> Enclosure:
    """Enclose the largest eigenvalue of every symmetric matrix within a radius: minus the least one of ``-A``.

    See :func:`least_eigenvalue`, which does the work; the negative is one more matrix in memory.

    Raises:
        ValueError: as there.
    """
    matrix = symmetric_matrix(a, radius)
    with flint.ctx.workprec(PRECISION):
        ends = least_ends(-matrix)
        return _enclosure(Ends(-ends.upper, -ends.lower), matrix.exponent)


def is_positive_definite(a: Any, radius: Any = None) -> Verdict:
    """Decide whether every symmetric matrix within a radius is positive definite.

    It is if the lower end of :func:`least_eigenvalue` is positive, which bounds all of them, and none is if the upper
    end is not: that bounds the least eigenvalue of each.

    Returns:
        *holds*, *fails* where none of them is positive definite, or *undecided*.

    Raises:
        ValueError: as there.
    """
    return compare(least_eigenvalue(a, radius), ">", 0)


def least_ends(matrix: IntervalMatrix, estimate: float | None = None, propose: Proposer | None = None) -> Ends:
    """The ends of :func:`least_eigenvalue` for a symmetric matrix that is checked and scaled."""
    a = matrix.midpoint
    if len(a) == 1:
        entry, spread = arb(float(a[0, 0])), arb(matrix.radius_norm)
        return Ends(entry - spread, entry + spread)
    if estimate is None and len(a) <= SMALL:
        estimate = float(np.linalg.eigvalsh(a)[0])
    if estimate is not None:
        ends = enclose(matrix, from_estimate(matrix, estimate), propose)
        if ends is not None:
            return ends
    for pairs, separation in _spectra(matrix, propose):
        deflation = from_pairs(matrix.size, pairs, separation)
        ends = None if deflation is None else enclose(matrix, deflation, propose)
        if ends is not None:
            return ends
    return _undeflated(matrix, pairs, propose)


def _spectra(matrix: IntervalMatrix, propose: Proposer | None) -> Iterator[tuple[RitzPairs, Separation]]:
    """Approximate eigenpairs, each time dearer and safer: between two Ritz values, Lanczos may have missed others."""
    a = matrix.midpoint
    for caution in (16.0, 256.0):
        separation = Separation(resolution(matrix), caution)
        pairs = least_ritz_pairs(a, separation, propose)
        yield pairs, separation
        if len(pairs.values) == len(a) or not separation.count(pairs.values, pairs.errors):
            break
    if len(pairs.values) < len(a) <= _DENSE:
        yield dense_pairs(a), separation


def _undeflated(matrix: IntervalMatrix, pairs: RitzPairs, propose: Proposer | None) -> Ends:
    """Enclose where no gap is seen after the first eigenvalues: by a shifted factorisation and Gershgorin's discs.

    Every eigenvalue lies in a disc about some ``a_ii`` whose radius is the sum of ``|a_ij|`` over the rest of the row
    (Gershgorin 1931); the computed lower ends are rounded down by one step, which covers their one subtraction.
    """
    a = matrix.midpoint
    delta = arb(matrix.radius_norm)
    off_diagonal = np.zeros(len(a))
    for rows in blocks(len(a), 256):
        size = np.abs(a[rows])
        size[:, rows][np.diag_indices(len(size))] = 0
        off_diagonal[rows] = size.sum(axis=1)
    discs = np.nextafter(np.diag(a) - inflate(off_diagonal, len(a)), -math.inf)
    lower = arb(float(discs.min())) - delta
    shifted = shifted_bound(matrix, float(pairs.values[0]), propose)
    return Ends(
        (lower if shifted is None else lower.max(shifted)).lower(),
        compress(matrix, pairs.vectors[:, :1]).upper,
    )


def _scaled(estimate: float | None, exponent: int) -> float | None:
    """The estimate at the scale of the matrix, unless it lies far beyond all eigenvalues."""
    if estimate is None or math.frexp(estimate)[1] - exponent > 100:
        return None
    return math.ldexp(estimate, -exponent)


def _enclosure(ends: Ends, exponent: int) -> Enclosure:
    scale = arb(2) ** exponent
    return Enclosure((ends.lower * scale).union(ends.upper * scale))
