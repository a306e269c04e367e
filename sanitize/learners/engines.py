"""What does a PyTorch network's arithmetic, as an interface: an epoch's batches, scores, logits."""

# n rows of an epoch, B batches, C classes
from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sanitize.data.table import IntArray

SCORE_BATCH = 500


class Epoch(NamedTuple):
    """One pass over some rows.

    order  int64 [n], positions in the table
    moves  int64 [n, 3]: pixels down, pixels right, turned left to right or not; None = no row is moved
    edges  B + 1 places in `order`, ascending: batch b is order[edges[b] : edges[b + 1]]
    rates  B learning rates
    """

    order: IntArray
    moves: IntArray | None
    edges: list[int]
    rates: list[float]


class Engine(Protocol):
    """Trains and asks one network at a time, on the rows of one table."""

    def take(self, net: nn.Module) -> nn.Module:
        """Work for these weights from now on, momentum forgotten; the network that holds them.

        net      on the processor, channels last; the first one decides the architecture of all
        Returns  the network whose parameters training changes, on the device
        """

    def normalise(self, mean: Tensor, deviation: Tensor) -> None:
        """Mean and deviation of the inputs from now on, float32 per channel or feature."""

    def train(self, epoch: Epoch) -> None:
        """One step of SGD per batch, on the mean cross-entropy of the given labels."""

    def score(self, rows: IntArray) -> tuple[Tensor, Tensor]:
        """Of rows of the table, not moved: loss float32 [n] and prediction int64 [n], on the device.

        rows  int64 [n], positions
        """

    def answers(self, inputs: NDArray[Any]) -> Tensor:
        """Logits of outside rows, a part at a time, inputs as in Table.inputs: float32 [n, C], on the device."""

    def entered(self) -> AbstractContextManager[object]:
        """Whatever else touches the network or these results does it inside this block."""

    def wait(self) -> None:
        """Until the device has done what it was asked for."""


def parts(rows: int) -> list[slice]:
    """SCORE_BATCH rows at a time; at least one part."""
    return [slice(first, min(first + SCORE_BATCH, rows)) for first in range(0, max(rows, 1), SCORE_BATCH)]


def scored(logits_nC: Tensor, label_n: Tensor) -> tuple[Tensor, Tensor]:
    """Loss and prediction of rows, from their logits and given labels."""
    return functional.cross_entropy(logits_nC, label_n, reduction="none"), logits_nC.argmax(1)
