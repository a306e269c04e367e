"""The PyTorch learner: rows of a Table -> a trained network -> losses and predictions. The only training loop here."""

# N rows, n rows asked for, C classes, K channels, H x W pixels, P padding
from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sanitize.data.seeds import stream, stream_seed
from sanitize.data.table import FloatArray, IntArray, Table
from sanitize.errors import BadParams
from sanitize.execution import granted_threads
from sanitize.learners import compiled, nets
from sanitize.learners.base import Scores
from sanitize.learners.nets import cnn
from sanitize.learners.sgd import Optimiser, Sgd
from sanitize.params import LearnerParams

if TYPE_CHECKING:
    from sanitize.learners.compiled.cnn import CnnEngine

WARM = 0.2  # part of a triangle schedule that climbs
SCORE_BATCH = 500


def make(params: LearnerParams, table: Table, seed: int) -> TorchLearner:
    """A TorchLearner with the network `params.net`; see `learners.base.make_learner`."""
    return TorchLearner(params, table, seed)


def resolve_device(name: str) -> torch.device:
    """The device called "auto", "cpu" or "cuda". BadParams: cuda asked for where there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise BadParams("learner.device is 'cuda', but no CUDA device can be used here; set it to 'cpu' or 'auto'")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def computes_bfloat16(device: torch.device, precision: str) -> bool:
    """Whether to train in bfloat16: as told, or ("auto") where the hardware multiplies it natively."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def rate(params: LearnerParams, progress: float | None) -> float:
    """The learning rate at a point of the schedule.

    progress  0 <= progress < 1, the part of the schedule that lies behind; None = constant
    "step": lr x 0.1 for every one of `drops` reached (appendix C). "triangle": linear from 0.2 lr up to lr during the
    first fifth, then linear to zero.
    """
    if progress is None:
        return params.lr
    if params.schedule == "step":
        return params.lr * 0.1 ** sum(progress >= drop for drop in params.drops)
    if progress < WARM:
        return params.lr * (0.2 + 0.8 * progress / WARM)
    return params.lr * (1 - progress) / (1 - WARM)


class TorchLearner:
    """A network bound to one table; the rows lie on the device once, as uint8 (images) or float32 (vectors).

    params   architecture, optimiser, device and precision
    table    rows to fit and score
    seed     the run's seed
    Raises   BadParams: unknown net, a net that cannot take these rows, no such device
    """

    def __init__(self, params: LearnerParams, table: Table, seed: int) -> None:
        self.params = params
        self.seed = seed
        self.classes = table.classes
        self.device = resolve_device(params.device)
        self.bfloat16 = computes_bfloat16(self.device, params.precision)
        self.image = table.modality == "image"
        self._build = _find_net(params.net if params.net != "auto" else "cnn" if self.image else "mlp")
        if self.image:
            _, self.height, self.width, channels = table.inputs.shape
            self.shape: tuple[int, ...] = (channels, self.height, self.width)
        else:
            self.shape = (table.inputs.shape[1],)
        with torch.device("meta"):
            self._build(self.shape, self.classes)  # refuses rows that the network cannot take, before any work
        self.mean, self.deviation = self._statistics(table.inputs)
        inputs = torch.from_numpy(np.ascontiguousarray(table.inputs))
        self.pad = 0
        if self.image:
            self.pad = min(self.height, self.width) // 14 if params.crop == "auto" else params.crop
        pad = self.pad
        if pad:  # zero border, once, so that a shifted crop is one gather
            inputs = functional.pad(inputs, (0, 0, pad, pad, pad, pad))
        self.inputs = inputs.to(self.device)
        if self.image:  # every shifted crop of every image, a view: [N, 2P + 1, 2P + 1, H, W, K]
            crops = self.inputs.unfold(1, self.height, 1).unfold(2, self.width, 1)
            self.windows = crops.permute(0, 1, 2, 4, 5, 3)
        self.labels = torch.from_numpy(np.ascontiguousarray(table.labels)).to(self.device)
        self.net: nn.Module | None = None
        self.compiled = _compiled(self)

    def _statistics(self, inputs: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation per channel or feature, in the units of `inputs`."""
        axes = (0, 1, 2) if self.image else (0,)
        rows = inputs[:: max(1, len(inputs) // 10_000)]  # 10,000 rows tell the mean to a hundredth of a deviation
        mean = rows.mean(axis=axes, dtype=np.float64)
        deviation = rows.std(axis=axes, dtype=np.float64)
        deviation = np.where(deviation > 0, deviation, 1.0)
        as_row = [torch.tensor(v, dtype=torch.float32, device=self.device) for v in (mean, deviation)]
        return (as_row[0].view(1, -1, 1, 1), as_row[1].view(1, -1, 1, 1)) if self.image else (as_row[0], as_row[1])

    def start(self, *names: str | int) -> None:
        """Fresh weights and a fresh stream called `names`."""
        torch.set_num_threads(self.params.threads)
        torch.backends.cudnn.deterministic = True  # CUDA: else convolutions may add up in any order
        self.names = names
        self.draws = stream(self.seed, *names, "batches")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(self.seed, *names, "weights"))
            net = self._build(self.shape, self.classes)
        self.net = net.to(self.device, memory_format=torch.channels_last)
        given = self.params
        how: dict[str, Any] = {
            "momentum": given.momentum,
            "nesterov": given.nesterov,
            "weight_decay": given.weight_decay,
        }
        if self.compiled is None:
            self.optimiser: Optimiser = Sgd(net.parameters(), **how)
        else:
            self.compiled.take(self.net)
            self.optimiser = self.compiled.optimiser(**how)

    def fit(self, rows: IntArray, epochs: int, *, done: int = 0, total: int | None = None) -> None:
        """Go on training on `rows`; see `learners.base.Learner.fit`.

        Batches of an epoch differ by at most one row, so that none is too small for batch norm.
        """
        assert self.net is not None, "start() comes first"
        if len(rows) < 2:
            raise BadParams(
                f"a learner was given {len(rows)} rows; needs at least 2; raise ispl.expansion or take fewer components"
            )
        self.net.train()
        batches = math.ceil(len(rows) / self.params.batch)
        edges = np.cumsum([0, *(len(part) for part in np.array_split(rows, batches))])
        for epoch in range(done, done + epochs):
            order = rows[self.draws.permutation(len(rows))]
            find_gradients = self._epoch(order, self._moves(len(rows)))
            for number, (first, end) in enumerate(pairwise(edges)):
                find_gradients(slice(first, end))
                progress = None if total is None else (epoch + number / batches) / total
                self.optimiser.step(rate(self.params, progress))

    def _epoch(self, order: IntArray, moves: IntArray | None) -> Callable[[slice], None]:
        """What finds the gradients of the mean cross-entropy of a part of `order`, into the parameters.

        moves   int64 [n, 3], of every row: shift down, shift right, flip; None = not moved
        """
        if self.compiled is not None:
            own, images, label_n = self.compiled, self.inputs.numpy(), self.labels.numpy()[order]
            moves = np.tile(np.array([self.pad, self.pad, 0]), (len(order), 1)) if moves is None else moves
            return lambda part: own.step(images, order[part], moves[part], label_n[part])
        rows = torch.from_numpy(order).to(self.device)
        shifts = None if moves is None else torch.from_numpy(moves).to(self.device)
        labels = self.labels[rows]

        def by_torch(part: slice) -> None:
            assert self.net is not None
            x = self._normalised(self._gather(rows[part], None if shifts is None else shifts[part]))
            with self._precision():
                logits_nC = self.net(x)
            loss = functional.cross_entropy(logits_nC.float(), labels[part])
            self.net.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]

        return by_torch

    def score(self, rows: IntArray) -> Scores:
        """Loss and prediction of `rows`, without augmentation; see `learners.base.Learner.score`."""
        label_n, parts = self.labels[torch.from_numpy(rows).to(self.device)], []
        for part in _parts(len(rows)):
            logits_nC = self._logits(rows[part])
            loss_n = functional.cross_entropy(logits_nC, label_n[part], reduction="none")
            parts.append((loss_n, logits_nC.argmax(1)))
        losses, predictions = zip(*parts, strict=True)
        return Scores(torch.cat(losses).cpu().numpy(), torch.cat(predictions).cpu().numpy())

    def probabilities(self, inputs: NDArray[Any]) -> FloatArray:
        """Class probabilities of outside rows; see `learners.base.Learner.probabilities`."""
        assert self.net is not None, "start() comes first"
        parts = [np.empty((0, self.classes), dtype=np.float32)]
        for part in _parts(len(inputs)):
            given = np.ascontiguousarray(inputs[part])
            if self.compiled is not None:
                logits_nC = torch.from_numpy(self.compiled.logits(given, np.arange(len(given))))
            else:
                logits_nC = self._asked(torch.from_numpy(given).to(self.device))
            parts.append(logits_nC.softmax(1).cpu().numpy())
        return np.concatenate(parts)

    def state(self) -> dict[str, NDArray[Any]]:
        """Weights and batch statistics by name, float32 and int64, and the inputs' mean and deviation."""
        assert self.net is not None, "start() comes first"
        arrays = {**self.net.state_dict(), "inputs.mean": self.mean, "inputs.deviation": self.deviation}
        return {name: value.detach().cpu().numpy().copy() for name, value in arrays.items()}  # copies: training goes on

    def load(self, state: dict[str, NDArray[Any]]) -> None:
        """Take back what `state` gave. BadParams: arrays of another network or shape."""
        if self.net is None:
            self.start("loaded")
        assert self.net is not None
        arrays = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
        try:
            self.mean = arrays.pop("inputs.mean").to(self.device)
            self.deviation = arrays.pop("inputs.deviation").to(self.device)
            self.net.load_state_dict(arrays)
        except (KeyError, RuntimeError) as error:
            raise BadParams(f"stored weights do not fit learner.net {self.params.net!r}: {error}") from error
        if self.compiled is not None:
            self.compiled.normalise(self.mean.flatten(), self.deviation.flatten())

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    def _logits(self, rows: IntArray) -> Tensor:
        """Logits of rows of the table, float32 [n, C], on the device."""
        assert self.net is not None, "start() comes first"
        if self.compiled is not None:
            return torch.from_numpy(self.compiled.logits(self.inputs.numpy(), rows, self.pad))
        return self._asked(self._gather(torch.from_numpy(rows).to(self.device), None))

    def _asked(self, inputs: Tensor) -> Tensor:
        """Logits of inputs as they lie, by PyTorch."""
        assert self.net is not None
        self.net.eval()
        with torch.inference_mode(), self._precision():
            logits_nC: Tensor = self.net(self._normalised(inputs))
        return logits_nC.float()

    def _moves(self, rows: int) -> IntArray | None:
        """For every row of an epoch: shift down, shift right, flip (int64 [n, 3]); None = no augmentation."""
        if not self.image or not (self.params.flip or self.pad):
            return None
        shifts = self.draws.integers(0, 2 * self.pad + 1, (rows, 2))
        flips = self.draws.integers(0, 2, (rows, 1)) * self.params.flip
        return np.concatenate([shifts, flips], axis=1)

    def _gather(self, rows: Tensor, moves: Tensor | None) -> Tensor:
        """The inputs of `rows`, moved, as they lie: uint8 or float32. A shift is a window of the padded image."""
        if not self.image:
            return self.inputs[rows]
        pad = self.pad
        if moves is None:
            whole = self.inputs[rows]
            return whole[:, pad : pad + self.height, pad : pad + self.width] if pad else whole
        moved = self.windows[rows, moves[:, 0], moves[:, 1]]
        if self.params.flip:
            moved = torch.where(moves[:, 2].bool()[:, None, None, None], moved.flip(2), moved)
        return moved

    def _normalised(self, inputs: Tensor) -> Tensor:
        """Float inputs of mean 0 and deviation 1: images [n, H, W, K] -> [n, K, H, W] (channels last in memory)."""
        x = inputs.permute(0, 3, 1, 2) if self.image else inputs
        return (x.float() - self.mean) / self.deviation


def _compiled(learner: TorchLearner) -> CnnEngine | None:
    """The network's own machine code, where there is some for it, this precision and this processor."""
    if learner.device.type != "cpu" or not learner.bfloat16 or learner._build is not cnn.build:
        return None
    if not compiled.usable():
        return None
    from sanitize.learners.compiled.cnn import CnnEngine

    channels, height, width = learner.shape
    threads = max(learner.params.threads, granted_threads())
    engine = CnnEngine(learner.params.batch, (channels, height, width), learner.classes, threads)
    engine.normalise(learner.mean.flatten(), learner.deviation.flatten())
    return engine


def _parts(rows: int) -> list[slice]:
    """SCORE_BATCH rows at a time; at least one part."""
    return [slice(first, min(first + SCORE_BATCH, rows)) for first in range(0, max(rows, 1), SCORE_BATCH)]


def _find_net(name: str) -> Any:
    """The function build of the network called `name`. BadParams: there is none; names those there are."""
    present = {module.name for module in iter_modules(nets.__path__)}
    build = getattr(import_module(f"sanitize.learners.nets.{name}"), "build", None) if name in present else None
    if build is None:
        modules = [import_module(f"sanitize.learners.nets.{other}") for other in sorted(present)]
        names = [module.__name__.rpartition(".")[2] for module in modules if hasattr(module, "build")]
        raise BadParams(f"learner.net is {name!r}; must be auto or one of {', '.join(names)}")
    return build
