"""Self-training: win clean rows back. Table + kept rows -> what fresh networks think of every row.

Two ways. The paper's (appendix C, Jin et al. 2023): one network trains on, while its training set is re-estimated. And
in rounds, with a fresh network after every update (`selftrain.fresh`): a network that goes on keeps what it has learnt
from a poisoned row that slipped in, and then readmits all that carry the same trigger.
"""

# N rows, C classes, L learners
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sanitize.boosting import RowVotes
from sanitize.data.table import BoolArray, FloatArray, Table
from sanitize.errors import BadInput
from sanitize.execution import OrderedMap
from sanitize.learners.base import Learner, make_learner
from sanitize.params import LearnerParams, SelftrainParams


class SelftrainTask(NamedTuple):
    """What a worker needs besides the learner's number.

    start_N  bool [N], the rows to train on at first
    round    which update this is, from 0; used where every round is fresh
    """

    table: Table
    start_N: BoolArray
    learner: LearnerParams
    params: SelftrainParams
    seed: int
    round: int = 0


def trusted_rows(votes: RowVotes, params: SelftrainParams) -> BoolArray:
    """The rows to start from, bool [N]: those that the vote keeps and that `params.trust` of the voters support.

    Rows in the lower half of their class by loss are always among them: on hard data few voters are right about any
    row, and some rows of every class must be there. Without `trust` the vote's verdict stands (appendix C).
    """
    if not params.trust:
        return votes.keep_N
    supported_N = votes.support_N >= params.trust * len(votes.voters)
    trusted_N: BoolArray = votes.keep_N & (supported_N | votes.lower_half_N)
    return trusted_N


def selftrain_once(task: SelftrainTask, number: int) -> FloatArray:
    """One network: train, re-estimate the training set every `every` epochs, train on.

    Returns  float32 [N, C], the smoothed prediction at the last update
    """
    table, params = task.table, task.params
    learner = _started(task, "selftrain", number)
    keep_N = task.start_N
    smoothed_NC = np.zeros((len(table), table.classes), dtype=np.float32)
    for done in range(0, params.epochs, params.every):
        epochs = min(params.every, params.epochs - done)
        learner.fit(np.flatnonzero(keep_N), epochs, done=done, total=params.epochs)
        said_NC = learner.probabilities(table.inputs)
        smoothed_NC = params.momentum * smoothed_NC + (1 - params.momentum) * said_NC
        keep_N = _agreeing(smoothed_NC, table, done + epochs)
    return smoothed_NC


def train_afresh(task: SelftrainTask, number: int) -> FloatArray:
    """One network of one round, trained from nothing on the round's rows: float32 [N, C], its prediction."""
    epochs = min(task.params.every, task.params.epochs - task.round * task.params.every)
    learner = _started(task, "selftrain", "round", task.round, number)
    learner.fit(np.flatnonzero(task.start_N), epochs, total=epochs)
    return learner.probabilities(task.table.inputs)


def selftrain(
    table: Table,
    start_N: BoolArray,
    learner: LearnerParams,
    params: SelftrainParams,
    seed: int,
    *,
    map: OrderedMap,
    advance: Callable[[], None] = lambda: None,
) -> FloatArray:
    """What the self-trained networks think of every row.

    start_N  bool [N], the rows to start from (see `trusted_rows`); at least one
    map      how the networks are executed; the result does not depend on it
    advance  called after each network, `params.networks` times
    Returns  float32 [N, C], class probabilities smoothed over the updates and averaged over `learners` networks;
             the rows whose label is the most probable class are the result
    Raises   BadInput: nothing to start from, or nothing left
    Paper    appendix C: 100 epochs, update every 5, momentum 0.8, one network that goes on
    """
    if not start_N.any():
        raise BadInput(
            "the vote kept no row, so there is nothing to start self-training from; look at data/votes.parquet"
        )

    def mean_NC(function: Callable[[SelftrainTask, int], FloatArray], task: SelftrainTask) -> FloatArray:
        found = []
        for said_NC in map(function, task, range(params.learners)):
            found.append(said_NC)
            advance()
        mean: FloatArray = np.stack(found).mean(axis=0)
        return mean

    if not params.fresh:
        return _as_probabilities(mean_NC(selftrain_once, SelftrainTask(table, start_N, learner, params, seed)))
    keep_N = start_N
    smoothed_NC = np.zeros((len(table), table.classes), dtype=np.float32)
    for number, done in enumerate(range(0, params.epochs, params.every)):
        said_NC = mean_NC(train_afresh, SelftrainTask(table, keep_N, learner, params, seed, number))
        smoothed_NC = params.momentum * smoothed_NC + (1 - params.momentum) * said_NC
        keep_N = _agreeing(smoothed_NC, table, min(done + params.every, params.epochs))
    return _as_probabilities(smoothed_NC)


def _started(task: SelftrainTask, *names: str | int) -> Learner:
    learner = make_learner(task.learner.slowed(task.params.lr_factor), task.table, task.seed)
    learner.start(*names)
    return learner


def _agreeing(smoothed_NC: FloatArray, table: Table, epochs: int) -> BoolArray:
    """The rows whose label is the most probable class, bool [N]. BadInput: there are none after so many epochs."""
    keep_N: BoolArray = smoothed_NC.argmax(axis=1) == table.labels
    if not keep_N.any():
        raise BadInput(
            f"self-training agrees with no label after {epochs} epochs; "
            "lower learner.lr or selftrain.lr_factor, or set selftrain.epochs to 0 to let the vote stand"
        )
    return keep_N


def _as_probabilities(smoothed_NC: FloatArray) -> FloatArray:
    """Rows that add up to 1: smoothing begins at zero."""
    total_N1: FloatArray = smoothed_NC.sum(axis=1, keepdims=True)
    return smoothed_NC / total_N1
