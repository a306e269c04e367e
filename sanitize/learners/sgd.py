"""SGD with Nesterov momentum and weight decay, on a network's parameters where they lie: one fused step per batch.

torch.optim.SGD(fused=True) makes the same step to the bit (tests/learners/test_sgd.py), but the first optimiser that a
process builds imports PyTorch's compiler: 1.0 to 1.6 s of each worker and each stage, for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Sgd:
    """The optimiser's state: one momentum buffer per parameter, zero before the first step.

    parameters             of the network; float32, on one device; those that are not trained are left alone
    momentum, nesterov     0 <= momentum < 1
    weight_decay           added to the gradient, times the parameter
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], *, momentum: float, nesterov: bool, weight_decay: float
    ) -> None:
        self.parameters: list[Tensor] = [p for p in parameters if p.requires_grad]
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.buffers = [torch.zeros_like(p) for p in self.parameters] if momentum else []

    def forget(self) -> None:
        """Momentum zero again, where it lies."""
        for buffer in self.buffers:
            buffer.zero_()

    @torch.no_grad()
    def step(self, lr: float | Tensor) -> None:
        """One step with the learning rate `lr`, after the backward pass. Every parameter needs a gradient.

        lr  a number, or float32 [] on the parameters' device: read when the step is made, not when it is asked for
        """
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        torch._fused_sgd_(
            self.parameters,
            gradients,
            self.buffers,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=lr,
            dampening=0.0,
            nesterov=self.nesterov,
            maximize=False,
            is_first_step=False,
        )
