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

import ctypes
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import binding, ir

GROUP = 16
"""Neurons to a group."""

TILE = 5
"""Inputs, or coordinates, taken at a time: n and d are padded with zeros to multiples of it."""

_FLOAT, _INTEGER, _INDEX = ir.DoubleType(), ir.IntType(64), ir.IntType(32)


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
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return compiled(8)
    always = binding.get_process_triple().startswith(("aarch64", "arm64"))
    return compiled(4) if always or features.get("fma") else None


@functools.cache
def compiled(lanes: int) -> Kernel:
    """Compile the kernel for vectors of so many numbers."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    written = ir.Module()
    written.triple = binding.get_process_triple()
    emit = _Emitter(written, lanes)
    _emit_forward(emit)
    _emit_descend(emit)
    module = binding.parse_assembly(str(written))
    module.verify()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=3, jit=True
    )
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()

    def function(name: str, arrays: int, numbers: int) -> Callable[..., None]:
        arguments = [ctypes.c_void_p] * arrays + [ctypes.c_int64] * 4 + [ctypes.c_double] * numbers
        return ctypes.CFUNCTYPE(None, *arguments)(engine.get_function_address(name))

    return Kernel(lanes, function("forward", 8, 1), function("descend", 5, 2), engine)


def _emit_forward(emit: _Emitter) -> None:
    arrays, (networks, groups, points, coordinates), (scale,) = emit.begin("forward", arrays=8, numbers=1)
    weights, outer, inputs, labels, indicators, scratch, residuals, norms = arrays
    zero, parts = emit.zero, range(emit.parts)

    def network(s: ir.Value) -> None:
        emit.loop(points, 1, clear)
        emit.loop(groups, 1, lambda g: group(emit.sum(emit.product(s, groups), g)))
        first = emit.product(s, points)
        squares = emit.loop(points, TILE, lambda i, sums: residual(first, i, sums), [_FLOAT(0.0)] * TILE)
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
                return [emit.fma(w[j], x[p], sums[p * emit.parts + j]) for p in range(TILE) for j in parts]

            z = emit.loop(coordinates, 1, dot, [zero] * (TILE * emit.parts))
            for p in range(TILE):
                point = emit.sum(i, p)
                bits = emit.sum(emit.product(g, points), point)
                for j in parts:
                    value = z[p * emit.parts + j]
                    emit.store_bits(emit.builder.fcmp_ordered(">=", value, zero), indicators, bits, j)
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


def _emit_descend(emit: _Emitter) -> None:
    arrays, (networks, groups, points, coordinates), steps = emit.begin("descend", arrays=5, numbers=2)
    weights, outer, inputs, indicators, residuals = arrays
    zero, parts = emit.zero, range(emit.parts)
    first_step, outer_step = (emit.broadcast(step) for step in steps)

    def group(s: ir.Value, g: ir.Value) -> None:
        outer_weights = [emit.load(outer, emit.product(g, GROUP), j) for j in parts]
        factors = [emit.builder.fmul(first_step, a) for a in outer_weights]
        own, bits = emit.product(emit.product(g, coordinates), GROUP), emit.product(g, points)
        first = emit.product(s, points)

        def tile(k: ir.Value, along: Sequence[ir.Value]) -> list[ir.Value]:
            def gradient(i: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
                e = emit.spread(residuals, emit.sum(first, i))
                active = [emit.builder.select(emit.load_bits(indicators, emit.sum(bits, i), j), e, zero) for j in parts]
                row = emit.sum(emit.product(i, coordinates), k)
                x = [emit.spread(inputs, emit.sum(row, p)) for p in range(TILE)]
                return [emit.fma(active[j], x[p], sums[p * emit.parts + j]) for p in range(TILE) for j in parts]

            sums = emit.loop(points, 1, gradient, [zero] * (TILE * emit.parts))
            # the outer weight's gradient, sum_i relu(w . x_i) e_i, is w . sum_i 1{w . x_i >= 0} e_i x_i
            along = list(along)
            for p in range(TILE):
                at = emit.sum(own, emit.product(emit.sum(k, p), GROUP))
                for j in parts:
                    w, direction = emit.load(weights, at, j), sums[p * emit.parts + j]
                    along[j] = emit.fma(w, direction, along[j])
                    emit.store(emit.fma(factors[j], direction, w), weights, at, j)
            return along

        along = emit.loop(coordinates, TILE, tile, [zero] * emit.parts)
        for j in parts:
            emit.store(emit.fma(outer_step, along[j], outer_weights[j]), outer, emit.product(g, GROUP), j)

    emit.loop(networks, 1, lambda s: emit.loop(groups, 1, lambda g: group(s, emit.sum(emit.product(s, groups), g))))
    emit.builder.ret_void()


class _Emitter:
    """Writes vectors, addresses and loops in LLVM's language.

    Args:
        module: to write to.
        lanes: float64 numbers in a vector; ``parts`` vectors hold a group of neurons.
    """

    def __init__(self, module: ir.Module, lanes: int) -> None:
        self._module, self._lanes = module, lanes
        self.parts = GROUP // lanes
        self._vector, self._bits = ir.VectorType(_FLOAT, lanes), ir.IntType(lanes)
        self.zero = ir.Constant(self._vector, [0.0] * lanes)
        signature = ir.FunctionType(self._vector, [self._vector] * 3)
        self._fma = ir.Function(module, signature, f"llvm.fma.v{lanes}f64")
        self._root = ir.Function(module, ir.FunctionType(_FLOAT, [_FLOAT]), "llvm.sqrt.f64")

    def begin(self, name: str, *, arrays: int, numbers: int) -> tuple[Sequence[ir.Value], ...]:
        """Begin a function of arrays, four sizes and some numbers."""
        pointer = ir.PointerType()
        signature = ir.FunctionType(ir.VoidType(), [pointer] * arrays + [_INTEGER] * 4 + [_FLOAT] * numbers)
        function = ir.Function(self._module, signature, name)
        for array in function.args[:arrays]:
            array.add_attribute("noalias")
        self.builder = ir.IRBuilder(function.append_basic_block())
        return function.args[:arrays], function.args[arrays:-numbers], function.args[-numbers:]

    def loop(self, stop: ir.Value, step: int, body: Callable[..., Any], carried: Sequence[ir.Value] = ()) -> Any:
        """Repeat body(i) for i = 0, step, ... below ``stop``, at least once; body(i, values) hands values on."""
        b = self.builder
        before, block = b.block, b.append_basic_block()
        b.branch(block)
        b.position_at_end(block)
        i = b.phi(_INTEGER)
        values = [b.phi(value.type) for value in carried]
        results = body(i, values) if carried else body(i)
        following = b.add(i, _INTEGER(step))
        for phi, start, result in zip(
            [i, *values], [_INTEGER(0), *carried], [following, *(results if carried else ())], strict=True
        ):
            phi.add_incoming(start, before)
            phi.add_incoming(result, b.block)
        after = b.append_basic_block()
        b.cbranch(b.icmp_signed("<", following, stop), block, after)
        b.position_at_end(after)
        return results

    def sum(self, a: ir.Value, b: ir.Value | int) -> ir.Value:
        """The sum of two indices."""
        return self.builder.add(a, _INTEGER(b) if isinstance(b, int) else b)

    def product(self, a: ir.Value, b: ir.Value | int) -> ir.Value:
        """The product of two indices."""
        return self.builder.mul(a, _INTEGER(b) if isinstance(b, int) else b)

    def load(self, array: ir.Value, at: ir.Value, part: int) -> ir.Value:
        """A vector of an array of numbers."""
        return self.builder.load(self._address(array, at, part), align=8, typ=self._vector)

    def store(self, value: ir.Value, array: ir.Value, at: ir.Value, part: int) -> None:
        """Write a vector to an array of numbers."""
        self.builder.store(value, self._address(array, at, part), align=8)

    def _address(self, array: ir.Value, at: ir.Value, part: int) -> ir.Value:
        return self.builder.gep(array, [self.sum(at, part * self._lanes)], source_etype=_FLOAT)

    def load_bits(self, array: ir.Value, at: ir.Value, part: int) -> ir.Value:
        """A vector of truth values, from the bits of the group at this index."""
        whole = self.builder.load(self._bits_address(array, at, part), typ=self._bits, align=1)
        return self.builder.bitcast(whole, ir.VectorType(ir.IntType(1), self._lanes))

    def store_bits(self, value: ir.Value, array: ir.Value, at: ir.Value, part: int) -> None:
        """Write a vector of truth values."""
        self.builder.store(self.builder.bitcast(value, self._bits), self._bits_address(array, at, part), align=1)

    def _bits_address(self, array: ir.Value, at: ir.Value, part: int) -> ir.Value:
        return self.builder.gep(array, [self.sum(self.product(at, self.parts), part)], source_etype=self._bits)

    def read(self, array: ir.Value, at: ir.Value) -> ir.Value:
        """One number of an array."""
        return self.builder.load(self.builder.gep(array, [at], source_etype=_FLOAT), typ=_FLOAT)

    def write(self, number: ir.Value, array: ir.Value, at: ir.Value) -> None:
        """Write one number to an array."""
        self.builder.store(number, self.builder.gep(array, [at], source_etype=_FLOAT))

    def spread(self, array: ir.Value, at: ir.Value) -> ir.Value:
        """The vector that repeats one number of an array."""
        return self.broadcast(self.read(array, at))

    def broadcast(self, number: ir.Value) -> ir.Value:
        """The vector that repeats a number."""
        nothing = ir.Constant(self._vector, ir.Undefined)
        first = self.builder.insert_element(nothing, number, _INDEX(0))
        same = ir.Constant(ir.VectorType(_INDEX, self._lanes), [0] * self._lanes)
        return self.builder.shuffle_vector(first, nothing, same)

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """A b + c, rounded once."""
        return self.builder.call(self._fma, [a, b, c])

    def root(self, number: ir.Value) -> ir.Value:
        """The square root of a number."""
        return self.builder.call(self._root, [number])

    def total(self, vector: ir.Value) -> ir.Value:
        """The sum of a vector's numbers, by halves."""
        half = self._lanes
        while half > 1:
            half //= 2
            turned = [(i + half) % self._lanes for i in range(self._lanes)]
            order = ir.Constant(ir.VectorType(_INDEX, self._lanes), turned)
            vector = self.builder.fadd(vector, self.builder.shuffle_vector(vector, vector, order))
        return self.builder.extract_element(vector, _INDEX(0))
