"""Cholesky factorisation whose residual is bounded as it is computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dtrsm, dtrsv
from scipy.linalg.lapack import dpotrf

from bounds.linalg.intervals import blocks
from bounds.linalg.rounding import FloatArray, gamma, inflate
from bounds.progress import Stage

Proposer = Callable[[FloatArray], FloatArray | None]
"""Proposes an upper triangular r (n, n) with ``r^T r`` near a symmetric matrix (n, n), or None where it finds none.

It may overwrite what it is given, and gives away what it returns. Nothing is believed of it.
"""


@dataclass(frozen=True)
class Factor:
    """Upper triangular ``r`` with ``||a + w w^T - shift I - r^T r||_2 <= error``.

    Args:
        r: (n, n); what stands below the diagonal is not part of it.
        error: the bound, proved for this very ``r``.
    """

    r: FloatArray
    error: float

    def solve(self, b: FloatArray) -> FloatArray:
        """Solve ``r^T r x = b`` approximately for b (n, k)."""
        if b.shape[1] == 1:
            half = dtrsv(self.r.T, b[:, 0], lower=1)
            return np.asarray(dtrsv(self.r.T, half, lower=1, trans=1, overwrite_x=1))[:, None]
        half = dtrsm(1.0, self.r.T, b, lower=1)
        return np.asarray(dtrsm(1.0, self.r.T, half, lower=1, trans_a=1, overwrite_b=1))


def factorise(
    a: FloatArray, shift: float, w: FloatArray | None = None, propose: Proposer | None = None
) -> Factor | None:
    r"""Factorise ``a + w w^T - shift I`` and bound the residual, whatever the libraries did.

    For *any* real :math:`R` and :math:`M = A + W W^T - \sigma I - R^T R` we have
    :math:`A + W W^T \succeq (\sigma - \|M\|_2) I`: the quality of :math:`R` matters, not how it was found. (The
    a-priori bound of Rump 2006, "Verification of positive definiteness", BIT 46, instead trusts the operations inside
    the factorisation.)
    Here :math:`R` comes strip by strip: rows I of
    :math:`C = A + W W^T - \sigma I - \sum_{K < I} R_K^T R_K` are accumulated from products of at most b terms, then
    :math:`R_{II}` is a Cholesky factor of :math:`C_{II}`, :math:`R_{IJ}` solves :math:`R_{II}^T R_{IJ} = C_{IJ}`, and
    subtracting :math:`R_{II}^T R_{IJ}` leaves the computed residual :math:`\tilde M` of that strip at the cost of one
    more product. Only elementwise operations and inner products of length at most b enter :math:`\tilde M`.

    *Rounding.* Entry (i, j) of :math:`\tilde M` is a sum of :math:`a_{ij}`, :math:`-\sigma` (on the diagonal), of
    the products in :math:`W W^T` and those in :math:`R^T R`. With B strips, a product passes through at most
    :math:`\max(b, k)` roundings within its inner product and every term through at most B + 2 additions after it, so
    each term is multiplied by :math:`1 + \theta`, :math:`|\theta| \le \gamma_N`, :math:`N = \max(b, k) + B + 2`. Hence

    .. math:: |\tilde M - M|_{ij} \le \gamma_N \Bigl(|a_{ij}| + \sigma \delta_{ij} + \sum_l |w_{il} w_{jl}|
              + \sum_l |r_{li} r_{lj}|\Bigr), \qquad
              \|M\|_2 \le \max_i \sum_j |\tilde M_{ij}|
              + \gamma_N \bigl(\|A\|_F + |\sigma| + \|W\|_F^2 + \|R\|_F^2\bigr)

    by Cauchy and Schwarz (entries at most :math:`q_i q_j` make a matrix of norm at most :math:`\sum q_i^2`).
    Re-derived; the idea of bounding the residual a posteriori is Rump's.

    Args:
        a: (n, n) symmetric.
        shift: the number sigma.
        w: (n, k), or None for none.
        propose: finds R elsewhere, on a GPU say. Only the residual is computed here then, by the same operations,
            so that the bound holds for whatever is proposed.

    Returns:
        The factor, or None where a pivot is not positive or nothing finite is proposed.
    """
    n = len(a)
    block = _block_size(n)
    rank = 0 if w is None else w.shape[1]
    r = np.zeros((n, n)) if propose is None else proposal(a, shift, w, propose)
    if r is None:
        return None
    product, stage = np.empty((block, n)), Stage("factorising")
    row_sums, squares = np.zeros(n), 0.0
    for rows in blocks(n, block):
        size, here = rows.stop - rows.start, slice(rows.start, n)
        c = a[rows, here].copy()
        c[np.arange(size), np.arange(size)] -= shift
        if w is not None:
            c += w[rows] @ w[here].T
        part = product[:size, : n - rows.start]
        for above in blocks(rows.start, block):
            c -= np.matmul(r[above, rows].T, r[above, here], out=part)
        if propose is None:
            pivot, failed = dpotrf(c[:, :size], clean=1)
            if failed:
                return None
            r[rows, rows] = pivot
            if rows.stop < n:
                r[rows, rows.stop :] = dtrsm(1.0, pivot, c[:, size:].copy().T, side=1, overwrite_b=1).T
        else:
            r[rows, rows] = np.triu(r[rows, rows])
        c -= np.matmul(r[rows, rows].T, r[rows, here], out=part)
        np.abs(c, out=c)
        row_sums[rows] += c.sum(axis=1)
        row_sums[rows.stop :] += c[:, size:].sum(axis=0)
        squares += float(np.vdot(r[rows, here], r[rows, here]))
        stage.reached((rows.stop / n) ** 2 * (3 - 2 * rows.stop / n))  # of all products of the strips
    size_of_w = 0.0 if w is None else float(np.vdot(w, w))
    sizes = float(np.linalg.norm(a)) + abs(shift) + size_of_w + squares
    error = inflate(float(row_sums.max()), n) + gamma(roundings(n, rank)) * inflate(sizes, n * n)
    return Factor(r, inflate(error, 4)) if error < math.inf else None


def proposal(a: FloatArray, shift: float, w: FloatArray | None, propose: Proposer) -> FloatArray | None:
    """What is proposed for ``a + w w^T - shift I``, as rows of float64; None where nothing is, or nothing of use.

    Entries beyond 2^100 are of no use: no factor of a scaled matrix has them, and :data:`TINY` is made for less.

    Raises:
        ValueError: what is proposed has another shape.
    """
    n = len(a)
    target = a.copy()
    target[np.diag_indices(n)] -= shift
    if w is not None:
        for rows in blocks(n, _block_size(n)):
            target[rows] += w[rows] @ w.T
    r = propose(target)
    if r is None:
        return None
    if np.shape(r) != (n, n):
        raise ValueError(f"the proposed factor has shape {np.shape(r)}, not {n, n}")
    r = np.require(r, np.float64, ["C", "W"])
    return r if max(float(r.max()), -float(r.min())) < 2.0**100 else None


def roundings(n: int, rank: int = 0) -> int:
    """The number N of :func:`factorise` for a matrix of size n and w of that rank."""
    block = _block_size(n)
    return max(block, rank) + math.ceil(n / block) + 2


def _block_size(n: int) -> int:
    """A power of two near 2 sqrt(n): short inner products, few strips, large products."""
    return min(256, max(16, 1 << round(math.log2(2 * math.sqrt(n)))))
