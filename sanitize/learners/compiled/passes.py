"""A whole step of the network `cnn`, compiled: both halves of a batch one after the other, or one in each thread.

A step has PHASES phases, because batch norm needs sums over the whole batch. Two threads meet after each of them, and
wait busily: a phase takes less than waking a thread would.
"""

# n images of a batch; K channels; three layers, whose arrays come in tuples
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sanitize.jit import compiled, inner
from sanitize.learners.compiled.batches import fit_line, judge, pack, recall, unpack
from sanitize.learners.compiled.llvm import added_at, paused, seen_at, set_at
from sanitize.learners.compiled.steps import (
    SECOND,
    THIRD,
    TO_FIRST,
    TO_SECOND,
    WEIGHTS_2,
    WEIGHTS_3,
    enter,
    first_back,
    first_layer,
    head_back,
    heads,
    later_back,
    later_layer,
)

Array = NDArray[Any]
Arrays = tuple[Any, ...]
PHASES = 7
ASKED = 16  # images that are asked about at once: they fit into the cache
BOTH, FIRST_HALF, SECOND_HALF = range(3)  # what one call works on
BEGINNING: Any = np.int64(0)  # of images, of a layer's channels; numpy's integer: see `steps.NUMBERS`
MIDDLE: Any = np.int64(32)  # of the third layer's channels


@inner
def meet(gate: Array) -> None:
    """Wait until the other thread is here as well. gate: int64 [16], of zeros at first."""
    turn = seen_at(gate.ctypes.data + 64)
    if added_at(gate.ctypes.data, 1) == 1:
        set_at(gate.ctypes.data, 0)
        set_at(gate.ctypes.data + 64, turn + 1)
        return
    while seen_at(gate.ctypes.data + 64) == turn:
        paused(gate.ctypes.data)


@inner
def _work(
    phase: int, half: int, tile_T: Array, images: Arrays, head: Arrays, input_nHWK: Array, values: Arrays,
    slopes: Arrays, where: Arrays, stats: Array, sums: Array, packed: Arrays, grads: Arrays,
) -> None:  # fmt: skip
    """One phase for one half of a batch."""
    n = len(images[1])
    begin, end = (0, (n + 1) // 2) if half == 0 else ((n + 1) // 2, n)
    one, two, three = values
    if phase == 0:
        image, row, move, _, mean, inverse = images
        enter(image, row[begin:end], move[begin:end], mean, inverse, input_nHWK[begin:end])
        first_layer(tile_T, input_nHWK, packed[0], begin, end, one, sums[half])
    elif phase == 1:
        later_layer(tile_T, SECOND, one, stats[0], packed[1], begin, end, two, where[1], sums[half])
    elif phase == 2:
        later_layer(tile_T, THIRD, two, stats[1], packed[2], begin, end, three, where[2], sums[half])
    elif phase == 3:
        head_back(three, stats[2], head[0], head[1], images[3], begin, end, slopes[2], grads[3][half], sums[half])
    elif phase == 4:
        grads[2][half] = 0
        later_back(
            tile_T, WEIGHTS_3, TO_SECOND, three, where[2], slopes[2], stats[2], two, stats[1], packed[4], begin, end,
            slopes[1], grads[2][half], sums[half],
        )  # fmt: skip
    elif phase == 5:
        grads[1][half] = 0
        later_back(
            tile_T, WEIGHTS_2, TO_FIRST, two, where[1], slopes[1], stats[1], one, stats[0], packed[3], begin, end,
            slopes[0], grads[1][half], sums[half],
        )  # fmt: skip
    else:
        grads[0][half] = 0
        first_back(tile_T, input_nHWK, one, slopes[0], stats[0], begin, end, grads[0][half])


@compiled
def pack_forward(kernels: Arrays, packed: Arrays) -> None:
    """Weights of all layers, as the tiles want them for the way forward."""
    pack(kernels[0], packed[0], BEGINNING)
    pack(kernels[1], packed[1][0], BEGINNING)
    for part in range(2):
        pack(kernels[2], packed[2][part], 32 * part)


@inner
def pack_backward(turned: Arrays, packed: Arrays) -> None:
    """Weights of both later layers, for the way back."""
    pack(turned[0], packed[3], BEGINNING)
    pack(turned[1], packed[4], BEGINNING)


@compiled
def step(
    which: int, gate: Array, tile_T: Array, images: Arrays, turned: Arrays, kernels: Arrays, norms: Arrays,
    head: Arrays, momentum: float, eps: float, input_nHWK: Array, values: Arrays, slopes: Arrays, where: Arrays,
    stats: Array, sums: Array, packed: Arrays, grads: Arrays, kernel_grads: Arrays, norm_grads: Arrays,
    head_grads: Arrays,
) -> None:  # fmt: skip
    """Gradients of the mean cross-entropy of a batch; batch norm remembers the batch.

    which        BOTH, or one half while another thread works on the other with the same arguments
    images       all rows' (uint8 [N, ...]), rows int64 [n], moves int64 [n, 3], labels int64 [n], mean and inverse [K]
    turned       of both later layers, kernels of the inputs' gradients: [in, h, w, out], turned by half a turn; views
    kernels      float32 [out, h, w, in] of the three layers
    norms        of each layer weight, bias, remembered mean and variance: 12 arrays, float32
    head         float32 [C, 64] and [C]
    input ...    memory, as `cnn.CnnEngine` lays it out
    kernel_grads, norm_grads, head_grads   filled, as the parameters lie
    """
    n = len(images[1])
    if which != SECOND_HALF:
        pack_forward(kernels, packed)
    if which != FIRST_HALF:
        pack_backward(turned, packed)
    if which != BOTH:
        meet(gate)
    for phase in range(PHASES):
        for half in range(2):
            if which == BOTH or which == half + 1:
                _work(
                    phase, half, tile_T, images, head, input_nHWK, values, slopes, where, stats, sums, packed, grads,
                )  # fmt: skip
        if which != BOTH:
            meet(gate)
        if which != SECOND_HALF:
            for layer in range(3):
                places = n * values[layer].shape[1] * values[layer].shape[2]
                if phase == layer:
                    weight, bias, mean, variance = (
                        norms[4 * layer], norms[4 * layer + 1], norms[4 * layer + 2], norms[4 * layer + 3],
                    )  # fmt: skip
                    judge(sums, places, weight, bias, mean, variance, momentum, eps, stats[layer])
                if phase == 5 - layer:
                    fit_line(sums, places, stats[layer], norm_grads[2 * layer], norm_grads[2 * layer + 1])
        if which != BOTH:
            meet(gate)
    if which != SECOND_HALF:
        unpack(grads[0], BEGINNING, kernel_grads[0])
        unpack(grads[1][:, 0], BEGINNING, kernel_grads[1])
        unpack(grads[2][:, 0], BEGINNING, kernel_grads[2])
        for c in range(len(head_grads[1])):  # assigning whole slices costs a second of compiling
            for k in range(head_grads[0].shape[1]):
                head_grads[0][c, k] = grads[3][0, c, k] + grads[3][1, c, k]
            head_grads[1][c] = grads[3][0, c, -1] + grads[3][1, c, -1]
    if which != FIRST_HALF:
        unpack(grads[2][:, 1], MIDDLE, kernel_grads[2])


@compiled
def ask(
    begin: int, end: int, room: int, tile_T: Array, images: Arrays, norms: Arrays, head: Arrays, eps: float,
    input_nHWK: Array, values: Arrays, where: Arrays, stats: Array, sums: Array, packed: Arrays,
    logit_nC: Array,
) -> None:  # fmt: skip
    """Logits of images begin..end-1, filled, with what batch norm remembers.

    room     where the memory of ASKED images begins that this thread may use
    images   all rows', rows [n], moves [n, 3], mean and inverse
    stats    float32 [3, 6, 64], this thread's own
    sums     float64 [2, 64], of no use afterwards
    packed   as `pack_forward` has left it
    """
    recall(norms[0], norms[1], norms[2], norms[3], eps, stats[0])
    recall(norms[4], norms[5], norms[6], norms[7], eps, stats[1])
    recall(norms[8], norms[9], norms[10], norms[11], eps, stats[2])
    image, row, move, mean, inverse = images
    given, first, second, third = (
        input_nHWK[room : room + ASKED], values[0][room : room + ASKED], values[1][room : room + ASKED],
        values[2][room : room + ASKED],
    )  # fmt: skip
    for at in range(begin, end, ASKED):
        n, last = min(ASKED, end - at), min(at + ASKED, end)
        enter(image, row[at:last], move[at:last], mean, inverse, given)
        first_layer(tile_T, given, packed[0], BEGINNING, n, first, sums)
        later_layer(
            tile_T, SECOND, first, stats[0], packed[1], BEGINNING, n, second, where[1][room : room + ASKED], sums
        )
        later_layer(
            tile_T, THIRD, second, stats[1], packed[2], BEGINNING, n, third, where[2][room : room + ASKED], sums
        )
        heads(third, stats[2], head[0], head[1], BEGINNING, n, logit_nC[at:last])
