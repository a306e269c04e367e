"""The compiled `cnn` on the rows of one table: an `engines.Engine` for processors with AVX512-BF16."""

# N rows of the table, n rows asked for, C classes, K channels, H x W pixels
from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sanitize.data.table import IntArray
from sanitize.learners.compiled.cnn import CnnEngine
from sanitize.learners.engines import Epoch, parts, scored
from sanitize.learners.resident import Resident


class CompiledEngine:
    """One compiled network at a time.

    rows       images, on the processor
    classes    C
    batch      most images of a batch
    threads    1, or 2 and more: both halves of a batch at once
    optimiser  what `CnnEngine.optimiser` asks
    """

    def __init__(self, rows: Resident, classes: int, *, batch: int, threads: int, optimiser: dict[str, Any]) -> None:
        height, width, channels = rows.shape
        self.cnn = CnnEngine(batch, (channels, height, width), classes, threads)
        self.images, self.labels, self.pad = rows.inputs.numpy(), rows.labels.numpy(), rows.pad
        self.how = optimiser
        self.normalise(rows.mean, rows.deviation)

    def take(self, net: nn.Module) -> nn.Module:
        """See `engines.Engine.take`."""
        self.cnn.take(net)
        self.optimiser = self.cnn.optimiser(**self.how)
        return net

    def normalise(self, mean: Tensor, deviation: Tensor) -> None:
        """See `engines.Engine.normalise`."""
        self.cnn.normalise(mean, deviation)

    def train(self, epoch: Epoch) -> None:
        """See `engines.Engine.train`."""
        order, moves, labels = epoch.order, epoch.moves, self.labels[epoch.order]
        if moves is None:
            moves = np.tile(np.array([self.pad, self.pad, 0]), (len(order), 1))
        for (first, end), rate in zip(pairwise(epoch.edges), epoch.rates, strict=True):
            part = slice(first, end)
            self.cnn.step(self.images, order[part], moves[part], labels[part])
            self.optimiser.step(rate)

    def score(self, rows: IntArray) -> tuple[Tensor, Tensor]:
        """See `engines.Engine.score`."""
        found = []
        for part in parts(len(rows)):
            logits_nC = torch.from_numpy(self.cnn.logits(self.images, rows[part], self.pad))
            found.append(scored(logits_nC, torch.from_numpy(self.labels[rows[part]])))
        losses, predictions = zip(*found, strict=True)
        return torch.cat(losses), torch.cat(predictions)

    def answers(self, inputs: NDArray[Any]) -> Tensor:
        """See `engines.Engine.answers`. BadInput: images of another size or number of channels."""
        return torch.from_numpy(self.cnn.logits(inputs, np.arange(len(inputs))))

    def entered(self) -> AbstractContextManager[object]:
        """See `engines.Engine.entered`."""
        return nullcontext()

    def wait(self) -> None:
        """Nothing is under way when a call returns."""
