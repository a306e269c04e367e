"""One scenario in one process: source, attack, filter, three models -> one row of figures. For tables of many."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from sanitize import metrics
from sanitize.attacks.base import find
from sanitize.data.ingest import load_source
from sanitize.data.parquet import decode_table
from sanitize.data.table import BoolArray, Table
from sanitize.errors import BadInput
from sanitize.execution import make_map
from sanitize.filtering import filter_table
from sanitize.params import Params
from sanitize.progress import step
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


def run(params: Params) -> dict[str, Any]:
    """All figures of one scenario, fractions: FP, FN, AUC, and TMR and clean accuracy of the three models.

    Without an attack only the rows dropped and two accuracies are known; the others are None.
    """
    train, test = load_tables(params)
    table, is_poison_N, triggered, targets = poisoned(params, train, test)
    began = time.process_time(), time.monotonic()
    found = filter_table(table, params, map=make_map(params.engine, params.workers), steps=step)
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
        learner = train_model(table, rows_N, params)
        said_M = learner.probabilities(test.inputs).argmax(axis=1)
        figures[f"{name}_accuracy"] = metrics.clean_accuracy(said_M, test.labels)
        if attacked:
            said_T = learner.probabilities(triggered.inputs).argmax(axis=1)
            figures[f"{name}_tmr"] = metrics.tmr(said_M[triggered.ids], said_T, triggered.labels, targets)
    return figures
