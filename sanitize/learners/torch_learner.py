"""The PyTorch learner: rows of a Table -> a trained network -> losses and predictions. The only training loop here."""

# N rows, n rows asked for, C classes, K channels, H x W pixels
from __future__ import annotations

import math
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sanitize.data.seeds import stream, stream_seed
from sanitize.data.table import FloatArray, IntArray, Table
from sanitize.errors import BadParams
from sanitize.execution import granted_threads
from sanitize.learners import nets
from sanitize.learners.base import Scores
from sanitize.learners.choice import Network
from sanitize.learners.engines import Engine, Epoch, parts
from sanitize.learners.resident import resident
from sanitize.params import LearnerParams

WARM = 0.2  # part of a triangle schedule that climbs


def make(params: LearnerParams, table: Table, seed: int) -> TorchLearner:
    """A TorchLearner with the network `params.net`; see `learners.base.make_learner`."""
    return TorchLearner(params, table, seed)


def resolve_device(name: str) -> torch.device:
    """The device called "auto", "cpu" or "cuda": this thread's GPU. BadParams: cuda asked for where there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise BadParams("learner.device is 'cuda', but no CUDA device can be used here; set it to 'cpu' or 'auto'")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


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
        image = table.modality == "image"
        name = params.net if params.net != "auto" else "cnn" if image else "mlp"
        build = _find_net(name)
        self.shape = (table.inputs.shape[3], *table.inputs.shape[1:3]) if image else table.inputs.shape[1:]
        with torch.device("meta"):
            build(self.shape, self.classes)  # refuses rows that the network cannot take, before any work
        self.rows = resident(table, self.device, params.crop)
        as_stored = (1, -1, 1, 1) if image else (-1,)
        self.mean, self.deviation = self.rows.mean.view(as_stored), self.rows.deviation.view(as_stored)
        self.net: nn.Module | None = None
        torch.set_num_threads(params.threads)
        self.network = Network(
            name,
            build,
            self.shape,
            self.classes,
            computes_bfloat16(self.device, params.precision),
            flip=params.flip,
            threads=max(params.threads, granted_threads()),
            momentum=params.momentum,
            nesterov=params.nesterov,
            weight_decay=params.weight_decay,
        )
        self.engine: Engine = self.network.engine(self.rows, params.batch)

    def start(self, *names: str | int) -> None:
        """Fresh weights and a fresh stream called `names`."""
        torch.set_num_threads(self.params.threads)
        torch.backends.cudnn.deterministic = True  # CUDA: else convolutions may add up in any order
        self.names = names
        self.draws = stream(self.seed, *names, "batches")
        net = self.network.drawn(stream_seed(self.seed, *names, "weights"))
        with self.engine.entered():
            self.net = self.engine.take(net)

    def fit(self, rows: IntArray, epochs: int, *, done: int = 0, total: int | None = None) -> None:
        """Go on training on `rows`; see `learners.base.Learner.fit`.

        Batches of an epoch differ by at most one row, so that none is too small for batch norm.
        """
        assert self.net is not None, "start() comes first"
        if len(rows) < 2:
            raise BadParams(
                f"a learner was given {len(rows)} rows; needs at least 2; raise ispl.expansion or take fewer components"
            )
        batches = math.ceil(len(rows) / self.params.batch)
        edges = np.cumsum([0, *(len(part) for part in np.array_split(rows, batches))]).tolist()
        with self.engine.entered():
            for epoch in range(done, done + epochs):
                order = rows[self.draws.permutation(len(rows))]
                progress = [None if total is None else (epoch + number / batches) / total for number in range(batches)]
                rates = [rate(self.params, behind) for behind in progress]
                self.engine.train(Epoch(order, self._moves(len(rows)), edges, rates))

    def score(self, rows: IntArray) -> Scores:
        """Loss and prediction of `rows`, without augmentation; see `learners.base.Learner.score`."""
        assert self.net is not None, "start() comes first"
        with self.engine.entered():
            loss_n, prediction_n = self.engine.score(rows)
            return Scores(_copied(loss_n), _copied(prediction_n))

    def probabilities(self, inputs: NDArray[Any]) -> FloatArray:
        """Class probabilities of outside rows; see `learners.base.Learner.probabilities`."""
        assert self.net is not None, "start() comes first"
        with self.engine.entered():
            found = [self.engine.answers(np.ascontiguousarray(inputs[part])).softmax(1) for part in parts(len(inputs))]
            return torch.cat(found).cpu().numpy()

    def state(self) -> dict[str, NDArray[Any]]:
        """Weights and batch statistics by name, float32 and int64, and the inputs' mean and deviation."""
        assert self.net is not None, "start() comes first"
        arrays = {**self.net.state_dict(), "inputs.mean": self.mean, "inputs.deviation": self.deviation}
        with self.engine.entered():
            return {name: _copied(value) for name, value in arrays.items()}

    def load(self, state: dict[str, NDArray[Any]]) -> None:
        """Take back what `state` gave. BadParams: arrays of another network or shape."""
        if self.net is None:
            self.start("loaded")
        assert self.net is not None
        arrays = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
        with self.engine.entered():
            try:
                self.mean, self.deviation = (
                    arrays.pop(f"inputs.{name}").to(self.device) for name in ("mean", "deviation")
                )
                self.net.load_state_dict(arrays)
            except (KeyError, RuntimeError) as error:
                raise BadParams(f"stored weights do not fit learner.net {self.params.net!r}: {error}") from error
            self.engine.normalise(self.mean.flatten(), self.deviation.flatten())

    def _moves(self, rows: int) -> IntArray | None:
        """For every row of an epoch: shift down, shift right, flip (int64 [n, 3]); None = no augmentation."""
        if not self.rows.moved(self.params.flip):
            return None
        shifts = self.draws.integers(0, 2 * self.rows.pad + 1, (rows, 2))
        flips = self.draws.integers(0, 2, (rows, 1)) * self.params.flip
        return np.concatenate([shifts, flips], axis=1)


def _copied(held: Tensor) -> NDArray[Any]:
    """A tensor's values, in memory that no later call writes to."""
    return held.detach().cpu().numpy().copy()


def _find_net(name: str) -> Any:
    """The function build of the network called `name`. BadParams: there is none; names those there are."""
    present = {module.name for module in iter_modules(nets.__path__)}
    build = getattr(import_module(f"sanitize.learners.nets.{name}"), "build", None) if name in present else None
    if build is None:
        modules = [import_module(f"sanitize.learners.nets.{other}") for other in sorted(present)]
        names = [module.__name__.rpartition(".")[2] for module in modules if hasattr(module, "build")]
        raise BadParams(f"learner.net is {name!r}; must be auto or one of {', '.join(names)}")
    return build
