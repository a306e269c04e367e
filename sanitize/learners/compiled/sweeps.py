"""What goes on between convolutions, row by row, written in LLVM's terms: 16 channels at a time, over all places.

Bits are those of bfloat16; statistics are float32 [6, 64], of which the lines SCALE to CONSTANT are meant; sums are
float32 [2, 64], added to: of what was kept, and of its square (`mask`: its product with the value).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from sanitize.jit import callable_from_outside
from sanitize.learners.compiled.llvm import (
    BITS,
    BYTES,
    HALF,
    LANES,
    NUMBERS,
    REALS,
    WORDS,
    ZEROS,
    at,
    counted,
    number,
    rounded,
    widened,
    written,
)

SCALE, SHIFT, MEAN, INVERSE, SLOPE, CONSTANT = range(6)  # lines of a layer's statistics
LINE = 64  # channels of a line


def _real(builder: Any, address: Any, offset: Any) -> Any:
    """16 float32, `offset` of them after the address."""
    return builder.load(at(builder, address, builder.shl(offset, number(2)), REALS), align=4)


def _bits(builder: Any, address: Any, offset: Any) -> Any:
    return builder.load(at(builder, address, builder.shl(offset, number(1)), BITS), align=2)


def _keep_bits(builder: Any, bits: Any, address: Any, offset: Any) -> None:
    builder.store(bits, at(builder, address, builder.shl(offset, number(1)), BITS), align=2)


def _line(builder: Any, stat: Any, line: int, block: Any) -> Any:
    """16 channels of a line of a layer's statistics."""
    return _real(builder, stat, builder.add(block, number(line * LINE)))


def _activated(builder: Any, value: Any, scale: Any, shift: Any) -> Any:
    return builder.fadd(builder.fmul(value, scale), shift)


def _swept(
    places: Any, blocks: Any, builder: Any, sums: Any, step: Callable[[Any, Any, Any], Callable[[Any, list[Any]], Any]]
) -> None:
    """Go over a row: for 16 channels at a time, over all places.

    sums  address of two lines of sums that are added to; None: none
    step  builder, first channel, channels -> a function of the place and the sums so far, which gives the next sums
    """
    channels = builder.shl(blocks, number(4))

    def block_done(turn: Any, _: list[Any]) -> list[Any]:
        block = builder.shl(turn, number(4))
        held = [] if sums is None else [_line(builder, sums, line, block) for line in range(2)]
        for line, total in enumerate(counted(builder, places, held, step(builder, block, channels))):
            where = builder.shl(builder.add(block, number(line * LINE)), number(2))
            builder.store(total, at(builder, sums, where, REALS), align=4)
        return []

    counted(builder, blocks, [], block_done)


def _activate(builder: Any, args: list[Any]) -> None:
    places, blocks, value, stat, out = args[:5]

    def step(builder: Any, block: Any, channels: Any) -> Any:
        scale, shift = (_line(builder, stat, line, block) for line in (SCALE, SHIFT))

        def row(place: Any, _: list[Any]) -> list[Any]:
            here = builder.add(builder.mul(place, channels), block)
            found = _activated(builder, widened(builder, _bits(builder, value, here)), scale, shift)
            positive = builder.fcmp_ordered(">", found, ZEROS)
            _keep_bits(builder, rounded(builder, builder.select(positive, found, ZEROS)), out, here)
            return []

        return row

    _swept(places, blocks, builder, None, step)


def _keep(builder: Any, args: list[Any]) -> None:
    places, blocks, given, kept, sums = args[:5]

    def step(builder: Any, block: Any, channels: Any) -> Any:
        def row(place: Any, held: list[Any]) -> list[Any]:
            here = builder.add(builder.mul(place, channels), block)
            bits = rounded(builder, _real(builder, given, here))
            _keep_bits(builder, bits, kept, here)
            return _added(builder, held, widened(builder, bits), None)

        return row

    _swept(places, blocks, builder, sums, step)


def _added(builder: Any, held: list[Any], value: Any, factor: Any) -> list[Any]:
    """Sums of a value and of its product with the factor (None: itself)."""
    product = builder.fmul(value, value if factor is None else factor)
    return [builder.fadd(held[0], value), builder.fadd(held[1], product)]


def _pool(builder: Any, args: list[Any]) -> None:
    places, blocks, upper, lower, kept, where, sums = args[:7]

    def step(builder: Any, block: Any, channels: Any) -> Any:
        def row(place: Any, held: list[Any]) -> list[Any]:
            here = builder.add(builder.mul(place, channels), block)
            left = builder.add(builder.mul(builder.shl(place, number(1)), channels), block)
            right = builder.add(left, channels)
            most, corner = _real(builder, upper, left), ir.Constant(BYTES, [0] * LANES)
            for which, (line, offset) in enumerate(((upper, right), (lower, left), (lower, right)), 1):
                other = _real(builder, line, offset)
                more = builder.fcmp_ordered(">", other, most)
                most = builder.select(more, other, most)
                corner = builder.select(more, ir.Constant(BYTES, [which] * LANES), corner)
            bits = rounded(builder, most)
            _keep_bits(builder, bits, kept, here)
            builder.store(corner, at(builder, where, here, BYTES), align=1)
            return _added(builder, held, widened(builder, bits), None)

        return row

    _swept(places, blocks, builder, sums, step)


def _before_norm(builder: Any, stat: Any, block: Any) -> Callable[[Any, Any], Any]:
    """Bits of a value, and of the gradient after batch norm and ReLU (zero where that let nothing pass) -> before."""
    scale, slope, constant = (_line(builder, stat, line, block) for line in (SCALE, SLOPE, CONSTANT))

    def found(value: Any, gradient: Any) -> Any:
        line = builder.fadd(builder.fmul(widened(builder, value), slope), constant)
        return rounded(builder, builder.fadd(builder.fmul(widened(builder, gradient), scale), line))

    return found


def _unnorm(builder: Any, args: list[Any]) -> None:
    places, blocks, value, gradient, stat, out = args[:6]

    def step(builder: Any, block: Any, channels: Any) -> Any:
        before = _before_norm(builder, stat, block)

        def row(place: Any, _: list[Any]) -> list[Any]:
            here = builder.add(builder.mul(place, channels), block)
            _keep_bits(builder, before(_bits(builder, value, here), _bits(builder, gradient, here)), out, here)
            return []

        return row

    _swept(places, blocks, builder, None, step)


def _unpool(builder: Any, args: list[Any]) -> None:
    places, blocks, value, gradient, where, stat, upper, lower = args[:8]

    def step(builder: Any, block: Any, channels: Any) -> Any:
        before = _before_norm(builder, stat, block)

        def row(place: Any, _: list[Any]) -> list[Any]:
            here = builder.add(builder.mul(place, channels), block)
            left = builder.add(builder.mul(builder.shl(place, number(1)), channels), block)
            right = builder.add(left, channels)
            whole = before(_bits(builder, value, here), _bits(builder, gradient, here))
            corner = builder.load(at(builder, where, here, BYTES), align=1)
            for which, (line, offset) in enumerate(((upper, left), (upper, right), (lower, left), (lower, right))):
                same = builder.icmp_unsigned("==", corner, ir.Constant(BYTES, [which] * LANES))
                _keep_bits(builder, builder.select(same, whole, ir.Constant(BITS, [0] * LANES)), line, offset)
            return []

        return row

    _swept(places, blocks, builder, None, step)


def _mask(builder: Any, args: list[Any]) -> None:
    places, blocks, given, value, stat, out, sums = args[:7]

    def step(builder: Any, block: Any, channels: Any) -> Any:
        scale, shift = (_line(builder, stat, line, block) for line in (SCALE, SHIFT))

        def row(place: Any, held: list[Any]) -> list[Any]:
            here = builder.add(builder.mul(place, channels), block)
            below = widened(builder, _bits(builder, value, here))
            passed = builder.fcmp_ordered(">", _activated(builder, below, scale, shift), ZEROS)
            bits = rounded(builder, builder.select(passed, _real(builder, given, here), ZEROS))
            _keep_bits(builder, bits, out, here)
            return _added(builder, held, widened(builder, bits), below)

        return row

    _swept(places, blocks, builder, sums, step)


def _pair(builder: Any, args: list[Any]) -> None:
    places, blocks, given, every, out, line = args[:6]

    def step(builder: Any, block: Any, channels: Any) -> Any:
        def row(place: Any, _: list[Any]) -> list[Any]:
            first = builder.add(builder.mul(builder.mul(place, every), line), block)
            low, high = (_bits(builder, given, offset) for offset in (first, builder.add(first, line)))
            words = builder.or_(builder.zext(low, WORDS), builder.shl(builder.zext(high, WORDS), HALF))
            here = builder.shl(builder.add(builder.mul(place, channels), block), number(2))
            builder.store(words, at(builder, out, here, WORDS), align=4)
            return []

        return row

    _swept(places, blocks, builder, None, step)


_activate_row, _keep_row, _pool_row, _unnorm_row, _unpool_row, _mask_row, _pair_row = (
    written(_activate),
    written(_keep),
    written(_pool),
    written(_unnorm),
    written(_unpool),
    written(_mask),
    written(_pair),
)


@callable_from_outside(NUMBERS)
def activate(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """Batch norm and ReLU: places, blocks, value, statistics, out."""
    _activate_row(a, b, c, d, e, f, g, h, i)


@callable_from_outside(NUMBERS)
def keep(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """Float32 to bfloat16, with sums: places, blocks, given, kept, sums."""
    _keep_row(a, b, c, d, e, f, g, h, i)


@callable_from_outside(NUMBERS)
def pool(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """The first maximum of every 2 x 2 of two rows: places, blocks, upper, lower, kept, where, sums."""
    _pool_row(a, b, c, d, e, f, g, h, i)


@callable_from_outside(NUMBERS)
def unnorm(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """Back through batch norm: places, blocks, value, gradient after it, statistics, out."""
    _unnorm_row(a, b, c, d, e, f, g, h, i)


@callable_from_outside(NUMBERS)
def unpool(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """Back through batch norm and the maximum: places, blocks, value, gradient, where, statistics, upper, lower."""
    _unpool_row(a, b, c, d, e, f, g, h, i)


@callable_from_outside(NUMBERS)
def mask(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """Back through ReLU, with sums: places, blocks, gradient, value, statistics, out, sums."""
    _mask_row(a, b, c, d, e, f, g, h, i)


@callable_from_outside(NUMBERS)
def pair(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """Neighbours side by side, the earlier in the lower half: places, blocks, row, every, out, channels of a row."""
    _pair_row(a, b, c, d, e, f, g, h, i)
