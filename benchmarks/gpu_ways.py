"""Ways to train learners on one GPU, one beside the other: every step run or recorded, one learner or several at once.

Part of `python -m benchmarks.gpu`. Images a second of all learners together, from uint8 rows on the device to updated
weights, with the augmentation of a real run. What a way does before (recording, compiling) is told apart.
"""

# G learners at once
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import torch

from benchmarks.peaks import TRAINING, net_flops, product_peak
from benchmarks.pictures import drawn
from benchmarks.runs import EMPTY, told
from sanitize.data.table import Table
from sanitize.learners.base import all_rows
from sanitize.learners.replay import Lane
from sanitize.learners.torch_engine import TorchEngine
from sanitize.learners.torch_learner import TorchLearner
from sanitize.params import resolve

NETS = ("cnn", "preact_resnet18")
BATCH = 128


class Way(NamedTuple):
    """How learners are trained.

    learners  G
    recorded  CUDA graphs; else every step is run
    compiled  by PyTorch's compiler, mode max-autotune-no-cudagraphs
    """

    learners: int
    recorded: bool
    compiled: bool = False

    def __str__(self) -> str:
        how = ("recorded" if self.recorded else "every step run") + (", torch.compile" if self.compiled else "")
        return f"{how}, {self.learners} at once" if self.learners > 1 else how


WAYS = [Way(1, False), *(Way(learners, True) for learners in (1, 2, 4, 8)), Way(1, True, compiled=True)]


class EveryStep(Lane):
    """A lane on which nothing is recorded."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """The work itself."""
        return work


def learner(table: Table, net: str, way: Way, number: int, device: str) -> TorchLearner:
    """A learner that has started. `device`: "cuda"; with "cpu" nothing is recorded."""
    params = resolve({"learner": {"net": net, "batch": BATCH, "device": device, "precision": "bfloat16", "crop": 4}})
    made = TorchLearner(params.learner, table, 0)
    if not way.recorded and device == "cuda":
        engine = made.engine
        assert isinstance(engine, TorchEngine)
        given: dict[str, Any] = {"bfloat16": engine.bfloat16, "flip": engine.flip, "optimiser": engine.how}
        made.engine = TorchEngine(engine.rows, lane=EveryStep(made.device), **given)
    made.start("ways", number)
    if way.compiled:
        assert isinstance(made.engine, TorchEngine)
        made.engine.net = torch.compile(made.engine.net, mode="max-autotune-no-cudagraphs")  # type: ignore[assignment]
    return made


def measure(table: Table, net: str, way: Way, *, epochs: int, device: str) -> dict[str, float]:
    """Seconds of an epoch of all learners at once, and of what came before; the GPU's memory in GB, at most."""

    def fit(one: TorchLearner, passes: int) -> None:
        one.fit(all_rows(table), passes)
        one.engine.wait()

    with ThreadPoolExecutor(way.learners) as pool:
        began = time.perf_counter()
        made = [learner(table, net, way, number, device) for number in range(way.learners)]
        list(pool.map(fit, made, [1] * way.learners))
        ready = time.perf_counter()
        list(pool.map(fit, made, [epochs] * way.learners))
        took = (time.perf_counter() - ready) / epochs
    if device != "cuda":
        return {"epoch": took, "before": ready - began - took, "memory": 0.0}
    del made
    memory = torch.cuda.max_memory_reserved() / 1e9
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return {"epoch": took, "before": ready - began - took, "memory": memory}


def run(
    rows: int = 12_800, epochs: int = 3, device: str = "cuda", nets: Sequence[str] = NETS, ways: Sequence[Way] = ()
) -> dict[str, Any]:
    """All networks and ways, on drawn pictures of 32 x 32 x 3."""
    table = drawn(rows).train
    found: list[dict[str, Any]] = []
    for net in nets:
        for way in ways or WAYS:
            try:
                took = measure(table, net, way, epochs=epochs, device=device)
            except Exception as error:  # torch.compile needs a C compiler, many learners memory: the others still count
                found.append({"net": net, "way": str(way), "failed": f"{type(error).__name__}: {error}"[:200]})
                continue
            speed = way.learners * rows / took["epoch"]
            flops = TRAINING * net_flops(net, (3, 32, 32), table.classes) * speed
            found.append({"net": net, "way": str(way), "images": speed, "flops": flops, **took})
    return {"ways": found, "bfloat16_peak": product_peak(torch.bfloat16, device=device)}


def lines(found: dict[str, Any] | None) -> list[str]:
    """The table, way by way."""
    if found is None:
        return EMPTY
    head = ["images/s", "of the bfloat16 peak", "seconds before", "GB of the GPU"]
    table = [f"| network | way | {' | '.join(head)} |", "| --- | --- " + "| --: " * len(head) + "|"]
    for one in found["ways"]:
        if "failed" in one:
            table.append(f"| `{one['net']}` | {one['way']} | failed: {one['failed'].splitlines()[0]} | | | |")
            continue
        cells = [f"{one['images']:,.0f}", f"{100 * one['flops'] / found['bfloat16_peak']:.1f}%"]
        cells += [f"{one['before']:.1f}", f"{one['memory']:.1f}"]
        table.append(f"| `{one['net']}` | {one['way']} | {' | '.join(cells)} |")
    return table + told([found])
