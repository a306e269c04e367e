"""The network `cnn` trained and asked by compiled code, for processors with AVX512-BF16. Images, labels -> gradients.

Nothing but the time and the rounding differs from PyTorch's autocast to bfloat16. A batch has two halves, whose sums
are kept apart until each phase ends: one thread and two give the same bytes.
"""

# B images of a batch at most, n of one batch, K channels, H x W pixels, C classes
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sanitize.errors import BadInput
from sanitize.jit import on_line
from sanitize.learners.compiled.batches import descend
from sanitize.learners.compiled.passes import ASKED, BOTH, FIRST_HALF, SECOND_HALF, ask, pack_forward, step
from sanitize.learners.compiled.steps import ADDRESSES

Array = NDArray[Any]
CHANNELS = (16, 32, 64)


def written_for(shape: tuple[int, ...], classes: int) -> nn.Module:
    """The network that the code of this folder computes, without values. Any other must not reach it.

    shape    (K, H, W) of an image
    classes  C
    """
    layers: list[nn.Module] = []
    with torch.device("meta"):
        for number, (given, width) in enumerate(pairwise((shape[0], *CHANNELS))):
            if number == 0:
                layers.append(nn.Conv2d(given, width, 4, stride=2, padding=1, bias=False))
            else:
                layers += [nn.Conv2d(given, width, 3, padding=1, bias=False), nn.MaxPool2d(2)]
            layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS[-1], classes))


class CnnEngine:
    """Gradients and logits of one network at a time, whose parameters stay where they are.

    batch       B, most images of a batch
    shape       (K, H, W) of an image
    classes     C
    threads     1, or 2 and more: both halves of a batch at once
    """

    def __init__(self, batch: int, shape: tuple[int, int, int], classes: int, threads: int = 1) -> None:
        self.other = ThreadPoolExecutor(1) if threads > 1 else None
        self.gate = on_line((16,), np.int64)
        channels, height, width = shape
        images = max(batch, 2 * ASKED)
        bits, real = np.uint16, np.float32  # uint16: bits of bfloat16
        sides = [(height // 2 >> level, width // 2 >> level) for level in range(3)]
        lies = [(images, *side, wide) for side, wide in zip(sides, CHANNELS, strict=True)]
        self.input = on_line((images, height + 2, width + 2, channels), bits)
        self.values = tuple(on_line(one, bits) for one in lies)  # what goes into each batch norm
        self.slopes = tuple(on_line(one, bits) for one in lies)  # gradients of what comes out of each ReLU
        self.where = tuple(on_line(one, np.uint8) for one in lies)
        self.stats, self.sums = on_line((2, 3, 6, 64), real), on_line((2, 2, 64), np.float64)
        forward = [(4, 2 * channels, 1, 16, 2), (1, 3, 24, 2, 16, 2), (2, 3, 48, 2, 16, 2)]
        back = [(3, 48, 1, 16, 2), (3, 96, 2, 16, 2)]
        self.packed = tuple(on_line(one, bits) for one in (*forward, *back))
        weights = [(2, channels, 16, 16), (2, 1, 16, 9, 32), (2, 2, 32, 9, 32), (2, classes, 65)]
        self.grads = tuple(on_line(one, real) for one in weights)  # of each half of a batch
        self.classes = classes

    def normalise(self, mean: Tensor, deviation: Tensor) -> None:
        """Mean and deviation of the images from now on, float32 [K]."""
        self.images = mean.numpy(), (1 / deviation).numpy()

    def take(self, net: nn.Module) -> None:
        """Work for this network from now on, which is as `written_for` has it; on the processor, channels last."""
        convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
        norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
        (head,) = (module for module in net.modules() if isinstance(module, nn.Linear))
        self.counts = [norm.num_batches_tracked for norm in norms if norm.num_batches_tracked is not None]
        self.momentum, self.eps = norms[0].momentum, norms[0].eps
        of_norms = [_lies(t) for norm in norms for t in (norm.weight, norm.bias, norm.running_mean, norm.running_var)]
        kernels = tuple(_lies(module.weight) for module in convolutions)
        self.parameters = kernels, tuple(of_norms), (_lies(head.weight), _lies(head.bias))
        self.turned = tuple(kernel[:, ::-1, ::-1].transpose(3, 1, 2, 0) for kernel in kernels[1:])
        self.gradients: dict[Tensor, Tensor] = {own: torch.empty_like(own) for own in net.parameters()}
        for parameter, gradient in self.gradients.items():
            parameter.grad = gradient
        self.flat = tuple(_flat(own) for own in self.gradients)
        self.flat_gradients = tuple(_flat(gradient) for gradient in self.gradients.values())
        into = [_lies(self.gradients[t]) for norm in norms for t in (norm.weight, norm.bias)]
        to_kernels = tuple(_lies(self.gradients[module.weight]) for module in convolutions)
        to_head = _lies(self.gradients[head.weight]), _lies(self.gradients[head.bias])
        self.to_parameters = to_kernels, tuple(into), to_head

    def step(self, image_NHWK: Array, row_n: Array, move_n3: Array, label_n: Array) -> None:
        """Gradients of the mean cross-entropy, into the parameters; batch norm remembers the batch.

        image  uint8 [N, H + most down, W + most right, K], all rows
        row    int64 [n], n <= B: positions of the batch
        move   int64 [n, 3]: pixels down and right of the window, and whether it is turned left to right
        label  int64 [n]
        """
        images = (image_NHWK, row_n, move_n3, label_n, *self.images)
        memory = (self.input, self.values, self.slopes, self.where, self.stats[0], self.sums, self.packed, self.grads)
        given: Any = (
            self.gate,
            ADDRESSES,
            images,
            self.turned,
            *self.parameters,
            self.momentum,
            self.eps,
            *memory,
            *self.to_parameters,
        )
        if self.other is None:
            step(BOTH, *given)
        else:
            other = self.other.submit(step, SECOND_HALF, *given)
            step(FIRST_HALF, *given)
            other.result()
        for count in self.counts:
            count.add_(1)

    def optimiser(self, *, momentum: float, nesterov: bool, weight_decay: float) -> CompiledSgd:
        """An optimiser for the network at hand, as `sgd.Sgd` is one; its first step follows the first gradients."""
        return CompiledSgd(self.flat, self.flat_gradients, momentum, nesterov, weight_decay)

    def logits(self, image_NHWK: Array, row_n: Array, corner: int = 0) -> Array:
        """Logits with the statistics that batch norm remembers.

        image, row  as `step` has them, for any n
        corner      pixels down and right of every window
        Returns     float32 [n, C]
        Raises      BadInput: images of another size or number of channels
        """
        _, tall, broad, channels = self.input.shape
        wanted = (tall - 2 + 2 * corner, broad - 2 + 2 * corner, channels)
        if image_NHWK.shape[1:] != wanted:
            raise BadInput(f"images are {image_NHWK.shape[1:]} (H, W, K); the network was trained on {wanted}")
        n, move_n3 = len(row_n), np.tile(np.array([corner, corner, 0]), (len(row_n), 1))
        logit_nC = np.empty((n, self.classes), np.float32)
        kernels, norms, head = self.parameters
        pack_forward(kernels, self.packed)
        images, middle = (image_NHWK, row_n, move_n3, *self.images), n if self.other is None else (n + 1) // 2

        def half(begin: int, end: int, which: int) -> None:
            memory: Any = (self.input, self.values, self.where, self.stats[which], self.sums[which], self.packed)
            given: Any = (which * ASKED, ADDRESSES, images, norms, head, self.eps, *memory, logit_nC)
            ask(begin, end, *given)

        other = None if self.other is None else self.other.submit(half, middle, n, 1)
        half(0, middle, 0)
        if other is not None:
            other.result()
        self.sums[:] = 0
        return logit_nC


class CompiledSgd:
    """`sgd.Sgd` for parameters and gradients, both 1-D float32, one by one."""

    def __init__(
        self, flat: tuple[Array, ...], gradients: tuple[Array, ...], momentum: float, nesterov: bool, decay: float
    ) -> None:
        self.given: Any = (flat, gradients, tuple(np.zeros_like(own) for own in flat))
        self.how: Any = (momentum, nesterov, decay)

    def step(self, lr: float) -> None:
        """One step with the learning rate `lr`."""
        given: Any = (*self.given, lr, *self.how)
        descend(*given)


def _flat(held: Tensor) -> Array:
    found: Array = _lies(held).reshape(-1)
    return found


def _lies(held: Tensor | None) -> Array:
    """A tensor's own memory, float32; a convolution's weights as [out, h, w, in]."""
    assert held is not None
    own = held.detach()
    return (own.permute(0, 2, 3, 1) if own.dim() == 4 else own).numpy()
