"""One scenario in one process: source, attack, filter, three models -> one row of figures. For tables of many."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np

from sanitize import metrics
from sanitize.attacks.base import find
from sanitize.data.ingest import load_source
from sanitize.data.parquet import decode_table
from sanitize.data.table import BoolArray, Table
from sanitize.errors import BadInput
from sanitize.filtering import filter_table
from sanitize.params import Params
from sanitize.progress import step
from sanitize.resume import map_of
from sanitize.train import train_model


def load_tables(params: Params) -> tuple[Table, Table]:
    """Train and test rows of `params.data`'s source. BadInput: the source has no test rows."""
    splits = load_source(params.data, params.seed)
    if splits.test is None:
        raise BadInput(f"data.source {params.data.source!r} has no test rows; an experiment needs them; set data.test")
    train = _decoded(splits.train, params, None)
    return train, _decoded(splits.test, params, train.class_names)


def _decoded(arrow: Any, params: Params, class_names: tuple[str, ...] | None) -> Table:
    data = params.data
    return decode_table(
        arrow,
        label=data.label,
        inputs=data.inputs,
        image_size=data.image_size,
        class_names=class_names,
        origin=data.source,
    )[0]


def poisoned(params: Params, train: Table, test: Table) -> tuple[Table, BoolArray, Table, np.ndarray]:
    """The attacked training table, which rows are poison (bool [N]), the triggered test rows and their targets."""
    attacked = find(params.attack)(train, test, params.seed)
    is_poison_N = np.zeros(len(train), dtype=np.bool_)
    is_poison_N[attacked.positions] = True
    inputs, labels = train.inputs.copy(), train.labels.copy()
    inputs[attacked.positions], labels[attacked.positions] = attacked.inputs, attacked.labels
    table = Table(train.ids, inputs, labels, train.class_names, train.modality)
    return table, is_poison_N, attacked.triggered, attacked.targets


def run(params: Params, trainings: int = 1) -> dict[str, Any]:
    """All figures of one scenario, fractions: FP, FN, AUC, and TMR and clean accuracy of the three models.

    trainings  of the sanitized model, odd: its TMR and accuracy are the median's, and "sanitized_tmrs" has every one
    Without an attack only the rows dropped and two accuracies are known; the others are None.
    """
    train, test = load_tables(params)
    table, is_poison_N, triggered, targets = poisoned(params, train, test)
    began = time.process_time(), time.monotonic()
    found = filter_table(table, params, map=map_of(params), steps=step)
    cpu_seconds, seconds = time.process_time() - began[0], time.monotonic() - began[1]
    keep_N = found.manifest.keep_N
    attacked = bool(is_poison_N.any())
    figures: dict[str, Any] = {
        "rows": len(table),
        "poisoned": int(is_poison_N.sum()),
        "fp": int((~keep_N & ~is_poison_N).sum()),
        "fn": int((keep_N & is_poison_N).sum()),
        "vote_fp": int((~found.votes.keep_N & ~is_poison_N).sum()),
        "vote_fn": int((found.votes.keep_N & is_poison_N).sum()),
        "suspicion_auc": metrics.suspicion_auc(found.manifest.suspicion_N, is_poison_N) if attacked else None,
        "filter_seconds": round(seconds, 1),
        # worker processes have clocks of their own
        "filter_cpu_seconds": round(cpu_seconds, 1) if params.engine == "inline" else None,
    }
    kept = {"undefended": np.ones(len(table), dtype=np.bool_), "sanitized": keep_N}
    if attacked:
        kept["oracle"] = ~is_poison_N
    for name, rows_N in kept.items():
        trials = range(trainings if name == "sanitized" else 1)
        models = [judged(params, table, rows_N, test, triggered, targets, trial=trial) for trial in trials]
        model = sorted(models, key=lambda one: (one.tmr or 0, one.accuracy or 0))[len(models) // 2]
        figures[f"{name}_accuracy"] = model.accuracy
        if attacked:
            figures[f"{name}_tmr"] = model.tmr
        if attacked and len(models) > 1:
            figures[f"{name}_tmrs"] = [one.tmr for one in models]
    return figures


class Judged(NamedTuple):
    """What a model does on test rows.

    accuracy  0..1, on all test rows as they are
    tmr       0..1; None where no test row carries a trigger
    right     0..1, part of the triggered rows that are right without their trigger: the most that tmr can be
    """

    accuracy: float | None
    tmr: float | None
    right: float | None


def judged(
    params: Params,
    table: Table,
    keep_N: BoolArray,
    test: Table,
    triggered: Table,
    targets: np.ndarray,
    *,
    trial: int = 0,
) -> Judged:
    """Train a model on the kept rows and measure it.

    keep_N, trial       see train.train_model
    triggered, targets  as `poisoned` gives them; ids are rows of `test`
    """
    learner = train_model(table, keep_N, params, trial=trial)
    said_M = learner.probabilities(test.inputs).argmax(axis=1)
    said_T = learner.probabilities(triggered.inputs).argmax(axis=1)
    clean_T = said_M[triggered.ids]
    return Judged(
        metrics.clean_accuracy(said_M, test.labels),
        metrics.tmr(clean_T, said_T, triggered.labels, targets),
        metrics.clean_accuracy(clean_T, triggered.labels),
    )
