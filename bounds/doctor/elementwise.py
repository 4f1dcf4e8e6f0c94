"""Does this thread compute in IEEE 754 binary64, and does numpy round each operation once, to nearest?"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np

from bounds.doctor.findings import Finding
from bounds.linalg.rounding import FloatArray, require_ieee_arithmetic

LENGTH = 1536
"""Operands of each operation: enough for every branch of a vectorised loop."""

BINARY: Mapping[str, tuple[Callable[..., FloatArray], Callable[[Fraction, Fraction], Fraction]]] = {
    "+": (np.add, lambda x, y: x + y),
    "-": (np.subtract, lambda x, y: x - y),
    "*": (np.multiply, lambda x, y: x * y),
    "/": (np.divide, lambda x, y: x / y),
}
"""The operations of numpy that proofs use, each with its exact counterpart."""

EXACT: Mapping[str, tuple[Callable[[FloatArray], FloatArray], Callable[[float], float]]] = {
    "ldexp": (lambda x: np.ldexp(x, 75), lambda x: math.ldexp(x, 75)),
    "frexp": (lambda x: np.ldexp(*np.frexp(x)) + np.frexp(x)[1], lambda x: x + math.frexp(x)[1]),
    "nextafter": (lambda x: np.nextafter(x, np.inf), lambda x: math.nextafter(x, math.inf)),
    "rint": (lambda x: np.rint(8 * x), lambda x: float(round(8 * x))),
}
"""Functions of numpy that proofs take as exact, each beside Python's own."""

SUMS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "sum of rows": lambda a: a.sum(axis=1),
    "sum of columns": lambda a: a.T.sum(axis=0),
    "einsum": lambda a: np.einsum("ij,ij->i", a, np.ones_like(a)),
    "vdot": lambda a: np.array([np.vdot(row, np.ones_like(row)) for row in a]),
}
"""Ways to sum the rows of a matrix (m, n)."""


def format_of_floats() -> Finding:
    """Look at the format of float64: 53 bits, exponents from -1021 to 1024, the bytes of the standard."""
    info = sys.float_info
    python = (info.radix, info.mant_dig, info.min_exp, info.max_exp) == (2, 53, -1021, 1024)
    stored = np.array([-1.5, 2.0**-1074, math.inf]).astype(">f8").tobytes().hex()
    if python and stored == "bff80000000000000000000000000001" + "7ff0000000000000":
        return Finding("holds", "53 bits, exponents from -1021 to 1024")
    return Finding("fails", f"radix {info.radix}, {info.mant_dig} bits, exponents {info.min_exp} to {info.max_exp}")


def this_thread() -> Finding:
    """Ask for the rounding mode and for subnormal numbers, as every proof does before it starts."""
    try:
        require_ieee_arithmetic()
    except ValueError as error:
        return Finding("fails", str(error))
    return Finding("holds", "to nearest, subnormal numbers kept")


def elementwise_operations() -> Finding:
    """Compare operations on arrays with exact rationals rounded to nearest: contiguous, strided and in place."""
    x, y = _operands(5), _operands(6)
    with np.errstate(all="ignore"):
        for name, (compute, exact) in BINARY.items():
            expected = np.array([_nearest(exact, a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)])
            in_place = x.copy()
            compute(in_place, y, out=in_place)
            strided = compute(np.repeat(x, 3)[::3], np.repeat(y, 2)[::2])
            for found in (compute(x, y), strided, in_place):
                if not np.array_equal(found, expected):
                    k = int(np.flatnonzero(found != expected)[0])
                    return Finding("fails", f"{x[k].hex()} {name} {y[k].hex()} was computed as {found[k].hex()}")
        size = np.abs(x)
        for value, root in zip(size.tolist(), np.sqrt(size).tolist(), strict=True):
            if not _is_nearest_root(value, root):
                return Finding("fails", f"the root of {value.hex()} was computed as {root.hex()}")
    for name, (whole, single) in EXACT.items():
        expected = np.array([single(value) for value in x.tolist()])
        if not np.array_equal(whole(x), expected):
            k = int(np.flatnonzero(whole(x) != expected)[0])
            return Finding("fails", f"numpy.{name} of {x[k].hex()} is wrong")
    return Finding("holds", f"+ - * / sqrt {' '.join(EXACT)} on {LENGTH} operands each, to the bit")


def sums() -> Finding:
    r"""Hold sums of rows to exact integers, bit for bit, and of any numbers to :math:`\gamma_{n-1} \sum |x|`."""
    rng = np.random.default_rng(8)
    n = 777
    for name, add in SUMS.items():
        whole = rng.integers(-(2**36), 2**36, (5, 2**16))
        if not np.array_equal(add(whole.astype(np.float64)), whole.sum(axis=1)):
            return Finding("fails", f"{name}: a sum of integers without rounding errors is wrong")
        mixed = np.ldexp(rng.standard_normal((5, n)), rng.integers(-30, 30, (5, n)))
        for row, found in zip(mixed.tolist(), add(mixed).tolist(), strict=True):
            error = abs(Fraction(found) - sum(map(Fraction, row)))
            if not error * (2**53 - n) <= n * sum(abs(Fraction(value)) for value in row):
                return Finding("fails", f"{name}: the error {float(error):.2g} is beyond the bound for sums")
    return Finding("holds", f"{', '.join(SUMS)}: integers to the bit, others within the bound")


def _operands(seed: int) -> FloatArray:
    """Numbers of many sizes, some of which add up to the middle between two floats."""
    rng = np.random.default_rng(seed)
    values = np.ldexp(rng.uniform(1, 2, LENGTH), rng.integers(-40, 40, LENGTH)) * rng.choice([-1.0, 1.0], LENGTH)
    values[: LENGTH // 4] = np.resize([1.0, 1 + 2.0**-52, -1.0, 2.0**-53, 3 * 2.0**-54, -(2.0**-54)], LENGTH // 4)
    return np.asarray(rng.permutation(values))


def _nearest(exact: Callable[[Fraction, Fraction], Fraction], x: float, y: float) -> float:
    return float(exact(Fraction(x), Fraction(y)))


def _is_nearest_root(value: float, root: float) -> bool:
    """Whether the root of a positive number lies no farther from ``root`` than half a unit in the last place."""
    half = Fraction(math.ulp(root)) / 2
    return (Fraction(root) - half) ** 2 <= Fraction(value) <= (Fraction(root) + half) ** 2
