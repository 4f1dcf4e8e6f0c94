"""Sums and products of float64 numbers without error: the result and its rounding error, both float64.

Exact in IEEE 754 binary64 with rounding to nearest, short of overflow and underflow (Knuth 1969; Dekker 1971; from
memory).
"""

from __future__ import annotations

from typing import Any

import flint
from flint import arb

from bounds.arithmetic import PRECISION
from bounds.linalg.rounding import FloatArray


def two_sum(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """S and e with ``s + e = a + b`` exactly, s the rounded sum; Knuth's, for any order of magnitudes."""
    s = a + b
    t = s - a
    e = a - (s - t)
    e += b - t
    return s, e


def two_product(a: Any, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """P and e with ``p + e = a b`` exactly, p the rounded product; Dekker's, for magnitudes below 2^900."""
    p = a * b
    a1, b1 = _upper_half(a), _upper_half(b)
    a2, b2 = a - a1, b - b1
    return p, a2 * b2 - (((p - a1 * b1) - a2 * b1) - a1 * b2)


def split(ball: arb) -> tuple[float, float]:
    """Two float64 numbers whose sum is within 2^-104 of a real number, relatively."""
    with flint.ctx.workprec(PRECISION):
        high = float(ball.mid())
        return high, float((ball - high).mid())


def _upper_half(a: Any) -> Any:
    """The upper 26 bits, by Veltkamp's splitting."""
    c = (2.0**27 + 1.0) * a
    return c - (c - a)
