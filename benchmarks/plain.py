"""The paper's filter as a plain PyTorch script: what `sanitize` is measured against. Images, labels -> rows kept.

Jin, Sun and Rinard 2023: Algorithm 1, the per-row vote and self-training, with appendix C's settings, on a small
convolutional network. Images lie in memory as normalised float32, one learner follows another, and nothing is shared
with the package `sanitize`. Of what such a script may choose, the faster was taken, by CPU seconds on two cores:
channels last in memory (0.70 of the seconds of training, 0.56 of scoring), torch.optim.SGD as it is (fused: 1.16),
scoring 1,000 rows at once (500: 1.4).
"""

# N rows, n rows asked for, C classes, K channels, H x W pixels, S = 2 x crop + 1 shifts
from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import MultiStepLR

SCORE_BATCH = 1000


@dataclass(frozen=True)
class Settings:
    """Appendix C's values; `crop`, in pixels, is this benchmark's for digits, and there are no flips."""

    runs: int = 3
    components: int = 8
    coverage: float = 0.96
    expansion: float = 0.25
    loss_momentum: float = 0.9
    first_epochs: int = 8
    epochs: int = 4
    vote_epochs: int = 40
    selftrain_epochs: int = 100
    selftrain_every: int = 5
    prediction_momentum: float = 0.8
    lr: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 5e-4
    drops: tuple[float, ...] = (0.5, 0.75, 0.9)
    batch: int = 128
    crop: int = 2


@dataclass
class Work:
    """What was done so far: rows times epochs trained, rows scored, seconds by the clock of both, and of every step."""

    row_epochs: int = 0
    scored_rows: int = 0
    fit_seconds: float = 0.0
    score_seconds: float = 0.0
    steps: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Note the seconds of the block."""
        began = time.perf_counter()
        yield
        self.steps[name] = time.perf_counter() - began


class Found(NamedTuple):
    """The rows kept after self-training and after the vote, both bool [N], and what it took."""

    keep_N: NDArray[np.bool_]
    voted_N: NDArray[np.bool_]
    work: Work


def build(channels: int, classes: int) -> nn.Sequential:
    """The network: [n, K, H, W] -> logits [n, C]; 16, 32 and 64 channels, sides of 8 pixels or more."""
    return nn.Sequential(
        nn.Conv2d(channels, 16, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 64, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, classes),
    )


class Rows:
    """All rows in memory, normalised, channels last, with a black border from which shifted crops are cut.

    images  uint8 [N, H, W, K]
    labels  int64 [N]
    """

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64], crop: int) -> None:
        _, height, width, _ = images.shape
        pixels = torch.from_numpy(images).float()
        deviation, mean = torch.std_mean(pixels, (0, 1, 2))
        bordered = functional.pad(pixels, (0, 0, crop, crop, crop, crop))
        padded = (bordered - mean) / deviation.clamp_min(1e-3)
        self.windows = padded.unfold(1, height, 1).unfold(2, width, 1).permute(0, 1, 2, 4, 5, 3)  # [N, S, S, H, W, K]
        self.whole = padded[:, crop : crop + height, crop : crop + width].contiguous()
        self.labels = torch.from_numpy(labels)
        self.shifts = 2 * crop + 1

    def __len__(self) -> int:
        return len(self.labels)

    def shifted(self, rows: Tensor) -> Tensor:
        """The images of `rows`, each shifted at random, float32 [n, K, H, W]."""
        down, right = torch.randint(0, self.shifts, (2, len(rows)))
        return self.windows[rows, down, right].permute(0, 3, 1, 2)


class Network:
    """One network with its optimiser.

    total  epochs of a schedule whose rate falls to a tenth at each of `settings.drops`; None = constant
    """

    def __init__(self, rows: Rows, classes: int, settings: Settings, work: Work, total: int | None = None) -> None:
        self.rows, self.settings, self.work = rows, settings, work
        self.net = build(rows.whole.shape[3], classes).to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.SGD(
            self.net.parameters(), lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay
        )
        milestones = [math.ceil(drop * total) for drop in settings.drops] if total else []
        self.schedule = MultiStepLR(self.optimiser, milestones)

    def fit(self, picked: Tensor, epochs: int) -> None:
        """Go on training on the rows `picked`, int64 [n]; batches differ by a row at most."""
        began = time.perf_counter()
        self.net.train()
        batches = math.ceil(len(picked) / self.settings.batch)
        for _ in range(epochs):
            for part in picked[torch.randperm(len(picked))].tensor_split(batches):
                loss = functional.cross_entropy(self.net(self.rows.shifted(part)), self.rows.labels[part])
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()
            self.schedule.step()
        self.work.row_epochs += len(picked) * epochs
        self.work.fit_seconds += time.perf_counter() - began

    def logits(self, picked: Tensor | None = None) -> Tensor:
        """Logits of the rows `picked` as they are (None = of all), float32 [n, C]."""
        began = time.perf_counter()
        self.net.eval()
        images = self.rows.whole if picked is None else self.rows.whole[picked]
        with torch.inference_mode():
            said = torch.cat([self.net(part.permute(0, 3, 1, 2)) for part in images.split(SCORE_BATCH)])
        self.work.scored_rows += len(images)
        self.work.score_seconds += time.perf_counter() - began
        return said


def lowest_of_class(loss_n: Tensor, label_n: Tensor, share: float) -> Tensor:
    """bool [n]: the lowest `share` (0..1) of every class by loss, rounded up."""
    lowest = torch.zeros(len(loss_n), dtype=torch.bool)
    order = loss_n.argsort(stable=True)
    for label in label_n.unique():
        of_class = order[label_n[order] == label]
        lowest[of_class[: math.ceil(share * len(of_class) - 1e-9)]] = True
    return lowest


def trim(loss_n: Tensor, label_n: Tensor, beta: float, floor: float) -> Tensor:
    """bool [n]: the lowest `beta` of all rows, and the lowest `floor` of every class."""
    keep = lowest_of_class(loss_n, label_n, floor)
    keep[loss_n.argsort(stable=True)[: math.ceil(beta * len(loss_n) - 1e-9)]] = True
    return keep


def sample(kept: Tensor, labels: Tensor, share: float) -> Tensor:
    """A random `share` of the rows `kept` of every class, one at least: int64."""
    picked = []
    for label in labels[kept].unique():
        of_class = kept[labels[kept] == label]
        picked.append(of_class[torch.randperm(len(of_class))[: max(1, round(share * len(of_class)))]])
    return torch.cat(picked)


def peel(remaining: Tensor, share: float, rows: Rows, classes: int, settings: Settings, work: Work) -> Tensor:
    """Algorithm 1 once: a component of about `share` of the rows `remaining`, int64."""
    network = Network(rows, classes, settings, work)
    label_n = rows.labels[remaining]
    smoothed_n = torch.zeros(len(remaining))
    kept = remaining
    for iteration in range(2 + int(min(3, 1 / share))):
        picked = sample(kept, rows.labels, settings.expansion)
        network.fit(picked, settings.epochs if iteration else settings.first_epochs)
        loss_n = functional.cross_entropy(network.logits(remaining), label_n, reduction="none")
        smoothed_n = settings.loss_momentum * smoothed_n + (1 - settings.loss_momentum) * loss_n
        beta = min(1.0, share * (3.0, 2.0, 1.0)[min(iteration, 2)])
        kept = remaining[trim(smoothed_n, label_n, beta, share / 8)]
    return kept


def partition(rows: Rows, classes: int, settings: Settings, work: Work) -> list[Tensor]:
    """The components of all runs."""
    components = []
    for _ in range(settings.runs):
        left = torch.ones(len(rows), dtype=torch.bool)
        for _ in range(settings.components):
            remaining = left.nonzero().squeeze(1)
            if len(remaining) < 2:
                break
            share = min(1.0, settings.coverage / settings.components * len(rows) / len(remaining))
            taken = peel(remaining, share, rows, classes, settings, work)
            components.append(taken)
            left[taken] = False
    return components


def count_ballots(said_VN: Tensor, loss_N: Tensor, label_N: Tensor, classes: int) -> Tensor:
    """The rows kept, bool [N]: most voters say their label, or they lie in the lower half of their class by loss.

    said_VN  int64 [V, N]; of classes with as many votes, one is drawn
    loss_N   float32 [N], mean over the voters
    """
    votes_NC = functional.one_hot(said_VN, classes).sum(0)
    most_N = (votes_NC + torch.rand(votes_NC.shape) / 2).argmax(1)
    return (most_N == label_N) | lowest_of_class(loss_N, label_N, 0.5)


def vote(components: list[Tensor], rows: Rows, classes: int, settings: Settings, work: Work) -> Tensor:
    """One fresh network for each component; what their votes keep, bool [N]."""
    said, loss_N = [], torch.zeros(len(rows))
    for component in components:
        network = Network(rows, classes, settings, work, total=settings.vote_epochs)
        network.fit(component, settings.vote_epochs)
        logits_NC = network.logits()
        said.append(logits_NC.argmax(1))
        loss_N += functional.cross_entropy(logits_NC, rows.labels, reduction="none") / len(components)
    return count_ballots(torch.stack(said), loss_N, rows.labels, classes)


def selftrain(kept_N: Tensor, rows: Rows, classes: int, settings: Settings, work: Work) -> Tensor:
    """A fresh network from the rows voted for; the rows that it agrees with at its last update, bool [N]."""
    network = Network(rows, classes, settings, work, total=settings.selftrain_epochs)
    smoothed_NC = torch.zeros((len(rows), classes))
    for done in range(0, settings.selftrain_epochs, settings.selftrain_every):
        epochs = min(settings.selftrain_every, settings.selftrain_epochs - done)
        network.fit(kept_N.nonzero().squeeze(1), epochs)
        said_NC = network.logits().softmax(1)
        smoothed_NC = settings.prediction_momentum * smoothed_NC + (1 - settings.prediction_momentum) * said_NC
        kept_N = smoothed_NC.argmax(1) == rows.labels
    return kept_N


def sanitize(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: int,
    seed: int,
    settings: Settings | None = None,
    threads: int = 2,
) -> Found:
    """The whole filter.

    images   uint8 [N, H, W, K], sides of 8 pixels or more
    labels   int64 [N], 0..classes-1
    threads  of every operation
    """
    settings, work = settings or Settings(), Work()
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    rows = Rows(images, labels, settings.crop)
    with work.step("partition"):
        components = partition(rows, classes, settings, work)
    with work.step("vote"):
        voted_N = vote(components, rows, classes, settings, work)
    with work.step("self-training"):
        kept_N = selftrain(voted_N, rows, classes, settings, work)
    return Found(kept_N.numpy(), voted_N.numpy(), work)
