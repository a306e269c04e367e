"""Voters that judge rows they have not seen: fitted to a table, stored as safetensors, used on any number of rows.

A panel is the weak learners of the vote (appendix C, Jin et al. 2023), and judges: networks trained on the rows that
the filter kept of the fitted table, as the last round of self-training does. A row's verdict is the filter's own rule
(`filtering.decide`) on what these say about it, and the triggers that the fitted table gave away; the lower half of a
class by loss is measured on the fitted table.
"""

# N rows of the fitted table, n rows of a batch, V voters, J judges, C classes
from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from sanitize.boosting import EXTERNAL, UNASKED, RowVotes, as_ballot, count_rows, count_votes
from sanitize.data.recipe import Recipe
from sanitize.data.table import BoolArray, FloatArray, IntArray, Table
from sanitize.errors import BadInput, BadParams
from sanitize.evidence.groups import Groups, RowGroup
from sanitize.execution import OrderedMap
from sanitize.filtering import Filtered, Manifest, decide, number_rows
from sanitize.io.regular import refuse_irregular
from sanitize.learners.base import Learner, make_learner
from sanitize.params import LearnerParams, Params, SelftrainParams, VoteParams
from sanitize.signal import agreement, count_named
from sanitize.triggers import Detector, Trigger, TriggerAbout, read_trigger, triggers_of

KEY = "sanitize"
FILE = "voters.safetensors"
State = dict[str, NDArray[Any]]
Asked = Callable[[NDArray[Any]], list[FloatArray]]


class About(BaseModel):
    """What is stored beside the arrays.

    skill              how much better than chance the voters were on the fitted rows, 1 = always right; None = not
                       known: files of versions before this do not have it
    middle_C           middle loss of every class in the fitted table, nats: below it a row is in the lower half
    parameters_sha256  of the parameters that the voters were fitted with
    fitted_sha256      of the input that they were fitted to
    groups             of the fitted rows that were dropped
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    recipe: Recipe
    learner: LearnerParams
    vote: VoteParams
    selftrain: SelftrainParams
    seed: int = Field(ge=0, lt=2**63)
    middle_C: tuple[Annotated[float, Field(allow_inf_nan=False)], ...]
    voters: tuple[tuple[int, int], ...] = Field(min_length=1, max_length=100_000)
    judges: int = Field(ge=0, le=16)
    triggers: tuple[TriggerAbout, ...] = Field((), max_length=10_000)
    groups: tuple[RowGroup, ...] = Field((), max_length=1_000_000)
    skill: float | None = Field(None, ge=-1, le=1)
    parameters_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    fitted_sha256: str = Field(pattern="^[0-9a-f]{64}$")


class JudgeTask(NamedTuple):
    """What a worker needs besides the judge's number."""

    table: Table
    keep_N: BoolArray
    learner: LearnerParams
    epochs: int
    seed: int


def train_judge(task: JudgeTask, number: int) -> State | None:
    """One network, trained from nothing on the kept rows; its arrays, None where they cannot be stored."""
    learner = make_learner(task.learner, task.table, task.seed)
    learner.start("filter", "judge", number)
    learner.fit(np.flatnonzero(task.keep_N), task.epochs, total=task.epochs)
    return learner.state()


@dataclass(frozen=True)
class Panel:
    """Voters and judges with all that is needed to use them on new rows.

    triggers  what groups of the fitted table's rows share; files of versions before this had none
    """

    about: About
    voters: list[State]
    judges: list[State]
    triggers: list[Trigger]

    def save(self, path: Path) -> None:
        """Write one safetensors file; the same panel gives the same bytes. OSError: it cannot be written."""
        arrays = {
            f"{kind}/{number}/{name}": np.ascontiguousarray(value)
            for kind, states in (
                ("voter", self.voters),
                ("judge", self.judges),
                ("trigger", [trigger.state() for trigger in self.triggers]),
            )
            for number, state in enumerate(states)
            for name, value in state.items()
        }
        try:
            save_file(arrays, path, metadata={KEY: json.dumps(self.about.model_dump(mode="json"), sort_keys=True)})
        except SafetensorError as error:
            raise BadInput(f"{path.parent}: cannot be written ({error}); free or name another place") from error


def load_panel(folder: Path) -> Panel:
    """What `Panel.save` wrote to FILE in a folder.

    Raises   BadInput: no such file, not safetensors, or not what `save` writes
    """
    path = folder / FILE if folder.is_dir() else folder
    states: dict[str, dict[int, State]] = {"voter": {}, "judge": {}, "trigger": {}}
    if not os.path.lexists(path):
        raise BadInput(f"{path}: no such file; make it with --save-voters")
    refuse_irregular(path, "what --save-voters has written")
    try:
        with safe_open(path, framework="numpy") as file:
            about = About.model_validate_json((file.metadata() or {}).get(KEY, ""))
            for key in file.keys():  # noqa: SIM118  (safe_open is no mapping)
                kind, number, name = key.split("/", 2)
                states[kind].setdefault(int(number), {})[name] = _finite(file.get_tensor(key), key)
    except (SafetensorError, ValidationError, ValueError, KeyError, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{path}: holds no voters ({first}); make it with --save-voters") from error
    if (about.learner.name, about.learner.model) != (
        "sklearn",
        "logistic_regression",
    ) and about.learner.name != "torch":
        raise BadInput(  # another model is a class to import, which a file must not choose
            f"{path}: names the learner {about.learner.name}, model {about.learner.model!r}, which cannot be stored; "
            f"make it with --save-voters"
        )
    for kind, count in (("voter", len(about.voters)), ("judge", about.judges), ("trigger", len(about.triggers))):
        if sorted(states[kind]) != list(range(count)):
            raise BadInput(f"{path}: lacks arrays of its {kind}s; make it with --save-voters")
    voters, judges = ([found[number] for number in sorted(found)] for found in (states["voter"], states["judge"]))
    shape, classes = about.recipe.shape, len(about.recipe.classes)
    for group in about.groups:
        if not {group.label, group.says} <= {*about.recipe.classes, None}:
            raise BadInput(f"{path}: group {group.id} is of a class that it lacks; make it with --save-voters")
    try:
        triggers = [read_trigger(one, states["trigger"][n], shape, classes) for n, one in enumerate(about.triggers)]
    except ValueError as error:
        raise BadInput(f"{path}: holds {error}; make it with --save-voters") from error
    return Panel(about, voters, judges, triggers)


def _finite(array: NDArray[Any], name: str) -> NDArray[Any]:
    """The array of numbers as it is. ValueError: NaN or infinity in it, or no numbers."""
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} is of type {array.dtype}; must be numbers")
    odd = np.flatnonzero(~np.isfinite(array.reshape(-1)))
    if len(odd):
        raise ValueError(
            f"{name} is {array.reshape(-1)[odd[0]]} in place {odd[0]} and {len(odd)} in all; must be finite"
        )
    return array


def fit_panel(
    table: Table,
    recipe: Recipe,
    params: Params,
    found: Filtered,
    *,
    fitted_sha256: str,
    version: str,
    map: OrderedMap,
    advance: Callable[[], None] = lambda: None,
) -> Panel:
    """The panel of a table that has been filtered.

    found    what the filter found in the table; the judges learn from the rows that it keeps
    advance  called after each judge, `judges_of(params)` times
    Raises   BadParams: a learner that cannot be stored without pickle
    """
    voters = found.states
    train = params.selftrain
    epochs = min(train.every, train.epochs) if train.fresh else train.epochs
    judges: list[State | None] = []
    if judges_of(params):
        task = JudgeTask(table, found.manifest.keep_N, params.learner.slowed(train.lr_factor), epochs, params.seed)
        for state in map(train_judge, task, range(judges_of(params))):
            judges.append(state)
            advance()
    stored = [state for state in (*voters, *judges) if state is not None]
    if len(stored) < len(voters) + len(judges):
        raise BadParams(
            f"learner.model is {params.learner.model!r}, which cannot be stored without pickle, so that no other rows "
            f"can be scored; use learner.name torch or logistic_regression, or leave out --fit-rows and --save-voters"
        )
    middle_C = tuple(
        float(np.sort(loss)[(len(loss) - 1) // 2]) if len(loss) else -1.0
        for loss in (found.own.loss_N[table.labels == label] for label in range(table.classes))
    )
    triggers = triggers_of(found.findings)
    about = About(
        version=version,
        recipe=recipe,
        learner=params.learner,
        vote=params.vote,
        selftrain=params.selftrain,
        seed=params.seed,
        middle_C=middle_C,
        voters=tuple(found.own.voters),
        judges=len(judges),
        triggers=tuple(trigger.about for trigger in triggers),
        groups=found.groups.known,
        skill=skill_of(found.own, table),
        parameters_sha256=params.sha256(),
        fitted_sha256=fitted_sha256,
    )
    return Panel(about, stored[: len(voters)], stored[len(voters) :], triggers)


def skill_of(votes: RowVotes, table: Table) -> float:
    """How much better than chance the voters name the given labels of the fitted rows, most of which each has not seen.

    Not of unseen rows alone (`unseen_shares`): of a row's voters, those that have seen it are the ones that agree.
    """
    named_N = count_votes(votes.prediction_VN, table.classes).argmax(axis=1)
    return float(np.clip(agreement(count_named(named_N, table.labels, table.classes), table.classes).skill, -1, 1))


def judges_of(params: Params) -> int:
    """How many judges a panel has: the networks of self-training's last round."""
    return params.selftrain.learners if params.selftrain.epochs else 0


class Bench:
    """A panel made ready: networks are built once. May be used by several threads at once.

    panel   what to score with
    device  "auto", "cpu" or "cuda"
    Raises  BadInput: arrays that do not fit the network that the panel names
    """

    def __init__(self, panel: Panel, device: str) -> None:
        self.about = panel.about
        recipe = panel.about.recipe
        self.classes = len(recipe.classes)
        self.groups = Groups(panel.about.groups, recipe.classes)
        kind = np.uint8 if recipe.modality == "image" else np.float32
        stub = Table(
            np.arange(2), np.zeros((2, *recipe.shape), kind), np.zeros(2, np.int64), recipe.classes, recipe.modality
        )
        self.voters, self.judges = len(panel.voters), len(panel.judges)
        # so many voters of one mind cannot be outvoted by the others
        self.quorum = min(self.voters, max(self.voters // 2 + 1, self.about.vote.least_agreement))
        learners = [self._ready(state, stub, device) for state in (*panel.voters, *panel.judges)]
        first, judges = learners[: self.quorum], learners[self.voters :]
        self.first = self._together([*first, *judges])
        self.rest = self._together(learners[self.quorum : self.voters])
        self.detector = self._detector(panel.triggers, device)
        self.middle_C = np.array(panel.about.middle_C, np.float32)
        if len(self.middle_C) != self.classes:
            raise BadInput(f"voters: {len(self.middle_C)} middle losses for {self.classes} classes; save them again")

    def _ready(self, state: State, stub: Table, device: str) -> Learner:
        learner = make_learner(
            self.about.learner.model_copy(update={"device": device, "threads": 1}), stub, self.about.seed
        )
        try:
            learner.load(state)
        except BadParams as error:
            raise BadInput(f"voters: {error}") from error
        return learner

    def _detector(self, triggers: Sequence[Trigger], device: str) -> Detector:
        recipe, learner = self.about.recipe, self.about.learner.model_copy(update={"device": device, "threads": 1})
        try:
            return Detector(triggers, recipe.shape, recipe.modality, learner, self.about.seed)
        except BadParams as error:
            raise BadInput(f"voters: {error}") from error

    def _together(self, learners: Sequence[Learner]) -> Asked:
        """Asks all of them: inputs of n rows -> float32 [n, C] of each. Perceptrons are made one network."""
        if self.about.learner.name == "torch":
            from sanitize.stacked import stacked  # torch takes seconds

            together = stacked(learners)
            if together is not None:
                return lambda inputs: _sound(list(together.probabilities(inputs)))
        return lambda inputs: _sound([learner.probabilities(inputs) for learner in learners])

    def named(self, votes: RowVotes) -> IntArray:
        """What most of the voters say that are asked about every row, int64 [n]; of equals the first class.

        Unlike the vote it does not look at the given label.
        """
        named_n: IntArray = count_votes(votes.prediction_VN[: self.quorum], self.classes).argmax(axis=1)
        return named_n

    def judge(
        self, inputs: NDArray[Any], label_n: IntArray, more: Sequence[FloatArray] = ()
    ) -> tuple[RowVotes, Manifest]:
        """The verdict on n rows.

        inputs   as Table.inputs, decoded with the panel's recipe
        label_n  int64 [n], 0..C-1
        more     what further voters say, each float32 [n, C] probabilities
        Voters beyond a majority are asked only about rows on which those before them, and `more`, do not all say the
        given label: on the others they could change neither the vote nor the verdict. What a voter would have said
        of a row that it was not asked about is UNASKED in prediction_VN; the row's loss is the mean of those asked.
        """
        rows = len(label_n)
        table = Table(np.arange(rows), inputs, label_n, self.about.recipe.classes, self.about.recipe.modality)
        said = self.first(inputs)
        asked = range(self.quorum)
        prediction_Vn = np.full((self.voters + len(more), rows), UNASKED, np.int64)
        loss_Vn = np.zeros((self.voters + len(more), rows), np.float32)
        for voter, said_nC in [*zip(asked, said, strict=False), *enumerate(more, self.voters)]:
            prediction_Vn[voter], loss_Vn[voter], _ = as_ballot(said_nC, label_n)
        agreed_n = ((prediction_Vn == label_n) | (prediction_Vn == UNASKED)).all(axis=0)
        doubted = np.flatnonzero(~agreed_n)
        if len(doubted) and self.quorum < self.voters:
            for voter, said_nC in enumerate(self.rest(inputs[doubted]), self.quorum):
                prediction_Vn[voter, doubted], loss_Vn[voter, doubted], _ = as_ballot(said_nC, label_n[doubted])
        voters = [*self.about.voters, *((EXTERNAL, number) for number in range(len(more)))]
        asked_n = (prediction_Vn != UNASKED).sum(axis=0)
        loss_n = (loss_Vn.sum(axis=0, dtype=np.float64) / asked_n).astype(np.float32)
        lower_n = loss_n <= self.middle_C[label_n]
        votes = count_rows(voters, prediction_Vn, loss_n, label_n, lower_n, self.classes, self.about.vote, None)
        smoothed_nC: FloatArray | None = np.stack(said[self.quorum :]).mean(axis=0) if self.judges else None
        findings = self.detector.findings(inputs, label_n)
        manifest = decide(table, votes, smoothed_nC, self.about.selftrain.tolerance, findings)
        return votes, number_rows(manifest, label_n, findings, self.groups)


def _sound(said: list[FloatArray]) -> list[FloatArray]:
    """The probabilities as they are. BadInput: NaN among them, which weights that are out of all bounds lead to."""
    for number, said_nC in enumerate(said):
        if not np.isfinite(said_nC).all():
            row = int(np.flatnonzero(~np.isfinite(said_nC).all(axis=1))[0])
            raise BadInput(
                f"voters: number {number} says {said_nC[row].max()} of row {row} of a batch; must be probabilities; "
                f"its weights are damaged: save the voters again (--save-voters)"
            )
    return said
