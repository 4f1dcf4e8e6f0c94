"""Gradient steps of two-layer ReLU networks, compiled by LLVM for the processor at hand.

The pre-activations of 16 neurons on a few inputs are summed in registers, used there and dropped: all that is kept of
them is one bit each, the indicator 1{z >= 0} that the gradient needs. So a step moves little memory and runs at the
rate of its fused multiplications, whatever the width is. One network follows the other, so that its numbers cannot
depend on its neighbours.

Arrays are float64 in C order. Neurons come in groups, whose weights lie side by side: weights are (networks, groups,
d, GROUP), output weights (networks, groups, GROUP), inputs (n, d). Indicators are bytes (networks, groups, n,
GROUP / lanes), the lowest ``lanes`` bits of each for as many neurons.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from empirical.machine_code import Emitter, vector_bytes

GROUP = 16
"""Neurons to a group."""

TILE = 5
"""Inputs, or coordinates, taken at a time: n and d are padded with zeros to multiples of it."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """The two halves of a step, for arrays given by their addresses.

    Args:
        lanes: float64 numbers in a vector of the processor.
        forward: (weights, output weights, inputs, labels, indicators, scratch (n, GROUP), residuals (networks, n),
            norms (networks,), networks, groups, n, d, m^-1/2): indicators, residuals y - f and their norms.
        descend: (weights, output weights, inputs, indicators, residuals, networks, groups, n, d, first, outer): moves
            both layers by one gradient step, of sizes ``first`` and ``outer`` times m^-1/2; 0 leaves a layer alone.
        engine: owns the machine code.
    """

    lanes: int
    forward: Callable[..., None]
    descend: Callable[..., None]
    engine: Any


def kernel() -> Kernel | None:
    """The kernel for this processor; None where it has no fused multiplication of vectors."""
    size = vector_bytes()
    return None if size is None else compiled(size // 8)


@functools.cache
def compiled(lanes: int) -> Kernel:
    """Compile the kernel for vectors of so many numbers."""
    emit = Emitter(8, lanes)
    _emit_forward(emit)
    _emit_descend(emit)
    (forward, descend), engine = emit.compiled()
    return Kernel(lanes, forward, descend, engine)


def _emit_forward(emit: Emitter) -> None:
    arrays, (networks, groups, points, coordinates), (scale,) = emit.begin("forward", arrays=8, sizes=4, numbers=1)
    weights, outer, inputs, labels, indicators, scratch, residuals, norms = arrays
    zero, parts = emit.zero, range(GROUP // emit.lanes)

    def network(s: ir.Value) -> None:
        emit.loop(points, 1, clear)
        emit.loop(groups, 1, lambda g: group(emit.sum(emit.product(s, groups), g)))
        first = emit.product(s, points)
        squares = emit.loop(points, TILE, lambda i, sums: residual(first, i, sums), [emit.number(0.0)] * TILE)
        square = functools.reduce(emit.builder.fadd, squares)
        emit.write(emit.root(square), norms, s)

    def clear(i: ir.Value) -> None:
        for j in parts:
            emit.store(zero, scratch, emit.product(i, GROUP), j)

    def group(g: ir.Value) -> None:
        outer_weights = [emit.load(outer, emit.product(g, GROUP), j) for j in parts]
        own = emit.product(emit.product(g, coordinates), GROUP)

        def tile(i: ir.Value) -> None:
            rows = [emit.product(emit.sum(i, p), coordinates) for p in range(TILE)]

            def dot(k: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
                w = [emit.load(weights, emit.sum(own, emit.product(k, GROUP)), j) for j in parts]
                x = [emit.spread(inputs, emit.sum(row, k)) for row in rows]
                return [emit.fma(w[j], x[p], sums[p * len(parts) + j]) for p in range(TILE) for j in parts]

            z = emit.loop(coordinates, 1, dot, [zero] * (TILE * len(parts)))
            for p in range(TILE):
                point = emit.sum(i, p)
                bits = emit.sum(emit.product(g, points), point)
                for j in parts:
                    value = z[p * len(parts) + j]
                    _store_bits(emit, emit.builder.fcmp_ordered(">=", value, zero), indicators, bits, j)
                    # nan stays nan, as it would not in max(value, 0)
                    relu = emit.builder.select(emit.builder.fcmp_ordered("<", value, zero), zero, value)
                    at = emit.product(point, GROUP)
                    emit.store(emit.fma(outer_weights[j], relu, emit.load(scratch, at, j)), scratch, at, j)

        emit.loop(points, TILE, tile)

    def residual(first: ir.Value, i: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
        squares = []
        for p, sum_of_squares in enumerate(sums):
            point = emit.sum(i, p)
            contributions = [emit.load(scratch, emit.product(point, GROUP), j) for j in parts]
            output = emit.total(functools.reduce(emit.builder.fadd, contributions))
            e = emit.builder.fsub(emit.read(labels, point), emit.builder.fmul(scale, output))
            emit.write(e, residuals, emit.sum(first, point))
            squares.append(emit.builder.fadd(sum_of_squares, emit.builder.fmul(e, e)))
        return squares

    emit.loop(networks, 1, network)
    emit.builder.ret_void()


def _emit_descend(emit: Emitter) -> None:
    arrays, (networks, groups, points, coordinates), steps = emit.begin("descend", arrays=5, sizes=4, numbers=2)
    weights, outer, inputs, indicators, residuals = arrays
    zero, parts = emit.zero, range(GROUP // emit.lanes)
    first_step, outer_step = (emit.broadcast(step, emit.lanes) for step in steps)

    def group(s: ir.Value, g: ir.Value) -> None:
        outer_weights = [emit.load(outer, emit.product(g, GROUP), j) for j in parts]
        factors = [emit.builder.fmul(first_step, a) for a in outer_weights]
        own, bits = emit.product(emit.product(g, coordinates), GROUP), emit.product(g, points)
        first = emit.product(s, points)

        def tile(k: ir.Value, along: Sequence[ir.Value]) -> list[ir.Value]:
            def gradient(i: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
                e = emit.spread(residuals, emit.sum(first, i))
                active = [
                    emit.builder.select(_load_bits(emit, indicators, emit.sum(bits, i), j), e, zero) for j in parts
                ]
                row = emit.sum(emit.product(i, coordinates), k)
                x = [emit.spread(inputs, emit.sum(row, p)) for p in range(TILE)]
                return [emit.fma(active[j], x[p], sums[p * len(parts) + j]) for p in range(TILE) for j in parts]

            sums = emit.loop(points, 1, gradient, [zero] * (TILE * len(parts)))
            # the outer weight's gradient, sum_i relu(w . x_i) e_i, is w . sum_i 1{w . x_i >= 0} e_i x_i
            along = list(along)
            for p in range(TILE):
                at = emit.sum(own, emit.product(emit.sum(k, p), GROUP))
                for j in parts:
                    w, direction = emit.load(weights, at, j), sums[p * len(parts) + j]
                    along[j] = emit.fma(w, direction, along[j])
                    emit.store(emit.fma(factors[j], direction, w), weights, at, j)
            return along

        along = emit.loop(coordinates, TILE, tile, [zero] * len(parts))
        for j in parts:
            emit.store(emit.fma(outer_step, along[j], outer_weights[j]), outer, emit.product(g, GROUP), j)

    emit.loop(networks, 1, lambda s: emit.loop(groups, 1, lambda g: group(s, emit.sum(emit.product(s, groups), g))))
    emit.builder.ret_void()


def _load_bits(emit: Emitter, array: ir.Value, at: ir.Value, part: int) -> ir.Value:
    """A vector of truth values, from the bits of the group at this index."""
    bits = emit.builder.load(_bits_address(emit, array, at, part), typ=ir.IntType(emit.lanes), align=1)
    return emit.builder.bitcast(bits, ir.VectorType(ir.IntType(1), emit.lanes))


def _store_bits(emit: Emitter, value: ir.Value, array: ir.Value, at: ir.Value, part: int) -> None:
    """Write a vector of truth values."""
    bits = emit.builder.bitcast(value, ir.IntType(emit.lanes))
    emit.builder.store(bits, _bits_address(emit, array, at, part), align=1)


def _bits_address(emit: Emitter, array: ir.Value, at: ir.Value, part: int) -> ir.Value:
    index = emit.sum(emit.product(at, GROUP // emit.lanes), part)
    return emit.builder.gep(array, [index], source_etype=ir.IntType(emit.lanes))
