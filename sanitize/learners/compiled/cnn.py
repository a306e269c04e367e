"""The network `cnn` trained and asked by compiled code, for processors with AVX512-BF16. Images, labels -> gradients.

Nothing but the time and the rounding differs from PyTorch's autocast to bfloat16. A batch has two halves, whose sums
are kept apart until each phase ends: one thread and two give the same bytes.
"""

# B images of a batch at most, n of one batch, K channels, H x W pixels, C classes
from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sanitize.learners.compiled import batches, steps

Array = NDArray[Any]
CHANNELS = (16, 32, 64)
ASKED = 16  # images that are asked about at once: they fit into the cache


class CnnEngine:
    """Gradients and logits of one network at a time, whose parameters stay where they are.

    batch       B, most images of a batch
    shape       (K, H, W) of an image
    classes     C
    threads     1, or 2 and more: both halves of a batch at once
    """

    def __init__(self, batch: int, shape: tuple[int, int, int], classes: int, threads: int = 1) -> None:
        self.other = ThreadPoolExecutor(1) if threads > 1 else None
        channels, height, width = shape
        images = max(batch, 2 * ASKED)
        bits, real = np.uint16, np.float32  # uint16: bits of bfloat16
        sides = [(height // 2 >> level, width // 2 >> level) for level in range(3)]
        lies = [(images, *side, wide) for side, wide in zip(sides, CHANNELS, strict=True)]
        self.input = np.zeros((images, height + 2, width + 2, channels), bits)
        self.values = [np.empty(one, bits) for one in lies]  # what goes into each batch norm
        self.slopes = [np.empty(one, bits) for one in lies]  # gradients of what comes out of each ReLU
        self.where = [np.empty(one, np.uint8) for one in lies]
        self.stats = np.zeros((3, 6, 64), real)
        self.sums = np.zeros((2, 2, 64))
        self.forward_1 = np.empty((4, 2 * channels, 1, 16, 2), bits)
        self.forward_2, self.forward_3 = np.empty((1, 3, 24, 2, 16, 2), bits), np.empty((2, 3, 48, 2, 16, 2), bits)
        self.back_2, self.back_3 = np.empty((3, 48, 1, 16, 2), bits), np.empty((3, 96, 2, 16, 2), bits)
        self.sums_1 = np.empty((2, channels, 16, 16), real)
        self.sums_2, self.sums_3 = np.empty((2, 1, 16, 9, 32), real), np.empty((2, 2, 32, 9, 32), real)
        self.sums_head = np.empty((2, classes, 65), real)

    def take(self, net: nn.Module, mean: Tensor, deviation: Tensor) -> None:
        """Work for this network from now on.

        net              from `nets.cnn.build`, on the processor, channels last
        mean, deviation  float32 [K], of the images
        """
        self.mean, self.inverse = mean.numpy(), (1 / deviation).numpy()
        convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
        self.norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
        (head,) = (module for module in net.modules() if isinstance(module, nn.Linear))
        self.kernels = [_lies(module.weight) for module in convolutions]
        self.head, self.bias = _lies(head.weight), _lies(head.bias)
        self.grads: dict[Tensor, Tensor] = {parameter: torch.empty_like(parameter) for parameter in net.parameters()}
        self.kernel_grads = [_lies(self.grads[module.weight]) for module in convolutions]
        self.norm_grads = [(_lies(self.grads[norm.weight]), _lies(self.grads[norm.bias])) for norm in self.norms]
        self.head_grads = _lies(self.grads[head.weight]), _lies(self.grads[head.bias])

    def step(self, image_NHWK: Array, row_n: Array, move_n3: Array, label_n: Array) -> None:
        """Gradients of the mean cross-entropy, into the parameters; batch norm remembers the batch.

        image  uint8 [N, H + most down, W + most right, K], all rows
        row    int64 [n], n <= B: positions of the batch
        move   int64 [n, 3]: pixels down and right of the window, and whether it is turned left to right
        label  int64 [n]
        """
        n = len(row_n)
        tile, stats, (one, two, three) = steps.ADDRESSES, self.stats, self.values
        self._pack()

        def first(begin: int, end: int, half: int) -> None:
            part = slice(begin, end)
            steps.enter(image_NHWK, row_n[part], move_n3[part], self.mean, self.inverse, self.input[part])
            steps.first_layer(tile, self.input, self.forward_1, begin, end, one, self.sums[half])

        def second(begin: int, end: int, half: int) -> None:
            given = (one, stats[0], self.forward_2, begin, end, two, self.where[1])
            steps.later_layer(tile, steps.SECOND, *given, self.sums[half])

        def third(begin: int, end: int, half: int) -> None:
            given = (two, stats[1], self.forward_3, begin, end, three, self.where[2])
            steps.later_layer(tile, steps.THIRD, *given, self.sums[half])

        def head(begin: int, end: int, half: int) -> None:
            given = (three, stats[2], self.head, self.bias, label_n, begin, end)
            steps.head_back(*given, self.slopes[2], self.sums_head[half], self.sums[half])

        def third_back(begin: int, end: int, half: int) -> None:
            self.sums_3[half] = 0
            given = (three, self.where[2], self.slopes[2], stats[2], two, stats[1], self.back_3, begin, end)
            made = (self.slopes[1], self.sums_3[half], self.sums[half])
            steps.later_back(tile, steps.WEIGHTS_3, steps.TO_SECOND, *given, *made)

        def second_back(begin: int, end: int, half: int) -> None:
            self.sums_2[half] = 0
            given = (two, self.where[1], self.slopes[1], stats[1], one, stats[0], self.back_2, begin, end)
            made = (self.slopes[0], self.sums_2[half], self.sums[half])
            steps.later_back(tile, steps.WEIGHTS_2, steps.TO_FIRST, *given, *made)

        def first_back(begin: int, end: int, half: int) -> None:
            self.sums_1[half] = 0
            steps.first_back(tile, self.input, one, self.slopes[0], stats[0], begin, end, self.sums_1[half])

        for layer, phase in enumerate((first, second, third)):
            self._both(phase, n)
            self._judge(layer, n)
        for layer, phase in ((2, head), (1, third_back), (0, second_back)):
            self._both(phase, n)
            batches.fit_line(self.sums, n * self._places(layer), stats[layer], *self.norm_grads[layer])
        self._both(first_back, n)
        self._unpack()
        for parameter, gradient in self.grads.items():
            parameter.grad = gradient

    def logits(self, image_NHWK: Array, row_n: Array, corner: int = 0) -> Array:
        """Logits with the statistics that batch norm remembers.

        image, row  as `step` has them, for any n
        corner      pixels down and right of every window
        Returns     float32 [n, C]
        """
        n, move_n3 = len(row_n), np.tile(np.array([corner, corner, 0]), (len(row_n), 1))
        tile, ignored = steps.ADDRESSES, np.zeros((2, 2, 64))
        logit_nC = np.empty((n, len(self.bias)), np.float32)
        self._pack()
        for norm, stat in zip(self.norms, self.stats, strict=True):
            weight_K, bias_K, mean_K, variance_K = _remembered(norm)
            batches.recall(weight_K, bias_K, mean_K, variance_K, norm.eps, stat)

        def some(begin: int, end: int, half: int) -> None:
            room = slice(half * ASKED, half * ASKED + ASKED)
            given, (one, two, three) = self.input[room], (values[room] for values in self.values)
            where, sums = self.where, ignored[half]
            for first in range(begin, end, ASKED):
                count = min(ASKED, end - first)
                part = slice(first, first + count)
                steps.enter(image_NHWK, row_n[part], move_n3[part], self.mean, self.inverse, given)
                steps.first_layer(tile, given, self.forward_1, 0, count, one, sums)
                second = (one, self.stats[0], self.forward_2, 0, count, two, where[1][room], sums)
                steps.later_layer(tile, steps.SECOND, *second)
                third = (two, self.stats[1], self.forward_3, 0, count, three, where[2][room], sums)
                steps.later_layer(tile, steps.THIRD, *third)
                steps.heads(three, self.stats[2], self.head, self.bias, 0, count, logit_nC[part])

        self._both(some, n)
        return logit_nC

    def _both(self, phase: Callable[[int, int, int], None], n: int) -> None:
        """A phase on both halves of a batch."""
        middle = (n + 1) // 2
        if self.other is None:
            phase(0, middle, 0)
            phase(middle, n, 1)
            return
        other = self.other.submit(phase, middle, n, 1)
        phase(0, middle, 0)
        other.result()

    def _pack(self) -> None:
        one, two, three = self.kernels
        batches.pack(one, self.forward_1, 0)
        batches.pack(two, self.forward_2[0], 0)
        for part in range(2):
            batches.pack(three, self.forward_3[part], 32 * part)
        batches.pack_back(two, self.back_2)
        batches.pack_back(three, self.back_3)

    def _unpack(self) -> None:
        one, two, three = self.kernel_grads
        batches.unpack(self.sums_1, 0, one)
        batches.unpack(self.sums_2[:, 0], 0, two)
        for part in range(2):
            batches.unpack(self.sums_3[:, part], 32 * part, three)
        total_CK1 = self.sums_head[0] + self.sums_head[1]
        self.head_grads[0][:], self.head_grads[1][:] = total_CK1[:, :-1], total_CK1[:, -1]

    def _judge(self, layer: int, n: int) -> None:
        norm = self.norms[layer]
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked += 1
        assert norm.momentum is not None
        weight_K, bias_K, mean_K, variance_K = _remembered(norm)
        kept = (mean_K, variance_K, norm.momentum, norm.eps, self.stats[layer])
        batches.judge(self.sums, n * self._places(layer), weight_K, bias_K, *kept)

    def _places(self, layer: int) -> int:
        _, height, width, _ = self.values[layer].shape
        return height * width


def _lies(parameter: Tensor) -> Array:
    """The parameter's own memory, float32; a convolution's as [out, h, w, in]."""
    held = parameter.detach()
    return (held.permute(0, 2, 3, 1) if held.dim() == 4 else held).numpy()


def _remembered(norm: nn.BatchNorm2d) -> tuple[Array, Array, Array, Array]:
    assert norm.running_mean is not None and norm.running_var is not None
    return _lies(norm.weight), _lies(norm.bias), norm.running_mean.numpy(), norm.running_var.numpy()
