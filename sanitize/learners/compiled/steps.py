"""Steps of the network `cnn`, compiled: what lies between two batch norms is done image by image, in the cache.

Layers are 1 to 3: convolution, (2 and 3) the maximum of 2 x 2, batch norm, ReLU; then the mean of all places, and a
linear head. Values and gradients between layers are kept as bfloat16, sums as float32 or float64. The inner loops are
those of `products` and `sweeps`, called by their addresses.
"""

# images begin..end-1 of a batch; K channels in, O out, H x W places, h x w of them after the maximum, C classes
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sanitize.jit import inner
from sanitize.learners.compiled import products, sweeps
from sanitize.learners.compiled.llvm import call, to_bits, to_real
from sanitize.learners.compiled.products import WIDTHS
from sanitize.learners.compiled.sweeps import SCALE, SHIFT

Array = NDArray[Any]
TILES = (
    products.first_grey, products.first_rgb, products.first_any, products.second, products.third,
    products.back_to_second, products.back_to_first, products.first_weights, products.second_weights,
    products.third_weights, sweeps.activate, sweeps.keep, sweeps.pool, sweeps.unnorm, sweeps.unpool, sweeps.mask,
    sweeps.pair,
)  # fmt: skip
# Numpy's integers: numba compiles a function once for all of them, but once for each constant of Python's.
NUMBERS: Any = np.arange(len(TILES))
(
    GREY, RGB, ANY, SECOND, THIRD, TO_SECOND, TO_FIRST, WEIGHTS_1, WEIGHTS_2, WEIGHTS_3, ACTIVATE, KEEP, POOL, UNNORM,
    UNPOOL, MASK, PAIR,
) = NUMBERS  # fmt: skip
ADDRESSES = np.array([tile.address for tile in TILES], np.int64)


@inner
def _words(count: int) -> Array:
    """Zeros, uint32 [count], that start on a cache line: vectors of 64 bytes then lie in one."""
    memory = np.zeros(count + 16, np.uint32)
    first = (-memory.ctypes.data % 64) // 4
    return memory[first : first + count]


@inner
def _bits(lines: int, places: int, channels: int) -> Array:
    """Zeros, uint16 [lines, places, channels]; channels even."""
    return _words(lines * places * channels // 2).view(np.uint16).reshape((lines, places, channels))


@inner
def _reals(lines: int, places: int, channels: int) -> Array:
    """Zeros, float32 [lines, places, channels]."""
    return _words(lines * places * channels).view(np.float32).reshape((lines, places, channels))


@inner
def _repeated(value_K: Array, times: int) -> Array:
    """The values of all channels for every place of a row: float32 [times K]."""
    found = np.empty(times * len(value_K), np.float32)
    for w in range(times):
        for k in range(len(value_K)):
            found[w * len(value_K) + k] = value_K[k]
    return found


@inner
def enter(image_NHWK: Array, row_n: Array, move_n3: Array, mean_K: Array, inverse_K: Array, input_nHWK: Array) -> None:
    """Windows of some images, normalised, as bits, into the middle of `input`, which has a border.

    image  uint8, all rows, each as large as a window and the greatest move
    row    int64, positions, 0..N-1
    move   int64: pixels down and right of the window's corner, and whether it is turned left to right
    """
    _, tall, broad, channels = input_nHWK.shape
    width = broad - 2
    mean, inverse = _repeated(mean_K, width), _repeated(inverse_K, width)
    for i in range(len(row_n)):
        down, right, turned = move_n3[i]
        for h in range(tall - 2):
            given = image_NHWK[row_n[i], down + h].reshape(-1)[right * channels :]
            out = input_nHWK[i, h + 1].reshape(-1)[channels:]
            for j in range(width * channels):
                out[j] = to_bits((np.float32(given[j]) - mean[j]) * inverse[j])
            if turned:
                for w in range(width // 2):
                    for k in range(channels):
                        here, there = w * channels + k, (width - 1 - w) * channels + k
                        out[here], out[there] = out[there], out[here]


@inner
def _size(width: int, most: int) -> int:
    """The most places of one tile for a row of so many."""
    for size in WIDTHS:
        if size <= width and size <= most:
            return size
    return 1


@inner
def _gathered(held_2L: Array, sum_2L: Array) -> None:
    for line in range(2):
        for k in range(held_2L.shape[1]):
            sum_2L[line, k] += held_2L[line, k]
    held_2L[:] = 0


@inner
def first_layer(
    tile_T: Array, input_nHWK: Array, packed: Array, begin: int, end: int, first_nhwO: Array, sum_2L: Array
) -> None:
    """First convolutions, and the sums that batch norm needs: float64 [2, 64], added to."""
    _, height, width, outer = first_nhwO.shape
    channels, line = input_nHWK.shape[3], input_nHWK.strides[1]
    row, held = _reals(1, width, outer)[0], _reals(1, 2, 64)[0]
    size, step, weights = _size(width, 16), 4 * channels, packed.ctypes.data
    tile = tile_T[GREY] if channels == 1 else tile_T[RGB] if channels == 3 else tile_T[ANY]
    for i in range(begin, end):
        for h in range(height):
            start, at = input_nHWK[i, 2 * h].ctypes.data, 0
            while at < width:
                at = min(at, width - size)
                out = row.ctypes.data + at * 64
                call(tile, size, start + at * step, line, 4, 2 * channels, weights, step, out, 64)
                at += size
            kept = first_nhwO[i, h].ctypes.data
            call(tile_T[KEEP], width, 1, row.ctypes.data, kept, held.ctypes.data, 0, 0, 0, 0)
        _gathered(held, sum_2L)


@inner
def _activated(tile_T: Array, value_hwK: Array, stat_6L: Array, out_hwK: Array) -> None:
    """Batch norm and ReLU of one image, into the middle of a bordered one."""
    height, width, channels = value_hwK.shape
    for h in range(height):
        value, out = value_hwK[h].ctypes.data, out_hwK[h + 1, 1:].ctypes.data
        call(tile_T[ACTIVATE], width, channels // 16, value, stat_6L.ctypes.data, out, 0, 0, 0, 0)


@inner
def _inside(row: int, rows: int) -> tuple[int, int]:
    """Which of three lines around a row to begin with, and how many lie in an image of so many rows: 1 at least."""
    begun = 1 if row == 0 else 0
    return begun, max(1, min(3, rows - row + 1) - begun)


@inner
def later_layer(
    tile_T: Array, tile: int, below_nHWK: Array, stat_6L: Array, packed: Array, begin: int, end: int,
    kept_nhwO: Array, where_nhwO: Array, sum_2L: Array,
) -> None:  # fmt: skip
    """Second or third convolutions, and the maxima: what goes into batch norm, and the sums that it needs.

    tile     SECOND or THIRD
    below    bits: what went into the batch norm of the layer below; stat: its statistics
    packed   bits [O / 32, 3, pairs, 2, 16, 2]
    kept     bits, filled; where: 0..3, filled
    sum_2L   float64 [2, 64], added to
    """
    _, height, width, inner = below_nHWK.shape
    _, high, wide, outer = kept_nhwO.shape
    bordered = _bits(height + 2, width + 2, inner)
    rows, held = _reals(2, 2 * wide, outer), _reals(1, 2, 64)[0]
    size, line, step, apart = _size(2 * wide, 14), bordered.strides[0], bordered.strides[1], rows.strides[1]
    for i in range(begin, end):
        _activated(tile_T, below_nHWK[i], stat_6L, bordered)
        for h in range(high):
            for lower in range(2):
                begun, lines = _inside(2 * h + lower, height)
                start, out = bordered[2 * h + lower + begun].ctypes.data, rows[lower].ctypes.data
                for part in range(outer // 32):
                    weights, at = packed[part, begun].ctypes.data, 0
                    while at < 2 * wide:
                        at = min(at, 2 * wide - size)
                        sums = out + at * apart + part * 128
                        call(
                            tile_T[tile], size, start + at * step, line, lines, inner * 3 // 2, weights, 0, sums, apart
                        )
                        at += size
            call(
                tile_T[POOL], wide, outer // 16, rows[0].ctypes.data, rows[1].ctypes.data, kept_nhwO[i, h].ctypes.data,
                where_nhwO[i, h].ctypes.data, held.ctypes.data, 0, 0,
            )  # fmt: skip
        _gathered(held, sum_2L)


@inner
def _head(third_hwK: Array, stat_6L: Array, head_CK: Array, bias_C: Array, feature_K: Array, logit_C: Array) -> None:
    """The mean of the activated places of one image, and its logits."""
    height, width, channels = third_hwK.shape
    scale, shift = stat_6L[SCALE], stat_6L[SHIFT]
    feature_K[:] = 0
    for h in range(height):
        for w in range(width):
            value = third_hwK[h, w]
            for k in range(channels):
                feature_K[k] += max(to_real(value[k]) * scale[k] + shift[k], np.float32(0))
    for k in range(channels):
        feature_K[k] /= np.float32(height * width)
    for c in range(len(bias_C)):
        total = bias_C[c]
        for k in range(channels):
            total += head_CK[c, k] * feature_K[k]
        logit_C[c] = total


@inner
def heads(
    third_nhwK: Array, stat_6L: Array, head_CK: Array, bias_C: Array, begin: int, end: int, logit_nC: Array
) -> None:
    """Logits, float32, filled."""
    feature = np.empty(third_nhwK.shape[3], np.float32)
    for i in range(begin, end):
        _head(third_nhwK[i], stat_6L, head_CK, bias_C, feature, logit_nC[i])


@inner
def head_back(
    third_nhwK: Array, stat_6L: Array, head_CK: Array, bias_C: Array, label_n: Array, begin: int, end: int,
    to_third_nhwK: Array, grad_CK1: Array, sum_2L: Array,
) -> None:  # fmt: skip
    """From what goes into the last batch norm up to the mean cross-entropy of all n images, and back to its output.

    to_third  bits, filled: the gradient of what ReLU let pass
    grad_CK1  float32 [C, K + 1], filled: gradients of the head, and last of its bias
    sum_2L    float64, added to: what batch norm needs of the gradient
    """
    _, high, wide, channels = third_nhwK.shape
    classes, count = len(bias_C), len(label_n)
    scale, shift = stat_6L[SCALE], stat_6L[SHIFT]
    feature, back = np.empty(channels, np.float32), np.empty(channels, np.float32)
    rounded = np.empty(channels, np.uint16)
    logit, slope = np.empty(classes, np.float32), np.empty(classes, np.float32)
    held = np.zeros((2, 64), np.float32)
    grad_CK1[:] = 0
    for i in range(begin, end):
        _head(third_nhwK[i], stat_6L, head_CK, bias_C, feature, logit)
        most, total = logit.max(), np.float32(0)
        for c in range(classes):
            slope[c] = np.exp(logit[c] - most)
            total += slope[c]
        back[:] = 0
        for c in range(classes):
            slope[c] = (slope[c] / total - (1 if c == label_n[i] else 0)) / np.float32(count)
            grad, head = grad_CK1[c], head_CK[c]
            for k in range(channels):
                grad[k] += slope[c] * feature[k]
                back[k] += slope[c] * head[k]
            grad[channels] += slope[c]
        for k in range(channels):
            rounded[k] = to_bits(back[k] / np.float32(high * wide))
        for h in range(high):
            for w in range(wide):
                given, out = third_nhwK[i, h, w], to_third_nhwK[i, h, w]
                for k in range(channels):
                    value = to_real(given[k])
                    out[k] = rounded[k] if value * scale[k] + shift[k] > 0 else 0
                    held[0, k] += to_real(out[k])
                    held[1, k] += to_real(out[k]) * value
        _gathered(held, sum_2L)


@inner
def later_back(
    tile_T: Array, to_weights: int, to_below: int, kept_nhwO: Array, where_nhwO: Array, gradient_nhwO: Array,
    stat_6L: Array, below_nHWK: Array, below_stat_6L: Array, packed: Array, begin: int, end: int,
    to_below_nHWK: Array, grads_pKtO: Array, sum_2L: Array,
) -> None:  # fmt: skip
    """Back through the second or third layer.

    to_weights, to_below  the tiles: WEIGHTS_2 and TO_FIRST, or WEIGHTS_3 and TO_SECOND
    gradient   bits: of what came out of this layer
    packed     bits, as `pack_back` has them
    to_below   bits, filled: the gradient of what came out of the layer below
    grads      float32 [O / 32, K, 9, 32], added to: those of the weights
    sum_2L     float64, added to: what the batch norm below needs of its gradient
    """
    _, high, wide, outer = kept_nhwO.shape
    _, height, width, inner = below_nHWK.shape
    dense, active = _bits(height + 2, width + 2, outer), _bits(height + 2, width + 2, inner)
    inputs = _words((height + 2) * (width + 1) * inner).reshape((height + 2, width + 1, inner))
    pairs = _words(outer * 2 * high * wide).reshape((outer // 32, 2 * high, wide, 32))
    row, held = _reals(1, width, inner)[0], _reals(1, 2, 64)[0]
    size, line, apart = _size(width, 14 if inner == 32 else 16), dense.strides[0], row.strides[0]
    below, stat, along = below_stat_6L.ctypes.data, stat_6L.ctypes.data, inputs.strides[0]
    for i in range(begin, end):
        for h in range(high):
            call(
                tile_T[UNPOOL], wide, outer // 16, kept_nhwO[i, h].ctypes.data, gradient_nhwO[i, h].ctypes.data,
                where_nhwO[i, h].ctypes.data, stat, dense[2 * h + 1, 1:].ctypes.data,
                dense[2 * h + 2, 1:].ctypes.data, 0,
            )  # fmt: skip
        _activated(tile_T, below_nHWK[i], below_stat_6L, active)
        for h in range(2 * high + 2):
            out = inputs[h].ctypes.data
            call(tile_T[PAIR], width + 1, inner // 16, active[h].ctypes.data, 1, out, inner, 0, 0, 0)
        for part in range(outer // 32):
            for h in range(2 * high):
                first, out = dense[h + 1, 1:].ctypes.data + part * 64, pairs[part, h].ctypes.data
                call(tile_T[PAIR], wide, 2, first, 2, out, outer, 0, 0, 0)
            for k in range(inner):
                first, added = inputs.ctypes.data + 4 * k, grads_pKtO[part, k].ctypes.data
                given = pairs[part].ctypes.data
                call(tile_T[to_weights], first, along, along, 2 * high, 8 * inner, wide, 0, given, added)
        for h in range(height):
            begun, lines = _inside(h, 2 * high)
            start, weights, at = dense[h + begun].ctypes.data, packed[begun].ctypes.data, 0
            while at < width:
                at = min(at, width - size)
                sums = row.ctypes.data + at * apart
                call(
                    tile_T[to_below], size, start + at * dense.strides[1], line, lines, outer * 3 // 2, weights, 0,
                    sums, apart,
                )  # fmt: skip
                at += size
            call(
                tile_T[MASK], width, inner // 16, row.ctypes.data, below_nHWK[i, h].ctypes.data, below,
                to_below_nHWK[i, h].ctypes.data, held.ctypes.data, 0, 0,
            )  # fmt: skip
        _gathered(held, sum_2L)


@inner
def first_back(
    tile_T: Array, input_nHWK: Array, first_nhwO: Array, gradient_nhwO: Array, stat_6L: Array, begin: int, end: int,
    grads_KtO: Array,
) -> None:  # fmt: skip
    """Gradients of the first layer's weights, float32 [K, 16, 16], added to."""
    _, height, width, outer = first_nhwO.shape
    _, tall, broad, channels = input_nHWK.shape
    across = (width + 1) // 2
    padded = np.zeros((4 * across + 4) * channels, np.uint16)
    inputs = np.empty((tall, (4 * across + 2) * channels), np.uint32)
    row, pairs = _bits(1, 2 * across, outer)[0], _words(height * across * outer).reshape((height, across, outer))
    stat, line = stat_6L.ctypes.data, inputs.strides[0]
    for i in range(begin, end):
        for h in range(height):
            value, gradient = first_nhwO[i, h].ctypes.data, gradient_nhwO[i, h].ctypes.data
            call(tile_T[UNNORM], width, 1, value, gradient, stat, row.ctypes.data, 0, 0, 0)
            call(tile_T[PAIR], across, 1, row.ctypes.data, 2, pairs[h].ctypes.data, outer, 0, 0, 0)
        for h in range(tall):
            given, out = input_nHWK[i, h].reshape(-1), inputs[h]
            for j in range(broad * channels):
                padded[j] = given[j]
            for j in range(len(out)):  # the places two apart that one tap sees of neighbours
                out[j] = np.uint32(padded[j]) | (np.uint32(padded[j + 2 * channels]) << np.uint32(16))
        for k in range(channels):
            first, added = inputs.ctypes.data + 4 * k, grads_KtO[k].ctypes.data
            step, tap = 16 * channels, 4 * channels
            call(tile_T[WEIGHTS_1], first, line, 2 * line, height, step, across, tap, pairs.ctypes.data, added)
