"""What is assumed of floating-point arithmetic, and the few rules by which its errors are bounded.

The model, used by every proof of this package: the arithmetic is IEEE 754 binary64, rounding to nearest, and for each
operation ``fl(x op y) = (x op y)(1 + e) + t`` with ``|e| <= u = 2^-53`` and ``t`` an underflow error. An inner product
may be summed in any order, with or without fused multiply-add, on any number of threads; nothing else is assumed of
BLAS. (Strassen-like products and reduced precision, as TF32, are excluded: they do not compute inner products.)
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Real = TypeVar("Real", float, FloatArray)

UNIT = 2.0**-53
"""Unit roundoff: the largest relative error of one rounding to nearest."""

TINY = 2.0**-700
"""An allowance for all underflows behind one computed number.

Matrices are brought to magnitudes between 2^-100 and 2^100 first (:mod:`bounds.linalg.intervals`), and fewer than 2^80
operations stand behind any number here. One operation loses at most 2^-1022 times an operand below 2^200 -- even where
a BLAS thread flushes subnormal results, or subnormal operands, to zero -- so all together lose less than 2^-742.
"""

UNDERFLOW = 2.0**-480
"""More than all underflows behind one number lose, also where 2^30 squares of at most 2^-1022 vanish under a root."""


def gamma(roundings: int) -> float:
    """Bound the relative error of a term that passes through this many roundings.

    ``|prod (1 + e_i) - 1| <= N u / (1 - N u) = gamma_N`` for N factors with ``|e_i| <= u`` (Higham, Accuracy and
    Stability of Numerical Algorithms, Lemma 3.1). For ``N <= 2^40`` the returned ``N u (1 + 2^-10)`` is larger, its own
    rounding included, since ``1 / (1 - N u) <= 1 + 2^-12``.

    Raises:
        ValueError: more roundings than the bound is made for.
    """
    if not 0 <= roundings <= 2**40:
        raise ValueError(f"{roundings} roundings in one number: at most 2^40 are bounded")
    return roundings * UNIT * (1 + 2.0**-10)


def inflate(value: Real, roundings: int) -> Real:
    """Bound from above a nonnegative number from its computed value.

    Where each path through a formula of sums, products, quotients and square roots of nonnegative numbers has at most
    N roundings, the computed value is at least ``(1 - u)^N`` times the true one, less underflows, and
    ``(1 - u)^-N <= 1 + gamma_N``. The three roundings made here, and division by the allowance, are counted too.
    """
    return value * (1.0 + gamma(roundings + 8)) + TINY


def require_ieee_arithmetic() -> None:
    """Refuse to prove anything where the processor does not round to nearest or flushes subnormal numbers to zero.

    Raises:
        ValueError: the arithmetic of this process is not the one that the proofs assume.
    """
    one, half_ulp, tiny = np.array([1.0]), np.array([UNIT]), np.array([2.0**-1074])
    to_nearest = one + half_ulp == 1.0 and one + 1.5 * half_ulp > 1.0 and -one - half_ulp == -1.0
    if not to_nearest:
        raise ValueError("floating-point arithmetic does not round to nearest here: restore the rounding mode")
    if not (tiny * 1.0 > 0.0 and np.array([2.0**-1022]) * 0.5 > 0.0):
        raise ValueError(
            "subnormal numbers are flushed to zero in this process (a library built with -ffast-math?): "
            "run the proof in a process without it"
        )
