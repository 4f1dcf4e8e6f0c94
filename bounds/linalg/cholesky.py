"""Cholesky factorisation whose residual is bounded as it is computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dgemm, dgemv, dtrsm, dtrsv
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
    """Upper triangular ``r`` with ``||a + w w^T - shift I - r^T r||_2 <= error``, as the strips that it is made of.

    Args:
        strips: of ``r^T``, one for each block I of its columns, from the diagonal on: (n - I.start, b), contiguous.
        error: the bound, proved for this very ``r``.
    """

    strips: tuple[FloatArray, ...]
    error: float

    def solve(self, b: FloatArray) -> FloatArray:
        """Solve ``r^T r x = b`` approximately for b (n, k)."""
        x = np.array(b, order="C")
        parts = []
        for strip in self.strips:
            size, start = strip.shape[1], len(x) - len(strip)
            parts.append((strip[:size].T, strip[size:].T, x[start : start + size].T, x[start + size :].T))
        for pivot, rest, here, below in parts:
            dtrsm(1.0, pivot, here, side=1, overwrite_b=1)
            _subtract(below, here, rest, transposed=False)
        for pivot, rest, here, below in reversed(parts):
            _subtract(here, below, rest, transposed=True)
            dtrsm(1.0, pivot, here, side=1, trans_a=1, overwrite_b=1)
        return x


def solve(r: FloatArray, b: FloatArray) -> FloatArray:
    """Solve ``r^T r x = b`` approximately for upper triangular r (n, n) and b (n, k)."""
    stored, lower = (r.T, 1) if r.flags.c_contiguous else (r, 0)
    if b.shape[1] == 1:
        half = dtrsv(stored, b[:, 0], lower=lower, trans=1 - lower)
        return np.asarray(dtrsv(stored, half, lower=lower, trans=lower, overwrite_x=1))[:, None]
    half = dtrsm(1.0, stored, b, lower=lower, trans_a=1 - lower)
    return np.asarray(dtrsm(1.0, stored, half, lower=lower, trans_a=lower, overwrite_b=1))


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
    proposed = None if propose is None else proposal(a, shift, w, propose)
    if propose is not None and proposed is None:
        return None
    n = len(a)
    block = _block_size(n)
    sizes = float(np.linalg.norm(a)) + abs(shift) + (0.0 if w is None else float(np.vdot(w, w)))
    strips: list[FloatArray] = []
    buffer, stage = np.empty(block * n), Stage("factorising")
    row_sums = np.zeros(n)
    for rows in blocks(n, block):
        size, here = rows.stop - rows.start, slice(rows.start, n)
        c = a[here, rows].copy()
        c[np.arange(size), np.arange(size)] -= shift
        product = buffer[: c.size].reshape(c.shape)
        if w is not None:
            c += _times_transposed(w[here], w[rows], product)
        for above, strip in zip(blocks(rows.start, block), strips, strict=True):
            below = strip[rows.start - above.start :]
            c -= _times_transposed(below, below[:size], product)
        found = _strip(c) if proposed is None else np.array(proposed[rows, here].T, order="C")
        if found is None:
            return None
        found[:size] = np.tril(found[:size])
        c -= _times_transposed(found, found[:size], product)
        np.abs(c, out=c)
        row_sums[rows] += c.sum(axis=0)
        row_sums[rows.stop :] += c[size:].sum(axis=1)
        sizes += float(np.einsum("ij,ij->", found, found))
        strips.append(found)
        stage.reached((rows.stop / n) ** 2 * (3 - 2 * rows.stop / n))  # of all products of the strips
    rank = 0 if w is None else w.shape[1]
    error = inflate(float(row_sums.max()), n) + gamma(roundings(n, rank)) * inflate(sizes, n * n)
    return Factor(tuple(strips), inflate(error, 4)) if error < math.inf else None


def _strip(c: FloatArray) -> FloatArray | None:
    """The transposed strip of r from its transposed right-hand side c (m, b); None where a pivot is not positive."""
    size = c.shape[1]
    pivot, failed = dpotrf(c[:size].T, clean=1)
    if failed:
        return None
    strip = c.copy()
    strip[:size] = pivot.T
    if size < len(c):
        strip[size:] = dtrsm(1.0, pivot, strip[size:].T, trans_a=1, overwrite_b=1).T
    return strip


def _subtract(y: FloatArray, x: FloatArray, s: FloatArray, *, transposed: bool) -> None:
    """Take ``x s`` or ``x s^T`` from y in place, for few rows x and y, column after column in memory as s."""
    if s.size and len(x) == 1:
        dgemv(-1.0, s, x[0], 1.0, y[0], trans=not transposed, overwrite_y=1)
    elif s.size:
        dgemm(-1.0, x, s, 1.0, y, trans_b=transposed, overwrite_c=1)


def _times_transposed(x: FloatArray, y: FloatArray, out: FloatArray) -> FloatArray:
    """The product ``x y^T`` in ``out``, all contiguous.

    It comes from scipy like all BLAS of this module: numpy brings a BLAS of its own, and the threads of the two keep
    each other waiting wherever they take turns.
    """
    return np.asarray(dgemm(1.0, y.T, x.T, trans_a=1, c=out.T, overwrite_c=1)).T


def proposal(a: FloatArray, shift: float, w: FloatArray | None, propose: Proposer) -> FloatArray | None:
    """What is proposed for ``a + w w^T - shift I``, in float64; None where nothing is, or nothing of use.

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
    r = np.asarray(r, np.float64)
    return r if max(float(r.max()), -float(r.min())) < 2.0**100 else None


def roundings(n: int, rank: int = 0) -> int:
    """The number N of :func:`factorise` for a matrix of size n and w of that rank."""
    block = _block_size(n)
    return max(block, rank) + math.ceil(n / block) + 2


def _block_size(n: int) -> int:
    """A power of two near 2 sqrt(n): short inner products, few strips, large products."""
    return min(256, max(16, 1 << round(math.log2(2 * math.sqrt(n)))))
