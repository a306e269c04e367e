"""Final training: a model on the rows that are kept. Table + mask -> a fitted learner."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sanitize.data.table import BoolArray, Table
from sanitize.errors import BadInput
from sanitize.learners.base import Learner, make_learner
from sanitize.params import Params


def train_model(
    table: Table,
    keep_N: BoolArray,
    params: Params,
    *,
    trial: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> Learner:
    """Train afresh on the kept rows, with `params.train`'s epochs and threads.

    keep_N   bool [N], True = train on it; at least two rows
    trial    which training this is: another one starts from other weights and draws other batches
    advance  called after each epoch
    Oracle, undefended and sanitized models start from the same weights (stream "train"), so that they differ by their
    rows alone.
    Raises   BadInput: fewer than two rows are kept
    """
    if keep_N.sum() < 2:
        raise BadInput(f"{int(keep_N.sum())} rows are kept; a model needs at least 2; look at the manifest's reasons")
    given = params.learner.slowed(params.train.lr_factor).model_copy(update={"threads": params.train.threads})
    learner = make_learner(given, table, params.seed)
    learner.start("train", *([trial] if trial else []))
    for done in range(params.train.epochs):
        learner.fit(np.flatnonzero(keep_N), 1, done=done, total=params.train.epochs)
        advance()
    return learner
