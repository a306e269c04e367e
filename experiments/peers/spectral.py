"""Spectral Signatures: rows that stand out along a class's main direction. Tran, Li and Madry, NeurIPS 2018.

A network is trained on every row. Within each class its representations, centred, have a first right singular vector;
a row's score is the square of its projection on it, and the highest scores are dropped. The paper drops 1.5 times the
largest number of poisoned rows that it expects, which a stranger does not know: here one share for every class.
"""

# N rows, n rows of a class, D units of the last hidden layer
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.peers.base import Verdict, option, representations
from sanitize.data.table import FloatArray, IntArray, Table
from sanitize.params import Params


def judge(table: Table, params: Params, options: Mapping[str, Any], seed: int) -> Verdict:
    """Train on every row, then `verdict`. options: `share`, dropped of every class, 0..1. Nothing else is drawn."""
    return verdict(representations(table, params), table.labels, option(options, "spectral", "share", 0, 1))


def verdict(value_ND: FloatArray, label_N: IntArray, share: float) -> Verdict:
    """Drop the share of each class that lies furthest along its main direction.

    value_ND  float32 [N, D]
    label_N   int64 [N]
    share     of each class, 0..1, rounded half upwards
    Returns   suspicion 0..1: the part of the row's class that has a lower score, since scores of two classes have no
              common scale; rows of equal score in the order of the table, the earlier ones worse
    """
    suspicion_N = np.zeros(len(label_N))
    keep_N = np.ones(len(label_N), np.bool_)
    for label in np.unique(label_N):
        rows = np.flatnonzero(label_N == label)
        order = rows[np.argsort(-scores(value_ND[rows]), kind="stable")]
        suspicion_N[order] = 1 - np.arange(1, len(rows) + 1) / len(rows)
        keep_N[order[: math.floor(share * len(rows) + 0.5)]] = False
    return Verdict(suspicion_N, keep_N)


def scores(value_nD: FloatArray) -> NDArray[np.float64]:
    """float64 [n]: squared projection of each row on the first right singular vector of the centred rows.

    Rounded to nine digits of the largest, since the last ones differ by machine and would order equal rows.
    """
    centred_nD = value_nD.astype(np.float64) - value_nD.mean(axis=0, dtype=np.float64)
    direction_D = np.linalg.svd(centred_nD, full_matrices=False)[2][0]
    score_n = (centred_nD @ direction_D) ** 2
    largest = score_n.max()
    rounded: NDArray[np.float64] = np.round(score_n / largest, 9) * largest if largest > 0 else score_n
    return rounded
