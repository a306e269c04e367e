"""Inner loops of the compiled network, in registers, written in LLVM's terms: products of pairs of bfloat16, summed.

One AVX512-BF16 instruction multiplies 16 pairs with 16 pairs and adds both products to 16 float32 sums. A tile keeps
the sums of some places by 16 or 32 channels in registers. Of the left operand it takes 2 neighbouring values at a time,
for all channels; the right one is packed so that 16 pairs stand side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from sanitize.jit import callable_from_outside
from sanitize.learners.compiled.llvm import I32, LANES, NUMBERS, REALS, WORDS, ZEROS, at, counted, number, written

WIDTHS = (16, 14, 8, 7, 6, 4, 2, 1)  # places of a tile
Lefts = Callable[[Any, Any], Sequence[Any]]  # builder, address of a line -> where the pairs of every place begin


def _multiplied(builder: Any, total: Any, left: Any, right: Any) -> Any:
    kind = ir.FunctionType(REALS, [REALS, WORDS, WORDS])
    found = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512bf16.dpbf16ps.512")
    return builder.call(found, [total, left, right])


def _spread(builder: Any, pair: Any) -> Any:
    blank = ir.Constant(WORDS, ir.Undefined)
    return builder.shuffle_vector(
        builder.insert_element(blank, pair, ir.Constant(I32, 0)), blank, ir.Constant(WORDS, [0] * LANES)
    )


def _summed(
    builder: Any,
    lefts: Lefts,
    starts: list[Any],
    vectors: int,
    lines: tuple[Any, Any, Any],
    pairs: tuple[Any, Any],
    right: Any,
) -> list[Any]:
    """Sums over all pairs of all lines: place by place, `vectors` each.

    lefts   the places' first addresses in one line
    starts  the sums to begin with
    lines   address of the first line, bytes from line to line, number of lines
    pairs   bytes from a pair to the next, pairs of a line
    right   packed, [line, pair, vector, 16] of 4 bytes
    """
    address, stride, count = lines

    def line_done(_: Any, values: list[Any]) -> list[Any]:
        left, packed, *sums = values
        bases = lefts(builder, left)

        def pair_done(pair: Any, values: list[Any]) -> list[Any]:
            place, *sums = values
            offset = builder.mul(pair, pairs[0])
            columns = [builder.load(at(builder, place, 64 * v, WORDS), align=4) for v in range(vectors)]
            made = []
            for where, base in enumerate(bases):
                both = _spread(builder, builder.load(at(builder, base, offset, I32), align=2))
                made += [_multiplied(builder, sums[where * vectors + v], both, columns[v]) for v in range(vectors)]
            return [builder.add(place, number(64 * vectors)), *made]

        after, *sums = counted(builder, pairs[1], [packed, *sums], pair_done)
        return [builder.add(left, stride), after, *sums]

    return counted(builder, count, [address, right, *starts], line_done)[2:]


def row_tile(vectors: int, step: int) -> Any:
    """A convolution's sums for some neighbouring places of a row: a function for compiled code.

    vectors  of 16 channels that come out, 1 or 2
    step     bytes from one place's input to the next one's; 0: told at run time
    Its arguments are addresses and numbers: places (one of WIDTHS, at most 16, for two vectors 14), input of the
    first place, bytes from one of the kernel's lines to the next, lines, pairs of a line, packed weights, bytes of a
    step, sums (float32, filled), bytes from one place's sums to the next one's.
    """
    most = 16 if vectors == 1 else 14

    def write(builder: Any, args: list[Any]) -> None:
        size, address, stride, lines, pairs, right, told, out, out_step = args
        apart = number(step) if step else told
        done = builder.append_basic_block("done")
        choice = builder.switch(size, done)
        for places in (width for width in WIDTHS if width <= most):
            block = builder.append_basic_block(f"places{places}")
            choice.add_case(number(places), block)
            builder.position_at_end(block)

            def lefts(builder: Any, line: Any, places: int = places) -> list[Any]:
                return [builder.add(line, builder.mul(apart, number(place))) for place in range(places)]

            sums = _summed(
                builder,
                lefts,
                [ZEROS] * (places * vectors),
                vectors,
                (address, stride, lines),
                (number(4), pairs),
                right,
            )
            for where, total in enumerate(sums):
                place = builder.add(out, builder.mul(out_step, number(where // vectors)))
                builder.store(total, at(builder, place, 64 * (where % vectors), REALS), align=4)
            builder.branch(done)
        builder.position_at_end(done)

    return written(write)


def weight_tile(vectors: int, taps: int, tap: int) -> Any:
    """What one image adds to the weights' gradient of one input channel: a function for compiled code.

    vectors  of 16 channels that come out, 1 or 2
    taps     of the kernel, in each direction
    tap      bytes from a tap's input to the next one's in its line; 0: told at run time
    Its arguments: the channel's input, in pairs of neighbouring places; bytes of a line of it; bytes from the line of
    a row that comes out to that of the next; rows; bytes from a pair to the next; pairs of a row; bytes of a tap;
    packed gradient; the sums (float32 [taps, taps, 16 vectors], added to).
    """

    def write(builder: Any, args: list[Any]) -> None:
        address, line, stride, rows, step, pairs, told, right, out = args
        apart = number(tap) if tap else told

        def lefts(builder: Any, first: Any) -> list[Any]:
            downs = [builder.add(first, builder.mul(line, number(down))) for down in range(taps)]
            return [builder.add(down, builder.mul(apart, number(across))) for down in downs for across in range(taps)]

        places = [at(builder, out, 64 * where, REALS) for where in range(taps * taps * vectors)]
        starts = [builder.load(place, align=4) for place in places]
        sums = _summed(builder, lefts, starts, vectors, (address, stride, rows), (step, pairs), right)
        for place, total in zip(places, sums, strict=True):
            builder.store(total, place, align=4)

    return written(write)


_rows_1_4, _rows_1_12, _rows_1, _rows_1_64 = row_tile(1, 4), row_tile(1, 12), row_tile(1, 0), row_tile(1, 64)
_rows_2_32, _rows_2_64, _rows_2_128 = row_tile(2, 32), row_tile(2, 64), row_tile(2, 128)
_weights_4, _weights_64, _weights_128 = weight_tile(1, 4, 0), weight_tile(2, 3, 64), weight_tile(2, 3, 128)


@callable_from_outside(NUMBERS)
def first_grey(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """First layer, one channel: see `row_tile`."""
    _rows_1_4(a, b, c, d, e, f, g, h, i)


@callable_from_outside(NUMBERS)
def first_rgb(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """First layer, three channels."""
    _rows_1_12(a, b, c, d, e, f, g, h, i)


@callable_from_outside(NUMBERS)
def first_any(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """First layer, any number of channels."""
    _rows_1(a, b, c, d, e, f, g, h, i)


@callable_from_outside(NUMBERS)
def second(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """Second layer."""
    _rows_2_32(a, b, c, d, e, f, g, h, i)


@callable_from_outside(NUMBERS)
def third(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """Third layer, 32 of its channels."""
    _rows_2_64(a, b, c, d, e, f, g, h, i)


@callable_from_outside(NUMBERS)
def back_to_second(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """From the third layer's gradient to the second's."""
    _rows_2_128(a, b, c, d, e, f, g, h, i)


@callable_from_outside(NUMBERS)
def back_to_first(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """From the second layer's gradient to the first's."""
    _rows_1_64(a, b, c, d, e, f, g, h, i)


@callable_from_outside(NUMBERS)
def first_weights(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """Gradient of the first layer's weights: see `weight_tile`."""
    _weights_4(a, b, c, d, e, f, g, h, i)


@callable_from_outside(NUMBERS)
def second_weights(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """Gradient of the second layer's weights."""
    _weights_64(a, b, c, d, e, f, g, h, i)


@callable_from_outside(NUMBERS)
def third_weights(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None:
    """Gradient of the third layer's weights, for 32 channels out."""
    _weights_128(a, b, c, d, e, f, g, h, i)
