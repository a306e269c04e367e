"""Which engine does a network's arithmetic: a fast one, once it has proved itself against this network; else PyTorch.

A fast engine stands for PyTorch's steps: the machine code of `cnn` on processors that have the instructions, recorded
steps on a GPU. Whether it does the same is asked of the network that `build` gives here, once per process, network and
shape: who edits the network, the arithmetic of a step or the optimiser sees the edit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from sanitize.learners import compiled
from sanitize.learners.engines import Engine
from sanitize.learners.nets import cnn
from sanitize.learners.proof import DECAY, ROWS, Probe, other_arithmetic, other_layers
from sanitize.learners.replay import Lane
from sanitize.learners.resident import Resident
from sanitize.learners.torch_engine import TorchEngine
from sanitize.runtime.notices import notice

Build = Callable[[tuple[int, ...], int], nn.Module]
_weights = threading.Lock()  # networks draw their weights from the process's one generator
_proving = threading.Lock()
_differences: dict[tuple[Any, ...], str | None] = {}


@dataclass(frozen=True)
class Network:
    """A network on rows of one shape, and how it is trained.

    name      of its module in `learners.nets`
    build     of that module
    shape     what it takes: (K, H, W) or (D,)
    classes   C
    bfloat16  whether layers multiply in it
    flip      whether rows may be turned left to right
    threads   of one learner; for PyTorch, `start` says them
    momentum, nesterov, weight_decay  see `sgd.Sgd`
    """

    name: str
    build: Build
    shape: tuple[int, ...]
    classes: int
    bfloat16: bool
    flip: bool
    threads: int
    momentum: float
    nesterov: bool
    weight_decay: float

    def drawn(self, seed: int) -> nn.Module:
        """The module with weights drawn from `seed`, on the processor, channels last."""
        with _weights, torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            net: Any = self.build(self.shape, self.classes)  # its stub knows no memory_format alone
            made: nn.Module = net.to(memory_format=torch.channels_last)
            return made

    def engine(self, rows: Resident, batch: int) -> Engine:
        """An engine for this network on a table's rows; where it is not the usual one, stderr says why.

        rows   on the device
        batch  most rows of a batch
        """
        if self._candidate(rows) is None:
            return self._plain(rows)
        key = (self, rows.pad, rows.device)
        with _proving:
            if key not in _differences:
                _differences[key] = self._difference(rows)
        if _differences[key] is None:
            return self._fast(rows, batch)
        notice(
            f"learner.net {self.name!r} is run by PyTorch, which is slower: the {self._candidate(rows)} would give "
            f"another result ({_differences[key]})"
        )
        return self._plain(rows)

    def _candidate(self, rows: Resident) -> str | None:
        """The fast engine that there is for it, in words."""
        if rows.device.type == "cuda":
            return "recorded step"
        return "machine code" if self.bfloat16 and self.build is cnn.build and compiled.usable() else None

    def _difference(self, rows: Resident) -> str | None:
        """What the fast engine does otherwise, in words; None = nothing. Draws from no stream of a result."""
        net = self.drawn(seed=0)
        if rows.device.type == "cpu":
            from sanitize.learners.compiled.cnn import written_for

            difference = other_layers(net, written_for(self.shape, self.classes))
            if difference is not None:
                return difference
        shown = replace(self, weight_decay=DECAY if self.weight_decay else 0.0)
        exact = replace(shown, bfloat16=False)
        probe = Probe(rows, self.classes, self.flip)
        with torch.random.fork_rng(devices=[]):
            fast, plain, right = shown._fast(probe.rows, ROWS), shown._plain(probe.rows), exact._plain(probe.rows)
            return other_arithmetic(net, probe, fast, plain, right)

    @property
    def _optimiser(self) -> dict[str, Any]:
        return {"momentum": self.momentum, "nesterov": self.nesterov, "weight_decay": self.weight_decay}

    def _plain(self, rows: Resident, lane: Lane | None = None) -> TorchEngine:
        return TorchEngine(rows, bfloat16=self.bfloat16, flip=self.flip, optimiser=self._optimiser, lane=lane)

    def _fast(self, rows: Resident, batch: int) -> Engine:
        if rows.device.type == "cuda":
            return self._plain(rows, Lane(rows.device))
        from sanitize.learners.compiled.engine import CompiledEngine  # the compiler: not for those who do without

        return CompiledEngine(rows, self.classes, batch=batch, threads=self.threads, optimiser=self._optimiser)
