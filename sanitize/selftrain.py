"""Self-training: win clean rows back. Table + kept rows -> kept rows. Appendix C, Jin et al. 2023."""

# N rows, C classes, L learners
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sanitize.data.table import BoolArray, FloatArray, Table
from sanitize.errors import BadInput
from sanitize.execution import OrderedMap
from sanitize.learners.base import make_learner
from sanitize.params import LearnerParams, SelftrainParams


class SelftrainTask(NamedTuple):
    """What a worker needs besides the learner's number."""

    table: Table
    start_N: BoolArray
    learner: LearnerParams
    params: SelftrainParams
    seed: int


def selftrain_once(task: SelftrainTask, number: int) -> FloatArray:
    """One network: train, re-estimate the training set every `every` epochs, train on.

    Returns  float32 [N, C], the smoothed prediction at the last update
    """
    table, params = task.table, task.params
    learner = make_learner(task.learner.model_copy(update={"lr": task.learner.lr * params.lr_factor}), table, task.seed)
    learner.start("selftrain", number)
    keep_N = task.start_N
    smoothed_NC = np.zeros((len(table), table.classes), dtype=np.float32)
    for done in range(0, params.epochs, params.every):
        epochs = min(params.every, params.epochs - done)
        learner.fit(np.flatnonzero(keep_N), epochs, done=done, total=params.epochs)
        said_NC = learner.probabilities(table.inputs)
        smoothed_NC = params.momentum * smoothed_NC + (1 - params.momentum) * said_NC
        keep_N = smoothed_NC.argmax(axis=1) == table.labels
        if not keep_N.any():
            raise BadInput(
                f"self-training agrees with no label after {done + epochs} epochs; "
                "lower learner.lr or selftrain.lr_factor, or set selftrain.epochs to 0 to let the vote stand"
            )
    total_N1: FloatArray = smoothed_NC.sum(axis=1, keepdims=True)
    return smoothed_NC / total_N1


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

    start_N  bool [N], the rows that the vote kept; at least one
    map      how the networks are executed; the result does not depend on it
    advance  called after each network
    Returns  float32 [N, C], class probabilities smoothed over the updates and averaged over `learners` networks;
             the rows whose label is the most probable class are the result
    Raises   BadInput: nothing to start from, or nothing left
    Paper    appendix C: 100 epochs, update every 5, momentum 0.8, one network
    """
    if not start_N.any():
        raise BadInput(
            "the vote kept no row, so there is nothing to start self-training from; look at data/votes.parquet"
        )
    found = []
    for smoothed_NC in map(
        selftrain_once, SelftrainTask(table, start_N, learner, params, seed), range(params.learners)
    ):
        found.append(smoothed_NC)
        advance()
    mean_NC: FloatArray = np.stack(found).mean(axis=0)
    return mean_NC
