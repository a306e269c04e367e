"""Confident learning: rows whose label out-of-sample predictions contradict. Northcutt, Jiang and Chuang, JAIR 2021.

Networks are trained on all folds but one and asked for that one; the package cleanlab estimates from their
probabilities how many labels of each class are wrong, and which. It is made for label noise, not for triggers.
"""

# N rows, C classes
from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from experiments.peers.base import Verdict, option
from sanitize.data.seeds import stream
from sanitize.data.table import FloatArray, IntArray, Table
from sanitize.errors import BadParams
from sanitize.params import Params
from sanitize.train import train_model


def judge(table: Table, params: Params, options: Mapping[str, Any], seed: int) -> Verdict:
    """Predict every row out of sample, then `verdict`. options: `folds`, 2 or more. BadParams: no cleanlab."""
    if find_spec("cleanlab") is None:
        raise BadParams(
            "the peer 'confident' needs the package cleanlab; install it (pip install 'sanitize[peers]', or "
            "pip install cleanlab), or leave the peer out"
        )
    folds = int(option(options, "confident", "folds", 2, 100))
    return verdict(out_of_sample(table, params, folds, seed), table.labels)


def verdict(said_NC: FloatArray, label_N: IntArray) -> Verdict:
    """Drop what cleanlab finds with its defaults (prune by noise rate, off-diagonal of the confident joint).

    said_NC   float32 [N, C], out-of-sample probabilities
    label_N   int64 [N]
    Returns   suspicion 0..1: 1 minus the probability of the given label, which is also how cleanlab ranks
    """
    found = import_module("cleanlab.filter").find_label_issues(label_N, said_NC.astype(np.float64), n_jobs=1)
    suspicion_N = 1 - said_NC[np.arange(len(label_N)), label_N].astype(np.float64)
    return Verdict(suspicion_N, ~np.asarray(found, np.bool_))


def out_of_sample(table: Table, params: Params, folds: int, seed: int) -> FloatArray:
    """float32 [N, C]: for every row the probabilities of a network that has not seen it."""
    fold_N = fold_of(table.labels, folds, seed)
    said_NC = np.zeros((len(table), table.classes), np.float32)
    for fold in range(folds):
        asked_N = fold_N == fold
        said_NC[asked_N] = train_model(table, ~asked_N, params).probabilities(table.inputs[asked_N])
    return said_NC


def fold_of(label_N: IntArray, folds: int, seed: int) -> IntArray:
    """int64 [N], 0..folds-1: each class spread evenly over the folds; stream (seed, "confident", "folds", label)."""
    fold_N = np.empty(len(label_N), np.int64)
    for label in np.unique(label_N).tolist():
        rows = np.flatnonzero(label_N == label)
        fold_N[stream(seed, "confident", "folds", label).permutation(rows)] = np.arange(len(rows)) % folds
    return fold_N
