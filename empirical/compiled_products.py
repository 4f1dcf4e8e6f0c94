"""Products of a few hundred rows with large matrices, compiled by LLVM for the processor at hand.

A product A B of the inputs of a layer, A (m, k), with its weights or their transpose, B (k, n), uses each entry of B
only m times: too seldom to pay for the rearranged copies that libraries make of both factors. Here A is read where it
lies. Of B a strip is copied at a time, of 256 rows and three vectors of columns, and used for all rows of A before the
next, while lines of the next are asked for. Some numbers of a column of A, each times up to three vectors of a row of
B, are summed in as many registers:

    c_ij <- a_ik b_kj + c_ij, rounded once, for k = 0, 1, ...

and the sums of 256 products are added up. So an entry depends on its row and its column alone, not on its neighbours
nor on how the work is shared among threads, and its error is at most k u / (1 - k u) times (|A| |B|)_ij, u the unit
roundoff, underflow aside (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from llvmlite import ir
from torch import Tensor

from empirical.machine_code import INTEGER, Emitter
from empirical.threads import in_parallel

_VECTORS = 3
"""Vectors of a row of B taken at a time."""

_DEPTH = 256
"""Rows of B taken at a time."""

_GRAIN = 2**24
"""Multiplications that are worth a thread."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """Products C = A B, for arrays given by their addresses.

    Args:
        itemsize: bytes of a number.
        lanes: numbers in a vector.
        rows: rows of A taken at a time.
        by_rows: (A, B, C, how far apart rows of A lie, entries of a row of A, rows of B and rows of C, m, n, k,
            diagonal). Rows of B and C are contiguous. Entries of C with j > i + diagonal may be anything.
        by_columns: the same for B with contiguous columns, and how far apart these lie.
        engine: owns the machine code.
    """

    itemsize: int
    lanes: int
    rows: int
    by_rows: Callable[..., None]
    by_columns: Callable[..., None]
    engine: Any


@functools.cache
def compiled(itemsize: int, vector: int) -> Kernel:
    """Compile the kernel for numbers and vectors of so many bytes."""
    emit = Emitter(itemsize, vector // itemsize)
    rows = 8 if vector == 64 else 4  # the sums take 24 of the 32 registers of AVX-512, 12 of the 16 elsewhere
    _emit_product(emit, "by_rows", rows)
    _emit_product(emit, "by_columns", rows)
    (by_rows, by_columns), engine = emit.compiled()
    return Kernel(itemsize, emit.lanes, rows, by_rows, by_columns, engine)


def multiplied(
    kernel: Kernel, A: Tensor, B: Tensor, diagonal: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Compute A B by as many threads as torch may use.

    Args:
        kernel: for the matrices' type.
        A: (m, k), on the CPU; best if smaller than B.
        B: (k, n).
        diagonal: if given, entries with j > i + diagonal are not needed, and are undefined.
        out: where the product goes, contiguous.

    Returns:
        (m, n), contiguous.
    """
    (m, k), n = A.shape, B.shape[1]
    C = A.new_empty(m, n) if out is None else out
    if not (m and n and k):
        return C.zero_()
    if 1 not in B.stride():
        B = B.contiguous()
    threads = min(torch.get_num_threads(), m * n * k // _GRAIN)
    rows, columns, strip = m, n, _VECTORS * kernel.lanes
    if threads > 1 and m > n:
        rows = kernel.rows * -(-m // (4 * threads * kernel.rows))
    elif threads > 1:
        columns = strip * max(1, n // (8 * threads * strip))  # small parts end at about the same time
    (a_row, a_column), (b_row, b_column), size = A.stride(), B.stride(), kernel.itemsize
    function, stride = (kernel.by_rows, b_row) if b_column == 1 else (kernel.by_columns, b_column)
    a, b, c, last = A.data_ptr(), B.data_ptr(), C.data_ptr(), n if diagonal is None else diagonal

    def fill(first: tuple[int, int]) -> None:
        """Compute some rows and columns, from ``first`` on."""
        i, j = first
        at = (a + i * a_row * size, b + j * b_column * size, c + (i * n + j) * size)
        function(*at, a_row, a_column, stride, n, min(rows, m - i), min(columns, n - j), k, i - j + last)

    in_parallel(threads, fill, itertools.product(range(0, m, rows), range(0, n, columns)))
    return C


@dataclass(frozen=True, eq=False)
class _Strip:
    """Where a strip's product lies, the lengths of rows and columns, and sizes.

    Args:
        rows: rows of A taken at a time, which make a tile.
        a, b, c: the first entries of the factors and of the product.
        copy: where the strip is copied.
        following: the first entry of the strip that comes next.
        a_row, a_column, b_stride, c_row: how far apart rows of A lie, entries of a row of A, rows (or columns) of B and
            rows of C.
        m, n, k: rows and columns of the product, and terms of a sum.
        diagonal: entries with j > i + diagonal are not needed.
        further: whether the product is added to C, in each lane.
        by_columns: whether columns of B lie side by side, not rows.
    """

    rows: int
    a: ir.Value
    b: ir.Value
    c: ir.Value
    copy: ir.Value
    following: ir.Value
    a_row: ir.Value
    a_column: ir.Value
    b_stride: ir.Value
    c_row: ir.Value
    m: ir.Value
    n: ir.Value
    k: ir.Value
    diagonal: ir.Value
    further: ir.Value
    by_columns: bool


def _emit_product(emit: Emitter, name: str, rows: int) -> None:
    (a, b, c), (a_row, a_column, b_stride, c_row, m, n, k, diagonal), _ = emit.begin(name, arrays=3, sizes=8)
    build, width, by_columns = emit.builder, _VECTORS * emit.lanes, name == "by_columns"
    copy = emit.room(_DEPTH * width)

    def place(p: ir.Value, j: ir.Value) -> ir.Value:
        down, right = (p, emit.product(j, b_stride)) if by_columns else (emit.product(p, b_stride), j)
        return emit.at(b, emit.sum(down, right))

    def strip(p: ir.Value, j: ir.Value) -> None:
        beside, below = place(p, emit.sum(j, width)), place(emit.sum(p, _DEPTH), INTEGER(0))
        _emit_strip(
            emit,
            _Strip(
                rows=rows,
                a=emit.at(a, emit.product(p, a_column)),
                b=place(p, j),
                c=emit.at(c, j),
                copy=copy,
                following=build.select(build.icmp_signed("<", emit.sum(j, width), n), beside, below),
                a_row=a_row,
                a_column=a_column,
                b_stride=b_stride,
                c_row=c_row,
                m=m,
                n=emit.least(build.sub(n, j), INTEGER(width)),
                k=emit.least(build.sub(k, p), INTEGER(_DEPTH)),
                diagonal=build.sub(diagonal, j),
                further=emit.broadcast(build.icmp_signed(">", p, INTEGER(0)), emit.lanes),
                by_columns=by_columns,
            ),
        )

    emit.loop(k, _DEPTH, lambda p: emit.loop(n, width, lambda j: strip(p, j)))
    build.ret_void()


def _emit_strip(emit: Emitter, x: _Strip) -> None:
    """C = A B or C + A B, by tiles of rows; the first copies the strip if its rows lie side by side."""
    build = emit.builder

    def tile(i: ir.Value, stop: ir.Value, *, copies: bool = False) -> None:
        for vectors in range(1, _VECTORS + 1):
            chosen = build.icmp_signed(">", stop, INTEGER((vectors - 1) * emit.lanes))
            if vectors < _VECTORS:
                chosen = build.and_(chosen, build.icmp_signed("<=", stop, INTEGER(vectors * emit.lanes)))
            with build.if_then(chosen):
                _emit_sums(emit, x, i, vectors, copies=copies)

    def needed(i: ir.Value) -> ir.Value:
        return emit.least(x.n, emit.sum(emit.sum(i, x.rows), x.diagonal))

    if x.by_columns:
        _emit_copy(emit, x)
        emit.loop(x.m, x.rows, lambda i: tile(i, needed(i)))
    else:
        tile(INTEGER(0), x.n, copies=True)
        with build.if_then(build.icmp_signed(">", x.m, INTEGER(x.rows))):
            others = build.sub(x.m, INTEGER(x.rows))
            emit.loop(others, x.rows, lambda i: tile(emit.sum(i, x.rows), needed(emit.sum(i, x.rows))))


def _emit_copy(emit: Emitter, x: _Strip) -> None:
    """Copy columns as rows; in place of those beyond the last, the last."""
    build, lanes = emit.builder, emit.lanes

    def some(j: ir.Value) -> None:
        places = [emit.least(emit.sum(j, v), build.sub(x.n, INTEGER(1))) for v in range(lanes)]
        columns = [emit.at(x.b, emit.product(place, x.b_stride)) for place in places]

        def square(p: ir.Value) -> None:
            mask = emit.below(p, x.k, lanes)
            for q, row in enumerate(emit.transposed([emit.load_where(mask, column, p) for column in columns])):
                emit.store(row, x.copy, emit.sum(emit.product(emit.sum(p, q), _VECTORS * lanes), j))

        emit.loop(x.k, lanes, square)

    emit.loop(x.n, lanes, some)


def _ahead(emit: Emitter, x: _Strip, i: ir.Value) -> Callable[[ir.Value], ir.Value]:
    """Which place of the following strip to ask for at each step of a tile: all lines of it in the course of all tiles.

    Numbers that are not aligned reach into one more line.
    """
    build, per_column = emit.builder, _DEPTH // emit.lanes + 1
    lines = _VECTORS * emit.lanes * per_column if x.by_columns else (_VECTORS + 1) * _DEPTH
    tiles = build.udiv(emit.sum(x.m, x.rows - 1), INTEGER(x.rows))
    lines_in_a_step = build.udiv(INTEGER(lines << 16), emit.product(tiles, _DEPTH))
    before = emit.product(build.udiv(i, INTEGER(x.rows)), _DEPTH)

    def place(p: ir.Value) -> ir.Value:
        line = build.lshr(emit.product(emit.sum(before, p), lines_in_a_step), INTEGER(16))
        length = INTEGER(per_column if x.by_columns else _DEPTH)
        along, across = build.urem(line, length), build.udiv(line, length)
        if x.by_columns:
            return emit.sum(emit.product(across, x.b_stride), emit.product(along, emit.lanes))
        return emit.sum(emit.product(along, x.b_stride), emit.product(across, emit.lanes))

    return place


def _emit_sums(emit: Emitter, x: _Strip, i: ir.Value, vectors: int, *, copies: bool) -> None:
    """A tile's sums from row i on, the last of which may repeat the last row of all."""
    build, lanes = emit.builder, emit.lanes
    lines = [emit.least(emit.sum(i, r), build.sub(x.m, INTEGER(1))) for r in range(x.rows)]
    a = [emit.at(x.a, emit.product(line, x.a_row)) for line in lines]
    c = [emit.at(x.c, emit.product(line, x.c_row)) for line in lines]
    masks = [emit.below(INTEGER(v * lanes), x.n, lanes) for v in range(vectors)]
    ahead = _ahead(emit, x, i)

    def step(p: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
        # one at a time: many at once would hold up the loop
        emit.prefetch(x.following, ahead(p))
        down, right = build.urem(p, INTEGER(x.rows)), build.urem(build.udiv(p, INTEGER(x.rows)), INTEGER(vectors))
        emit.prefetch(c[0], emit.sum(emit.product(down, x.c_row), emit.product(right, lanes)))
        left = [emit.spread(row, emit.product(p, x.a_column)) for row in a]
        there = emit.product(p, _VECTORS * lanes)
        if copies:
            here = emit.product(p, x.b_stride)
            right = [emit.load_where(mask, x.b, emit.sum(here, v * lanes)) for v, mask in enumerate(masks)]
            for v, vector in enumerate(right):
                emit.store(vector, x.copy, there, v)
        else:
            right = [emit.load(x.copy, there, v) for v in range(vectors)]
        pairs = [(number, vector) for number in left for vector in right]
        return [emit.fma(number, vector, s) for (number, vector), s in zip(pairs, sums, strict=True)]

    sums = emit.loop(x.k, 1, step, [emit.zero] * (x.rows * vectors))
    places = [(row, INTEGER(v * lanes), mask) for row in c for v, mask in enumerate(masks)]
    before = [emit.load_where(build.and_(mask, x.further), row, at) for row, at, mask in places]
    for (row, at, mask), old, s in zip(places, before, sums, strict=True):
        emit.store_where(mask, build.fadd(old, s), row, at)
