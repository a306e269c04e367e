"""What a batch of the network `cnn` needs besides its images, compiled: weights in the tiles' order, batch norm."""

# K channels in, O out; both halves of a batch have sums of their own, float64 [2, 2, 64]: of values, and of products
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sanitize.jit import compiled, inner
from sanitize.learners.compiled.llvm import to_bits
from sanitize.learners.compiled.sweeps import CONSTANT, INVERSE, MEAN, SCALE, SHIFT, SLOPE

Array = NDArray[Any]


@inner
def pack(kernel_OhwK: Array, packed: Array, first: int) -> None:
    """Weights of the channels out from `first` on, in pairs along (w, K): bits [h, pair, vector, 16, 2]."""
    lines, pairs, vectors, lanes, _ = packed.shape
    inner = kernel_OhwK.shape[3]
    for h in range(lines):
        for pair in range(pairs):
            for v in range(vectors):
                for lane in range(lanes):
                    for e in range(2):
                        at = 2 * pair + e
                        weight = kernel_OhwK[first + 16 * v + lane, h, at // inner, at % inner]
                        packed[h, pair, v, lane, e] = to_bits(weight)


@inner
def unpack(grads_hKtO: Array, first: int, grad_OhwK: Array) -> None:
    """The sum of both halves' gradients [2, K, taps, O'] of the channels out from `first` on, as the weights lie."""
    _, inner, taps, outer = grads_hKtO.shape
    side = grad_OhwK.shape[1]
    for o in range(outer):
        for tap in range(taps):
            for k in range(inner):
                found = grads_hKtO[0, k, tap, o] + grads_hKtO[1, k, tap, o]
                grad_OhwK[first + o, tap // side, tap % side, k] = found


@inner
def judge(
    sum_h2L: Array, count: int, weight_K: Array, bias_K: Array, mean_K: Array, variance_K: Array, momentum: float,
    eps: float, stat_6L: Array,
) -> None:  # fmt: skip
    """A batch's statistics from both halves' sums over `count` places; those remembered move towards them."""
    for k in range(len(weight_K)):
        mean = (sum_h2L[0, 0, k] + sum_h2L[1, 0, k]) / count
        variance = max((sum_h2L[0, 1, k] + sum_h2L[1, 1, k]) / count - mean * mean, 0.0)
        inverse = 1 / np.sqrt(variance + eps)
        stat_6L[SCALE, k], stat_6L[SHIFT, k] = weight_K[k] * inverse, bias_K[k] - mean * inverse * weight_K[k]
        stat_6L[MEAN, k], stat_6L[INVERSE, k] = mean, inverse
        mean_K[k] += momentum * (mean - mean_K[k])
        variance_K[k] += momentum * (variance * count / max(1, count - 1) - variance_K[k])
    sum_h2L[:] = 0


@inner
def recall(weight_K: Array, bias_K: Array, mean_K: Array, variance_K: Array, eps: float, stat_6L: Array) -> None:
    """Scale and shift from what batch norm remembers."""
    for k in range(len(weight_K)):
        stat_6L[SCALE, k] = weight_K[k] / np.sqrt(variance_K[k] + eps)
        stat_6L[SHIFT, k] = bias_K[k] - mean_K[k] * stat_6L[SCALE, k]


@inner
def fit_line(sum_h2L: Array, count: int, stat_6L: Array, to_weight_K: Array, to_bias_K: Array) -> None:
    """Gradients of batch norm's weight and bias, and the line in its input that the gradient of that has."""
    for k in range(len(to_weight_K)):
        mean, inverse = np.float64(stat_6L[MEAN, k]), np.float64(stat_6L[INVERSE, k])
        scale = np.float64(stat_6L[SCALE, k])
        total = sum_h2L[0, 0, k] + sum_h2L[1, 0, k]
        product = (sum_h2L[0, 1, k] + sum_h2L[1, 1, k] - mean * total) * inverse
        to_weight_K[k], to_bias_K[k] = product, total
        slope = -scale * inverse * product / count
        stat_6L[SLOPE, k], stat_6L[CONSTANT, k] = slope, -scale * total / count - slope * mean
    sum_h2L[:] = 0


@compiled
def descend(
    flat: tuple[Array, ...], gradients: tuple[Array, ...], buffers: tuple[Array, ...], lr: float, momentum: float,
    nesterov: bool, decay: float,
) -> None:  # fmt: skip
    """One step of SGD on each array, float32 1-D; buffers are those of momentum, zeros before the first step."""
    rate, keep, shrink = np.float32(lr), np.float32(momentum), np.float32(decay)
    ahead, plain = (keep, np.float32(1)) if nesterov else (np.float32(1), np.float32(0))
    for own, gradient, buffer in zip(flat, gradients, buffers):  # noqa: B905 - numba knows no strict
        for j in range(len(own)):
            slope = gradient[j] + shrink * own[j]
            buffer[j] = keep * buffer[j] + slope
            own[j] -= rate * (ahead * buffer[j] + plain * slope)
