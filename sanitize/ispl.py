"""ISPL: split a Table into components that learn together. Table -> component per row and run. Alg. 1, Jin et al."""

# N rows, R runs, n rows that remain
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sanitize.data.seeds import stream
from sanitize.data.table import BoolArray, FloatArray, IntArray, Table
from sanitize.errors import BadInput
from sanitize.execution import OrderedMap
from sanitize.learners.base import Learner, make_learner
from sanitize.params import IsplParams, LearnerParams
from sanitize.scratch import notes

LEFT_OVER = -1  # component of the rows that no component took


@dataclass(frozen=True)
class Partition:
    """What ISPL found: for every run, the component of every row.

    component_RN  int64 [R, N], 0..components-1 in the order of peeling, LEFT_OVER = in none
    loss_RN       float32 [R, N], smoothed loss when the row was taken (left-over rows: when last seen), nats
    """

    component_RN: IntArray
    loss_RN: FloatArray

    def members(self, run: int, component: int) -> IntArray:
        """Positions of one component's rows, ascending."""
        return np.flatnonzero(self.component_RN[run] == component)

    def components(self) -> list[tuple[int, int]]:
        """(run, component) of every component that has rows, in order."""
        return [
            (run, int(component))
            for run, row in enumerate(self.component_RN)
            for component in np.unique(row[row != LEFT_OVER])
        ]


class RunTask(NamedTuple):
    """What a worker needs besides the run's number."""

    table: Table
    learner: LearnerParams
    params: IsplParams
    seed: int


def iterations(share: float, params: IsplParams) -> int:
    """N of a round: 2 + min(extra, 1/p), integer part (appendix C). `share` is p, 0 < p <= 1."""
    return 2 + int(min(params.extra_iterations, 1 / share))


def beta(iteration: int, share: float, params: IsplParams) -> float:
    """The annealed beta of one iteration: from beta_start x p, linearly to p over `anneal` iterations, within 0..1."""
    left = max(0.0, 1 - iteration / params.anneal) if params.anneal else 0.0
    return min(1.0, share * (1 + (params.beta_start - 1) * left))


def keep_lowest(loss_N: FloatArray, label_N: IntArray, share: float, floor: float, trim: str = "global") -> BoolArray:
    """Trim: keep the rows with the lowest smoothed loss, and some of every class.

    loss_N   float32 [N], nats; NaN is refused; ties go to the earlier row
    label_N  int64 [N], 0..C-1
    share    part of the rows kept, 0 < share <= 1, rounded up to whole rows
    floor    part of each class kept at the least, 0 <= floor <= share, rounded up; of no use with trim "class"
    trim     "global": the lowest `share` of all rows, and the lowest `floor` of every class;
             "class": the lowest `share` of every class
    Returns  bool [N], True = keep
    Raises   BadInput: NaN, unequal lengths
    Paper    Trim of Alg. 1; the class floor is appendix C's p/8 of every class; "class" is not the paper's
    """
    if len(loss_N) != len(label_N):
        raise BadInput(f"keep_lowest was given {len(loss_N)} losses for {len(label_N)} labels; needs one each")
    if np.isnan(loss_N).any():
        row = int(np.flatnonzero(np.isnan(loss_N))[0])
        raise BadInput(f"the loss of row {row} is NaN: the learner diverged; lower learner.lr or ispl.lr_factor")
    if trim == "class":
        return lowest_of_class(loss_N, label_N, share)
    keep = np.zeros(len(loss_N), dtype=np.bool_)
    keep[np.argsort(loss_N, kind="stable")[: math.ceil(share * len(loss_N) - 1e-9)]] = True
    return keep | lowest_of_class(loss_N, label_N, floor)


def lowest_of_class(loss_N: FloatArray, label_N: IntArray, share: float) -> BoolArray:
    """True for the lowest `share` (0..1) of each class by loss, rounded up; ties go to the earlier row."""
    lowest_N = np.zeros(len(loss_N), dtype=np.bool_)
    order = np.argsort(loss_N, kind="stable")
    for label in np.unique(label_N):
        of_class = order[label_N[order] == label]
        lowest_N[of_class[: math.ceil(share * len(of_class) - 1e-9)]] = True
    return lowest_N


def sample_per_class(rows: IntArray, label_N: IntArray, share: float, draws: np.random.Generator) -> IntArray:
    """A random share of each class's rows, at least one and at least a whole row's worth.

    rows     int64 [n], positions
    label_N  int64 [N], label of every position
    share    alpha, 0 < share <= 1
    Returns  int64, ascending positions
    Paper    the alpha-expansion sample of Alg. 1; per class by appendix C
    """
    picked = [
        draws.permutation(of_class)[: max(1, round(share * len(of_class)))]
        for label in np.unique(label_N[rows])
        for of_class in [rows[label_N[rows] == label]]
    ]
    return np.sort(np.concatenate(picked))


def peel(
    learner: Learner,
    rows: IntArray,
    label_N: IntArray,
    share: float,
    params: IsplParams,
    seed: int,
    names: tuple[str | int, ...],
) -> tuple[IntArray, FloatArray]:
    """Algorithm 1 once: shrink to one self-consistent component of the given rows.

    learner  bound to the table; is started afresh here and carried on from iteration to iteration
    rows     int64 [n], positions that remain
    label_N  int64 [N]
    share    p, part of `rows` that the component should take, 0 < p <= 1
    names    stream of this component, such as ("ispl", run, component)
    Returns  (positions of the component, ascending; smoothed loss of all `rows`, float32 [n])
    """
    learner.start(*names)
    draws = stream(seed, *names, "sample")
    kept = rows
    smoothed_n = np.zeros(len(rows), dtype=np.float32)
    for iteration in range(iterations(share, params)):
        picked = sample_per_class(kept, label_N, params.expansion, draws)
        learner.fit(picked, params.epochs if iteration else params.first_epochs)
        loss_n = learner.score(rows).loss
        smoothed_n = params.momentum * smoothed_n + (1 - params.momentum) * loss_n
        cut = beta(iteration, share, params)
        keep_n = keep_lowest(smoothed_n, label_N[rows], cut, params.class_floor * share, params.trim)
        kept = rows[keep_n]
    return kept, smoothed_n


def partition_run(task: RunTask, run: int) -> tuple[IntArray, FloatArray]:
    """One run: components come off one after another. Its notes hold the components so far.

    Returns  component int64 [N] and loss float32 [N], as one row of a Partition
    """
    table, params = task.table, task.params
    learner = make_learner(task.learner.slowed(params.lr_factor), table, task.seed)
    component_N = np.full(len(table), LEFT_OVER, dtype=np.int64)
    loss_N = np.zeros(len(table), dtype=np.float32)
    own, first = notes(), 0
    if (kept := own.read()) is not None:
        first, component_N, loss_N = kept
    remaining = np.flatnonzero(component_N == LEFT_OVER)
    size = params.coverage / params.components * len(table)
    for component in range(first, params.components):
        share = min(1.0, size / len(remaining))
        taken, smoothed_n = peel(learner, remaining, table.labels, share, params, task.seed, ("ispl", run, component))
        loss_N[remaining] = smoothed_n
        component_N[taken] = component
        remaining = np.flatnonzero(component_N == LEFT_OVER)
        if len(remaining) < 2:
            break
        own.write((component + 1, component_N, loss_N))
    return component_N, loss_N


def refuse_too_small(table: Table, params: IsplParams) -> None:
    """BadInput where there is one class only, or a class has fewer rows than the voters need.

    Every component's sample must be able to hold one row of the class: components x runs do not matter, since each
    run starts with all rows; so a class needs one row per component.
    """
    rows_C = np.bincount(table.labels, minlength=table.classes)
    present = np.flatnonzero(rows_C)
    if len(present) < 2:
        only = table.class_names[present[0]] if len(present) else "none"
        raise BadInput(f"the label column has one class only ({only}); needs at least two to tell them apart")
    small = int(present[np.argmin(rows_C[present])])
    if rows_C[small] < params.components:
        raise BadInput(
            f"class {table.class_names[small]!r} has {rows_C[small]} rows; the voters need at least "
            f"{params.components}, one per component; lower ispl.components, or merge or remove the class"
        )


def partition(
    table: Table,
    learner: LearnerParams,
    params: IsplParams,
    seed: int,
    *,
    map: OrderedMap,
    advance: Callable[[], None] = lambda: None,
) -> Partition:
    """All runs of ISPL.

    table    at least two classes, each with at least as many rows as there are components
    map      how the runs are executed; the result does not depend on it
    advance  called after each run
    Raises   BadInput: too few rows or classes
    Paper    Alg. 1 within the loop of appendix C (8 components, 3 runs)
    """
    refuse_too_small(table, params)
    found = []
    for result in map(partition_run, RunTask(table, learner, params, seed), range(params.runs)):
        found.append(result)
        advance()
    return Partition(np.stack([f[0] for f in found]), np.stack([f[1] for f in found]))
