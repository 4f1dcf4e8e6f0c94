r"""Does a matrix product compute sums of products, each operation rounded once to nearest?

The proofs of :mod:`bounds.linalg` and :mod:`bounds.gram` assume it of BLAS on every thread. Each test here multiplies
matrices large enough to be shared among threads and looks at entries from all over the result. A test that fails
refutes the assumption; one that passes supports it for these shapes and numbers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from flint import fmpz, fmpz_mat
from scipy.linalg.blas import dgemm

from bounds.doctor.findings import Finding
from bounds.linalg.rounding import FloatArray

Multiply = Callable[[FloatArray, FloatArray], FloatArray]

IntArray = npt.NDArray[np.int64]

INNER = 512
"""Length of the inner products: a power of two, several blocks of any kernel."""

ROWS, COLUMNS = min(4096, max(384, 48 * (os.cpu_count() or 1))), 320
"""Sides of the products: some rows for every thread, in blocks that no kernel's width divides evenly."""


SHAPES = (
    (ROWS, COLUMNS, 22),
    (ROWS, COLUMNS, 40),
    (64, COLUMNS, 4),
    (ROWS, 3, 30),
    (ROWS, 1, 22),
    (5, 9, 22),
    (1, 1, 22),
)
"""Rows and columns of products with integers, and bits of their left factors: square, thin, small, vectors."""


def scipy_product(a: FloatArray, b: FloatArray) -> FloatArray:
    """The product by the BLAS that scipy brings, which is not that of numpy: factorisations use it."""
    return np.asarray(dgemm(1.0, a, b))


def exact_products(multiply: Multiply) -> Finding:
    r"""Compare products without any rounding error with integers, bit for bit.

    Integers below :math:`2^p` times integers below :math:`2^q` with :math:`512 \cdot 2^{p+q} = 2^{53}` have exact
    partial sums in any order, with or without fused multiply-add. Rows, columns and inner indices are scaled by powers
    of two, inner ones by :math:`2^{d_k}` on the left and :math:`2^{-d_k}` on the right, which changes no sum but its
    exponent. Not exact, though, are inputs or sums in TF32 or float32, Strassen's sums of blocks, which mix rows of
    different scale, and float64 emulated by slices below the largest entry of a row.
    """
    rng = np.random.default_rng(1)
    count = 0
    for rows, columns, p in SHAPES:
        left, right = _integers(rng, (rows, INNER), p), _integers(rng, (INNER, columns), 44 - p)
        r, c, d = (rng.integers(-30, 31, size) for size in (rows, columns, INNER))
        a, b = _scaled(left, r[:, None] + d), _scaled(right, c - d[:, None])
        expected = _scaled(left @ right, r[:, None] + c)
        for first, second in zip(_layouts(a), _layouts(b), strict=True):
            if complaint := _difference(multiply(first, second), expected):
                return Finding("fails", complaint)
            count += expected.size
    side = min(ROWS, 768)
    left, r = _integers(rng, (side, INNER), 22), rng.integers(-30, 31, side)
    a = _scaled(left, r[:, None])  # times its own transpose, for which BLAS has a kernel of its own
    if complaint := _difference(multiply(a, a.T), _scaled(left @ left.T, r[:, None] + r)):
        return Finding("fails", complaint)
    return Finding("holds", f"{count + side**2} entries are exact to the bit")


def rounded_products(multiply: Multiply) -> Finding:
    """Compare products with one rounding each with the number that is nearest, ties to even.

    An inner product with two terms that are not zero, or one, rounds once, whatever the order. The sums lie on and
    beside the middle between two floats, so that every other rounding mode, a second rounding after one to 64 bits,
    and a truncated tail all show.
    """
    rng = np.random.default_rng(2)
    ulp = 2.0**-52
    tails = [ulp / 2, ulp / 2 * (1 + 2.0**-12), ulp / 2 * (1 - 2.0**-12), ulp / 4, 3 * ulp / 4]
    heads = [sign * head for sign in (1.0, -1.0) for head in (1.0, 1.0 + ulp)]
    sums = [(head, sign * tail) for head in heads for tail in tails for sign in (1.0, -1.0)]
    powers, factors = [2.0**e for e in range(-3, 4)], [1 + k * ulp for k in (1, 3, 2**51 + 1, 2**52 - 1)]
    terms, columns = [*sums, *((x, 0.0) for x in factors)], [*powers, *factors]
    known = {
        (i, j): float((Fraction(head) + Fraction(tail)) * Fraction(factor))
        for i, (head, tail) in enumerate(terms)
        for j, factor in enumerate(columns)
        if tail == 0 or factor in powers
    }
    a, b = np.zeros((ROWS, INNER)), np.ones((INNER, 1)) * np.resize(columns, COLUMNS)
    places = np.array([rng.choice(INNER, 2, replace=False) for _ in range(ROWS)])
    np.put_along_axis(a, places, np.resize(np.array(terms), (ROWS, 2)), axis=1)
    found = multiply(a, b)
    seen = 0
    for (i, j), expected in known.items():
        entries = found[i :: len(terms), j :: len(columns)]
        seen += entries.size
        if not (entries == expected).all():
            wrong = entries[entries != expected][0]
            return Finding("fails", f"the sum nearest to {expected.hex()} was computed as {float(wrong).hex()}")
    return Finding("holds", f"{seen} entries are rounded once, to nearest")


def random_products(multiply: Multiply) -> Finding:
    r"""Hold the errors of products of random matrices to the bound for inner products, in exact integers.

    :math:`|fl(\sum_k a_k b_k) - \sum_k a_k b_k| \le \gamma_K \sum_k |a_k b_k|`, :math:`\gamma_K = K u / (1 - K u)`
    (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), for terms of very different sizes.
    """
    rng = np.random.default_rng(3)
    left, right = _integers(rng, (ROWS, INNER), 53), _integers(rng, (INNER, COLUMNS), 53)
    d = rng.integers(0, 41, INNER)
    found = multiply(_scaled(left, d - 53), _scaled(right, -13 - d[:, None]))
    rows, columns = rng.choice(ROWS, 60, replace=False), rng.choice(COLUMNS, 40, replace=False)
    x = fmpz_mat([[fmpz(v) << int(e) for v, e in zip(row, d, strict=True)] for row in left[rows].tolist()])
    y = fmpz_mat([[fmpz(v) << int(40 - e) for v in row] for row, e in zip(right[:, columns].tolist(), d, strict=True)])
    product, sizes = x * y, _absolute(x) * _absolute(y)
    worst = Fraction(0)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            value = float(found[row, column])
            if not np.isfinite(value):
                return Finding("fails", f"a product of finite matrices has the entry {value}")
            error = abs(Fraction(value) * 2**106 - int(product[i, j]))
            worst = max(worst, error * (2**53 - INNER) / (INNER * int(sizes[i, j])))
    seen = f"the largest of {len(rows) * len(columns)} errors is {float(worst):.2g} of its bound"
    return Finding("holds" if worst <= 1 else "fails", seen)


def subnormal_products(multiply: Multiply) -> Finding:
    r"""See whether products keep subnormal inputs and results, and if not, whether they lose no more than is charged.

    The bounds charge each of the 2 K operations behind an entry with the least normal number, :math:`2^{-1022}`, times
    the other factor where an input is flushed.
    """
    rng = np.random.default_rng(4)
    left, right = _integers(rng, (ROWS, INNER), 20), _integers(rng, (INNER, COLUMNS), 20)
    expected = left @ right
    kept = True
    for p, q in ((-540, -534), (-1074, 0), (0, -1074)):
        a, b = _scaled(left, np.array(p)), _scaled(right, np.array(q))
        found, exact = multiply(a, b), _scaled(expected, np.array(p + q))
        lost = np.abs(found - exact)
        kept &= bool((lost == 0).all())
        if not (lost <= 2 * INNER * 2.0**-1022 * 2.0**20).all():
            return Finding("fails", f"a product of tiny numbers is wrong by {float(np.nanmax(lost)):.2g}")
    if kept:
        return Finding("holds", "kept")
    return Finding("allowed", "flushed to zero inside products, which every bound allows for")


def _integers(rng: np.random.Generator, shape: tuple[int, int], bits: int) -> IntArray:
    """Integers of that many bits, positive or negative; the first row and column come near the largest."""
    values = rng.integers(-(2**bits) + 1, 2**bits, shape)
    values[0], values[:, 0] = 2**bits - 1, 2**bits - 1
    return values


def _scaled(values: IntArray, exponents: IntArray) -> FloatArray:
    return np.ldexp(values.astype(np.float64), exponents)


def _layouts(a: FloatArray) -> Iterator[FloatArray]:
    """The same numbers by rows, by columns, and as a part of something larger."""
    yield a
    yield np.asfortranarray(a)
    larger = np.full((a.shape[0] + 3, a.shape[1] + 5), np.nan)
    larger[2:-1, 3:-2] = a
    yield larger[2:-1, 3:-2]


def _difference(found: FloatArray, expected: FloatArray) -> str:
    wrong = np.argwhere(found != expected)
    if not len(wrong):
        return ""
    i, j = wrong[0]
    return (
        f"{len(wrong)} of {expected.size} entries that are exact integers up to their scale differ, "
        f"such as {float(found[i, j]).hex()} for {float(expected[i, j]).hex()}"
    )


def _absolute(a: fmpz_mat) -> fmpz_mat:
    return fmpz_mat([[abs(a[i, j]) for j in range(a.ncols())] for i in range(a.nrows())])
