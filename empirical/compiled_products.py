"""Products of a few hundred rows with large matrices, compiled by LLVM for the processor at hand.

A product A B of some inputs A (m, k) with a layer's weights, or their transpose, B (k, n), uses each entry of B only m
times: too seldom to pay for rearranged copies of all of it, as libraries make them of both factors. Here A is read
where it lies, and of B 256 rows of three vectors are copied at a time; they stay in the first cache while all rows of A
meet them. Eight entries of a column of A, each times three vectors of a row of B, are summed in as many registers:

    c_ij <- a_ik b_kj + c_ij, rounded once, for k = 0, 1, ...

and the sums of 256 products are added up. So an entry depends on its row and its column alone, not on its neighbours
nor on how the work is shared among threads, and its error is at most k u / (1 - k u) times (|A| |B|)_ij, u the unit
roundoff, underflow aside (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from llvmlite import ir
from torch import Tensor

from empirical.machine_code import INTEGER, Emitter
from empirical.threads import in_parallel

_VECTORS = int(os.environ.get('V',3))
"""Vectors of a row of B taken at a time, which make a strip."""

_DEPTH = int(os.environ.get('D',256))
"""Rows of a strip."""

_GRAIN = 2**24
"""Multiplications that are worth a thread."""


@dataclass(frozen=True, eq=False)
class Kernel:
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
    rows = int(os.environ.get('R',8)) if vector == 64 else 4  # the sums take 24 of the 32 registers of AVX-512, 12 of the 16 elsewhere
    _emit_product(emit, "by_rows", rows)
    _emit_product(emit, "by_columns", rows)
    (by_rows, by_columns), engine = emit.compiled()
    return Kernel(itemsize, emit.lanes, rows, by_rows, by_columns, engine)


def multiplied(
    kernel: Kernel, A: Tensor, B: Tensor, diagonal: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    (m, k), n = A.shape, B.shape[1]
    C = A.new_empty(m, n) if out is None else out
    if not (m and n and k):
        return C.zero_()
    if 1 not in B.stride():
        B = B.contiguous()
    threads = min(torch.get_num_threads(), m * n * k // _GRAIN)
    rows, columns = m, n
    if threads > 1:
        strip = kernel.lanes * _VECTORS
        if n >= m:
            columns = strip * -(-n // (4 * threads * strip))
        else:
            rows = kernel.rows * -(-m // (4 * threads * kernel.rows))
    fill = functools.partial(_fill, kernel, A, B, C, diagonal, rows, columns)
    in_parallel(threads, fill, itertools.product(range(0, m, rows), range(0, n, columns)))
    return C


def _fill(
    kernel: Kernel, A: Tensor, B: Tensor, C: Tensor, diagonal: int | None, rows: int, columns: int, at: tuple[int, int]
) -> None:
    """Compute some rows and columns of C."""
    (m, n), (i, j), size = C.shape, at, A.itemsize
    fill, stride = (kernel.by_rows, B.stride(0)) if B.stride(1) == 1 else (kernel.by_columns, B.stride(1))
    strip = torch.empty(_VECTORS * kernel.lanes * _DEPTH * size, dtype=torch.uint8)
    fill(
        A.data_ptr() + i * A.stride(0) * size,
        B.data_ptr() + j * B.stride(1) * size,
        C.data_ptr() + (i * n + j) * size,
        strip.data_ptr(),
        *(*A.stride(), stride, n),
        *(min(rows, m - i), min(columns, n - j), A.shape[1]),
        n if diagonal is None else i - j + diagonal,
    )


@dataclass(frozen=True, eq=False)
class _Strip:
    rows: int
    a: ir.Value
    b: ir.Value
    c: ir.Value
    strip: ir.Value
    a_row: ir.Value
    a_column: ir.Value
    b_stride: ir.Value
    c_row: ir.Value
    m: ir.Value
    n: ir.Value
    k: ir.Value
    diagonal: ir.Value
    further: ir.Value
    transposed: bool


def _emit_product(emit: Emitter, name: str, rows: int) -> None:
    (a, b, c, strip), sizes, _ = emit.begin(name, arrays=4, sizes=8)
    a_row, a_column, b_stride, c_row, m, n, k, diagonal = sizes
    build, width = emit.builder, _VECTORS * emit.lanes
    transposed = name == "by_columns"

    def some(p: ir.Value, j: ir.Value) -> None:
        down, right = (p, emit.product(j, b_stride)) if transposed else (emit.product(p, b_stride), j)
        _emit_strip(
            emit,
            _Strip(
                rows=rows,
                a=emit.at(a, emit.product(p, a_column)),
                b=emit.at(b, emit.sum(down, right)),
                c=emit.at(c, j),
                strip=strip,
                a_row=a_row,
                a_column=a_column,
                b_stride=b_stride,
                c_row=c_row,
                m=m,
                n=emit.least(build.sub(n, j), INTEGER(width)),
                k=emit.least(build.sub(k, p), INTEGER(_DEPTH)),
                diagonal=build.sub(diagonal, j),
                further=emit.broadcast(build.icmp_signed(">", p, INTEGER(0)), emit.lanes),
                transposed=transposed,
            ),
        )

    emit.loop(k, _DEPTH, lambda p: emit.loop(n, width, lambda j: some(p, j)))
    build.ret_void()


def _emit_strip(emit: Emitter, x: _Strip) -> None:
    build = emit.builder
    (_emit_transposed if x.transposed else _emit_copy)(emit, x)

    def tile(i: ir.Value) -> None:
        stop = emit.least(x.n, emit.sum(emit.sum(i, x.rows), x.diagonal))
        for vectors in range(1, _VECTORS + 1):
            chosen = build.icmp_signed(">", stop, INTEGER((vectors - 1) * emit.lanes))
            if vectors < _VECTORS:
                chosen = build.and_(chosen, build.icmp_signed("<=", stop, INTEGER(vectors * emit.lanes)))
            with build.if_then(chosen):
                _emit_sums(emit, x, i, vectors)

    emit.loop(x.m, x.rows, tile)


def _emit_copy(emit: Emitter, x: _Strip) -> None:
    """Copy rows."""
    masks = [emit.below(INTEGER(v * emit.lanes), x.n, emit.lanes) for v in range(_VECTORS)]

    def line(p: ir.Value) -> None:
        here, there = emit.product(p, x.b_stride), emit.product(p, _VECTORS * emit.lanes)
        for v, mask in enumerate(masks):
            some = emit.load_where(mask, x.b, emit.sum(here, v * emit.lanes))
            emit.store(some, x.strip, there, v)

    emit.loop(x.k, 1, line)


def _emit_transposed(emit: Emitter, x: _Strip) -> None:
    """Copy columns; what is beyond the last column is that column again."""
    build, lanes = emit.builder, emit.lanes

    def some(j: ir.Value) -> None:
        places = [emit.least(emit.sum(j, v), build.sub(x.n, INTEGER(1))) for v in range(lanes)]
        columns = [emit.at(x.b, emit.product(place, x.b_stride)) for place in places]

        def square(p: ir.Value) -> None:
            mask = emit.below(p, x.k, lanes)
            for q, row in enumerate(emit.transposed([emit.load_where(mask, column, p) for column in columns])):
                emit.store(row, x.strip, emit.sum(emit.product(emit.sum(p, q), _VECTORS * lanes), j))

        emit.loop(x.k, lanes, square)

    emit.loop(x.n, lanes, some)


def _emit_sums(emit: Emitter, x: _Strip, i: ir.Value, vectors: int) -> None:
    build, lanes = emit.builder, emit.lanes
    lines = [emit.least(emit.sum(i, r), build.sub(x.m, INTEGER(1))) for r in range(x.rows)]
    a = [emit.at(x.a, emit.product(line, x.a_row)) for line in lines]
    c = [emit.at(x.c, emit.product(line, x.c_row)) for line in lines]
    masks = [emit.below(INTEGER(v * lanes), x.n, lanes) for v in range(vectors)]
    per_row = _DEPTH // lanes + 1
    lines, ahead = (_VECTORS * lanes * per_row if x.transposed else (_VECTORS + 1) * _DEPTH), int(os.environ.get("H", 1))
    tiles = build.udiv(emit.sum(x.m, x.rows - 1), INTEGER(x.rows))
    share = build.udiv(INTEGER(ahead * lines << 16), emit.product(tiles, _DEPTH))
    base = emit.product(build.udiv(i, INTEGER(x.rows)), _DEPTH)
    skip = (ahead - 1) * lines

    def step(p: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
        line = build.lshr(emit.product(emit.sum(base, p), share), INTEGER(16))
        if skip:
            line = build.sub(line, INTEGER(skip))
            line = build.select(build.icmp_signed("<", line, INTEGER(0)), INTEGER(0), line)
        if x.transposed:
            row, column = build.udiv(line, INTEGER(per_row)), build.urem(line, INTEGER(per_row))
            emit.prefetch(x.b, emit.sum(emit.product(emit.sum(row, _VECTORS * lanes), x.b_stride), emit.product(column, lanes)))
        else:
            row, column = build.urem(line, INTEGER(_DEPTH)), build.udiv(line, INTEGER(_DEPTH))
            emit.prefetch(x.b, emit.sum(emit.product(row, x.b_stride), emit.product(emit.sum(column, _VECTORS), lanes)))
        left = [emit.spread(row, emit.product(p, x.a_column)) for row in a]
        right = [emit.load(x.strip, emit.product(p, _VECTORS * lanes), v) for v in range(vectors)]
        pairs = [(number, vector) for number in left for vector in right]
        return [emit.fma(number, vector, s) for (number, vector), s in zip(pairs, sums, strict=True)]

    for row in c:
        for v in range(vectors):
            emit.prefetch(row, INTEGER(v * lanes))
    sums = emit.loop(x.k, 1, step, [emit.zero] * (x.rows * vectors))
    places = [(row, INTEGER(v * lanes), mask) for row in c for v, mask in enumerate(masks)]
    before = [emit.load_where(build.and_(mask, x.further), row, at) for row, at, mask in places]
    for (row, at, mask), old, s in zip(places, before, sums, strict=True):
        emit.store_where(mask, build.fadd(old, s), row, at)
