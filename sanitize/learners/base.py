"""The learning algorithm A of both papers' definitions, as an interface: start afresh, fit on rows, score rows."""

# N rows of the table, n rows asked for, M outside rows, C classes
from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sanitize import learners
from sanitize.data.table import FloatArray, IntArray, Table
from sanitize.errors import BadParams

if TYPE_CHECKING:
    from sanitize.params import LearnerParams


class Scores(NamedTuple):
    """What a learner says of n rows.

    loss        float32 [n], cross-entropy with the row's given label, nats
    prediction  int64 [n], the most probable class
    """

    loss: FloatArray
    prediction: IntArray


class Learner(Protocol):
    """A learner bound to one table. Every call is deterministic given the table, the parameters and the streams."""

    def start(self, *names: str | int) -> None:
        """Forget everything; the randomness to come is the stream called `names`."""

    def fit(self, rows: IntArray, epochs: int, *, done: int = 0, total: int | None = None) -> None:
        """Go on learning from the given rows.

        rows    int64 [n], positions in the table
        epochs  passes over these rows, at least 1
        done    epochs of the schedule that earlier calls have used
        total   length of the whole schedule in epochs; None = constant learning rate
        Learners without epochs (scikit-learn's) fit to the rows from scratch and ignore the three numbers.
        """

    def score(self, rows: IntArray) -> Scores:
        """Loss and prediction of the given rows (positions in the table, int64 [n]), without augmentation."""

    def probabilities(self, inputs: NDArray[Any]) -> FloatArray:
        """Class probabilities of outside rows: inputs as in Table.inputs [M, …] -> float32 [M, C]."""

    def state(self) -> dict[str, NDArray[Any]] | None:
        """The learned arrays by name, to be stored as safetensors; None = cannot be stored without pickle."""

    def load(self, state: dict[str, NDArray[Any]]) -> None:
        """Take back what `state` gave."""


def make_learner(params: LearnerParams, table: Table, seed: int) -> Learner:
    """The learner called `params.name`, bound to `table`: the module `sanitize.learners.NAME_learner`.

    seed     the run's seed, from which all of its streams come
    Raises   BadParams: no such learner, or parameters that do not fit the table
    """
    names = sorted(
        module.name.removesuffix("_learner")
        for module in iter_modules(learners.__path__)
        if module.name.endswith("_learner")
    )
    if params.name not in names:
        raise BadParams(f"learner.name is {params.name!r}; must be one of {', '.join(names)}")
    module = import_module(f"sanitize.learners.{params.name}_learner")
    learner: Learner = module.make(params, table, seed)
    return learner


def all_rows(table: Table) -> IntArray:
    """Every position of the table, int64 [N]."""
    return np.arange(len(table), dtype=np.int64)
