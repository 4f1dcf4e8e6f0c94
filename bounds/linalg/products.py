"""Matrix products accurate to about one rounding, by splitting the factors so that the leading part is exact."""

from __future__ import annotations

import math

import numpy as np

from bounds.linalg.rounding import UNIT, FloatArray, gamma, inflate

_ROWS = 64


def accurate_product(a: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    r"""Compute ``a @ x`` with an entrywise error bound near one unit roundoff of the result.

    Row i of ``a`` is split as :math:`a = a_1 + a_2`, where :math:`a_1` is rounded to a multiple of :math:`2^{-p} s_i`,
    with the power of two :math:`s_i \ge \max_j |a_{ij}|`, by adding and subtracting :math:`1.5 \cdot 2^{52 - p} s_i`
    (Dekker 1971; Rump, Ogita and Oishi 2008, from memory); both parts are exact, and
    :math:`|a_2| \le 2^{-p - 1} s_i`. Column j of ``x`` is split likewise with q bits and :math:`t_j`. With
    :math:`n 2^{p + q} \le 2^{53}` every partial sum of :math:`a_1 x_1` is a multiple of :math:`2^{-p-q} s_i t_j` below
    :math:`2^{53}` such units, so the product :math:`a_1 x_1` is *exact*, whatever the order of summation. The rest,
    :math:`a_1 x_2 + a_2 x`, is computed with two inner products and an addition, and added:

    .. math:: |y - a x| \le \gamma_{n + 2}\, s_i \Bigl(\sum_k |x_2|_{kj} + 2^{-p - 1} \sum_k |x|_{kj}\Bigr) + u |y|.

    Args:
        a: (m, n) array.
        x: (n, k) array; both of harmless scale (see :mod:`bounds.linalg.intervals`).

    Returns:
        The product y (m, k) and a bound (m, k) on ``|y - a x|``.
    """
    m, n = a.shape
    bits = 53 - math.ceil(math.log2(n))
    p, q = bits // 2, bits - bits // 2
    x1 = _leading_part(x, _power_above(x, axis=0), q)
    x2 = x - x1
    rest_of_x = inflate(np.abs(x2).sum(axis=0), n)
    size_of_x = inflate(np.abs(x).sum(axis=0), n)
    y, scale = np.empty((m, x.shape[1])), np.empty((m, 1))
    for start in range(0, m, _ROWS):
        rows = slice(start, start + _ROWS)
        part = a[rows]
        scale[rows] = _power_above(part, axis=1)
        a1 = _leading_part(part, scale[rows], p)
        y[rows] = a1 @ x1 + (a1 @ x2 + (part - a1) @ x)
    error = gamma(n + 2) * scale * (rest_of_x + 2.0 ** (-p - 1) * size_of_x) + UNIT * np.abs(y)
    return y, inflate(error, 6)


class RightFactor:
    r"""A factor x of many products ``a @ x``, each accurate to one rounding and an absolute error.

    The splitting of :func:`accurate_product`, with one scale s for all of ``a`` and one, t, for all of x: then

    .. math:: |y - a x| \le u |y| + \gamma_{2n + 2}\, n\, s t\, (2^{-q - 1} + 2^{-p - 1}) (1 + 2^{-8}),

    where :math:`a_1 x_2 + a_2 x` is one inner product of length 2n, :math:`|a_1| \le s (1 + 2^{-p - 1})`.

    Args:
        x: (n, k), of harmless scale.
    """

    def __init__(self, x: FloatArray) -> None:
        n = len(x)
        bits = 53 - math.ceil(math.log2(n))
        self._p, q = bits // 2, bits - bits // 2
        scale = _power_above(x, axis=None)
        self._leading = _leading_part(x, scale, q)
        self._rest = np.concatenate([x - self._leading, x])
        self._error = gamma(2 * n + 2) * n * float(scale.item()) * (2.0 ** (-q - 1) + 2.0 ** (-self._p - 1))

    def product(self, a: FloatArray) -> tuple[FloatArray, float]:
        """The product y (m, k) and a bound on ``|y - a @ x| - u |y|`` in every entry, for a (m, n)."""
        scale = _power_above(a, axis=None)
        leading = _leading_part(a, scale, self._p)
        y = leading @ self._leading
        y += np.concatenate([leading, a - leading], axis=1) @ self._rest
        return y, inflate(self._error * float(scale.item()) * (1 + 2.0**-7), 4)


class ExactFactor:
    r"""A factor x of products ``(a + b) @ x`` returned in two parts, of which the leading one is exact.

    As :class:`RightFactor`, but nothing is rounded to a single number, and b, far below a, joins the rest
    :math:`a_1 x_2 + a_2 x + b x`, one inner product of length 3n with an error of at most

    .. math:: \gamma_{3n} n \bigl(s t (2^{-q - 1} + 2^{-p - 1})(1 + 2^{-7}) + t \max |b|\bigr).

    Args:
        x: (n, k), of harmless scale.
    """

    def __init__(self, x: FloatArray) -> None:
        n = len(x)
        bits = 53 - math.ceil(math.log2(n))
        self._p, q = bits // 2, bits - bits // 2
        scale = _power_above(x, axis=None)
        self._leading = _leading_part(x, scale, q)
        self._rest = np.concatenate([x - self._leading, x, x])
        self._scale = gamma(3 * n) * n * float(scale.item())
        self._split = (2.0 ** (-q - 1) + 2.0 ** (-self._p - 1)) * (1 + 2.0**-7)

    def product(self, a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray, float]:
        """The exact leading part (m, k), the rest, and a bound of the error of the rest, for a, b (m, n)."""
        scale = _power_above(a, axis=None)
        leading = _leading_part(a, scale, self._p)
        rest = np.concatenate([leading, a - leading, b], axis=1) @ self._rest
        size = float(scale.item()) * self._split + float(np.abs(b).max())
        return leading @ self._leading, rest, inflate(self._scale * size, 8)


def _power_above(values: FloatArray, axis: int | None) -> FloatArray:
    """The least power of two above the largest magnitude along an axis (0 for zeros)."""
    largest = np.abs(values).max(axis=axis, keepdims=True)
    return np.where(largest > 0, np.ldexp(1.0, np.frexp(largest)[1]), 0.0)


def _leading_part(values: FloatArray, scale: FloatArray, bits: int) -> FloatArray:
    """Round to multiples of ``2^-bits scale``."""
    anchor = 1.5 * 2.0 ** (52 - bits) * scale
    return (values + anchor) - anchor
