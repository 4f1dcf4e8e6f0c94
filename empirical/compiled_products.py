"""Products of large matrices with a few hundred columns, compiled by LLVM for the processor at hand.

A product A B of a layer's weights A (m, k) with the columns B (k, n) of some inputs uses each entry of A only n times:
too seldom to pay for the rearranged copies that libraries make of both factors. Here B is read where it lies, and so
is A unless its columns lie side by side: then some numbers of each row of A^T are copied at a time. Some numbers of a
column of A, each times up to three vectors of a row of B, are summed in as many registers:

    c_ij <- a_ik b_kj + c_ij, rounded once, for k = 0, 1, ...

and the sums of 256 products are added up. So an entry depends on its row and its column alone, not on its neighbours
nor on how the work is shared among threads, and its error is at most k u / (1 - k u) times (|A| |B|)_ij, u the unit
roundoff, underflow aside (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
"""

from __future__ import annotations

import functools
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

_COLUMNS = 10 * _VECTORS
"""Vectors of a row of B in a block."""

_DEPTH = 256
"""Rows of B in a block, which has at most 480 KB and stays in the second cache."""

_PANEL = 512
"""Bytes of a row of A^T that are copied at a time."""

_AHEAD = 8
"""Rows of A^T that are asked for before they are copied, and that keep the copied tiles' addresses apart."""

_LINES = 16
"""Rows of a matrix that are transposed at a time, so that their lines stay in the first cache."""

_LAID_OUT = 2**21
"""Bytes of B that are laid out at a time."""

_ALIASES = 4096
"""Bytes by whose multiples addresses differ that compete for the same few places in the caches."""

_GRAIN = 2**24
"""Multiplications that are worth a thread."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """Products C = A B, for arrays given by their addresses.

    Args:
        itemsize: bytes of a number.
        lanes: numbers in a vector.
        rows: numbers of a column of A taken at a time.
        transpose: (matrix, its transpose, row lengths of both, rows, columns).
        by_rows: (A, B, C, scratch of _SCRATCH bytes, row lengths of A, B and C, m, n, k, diagonal, copies, further).
            Entries of C with j > i + diagonal may be anything; to others A B is added if ``further`` is not 0.
        by_columns: the same for a transposed A, with the row length of this, which is read where it lies if ``copies``
            is 0.
        engine: owns the machine code.
    """

    itemsize: int
    lanes: int
    rows: int
    transpose: Callable[..., None]
    by_rows: Callable[..., None]
    by_columns: Callable[..., None]
    engine: Any


_SCRATCH = (_DEPTH + _AHEAD) * _PANEL


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


def multiplied(
    kernel: Kernel, A: Tensor, B: Tensor, diagonal: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Compute A B by as many threads as torch may use.

    Args:
        kernel: for the matrices' type.
        A: (m, k), on the CPU; best if larger than B, or its transpose.
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
    squared = A.data_ptr() == B.data_ptr() and A.shape == B.T.shape and A.stride() == B.T.stride()
    if not (squared or 1 in A.stride()):
        A = A.contiguous()
    threads = min(torch.get_num_threads(), m * n * k // _GRAIN)
    rows = kernel.rows * -(-m // (4 * threads * kernel.rows)) if threads > 1 else m
    depth = k if _lies_well(B) else _DEPTH * max(1, _LAID_OUT // (n * B.itemsize * _DEPTH))
    for p in range(0, k, depth):
        right = _laid_out(kernel, B[p : p + depth])
        left = right.T if squared else A[:, p : p + depth]  # the caches hold the first already
        fill = functools.partial(_fill, kernel, left, right, C, diagonal, not squared, p > 0, rows)
        in_parallel(threads, fill, range(0, m, rows))
    return C


def _fill(
    kernel: Kernel,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    diagonal: int | None,
    copies: bool,
    further: bool,
    rows: int,
    i: int,
) -> None:
    """Compute some rows of C, from i on."""
    (m, n), (a_row, a_column), size = C.shape, A.stride(), A.itemsize
    fill, stride = (kernel.by_rows, a_row) if a_column == 1 else (kernel.by_columns, a_column)
    scratch = torch.empty(_SCRATCH, dtype=torch.uint8)
    fill(
        *(A.data_ptr() + i * a_row * size, B.data_ptr(), C.data_ptr() + i * n * size, scratch.data_ptr()),
        *(stride, B.stride(0), n),
        *(min(rows, m - i), n, len(B)),
        n if diagonal is None else i + diagonal,
        *(copies, further),
    )


def _lies_well(B: Tensor) -> bool:
    """Whether rows are contiguous, and their addresses do not compete."""
    return B.stride(1) == 1 and B.stride(0) * B.itemsize % _ALIASES != 0


def _laid_out(kernel: Kernel, B: Tensor) -> Tensor:
    """B, or a copy that lies well."""
    if _lies_well(B):
        return B
    k, n = B.shape
    row = kernel.lanes * -(-n // kernel.lanes)
    if row * B.itemsize % _ALIASES == 0:
        row += kernel.lanes
    laid_out = B.new_empty(k, row)[:, :n]
    if B.stride(0) == 1:
        kernel.transpose(B.data_ptr(), laid_out.data_ptr(), B.stride(1), row, n, k)
        return laid_out
    return laid_out.copy_(B)


def _emit_transpose(emit: Emitter) -> None:
    (a, transposed), (a_row, row, m, n), _ = emit.begin("transpose", arrays=2, sizes=4)

    def some_rows(first: ir.Value) -> None:
        count = emit.least(emit.builder.sub(m, first), INTEGER(_LINES))
        source, target = emit.at(a, emit.product(first, a_row)), emit.at(transposed, first)

        def column(j: ir.Value) -> None:
            top, to = emit.at(source, j), emit.at(target, emit.product(j, row))
            emit.loop(count, 1, lambda i: emit.write(emit.read(top, emit.product(i, a_row)), to, i))

        emit.loop(n, 1, column)

    emit.loop(m, _LINES, some_rows)
    emit.builder.ret_void()


def _emit_product(emit: Emitter, name: str, rows: int) -> None:
    (a, b, c, scratch), sizes, _ = emit.begin(name, arrays=4, sizes=9)
    a_stride, b_row, c_row, m, n, k, diagonal, copies, further = sizes
    build, width = emit.builder, _COLUMNS * emit.lanes
    by_rows, copied = name == "by_rows", build.icmp_signed("!=", copies, INTEGER(0))

    def block(p: ir.Value, j: ir.Value) -> None:
        _emit_block(
            emit,
            _Block(
                rows=rows,
                a=emit.at(a, p if by_rows else emit.product(p, a_stride)),
                b=emit.at(b, emit.sum(emit.product(p, b_row), j)),
                c=emit.at(c, j),
                scratch=scratch,
                a_stride=a_stride,
                b_row=b_row,
                c_row=c_row,
                m=m,
                n=emit.least(build.sub(n, j), INTEGER(width)),
                k=emit.least(build.sub(k, p), INTEGER(_DEPTH)),
                diagonal=build.sub(diagonal, j),
                copied=None if by_rows else copied,
                further=emit.broadcast(build.icmp_signed("!=", build.or_(p, further), INTEGER(0)), emit.lanes),
            ),
        )

    emit.loop(n, width, lambda j: emit.loop(k, _DEPTH, lambda p: block(p, j)))
    build.ret_void()


@dataclass(frozen=True, eq=False)
class _Block:
    """Where the factors of a block's product lie, their row lengths and sizes.

    Args:
        rows: numbers of a column of A taken at a time, which make a tile.
        copied: None if A lies by rows, else whether it is copied first.
        further: whether the product is added to C, in each lane.
    """

    rows: int
    a: ir.Value
    b: ir.Value
    c: ir.Value
    scratch: ir.Value
    a_stride: ir.Value
    b_row: ir.Value
    c_row: ir.Value
    m: ir.Value
    n: ir.Value
    k: ir.Value
    diagonal: ir.Value
    copied: ir.Value | None
    further: ir.Value


@dataclass(frozen=True)
class _Tile:
    """Some rows of A and C: their first entries, and how far apart the entries of A lie along a row.

    Args:
        following: the rows of A after these, if those of A lie apart.
    """

    a: list[ir.Value]
    step: ir.Value
    following: ir.Value | None
    c: list[ir.Value]


def _emit_block(emit: Emitter, x: _Block) -> None:
    """C = A B or C + A B, by panels of rows."""
    build, panel = emit.builder, _PANEL // emit.itemsize

    def some_rows(first: ir.Value) -> None:
        with build.if_then(build.icmp_signed(">", needed(first, panel), INTEGER(0))):
            if x.copied is not None:
                with build.if_then(x.copied):
                    _emit_copy(emit, x, first)
            emit.loop(emit.least(build.sub(x.m, first), INTEGER(panel)), x.rows, lambda i: tile(first, i))

    def needed(i: ir.Value, rows: int) -> ir.Value:
        """The columns of C that are needed in some rows from i on."""
        return emit.least(x.n, emit.sum(emit.sum(i, rows), x.diagonal))

    def tile(first: ir.Value, i: ir.Value) -> None:
        stop = needed(emit.sum(first, i), x.rows)
        with build.if_then(build.icmp_signed(">", stop, INTEGER(0))):
            own = _tile(emit, x, first, i)
            emit.loop(stop, _VECTORS * emit.lanes, lambda j: _emit_strip(emit, x, own, j, stop))

    emit.loop(x.m, panel, some_rows)


def _emit_copy(emit: Emitter, x: _Block, first: ir.Value) -> None:
    """Copy some columns of A, from ``first`` on, which lie far apart: a vector of each to a place of its own."""
    vectors = range(_PANEL // (emit.itemsize * emit.lanes))
    masks = [emit.below(emit.sum(first, v * emit.lanes), x.m, emit.lanes) for v in vectors]

    def line(p: ir.Value) -> None:
        here = emit.sum(emit.product(p, x.a_stride), first)
        ahead = emit.sum(here, emit.product(x.a_stride, _AHEAD))
        for v in vectors:
            emit.prefetch(x.a, emit.sum(ahead, v * emit.lanes))
            some = emit.load_where(masks[v], x.a, emit.sum(here, v * emit.lanes))
            emit.store(some, x.scratch, emit.product(emit.sum(p, v * (_DEPTH + _AHEAD)), emit.lanes))

    emit.loop(x.k, 1, line)


def _tile(emit: Emitter, x: _Block, first: ir.Value, i: ir.Value) -> _Tile:
    """The rows from first + i on, the last of which may repeat the last row of all."""
    build, row = emit.builder, emit.sum(first, i)
    lines = [emit.least(emit.sum(row, r), build.sub(x.m, INTEGER(1))) for r in range(x.rows)]
    c = [emit.at(x.c, emit.product(line, x.c_row)) for line in lines]
    if x.copied is None:
        following = emit.at(x.a, emit.product(emit.sum(row, x.rows), x.a_stride))
        return _Tile([emit.at(x.a, emit.product(line, x.a_stride)) for line in lines], INTEGER(1), following, c)
    lane = build.and_(i, INTEGER(emit.lanes - 1))
    copy = emit.at(x.scratch, emit.sum(emit.product(build.sub(i, lane), _DEPTH + _AHEAD), lane))
    a = [build.select(x.copied, emit.at(copy, INTEGER(r)), emit.at(x.a, line)) for r, line in enumerate(lines)]
    return _Tile(a, build.select(x.copied, INTEGER(emit.lanes), x.a_stride), None, c)


def _emit_strip(emit: Emitter, x: _Block, tile: _Tile, j: ir.Value, stop: ir.Value) -> None:
    """A tile's sums in up to _VECTORS vectors of columns from j on, as far as they are below ``stop``."""
    build, lanes = emit.builder, emit.lanes
    left = build.sub(stop, j)

    def more_than(vectors: int) -> ir.Value:
        return build.icmp_signed(">", left, INTEGER(vectors * lanes))

    whole = build.icmp_signed(">=", build.sub(x.n, j), INTEGER(_VECTORS * lanes))
    with build.if_else(build.and_(more_than(_VECTORS - 1), whole)) as (all_numbers, some_numbers):
        with all_numbers:
            _emit_sums(emit, x, tile, j, _VECTORS, whole=True)
        with some_numbers:
            for vectors in range(1, _VECTORS + 1):
                chosen = more_than(vectors - 1)
                if vectors < _VECTORS:
                    chosen = build.and_(chosen, build.not_(more_than(vectors)))
                with build.if_then(chosen):
                    _emit_sums(emit, x, tile, j, vectors, whole=False)


def _emit_sums(emit: Emitter, x: _Block, tile: _Tile, j: ir.Value, vectors: int, *, whole: bool) -> None:
    build, lanes = emit.builder, emit.lanes
    columns = [emit.sum(j, v * lanes) for v in range(vectors)]
    everywhere = ir.Constant(ir.VectorType(ir.IntType(1), lanes), [1] * lanes)
    masks = [everywhere if whole else emit.below(at, x.n, lanes) for at in columns]

    def step(p: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
        if tile.following is not None:
            row = build.and_(p, INTEGER(x.rows - 1))
            emit.prefetch(tile.following, emit.sum(emit.product(row, x.a_stride), p))
        left = [emit.spread(row, emit.product(p, tile.step)) for row in tile.a]
        line = emit.product(p, x.b_row)
        right = [emit.load_where(mask, x.b, emit.sum(line, at)) for at, mask in zip(columns, masks, strict=True)]
        pairs = [(number, vector) for number in left for vector in right]
        return [emit.fma(number, vector, s) for (number, vector), s in zip(pairs, sums, strict=True)]

    for row in tile.c:
        for at in columns:
            emit.prefetch(row, at)
    sums = emit.loop(x.k, 1, step, [emit.zero] * (x.rows * vectors))
    places = [(row, at, mask) for row in tile.c for at, mask in zip(columns, masks, strict=True)]
    before = [emit.load_where(build.and_(mask, x.further), row, at) for row, at, mask in places]
    sums = [build.fadd(old, s) for old, s in zip(before, sums, strict=True)]
    # backwards, so that the last row itself is written after what repeats it, which may be zeros
    for (row, at, mask), s in reversed(list(zip(places, sums, strict=True))):
        emit.store_where(mask, s, row, at)
