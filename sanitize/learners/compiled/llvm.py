"""What inner loops are written with: numbers, vectors of 16 channels, counted loops, functions that have an address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target

from sanitize.jit import emitted

LANES = 16
I64, I32 = ir.IntType(64), ir.IntType(32)


class _BFloat(ir.types.Type):  # type: ignore[misc]
    """LLVM's bfloat."""

    intrinsic_name = "bf16"

    def _to_string(self) -> str:
        return "bfloat"


REALS, WORDS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(I32, LANES)
BITS, BYTES = ir.VectorType(ir.IntType(16), LANES), ir.VectorType(ir.IntType(8), LANES)
ZEROS, HALF = ir.Constant(REALS, [0.0] * LANES), ir.Constant(WORDS, [16] * LANES)  # HALF: bits of half a word
NUMBERS = types.void(*[types.intp] * 9)  # what every one of these functions takes: addresses and counts
Body = Callable[[Any, list[Any]], list[Any]]


def served() -> bool:
    """Whether the processor multiplies bfloat16, 32 at a time (NUMBA_CPU_NAME and NUMBA_CPU_FEATURES count)."""
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    return "+avx512bf16" in features.split(",")


def number(value: int) -> Any:
    """A constant of 64 bits."""
    return ir.Constant(I64, value)


def at(builder: Any, address: Any, offset: Any, kind: Any) -> Any:
    """A pointer to a `kind`, so many bytes after the address."""
    if isinstance(offset, int):
        offset = number(offset)
    return builder.inttoptr(builder.add(address, offset), kind.as_pointer())


def widened(builder: Any, bits: Any) -> Any:
    """float32 of the bits of bfloat16."""
    return builder.bitcast(builder.shl(builder.zext(bits, WORDS), HALF), REALS)


def rounded(builder: Any, reals: Any) -> Any:
    """The bits of the nearest bfloat16, ties to even."""
    return builder.bitcast(builder.fptrunc(reals, ir.VectorType(_BFloat(), LANES)), BITS)


def counted(builder: Any, count: Any, starts: list[Any], body: Body) -> list[Any]:
    """A loop of one turn at least: body(number, values) -> the values of the next turn; those after the last."""
    before, loop, after = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("after")
    builder.branch(loop)
    builder.position_at_end(loop)
    turn, values = builder.phi(I64), [builder.phi(start.type) for start in starts]
    following = body(turn, values)
    more = builder.add(turn, number(1))
    for phi, first, later in zip([turn, *values], [number(0), *starts], [more, *following], strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(later, builder.block)
    builder.cbranch(builder.icmp_signed("<", more, count), loop, after)
    builder.position_at_end(after)
    return following


def written(write: Callable[[Any, list[Any]], None]) -> Any:
    """What write(builder, arguments) writes down, as a function of NUMBERS for compiled code."""

    def typed(_: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, i: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            write(builder, list(args))
            return context.get_dummy_value()

        return NUMBERS, generate

    return emitted(typed)


@emitted
def call(_: Any, address: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, i: Any) -> Any:
    """Run the function of NUMBERS that lies at `address`. So it is compiled once, and not wherever it is called."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [I64] * 9)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(*[types.intp] * 10), generate


@emitted
def to_real(_: Any, value: Any) -> Any:
    """The float32 that the bits of a bfloat16 stand for."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(builder.shl(builder.zext(args[0], I32), ir.Constant(I32, 16)), ir.FloatType())

    return types.float32(types.uint16), generate


@emitted
def to_bits(_: Any, value: Any) -> Any:
    """The bits of the nearest bfloat16, ties to even. Not for NaN."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], I32)
        odd = builder.and_(builder.lshr(bits, ir.Constant(I32, 16)), ir.Constant(I32, 1))
        bits = builder.add(bits, builder.add(odd, ir.Constant(I32, 0x7FFF)))
        return builder.trunc(builder.lshr(bits, ir.Constant(I32, 16)), ir.IntType(16))

    return types.uint16(types.float32), generate


@emitted
def seen_at(_: Any, address: Any) -> Any:
    """The int64 at an address, as other threads have left it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(args[0], I64.as_pointer()), "acquire", 8)

    return types.int64(types.intp), generate


@emitted
def set_at(_: Any, address: Any, value: Any) -> Any:
    """Set the int64 at an address; what was written before can be seen by a thread that sees this."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], builder.inttoptr(args[0], I64.as_pointer()), "release", 8)
        return context.get_dummy_value()

    return types.void(types.intp, types.int64), generate


@emitted
def added_at(_: Any, address: Any, value: Any) -> Any:
    """Add to the int64 at an address, in one go; returns what it was before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", builder.inttoptr(args[0], I64.as_pointer()), args[1], "acq_rel")

    return types.int64(types.intp, types.int64), generate


@emitted
def paused(_: Any, address: Any) -> Any:
    """Leave the core to its other thread for a moment, while waiting busily."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(types.intp), generate
