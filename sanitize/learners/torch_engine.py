"""A network's steps and answers by PyTorch, on a processor or a GPU. Rows that lie on the device -> weights, logits.

All that a step reads stands in tensors that stay where they are: the epoch's rows, its learning rates, and how far it
has come. So a GPU can be given one recording of the step instead of its hundred kernels (`replay`), and nothing waits
for the GPU inside an epoch. A processor runs the same lines.
"""

# N rows of the table, n rows of an epoch, b of a batch, C classes, K channels, H x W pixels
from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sanitize.data.table import IntArray
from sanitize.learners.engines import Epoch, parts, scored
from sanitize.learners.replay import Lane, Replayed
from sanitize.learners.resident import Resident
from sanitize.learners.sgd import Sgd


class TorchEngine:
    """An `engines.Engine` for any network and device.

    rows       the table's, on the device
    bfloat16   whether layers multiply in it
    flip       whether rows may be turned left to right
    optimiser  what `sgd.Sgd` asks besides the parameters
    lane       of a GPU, on which all is done, and recorded; None = nothing is recorded, as on a processor
    """

    def __init__(
        self, rows: Resident, *, bfloat16: bool, flip: bool, optimiser: dict[str, Any], lane: Lane | None = None
    ) -> None:
        self.rows = rows
        self.device = rows.device
        self.bfloat16 = bfloat16
        self.flip = flip
        self.how = optimiser
        self.lane = lane
        self.net: nn.Module | None = None
        with self.entered():
            self.mean, self.deviation = rows.mean.clone(), rows.deviation.clone()
            self._make_room(len(rows.labels))

    def _make_room(self, rows: int) -> None:
        """Memory that steps and answers read and write, for epochs of up to so many rows."""
        made: dict[str, Any] = {"device": self.device}
        self.most = rows
        self.order = torch.zeros(rows, dtype=torch.int64, **made)
        self.moves = torch.zeros((rows, 3), dtype=torch.int64, **made) if self.rows.moved(self.flip) else None
        self.rates = torch.zeros(rows, dtype=torch.float32, **made)
        self.count = torch.arange(rows, **made)
        self.place = torch.zeros((), dtype=torch.int64, **made)  # in `order`, of the batch to come
        self.batch = torch.zeros((), dtype=torch.int64, **made)  # its number
        self.losses = torch.zeros(rows, dtype=torch.float32, **made)
        self.predictions = torch.zeros(rows, dtype=torch.int64, **made)
        record = None if self.lane is None else self.lane.record
        self.training = Replayed(self._step, record)
        self.asking = Replayed(self._ask, record)

    def take(self, net: nn.Module) -> nn.Module:
        """See `engines.Engine.take`. The first network's memory holds all later ones' weights."""
        if self.net is None:
            self.net = net.to(self.device)
            self.optimiser = Sgd(self.net.parameters(), **self.how)
            return self.net
        with torch.no_grad():
            for own, fresh in zip(self.net.state_dict().values(), net.state_dict().values(), strict=True):
                own.copy_(fresh)
        self.optimiser.forget()
        return self.net

    def normalise(self, mean: Tensor, deviation: Tensor) -> None:
        """See `engines.Engine.normalise`."""
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)

    def train(self, epoch: Epoch) -> None:
        """See `engines.Engine.train`."""
        self._begin(epoch.order)
        self._lay(self.rates, np.array(epoch.rates, dtype=np.float32))
        if self.moves is not None:
            assert epoch.moves is not None, "rows that are moved come with their moves"
            self._lay(self.moves, epoch.moves)
        for first, end in pairwise(epoch.edges):
            self.training(end - first)

    def score(self, rows: IntArray) -> tuple[Tensor, Tensor]:
        """See `engines.Engine.score`. The next call writes where this one's result lies."""
        self._begin(rows)
        for part in parts(len(rows)):
            self.asking(part.stop - part.start)
        return self.losses[: len(rows)], self.predictions[: len(rows)]

    def answers(self, inputs: NDArray[Any]) -> Tensor:
        """See `engines.Engine.answers`."""
        return self._answered(torch.from_numpy(inputs).to(self.device))

    def entered(self) -> AbstractContextManager[object]:
        """See `engines.Engine.entered`."""
        return nullcontext() if self.lane is None else self.lane.entered()

    def wait(self) -> None:
        """See `engines.Engine.wait`."""
        if self.lane is not None:
            self.lane.stream.synchronize()

    def _begin(self, order: IntArray) -> None:
        """Lay the rows of an epoch down; the next batch is the first."""
        if len(order) > self.most:
            self._make_room(len(order))
        self._lay(self.order, order)
        self.place.zero_()
        self.batch.zero_()

    def _lay(self, into: Tensor, values: NDArray[Any]) -> None:
        """Copy into the first places of a tensor; a GPU fetches them when it gets there, and nobody waits."""
        given = torch.from_numpy(np.ascontiguousarray(values))
        if self.device.type == "cuda":
            given = given.pin_memory()
        into[: len(given)].copy_(given, non_blocking=True)

    def _step(self, size: int) -> None:
        """One step on the batch at hand, and on to the next."""
        assert self.net is not None
        self.net.train()
        where_b = self.place + self.count[:size]
        row_b = self.order[where_b]
        move_b3 = None if self.moves is None else self.moves[where_b]
        x = self._normalised(self.rows.gathered(row_b, move_b3, self.flip))
        with self._precision():
            logit_bC = self.net(x)
        loss = functional.cross_entropy(logit_bC.float(), self.rows.labels[row_b])
        self.net.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step(self.rates.take(self.batch))  # indexing by it would wait for its value
        self.place += size
        self.batch += 1

    def _ask(self, size: int) -> None:
        """Scores of the batch at hand, to their place, and on to the next."""
        where_b = self.place + self.count[:size]
        row_b = self.order[where_b]
        logit_bC = self._answered(self.rows.gathered(row_b, None))
        self.losses[where_b], self.predictions[where_b] = scored(logit_bC, self.rows.labels[row_b])
        self.place += size

    def _answered(self, inputs: Tensor) -> Tensor:
        """Logits of inputs as they lie."""
        assert self.net is not None
        self.net.eval()
        with torch.no_grad(), self._precision():
            logit_bC: Tensor = self.net(self._normalised(inputs))
        return logit_bC.float()

    def _normalised(self, inputs: Tensor) -> Tensor:
        """Float inputs of mean 0 and deviation 1: images [b, H, W, K] -> [b, K, H, W] (channels last in memory)."""
        if not self.rows.image:
            return (inputs - self.mean) / self.deviation
        x = inputs.permute(0, 3, 1, 2)
        return (x - self.mean[:, None, None]) / self.deviation[:, None, None]

    def _precision(self) -> torch.autocast:
        # Weights are cast once a pass, so there is nothing to keep; and what is kept, all threads share.
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16, cache_enabled=False)
