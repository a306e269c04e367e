"""Distances between all pairs of queries and training rows, in registers. Packed rows -> one line of keys a query.

A tile is 6 queries by 32 training rows. Training rows are packed in bricks of 32, with 8 bytes (or one float) of every
row side by side, so that a vector instruction works for 8 to 16 rows at once and no sum is ever taken across a vector.
For 8 bits that is the sum of absolute differences of 8 bytes into each 64-bit lane (x86: psadbw, in the widest form the
processor has; elsewhere the same sum from plain vector operations). Floats are added up feature by feature in float32,
so that a distance is the same number in every tile and on every processor.
"""

# M queries, D features, B bricks of 32 training rows, G groups: of 8 bytes of a row (8 bits) or 1 value (float32)
from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numpy.typing import NDArray

from sanitize.jit import compiled, emitted, on_line

ROWS = 32  # training rows of a brick
QUERIES = 6  # of a tile: 6 x 4 sums, 4 training vectors and 1 query fill 29 of AVX-512's 32 registers
GROUP = 8  # bytes of a row that stand together
L1, L2, DOT = 0, 1, 2  # what `fold` adds up: |q - t|, (q - t)^2, q * t

_I8, _I16, _I32, _I64, _F32 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()
_PSADBW = {64: "llvm.x86.avx512.psad.bw.512", 32: "llvm.x86.avx2.psad.bw", 16: "llvm.x86.sse2.psad.bw"}


def vector_bytes(triple: str, features: str) -> tuple[int, bool]:
    """Width of the vectors, and whether the processor has psadbw in it.

    triple    LLVM's name of the target
    features  of the target, as in "+avx2,-avx512f"
    Returns   (64, 32 or 16 bytes, bool)
    """
    held = set(features.split(","))
    x86 = triple.startswith("x86_64")
    if x86 and "+avx512bw" in held:
        return 64, True
    if x86 and "+avx2" in held:
        return 32, True
    return 16, x86  # every 64-bit x86 has SSE2


def target() -> tuple[int, bool]:
    """vector_bytes of the processor that numba compiles for (NUMBA_CPU_NAME and NUMBA_CPU_FEATURES count)."""
    triple, _, features = cpu_target.target_context.codegen().magic_tuple()
    return vector_bytes(triple, features)


def packed(rows: NDArray[Any], lengths: tuple[int, ...]) -> NDArray[Any]:
    """A copy of `rows` [n, D] with zeros below and to the right, in an array that starts on a cache line.

    lengths  of the array: (n', D') or, for bricks, (B, G, 32, bytes or floats of a group)
    """
    array = on_line(lengths, rows.dtype)
    if len(lengths) == 2:
        array[: len(rows), : rows.shape[1]] = rows
        return array
    bricks, groups, tall, wide = lengths
    whole, rest = divmod(rows.shape[1], wide)
    for brick in range(bricks):
        part = rows[brick * tall : (brick + 1) * tall]
        array[brick, :whole, : len(part)] = part[:, : whole * wide].reshape(len(part), whole, wide).transpose(1, 0, 2)
        if rest:
            array[brick, groups - 1, : len(part), :rest] = part[:, whole * wide :]
    return array


def sum_of_differences(builder: Any, query: Any, train: Any, width: int, native: bool) -> Any:
    """|q - t| of the 8 bytes in each 64-bit lane, added up."""
    lanes = ir.VectorType(_I64, width // 8)
    if native:
        kind = ir.FunctionType(lanes, [query.type, query.type])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, _PSADBW[width]), [query, train])
    more = builder.icmp_unsigned(">", query, train)
    total = builder.select(more, builder.sub(query, train), builder.sub(train, query))
    for bits in (8, 16, 32):  # bytes in pairs, then pairs in pairs, then the two halves
        wider = ir.VectorType(ir.IntType(2 * bits), width * 4 // bits)
        total = builder.bitcast(total, wider)
        shift, low = (ir.Constant(wider, [number] * wider.count) for number in (bits, 2**bits - 1))
        total = builder.add(builder.and_(total, low), builder.lshr(total, shift))
    return total


def folded(builder: Any, operation: int, query: Any, train: Any) -> Any:
    """One feature's part of the sum."""
    if operation == DOT:
        return builder.fmul(query, train)
    apart = builder.fsub(query, train)
    if operation == L2:
        return builder.fmul(apart, apart)
    kind = ir.FunctionType(apart.type, [apart.type])
    name = f"llvm.fabs.v{apart.type.count}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [apart])


def _tile(builder: Any, step: Any, vector: Any, vectors: int, group: int, value: Any, args: Any) -> list[list[Any]]:
    """The loop over groups of features, and the sums that it leaves: QUERIES x vectors of them, in registers."""
    queries, stride, train, groups = args
    number = ir.Constant
    before, loop, after = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("after")
    builder.branch(loop)
    builder.position_at_end(loop)
    at = builder.phi(_I64)
    sums = [[builder.phi(vector) for _ in range(vectors)] for _ in range(QUERIES)]
    width = vector.count * (value.width // 8 if isinstance(value, ir.IntType) else 4)
    size = group // ROWS  # bytes of one row
    here = builder.add(train, builder.mul(at, number(_I64, group)))
    rows = [
        builder.load(builder.inttoptr(builder.add(here, number(_I64, v * width)), vector.as_pointer()), align=4)
        for v in range(vectors)
    ]
    column = builder.add(queries, builder.mul(at, number(_I64, size)))
    first = number(ir.VectorType(_I32, vector.count), [0] * vector.count)
    blank = number(vector, ir.Undefined)
    for q, line in enumerate(sums):
        place = builder.add(column, builder.mul(stride, number(_I64, q)))
        scalar = builder.load(builder.inttoptr(place, value.as_pointer()), align=4)
        query = builder.shuffle_vector(builder.insert_element(blank, scalar, number(_I32, 0)), blank, first)
        for v, total in enumerate(line):
            total.add_incoming(number(vector, [0] * vector.count), before)
            line[v] = step(total, query, rows[v])
            total.add_incoming(line[v], loop)
    following = builder.add(at, number(_I64, 1))
    at.add_incoming(number(_I64, 0), before)
    at.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, groups), loop, after)
    builder.position_at_end(after)
    return sums


def _store(builder: Any, sums: list[list[Any]], element: Any, size: int, out: Any, stride: Any) -> None:
    for q, line in enumerate(sums):
        base = builder.add(out, builder.mul(stride, ir.Constant(_I64, q)))
        for v, total in enumerate(line):
            kind = ir.VectorType(element, total.type.count)
            place = builder.add(base, ir.Constant(_I64, v * total.type.count * size))
            value = total if kind == total.type else builder.trunc(total, kind)
            builder.store(value, builder.inttoptr(place, kind.as_pointer()), align=size)


def _vectors(width: int) -> int:
    """Training vectors of a tile of 8-bit rows: what the processor's registers hold."""
    return 4 if width == 64 else 2


@emitted
def _bytes_per_pass(_: Any, keys: Any) -> Any:
    """Bytes of a group that one tile of 8-bit rows takes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width, _ = target()
        return ir.Constant(_I64, width * _vectors(width))

    return types.intp(keys), generate


@emitted
def _floats_per_pass(_: Any, keys: Any) -> Any:
    """Bytes of a group that one tile of float32 rows takes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(_I64, target()[0] * 2)

    return types.intp(keys), generate


@emitted
def _sad_tile(_: Any, keys: Any, queries: Any, stride: Any, train: Any, groups: Any, out: Any, line: Any) -> Any:
    """Sums of absolute differences of one tile, stored as the type of `keys` (uint16 or uint32)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide, native = target()
        lanes, raw = ir.VectorType(_I64, wide // 8), ir.VectorType(_I8, wide)

        def step(total: Any, query: Any, rows: Any) -> Any:
            query, rows = builder.bitcast(query, raw), builder.bitcast(rows, raw)
            return builder.add(total, sum_of_differences(builder, query, rows, wide, native))

        sums = _tile(builder, step, lanes, _vectors(wide), ROWS * GROUP, _I64, args[1:5])
        bits = signature.args[0].dtype.bitwidth
        _store(builder, sums, ir.IntType(bits), bits // 8, args[5], args[6])
        return context.get_dummy_value()

    return types.void(keys, *[types.intp] * 6), generate


def _float_tile(operation: int) -> Any:
    def typed(_: Any, queries: Any, stride: Any, train: Any, groups: Any, out: Any, line: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            def step(total: Any, query: Any, rows: Any) -> Any:
                return builder.fadd(total, folded(builder, operation, query, rows))

            vector = ir.VectorType(_F32, target()[0] // 4)
            _store(builder, _tile(builder, step, vector, 2, ROWS * 4, _F32, args[:4]), _F32, 4, args[4], args[5])
            return context.get_dummy_value()

        return types.void(*[types.intp] * 6), generate

    return emitted(typed)


_l1_tile, _l2_tile, _dot_tile = _float_tile(L1), _float_tile(L2), _float_tile(DOT)


@compiled
def sad(queries: NDArray[np.uint8], bricks: NDArray[np.uint8], keys: NDArray[Any]) -> None:
    """L1 distances of 8-bit rows.

    queries  uint8 [M, 8 G], M a multiple of 6
    bricks   uint8 [B, G, 32, 8], G at least 1
    keys     uint16 or uint32 [M, 32 B], filled; the caller knows that every distance fits
    """
    groups, part = bricks.shape[1], _bytes_per_pass(keys)
    wide, line = queries.shape[1], keys.strides[0]
    first, train, out = queries.ctypes.data, bricks.ctypes.data, keys.ctypes.data
    for brick in range(bricks.shape[0]):
        for q in range(0, queries.shape[0], QUERIES):
            for offset in range(0, ROWS * GROUP, part):
                place = out + q * line + (brick * ROWS + offset // GROUP) * keys.itemsize
                _sad_tile(
                    keys, first + q * wide, wide, train + brick * groups * ROWS * GROUP + offset, groups, place, line
                )


@compiled
def fold(queries: NDArray[np.float32], bricks: NDArray[np.float32], operation: int, sums: NDArray[np.float32]) -> None:
    """Sums over the features of float32 rows, first feature first.

    queries    float32 [M, G], M a multiple of 6
    bricks     float32 [B, G, 32, 1], G at least 1
    operation  L1, L2 or DOT
    sums       float32 [M, 32 B], filled
    """
    groups, part = bricks.shape[1], _floats_per_pass(sums)
    wide, line = queries.shape[1] * 4, sums.strides[0]
    first, train, out = queries.ctypes.data, bricks.ctypes.data, sums.ctypes.data
    for brick in range(bricks.shape[0]):
        for q in range(0, queries.shape[0], QUERIES):
            for offset in range(0, ROWS * 4, part):
                place, here = out + q * line + brick * ROWS * 4 + offset, train + brick * groups * ROWS * 4 + offset
                if operation == L1:
                    _l1_tile(first + q * wide, wide, here, groups, place, line)
                elif operation == L2:
                    _l2_tile(first + q * wide, wide, here, groups, place, line)
                else:
                    _dot_tile(first + q * wide, wide, here, groups, place, line)
