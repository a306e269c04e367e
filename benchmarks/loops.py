"""Ways to train `cnn` on a processor, one beside the other: `python -m benchmarks.loops [--write]`.

One process, 64 images of 28 x 28 a step: gradients and the optimiser's step. Each way takes a turn after the other, and
the best of several turns counts. What a way does before its first step (compiling) is told apart.
"""

# n images, G learners
from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.runs import RESULTS, keep, machine, put_tables, read, refusals, told
from sanitize.learners.compiled import usable
from sanitize.learners.nets import cnn
from sanitize.learners.sgd import Sgd

SHAPE, CLASSES, BATCH, STACKED = (1, 28, 28), 10, 64, 4
PAGE = Path("docs/engine.md")
HOW: dict[str, Any] = {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
Step = Callable[[], None]


def by_torch(net: nn.Module, *, bfloat16: bool, last: bool, threads: int = 1, learners: int = 1) -> Step:
    """A step of PyTorch's on random images.

    last      channels last in memory
    learners  whose logits the network gives for every image
    """
    layout = torch.channels_last if last else torch.contiguous_format
    x = torch.randn(BATCH, *SHAPE).to(memory_format=layout)
    labels = (torch.arange(BATCH) % CLASSES).repeat_interleave(learners)
    optimiser = _optimiser(net.to(memory_format=layout))

    def step() -> None:
        torch.set_num_threads(threads)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = net(x)
        loss = functional.cross_entropy(logits.float(), labels)
        net.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(0.01)

    return step


class Stack(nn.Module):
    """G networks side by side: their channels are groups of one network's. [n, G K, H, W] -> [n G, C]."""

    def __init__(self, learners: int) -> None:
        super().__init__()
        self.learners = learners
        layers: list[nn.Module] = [
            nn.Conv2d(learners * SHAPE[0], learners * 16, 4, stride=2, padding=1, bias=False, groups=learners),
            nn.BatchNorm2d(learners * 16),
            nn.ReLU(inplace=True),
        ]
        for channels, width in ((16, 32), (32, 64)):
            layers += [
                nn.Conv2d(learners * channels, learners * width, 3, padding=1, bias=False, groups=learners),
                nn.MaxPool2d(2),
                nn.BatchNorm2d(learners * width),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Parameter(torch.randn(learners, 64, CLASSES) / 8)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of all learners, image by image."""
        features = self.layers(x.repeat(1, self.learners, 1, 1)).view(len(x), self.learners, 64)
        return torch.einsum("ngk,gkc->ngc", features, self.head.to(features.dtype)).flatten(0, 1)


def compiled(threads: int) -> Step:
    """A step of our own machine code."""
    from sanitize.learners.compiled.cnn import CnnEngine

    channels, height, width = SHAPE
    net = _network().to(memory_format=torch.channels_last)
    engine = CnnEngine(BATCH, SHAPE, CLASSES, threads)
    engine.normalise(torch.zeros(channels), torch.ones(channels))
    engine.take(net)
    optimiser = engine.optimiser(**HOW)
    images = np.random.default_rng(0).integers(0, 256, (BATCH, height, width, channels), np.uint8)
    labels, rows, moves = np.arange(BATCH) % CLASSES, np.arange(BATCH), np.zeros((BATCH, 3), np.int64)

    def step() -> None:
        engine.step(images, rows, moves, labels)
        optimiser.step(0.01)

    return step


def _network() -> nn.Module:
    return cnn.build(SHAPE, CLASSES)


def _optimiser(net: nn.Module) -> Sgd:
    return Sgd(net.parameters(), **HOW)


def ways() -> dict[str, tuple[Callable[[], Step], int]]:
    """What makes each way's step, and the rows of one (those of a stack count for each learner)."""
    found: dict[str, tuple[Callable[[], Step], int]] = {
        "PyTorch, float32, channels first": (lambda: by_torch(_network(), bfloat16=False, last=False), BATCH),
        "PyTorch, float32, channels last": (lambda: by_torch(_network(), bfloat16=False, last=True), BATCH),
        "PyTorch, bfloat16, channels last": (lambda: by_torch(_network(), bfloat16=True, last=True), BATCH),
        "the same, 2 threads": (lambda: by_torch(_network(), bfloat16=True, last=True, threads=2), BATCH),
        f"the same, {STACKED} learners as groups of one network": (
            lambda: by_torch(Stack(STACKED), bfloat16=True, last=True, learners=STACKED),
            BATCH * STACKED,
        ),
    }
    if shutil.which("g++") or shutil.which("clang++"):
        found["the same, torch.compile"] = (
            lambda: by_torch(torch.compile(_network()), bfloat16=True, last=True),  # type: ignore[arg-type]
            BATCH,
        )
    if usable():
        found["machine code of our own"] = (lambda: compiled(1), BATCH)
        found["machine code of our own, 2 threads"] = (lambda: compiled(2), BATCH)
    return found


def run(turns: int = 9, steps: int = 10) -> dict[str, Any]:
    """Seconds per row of every way, the best of several turns, and seconds before its second step."""
    made, first = {}, {}
    for name, (make, rows) in ways().items():
        began = time.perf_counter()
        step = make()
        step()
        first[name] = time.perf_counter() - began
        made[name] = (step, rows)
    best: dict[str, float] = {}
    for _ in range(turns):
        for name, (step, rows) in made.items():
            began = time.perf_counter()
            for _ in range(steps):
                step()
            took = (time.perf_counter() - began) / steps / rows
            best[name] = min(best.get(name, took), took)
    return {"row_seconds": best, "first_seconds": first}


def table(found: dict[str, Any]) -> list[str]:
    """Way by way, beside the first."""
    rows = found["row_seconds"]
    base = next(iter(rows.values()))
    lines = ["| | microseconds per row | times faster | seconds before the second step |", "| --- | --: | --: | --: |"]
    for name, took in rows.items():
        lines.append(f"| {name} | {1e6 * took:.0f} | {base / took:.2f} | {found['first_seconds'][name]:.1f} |")
    return lines + told([found])


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", action="store_true", help="measure again")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE}")
    parser.add_argument("--out", type=Path, default=RESULTS / "loops.json", help="the result")
    asked = parser.parse_args(given)
    with refusals("loops"):
        if asked.again or not asked.out.is_file():
            on = machine()
            keep(asked.out, run(), on)
        found = read(asked.out)
        assert found is not None
        print("\n".join(table(found)))
        if asked.write:
            put_tables({"loops": table(found)}, PAGE)


if __name__ == "__main__":
    main()
