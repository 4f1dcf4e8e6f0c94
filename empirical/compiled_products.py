"""Products of large matrices with a few hundred columns, compiled by LLVM for the processor at hand.

A product A B of a layer's weights A (m, k) with the columns B (k, n) of some inputs uses each entry of A only n times:
too seldom to pay for the rearranged copies that libraries make of both factors. Here B alone is laid out, in rows of
whole vectors, and A is read where it lies. Some numbers of a column of A, each times up to three vectors of a row of
B, are summed in as many registers:

    c_ij <- a_ik b_kj + c_ij, rounded once, for k = 0, 1, ...

and the sums of 512 products are added up. So an entry depends on its row and its column alone, not on its neighbours
nor on how the work is shared among threads, and its error is at most k u / (1 - k u) times (|A| |B|)_ij, u the unit
roundoff, underflow aside (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from llvmlite import ir
from torch import Tensor

from empirical.machine_code import INTEGER, Emitter

_VECTORS = 3
"""Vectors of a row of B taken at a time."""

_COLUMNS = 5 * _VECTORS
"""Vectors of a row of B in a block."""

_DEPTH = 512
"""Rows of B in a block, which has 480 KB and stays in the second cache."""

_ALIASES = 4096
"""Bytes by whose multiples addresses differ that compete for the same few places in the caches."""

_GRAIN = 2**24
"""Multiplications that are worth a thread."""

_Entries = Callable[[ir.Value], list[ir.Value]]
"""Of an index along the sum, a vector for each of some rows of A that repeats the number there."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """Products C = A B of blocks, for arrays given by their addresses.

    Args:
        itemsize: bytes of a number.
        lanes: numbers in a vector.
        rows: numbers of a column of A taken at a time.
        transpose: (matrix, its transpose, row lengths of both, rows, columns).
        by_rows: (A, B, C, scratch (_DEPTH, rows), row lengths of A, B and C, m, n, k, diagonal, further). Entries of C
            with j > i + diagonal may be left as they were; to others the product is added if ``further`` is not 0.
            Rows of B have zeros up to whole vectors, _COLUMNS at most; k is _DEPTH at most.
        by_columns: the same for a transposed A, with the row length of this.
        engine: owns the machine code.
    """

    itemsize: int
    lanes: int
    rows: int
    transpose: Callable[..., None]
    by_rows: Callable[..., None]
    by_columns: Callable[..., None]
    engine: Any


@functools.cache
def compiled(itemsize: int, vector: int) -> Kernel:
    """Compile the kernel for numbers and vectors of so many bytes."""
    emit = Emitter(itemsize, vector // itemsize)
    rows = 8 if vector == 64 else 4  # the sums take 24 of the 32 registers of AVX-512, 12 of the 16 elsewhere
    _emit_transpose(emit)
    _emit_product(emit, "by_rows", rows)
    _emit_product(emit, "by_columns", rows)
    (transpose, by_rows, by_columns), engine = emit.compiled()
    return Kernel(itemsize, emit.lanes, rows, transpose, by_rows, by_columns, engine)


def multiplied(kernel: Kernel, A: Tensor, B: Tensor, diagonal: int | None = None) -> Tensor:
    """Compute A B by as many threads as torch may use.

    Args:
        kernel: for the matrices' type.
        A: (m, k), on the CPU; best if larger than B.
        B: (k, n).
        diagonal: if given, entries with j > i + diagonal are not needed, and are undefined.

    Returns:
        (m, n), contiguous.
    """
    (m, k), n = A.shape, B.shape[1]
    C = A.new_empty(m, n)
    if not (m and n and k):
        return C.zero_()
    A = A if 1 in A.stride() else A.contiguous()
    threads = min(torch.get_num_threads(), m * n * k // _GRAIN)
    rows = kernel.rows * -(-m // (4 * threads * kernel.rows)) if threads > 1 else m
    share = _pool(threads, os.getpid()).map if threads > 1 else map
    for p in range(0, k, _DEPTH):
        add = functools.partial(_add, kernel, A, _laid_out(kernel, B[p : p + _DEPTH]), C, diagonal, p, rows)
        list(share(add, range(0, m, rows)))
    return C


def _add(kernel: Kernel, A: Tensor, B: Tensor, C: Tensor, diagonal: int | None, p: int, rows: int, i: int) -> None:
    """Add to some rows of C, from i on, what columns of A, from p on, make with these rows of B."""
    (m, n), size, columns = C.shape, A.itemsize, _COLUMNS * kernel.lanes
    a_row, a_column = A.stride()
    add, stride = (kernel.by_rows, a_row) if a_column == 1 else (kernel.by_columns, a_column)
    scratch = A.new_empty(_DEPTH, kernel.rows)
    for j in range(0, n, columns):
        add(
            A.data_ptr() + (i * a_row + p * a_column) * size,
            B.data_ptr() + j * size,
            C.data_ptr() + (i * n + j) * size,
            scratch.data_ptr(),
            *(stride, B.stride(0), n),
            *(min(rows, m - i), min(columns, n - j), min(_DEPTH, A.shape[1] - p)),
            n if diagonal is None else i - j + diagonal,
            p,
        )


@functools.cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads of this process: a fork has none of its parent's."""
    return ThreadPoolExecutor(threads, "products")


def _laid_out(kernel: Kernel, B: Tensor) -> Tensor:
    """B with contiguous rows, followed by zeros up to whole vectors."""
    k, n = B.shape
    row = kernel.lanes * -(-n // kernel.lanes)
    if row * kernel.itemsize % _ALIASES == 0:
        row += kernel.lanes
    if row == n and B.is_contiguous():
        return B
    laid_out = B.new_empty(k, row)
    laid_out[:, n:] = 0
    if B.stride(0) == 1:
        kernel.transpose(B.data_ptr(), laid_out.data_ptr(), B.stride(1), row, n, k)
    else:
        laid_out[:, :n] = B
    return laid_out


def _emit_transpose(emit: Emitter) -> None:
    (a, transposed), (a_row, row, m, n), _ = emit.begin("transpose", arrays=2, sizes=4)

    def line(i: ir.Value) -> None:
        source, target = emit.at(a, emit.product(i, a_row)), emit.at(transposed, i)
        emit.loop(n, 1, lambda j: emit.write(emit.read(source, j), target, emit.product(j, row)))

    emit.loop(m, 1, line)
    emit.builder.ret_void()


def _emit_product(emit: Emitter, name: str, rows: int) -> None:
    arrays, sizes, _ = emit.begin(name, arrays=4, sizes=8)
    (a, b, c, scratch), (a_stride, b_row, c_row, m, n, k, diagonal, further) = arrays, sizes
    build, lanes = emit.builder, emit.lanes
    added = emit.broadcast(build.icmp_signed(">", further, INTEGER(0)), lanes)

    def tile(i: ir.Value) -> None:
        stop = emit.least(n, emit.sum(emit.sum(i, rows), diagonal))
        with build.if_then(build.icmp_signed(">", stop, INTEGER(0))):
            lines = [emit.least(emit.sum(i, r), build.sub(m, INTEGER(1))) for r in range(rows)]  # the last repeats
            own_c = [emit.at(c, emit.product(line, c_row)) for line in lines]
            if name == "by_rows":
                own_a = [emit.at(a, emit.product(line, a_stride)) for line in lines]
                entries = side_by_side(own_a, emit.at(a, emit.product(emit.sum(i, rows), a_stride)))
            else:
                entries = gathered(emit.at(a, i), emit.below(i, m, rows))
            emit.loop(stop, _VECTORS * lanes, lambda j: strip(j, stop, entries, own_c))

    def side_by_side(own_a: list[ir.Value], following: ir.Value) -> _Entries:
        """Read rows of A where they lie."""

        def entries(p: ir.Value) -> list[ir.Value]:
            line = build.and_(p, INTEGER(rows - 1))
            emit.prefetch(following, emit.sum(emit.product(line, a_stride), p))  # for the next tile
            return [emit.spread(row, p) for row in own_a]

        return entries

    def gathered(some_a: ir.Value, mask: ir.Value) -> _Entries:
        """Copy columns of A that lie far apart, to places side by side."""

        def copy(p: ir.Value) -> None:
            emit.store(emit.load_where(mask, some_a, emit.product(p, a_stride)), scratch, emit.product(p, rows))

        def entries(p: ir.Value) -> list[ir.Value]:
            emit.prefetch(some_a, emit.sum(emit.product(p, a_stride), rows))  # for the next tile
            return [emit.spread(scratch, emit.sum(emit.product(p, rows), r)) for r in range(rows)]

        emit.loop(k, 1, copy)
        return entries

    def strip(j: ir.Value, stop: ir.Value, entries: _Entries, own_c: list[ir.Value]) -> None:
        left = build.sub(stop, j)
        for vectors in range(1, _VECTORS + 1):
            chosen = build.icmp_signed(">", left, INTEGER((vectors - 1) * lanes))
            if vectors < _VECTORS:
                chosen = build.and_(chosen, build.icmp_signed("<=", left, INTEGER(vectors * lanes)))
            with build.if_then(chosen):
                add_products([emit.sum(j, v * lanes) for v in range(vectors)], entries, own_c)

    def add_products(columns: list[ir.Value], entries: _Entries, own_c: list[ir.Value]) -> None:
        def step(p: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
            line = emit.product(p, b_row)
            right = [emit.load(b, emit.sum(line, at)) for at in columns]
            pairs = [(left, vector) for left in entries(p) for vector in right]
            return [emit.fma(left, vector, s) for (left, vector), s in zip(pairs, sums, strict=True)]

        for row in own_c:
            for at in columns:
                emit.prefetch(row, at)
        sums = emit.loop(k, 1, step, [emit.zero] * (rows * len(columns)))
        masks = [emit.below(at, n, lanes) for at in columns]
        places = [(row, at, mask) for row in own_c for at, mask in zip(columns, masks, strict=True)]
        before = [emit.load_where(build.and_(mask, added), row, at) for row, at, mask in places]
        sums = [build.fadd(old, s) for old, s in zip(before, sums, strict=True)]
        # backwards, so that the last row itself is written after what repeats it, which may be zeros
        for (row, at, mask), s in reversed(list(zip(places, sums, strict=True))):
            emit.store_where(mask, s, row, at)

    emit.loop(m, rows, tile)
    build.ret_void()
