"""Machine code through LLVM: vectors, addresses and loops, compiled for the processor at hand."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import binding, ir

INTEGER = ir.IntType(64)
_INDEX, _POINTER = ir.IntType(32), ir.PointerType()
_NUMBERS = {4: ir.FloatType(), 8: ir.DoubleType()}
_ARGUMENTS = {"ptr": ctypes.c_void_p, "i64": ctypes.c_int64, "float": ctypes.c_float, "double": ctypes.c_double}


def processor() -> str:
    """LLVM's name for this processor, such as ``znver5`` or ``sapphirerapids``."""
    return binding.get_host_cpu_name()


@functools.cache
def vector_bytes() -> int | None:
    """Bytes in a vector of this processor; None where it has no fused multiplication of vectors."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 64
    always = binding.get_process_triple().startswith(("aarch64", "arm64"))
    return 32 if always or features.get("fma") else None


class Emitter:
    """Writes functions in LLVM's language, on arrays of one type of numbers.

    Args:
        itemsize: bytes of a number, 4 or 8.
        lanes: numbers in a vector.
    """

    def __init__(self, itemsize: int, lanes: int) -> None:
        self.number, self.itemsize, self.lanes = _NUMBERS[itemsize], itemsize, lanes
        self.vector = ir.VectorType(self.number, lanes)
        self.zero = ir.Constant(self.vector, [0.0] * lanes)
        self._module = ir.Module()
        self._module.triple = binding.get_process_triple()

    def begin(self, name: str, *, arrays: int, sizes: int, numbers: int = 0) -> tuple[Sequence[ir.Value], ...]:
        """Begin a function of arrays that do not overlap, sizes, and numbers."""
        arguments = [_POINTER] * arrays + [INTEGER] * sizes + [self.number] * numbers
        function = ir.Function(self._module, ir.FunctionType(ir.VoidType(), arguments), name)
        for array in function.args[:arrays]:
            array.add_attribute("noalias")
        self.builder = ir.IRBuilder(function.append_basic_block())
        return function.args[:arrays], function.args[arrays : arrays + sizes], function.args[arrays + sizes :]

    def room(self, numbers: int) -> ir.Value:
        """An array of the function's own, on the stack."""
        array = self.builder.alloca(self.number, numbers)
        array.type, array.align = _POINTER, self.itemsize * self.lanes
        return array

    def compiled(self) -> tuple[list[Any], Any]:
        """The functions as they were begun, and the owner of their code, which must outlive them."""
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        module = binding.parse_assembly(str(self._module))
        module.verify()
        machine = binding.Target.from_default_triple().create_target_machine(
            cpu=processor(), features=binding.get_host_cpu_features().flatten(), opt=3, jit=True
        )
        engine = binding.create_mcjit_compiler(module, machine)
        engine.finalize_object()
        functions = []
        for function in self._module.functions:
            if not function.is_declaration:
                kind = ctypes.CFUNCTYPE(None, *(_ARGUMENTS[str(argument.type)] for argument in function.args))
                functions.append(kind(engine.get_function_address(function.name)))
        return functions, engine

    def loop(self, stop: ir.Value, step: int, body: Callable[..., Any], carried: Sequence[ir.Value] = ()) -> Any:
        """Repeat body(i) for i = 0, step, ... below ``stop``, at least once; body(i, values) hands values on."""
        b = self.builder
        before, block = b.block, b.append_basic_block()
        b.branch(block)
        b.position_at_end(block)
        i = b.phi(INTEGER)
        values = [b.phi(value.type) for value in carried]
        results = body(i, values) if carried else body(i)
        following = b.add(i, INTEGER(step))
        for phi, start, result in zip(
            [i, *values], [INTEGER(0), *carried], [following, *(results if carried else ())], strict=True
        ):
            phi.add_incoming(start, before)
            phi.add_incoming(result, b.block)
        after = b.append_basic_block()
        b.cbranch(b.icmp_signed("<", following, stop), block, after)
        b.position_at_end(after)
        return results

    def sum(self, a: ir.Value, b: ir.Value | int) -> ir.Value:
        """The sum of two indices."""
        return self.builder.add(a, INTEGER(b) if isinstance(b, int) else b)

    def product(self, a: ir.Value, b: ir.Value | int) -> ir.Value:
        """The product of two indices."""
        return self.builder.mul(a, INTEGER(b) if isinstance(b, int) else b)

    def least(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """The smaller of two indices."""
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def at(self, array: ir.Value, at: ir.Value) -> ir.Value:
        """The rest of an array from an index on."""
        return self.builder.gep(array, [at], source_etype=self.number)

    def load(self, array: ir.Value, at: ir.Value, part: int = 0) -> ir.Value:
        """The vector of an array that begins ``part`` vectors after an index."""
        return self.builder.load(self._part(array, at, part), align=self.itemsize, typ=self.vector)

    def store(self, value: ir.Value, array: ir.Value, at: ir.Value, part: int = 0) -> None:
        """Write a vector to an array; see :meth:`load`."""
        self.builder.store(value, self._part(array, at, part), align=self.itemsize)

    def _part(self, array: ir.Value, at: ir.Value, part: int) -> ir.Value:
        return self.at(array, self.sum(at, part * self.lanes))

    def below(self, first: ir.Value, stop: ir.Value, lanes: int) -> ir.Value:
        """Which of the indices first, first + 1, ... lie below ``stop``."""
        one, count = INTEGER(1), self.least(self.builder.sub(stop, first), INTEGER(lanes))
        some = self.builder.icmp_signed(">", count, INTEGER(0))
        bits = self.builder.sub(self.builder.shl(one, self.builder.select(some, count, INTEGER(0))), one)
        mask = ir.VectorType(ir.IntType(1), lanes)
        # a comparison of vectors would be moved into the loops that use it
        return self.builder.bitcast(self.builder.trunc(bits, ir.IntType(lanes)), mask)

    def load_where(self, mask: ir.Value, array: ir.Value, at: ir.Value) -> ir.Value:
        """A vector as long as the mask, where this is false 0; nothing is read there."""
        kind = ir.VectorType(self.number, mask.type.count)
        load = self._intrinsic("masked.load", kind, [_POINTER, _INDEX, mask.type, kind], suffix=".p0")
        zero = ir.Constant(kind, [0.0] * kind.count)
        return self.builder.call(load, [self.at(array, at), _INDEX(self.itemsize), mask, zero])

    def store_where(self, mask: ir.Value, value: ir.Value, array: ir.Value, at: ir.Value) -> None:
        """Write the numbers of a vector where the mask is true."""
        arguments = [value.type, _POINTER, _INDEX, mask.type]
        store = self._intrinsic("masked.store", value.type, arguments, suffix=".p0", returns=ir.VoidType())
        self.builder.call(store, [value, self.at(array, at), _INDEX(self.itemsize), mask])

    def prefetch(self, array: ir.Value, at: ir.Value) -> None:
        """Ask for what will be read soon; an address outside the array does no harm."""
        kind = ir.FunctionType(ir.VoidType(), [_POINTER, _INDEX, _INDEX, _INDEX])
        fetch = self._declared("llvm.prefetch.p0", kind)
        reading, into_first_cache, data = _INDEX(0), _INDEX(3), _INDEX(1)
        self.builder.call(fetch, [self.at(array, at), reading, into_first_cache, data])

    def read(self, array: ir.Value, at: ir.Value) -> ir.Value:
        """One number of an array."""
        return self.builder.load(self.at(array, at), typ=self.number)

    def write(self, number: ir.Value, array: ir.Value, at: ir.Value) -> None:
        """Write one number to an array."""
        self.builder.store(number, self.at(array, at))

    def spread(self, array: ir.Value, at: ir.Value) -> ir.Value:
        """The vector that repeats one number of an array."""
        return self.broadcast(self.read(array, at), self.lanes)

    def broadcast(self, value: ir.Value, lanes: int) -> ir.Value:
        """The vector that repeats a value."""
        nothing = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
        first = self.builder.insert_element(nothing, value, _INDEX(0))
        return self.builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_INDEX, lanes), [0] * lanes))

    def transposed(self, rows: Sequence[ir.Value]) -> list[ir.Value]:
        """The columns of as many vectors as each has numbers: within pieces of 16 bytes first, then of the pieces."""
        piece = 16 // self.itemsize
        within = [self._transposed(rows[i : i + piece], 1, piece) for i in range(0, self.lanes, piece)]
        across = [self._transposed(pieces, piece, self.lanes) for pieces in zip(*within, strict=True)]
        return [column for columns in zip(*across, strict=True) for column in columns]

    def _transposed(self, rows: Sequence[ir.Value], unit: int, span: int) -> list[ir.Value]:
        """The same of units of numbers in each span of the vectors, by separating even units from odd ones."""
        if len(rows) == 1:
            return list(rows)
        halves = []
        for first in (0, unit):
            units = [i for start in range(first, span, 2 * unit) for i in range(start, start + unit)]
            order = [of + start + i for start in range(0, self.lanes, span) for of in (0, self.lanes) for i in units]
            turned = ir.Constant(ir.VectorType(_INDEX, self.lanes), order)
            pairs = zip(rows[::2], rows[1::2], strict=True)
            separated = [self.builder.shuffle_vector(a, b, turned) for a, b in pairs]
            halves.append(self._transposed(separated, unit, span))
        return [column for columns in zip(*halves, strict=True) for column in columns]

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """A b + c, rounded once."""
        return self.builder.call(self._intrinsic("fma", self.vector, [self.vector] * 3), [a, b, c])

    def root(self, number: ir.Value) -> ir.Value:
        """The square root of a number."""
        return self.builder.call(self._intrinsic("sqrt", self.number, [self.number]), [number])

    def total(self, vector: ir.Value) -> ir.Value:
        """The sum of a vector's numbers, by halves."""
        half = self.lanes
        while half > 1:
            half //= 2
            turned = [(i + half) % self.lanes for i in range(self.lanes)]
            order = ir.Constant(ir.VectorType(_INDEX, self.lanes), turned)
            vector = self.builder.fadd(vector, self.builder.shuffle_vector(vector, vector, order))
        return self.builder.extract_element(vector, _INDEX(0))

    def _intrinsic(
        self, name: str, kind: ir.Type, arguments: list[ir.Type], *, suffix: str = "", returns: ir.Type | None = None
    ) -> ir.Function:
        lanes = f"v{kind.count}" if isinstance(kind, ir.VectorType) else ""
        full = f"llvm.{name}.{lanes}f{8 * self.itemsize}{suffix}"
        return self._declared(full, ir.FunctionType(returns or kind, arguments))

    def _declared(self, name: str, kind: ir.FunctionType) -> ir.Function:
        return self._module.globals.get(name) or ir.Function(self._module, kind, name)
