"""Activation Clustering: the smaller of two clusters of each class. Chen et al., SafeAI 2019 (arXiv 2018).

A network is trained on every row. Within each class its last hidden layer's activations are brought to ten independent
components and parted by k-means with k = 2; the smaller cluster is dropped. The paper also tells how to look at the
clusters before one is dropped; as in the tables of Jin et al. 2023, none of that is done here.
"""

# N rows, n rows of a class, D units of the last hidden layer, d components
from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from experiments.peers.base import Verdict, option, representations
from sanitize.data.seeds import stream_seed
from sanitize.data.table import FloatArray, IntArray, Table
from sanitize.params import Params

STARTS = 10  # of k-means, the best of which counts
ITERATIONS = 500
LEAST_ROWS = 4  # of a class that is parted at all


def judge(table: Table, params: Params, options: Mapping[str, Any], seed: int) -> Verdict:
    """Train on every row, then `verdict`. options: `components`, 1 or more."""
    components = int(option(options, "clustering", "components", 1, 1000))
    with threadpool_limits(params.train.threads):
        return verdict(representations(table, params), table.labels, components, seed)


def verdict(value_ND: FloatArray, label_N: IntArray, components: int, seed: int) -> Verdict:
    """Drop the smaller cluster of each class (of two equal ones the one without the class's first row).

    value_ND    float32 [N, D]
    label_N     int64 [N]
    components  independent components that are looked at, as far as the class has dimensions
    seed        of the run; streams (seed, "clustering", label, "components" | "clusters")
    Returns     suspicion 0..1: distance to the larger cluster's centre over the sum of both distances, so that more
                than a half means the smaller cluster
    """
    suspicion_N = np.zeros(len(label_N))
    keep_N = np.ones(len(label_N), np.bool_)
    for label in np.unique(label_N).tolist():
        rows = np.flatnonzero(label_N == label)
        if len(rows) < LEAST_ROWS:
            continue
        value_nd = _independent(value_ND[rows], components, _state(seed, label, "components"))
        found = KMeans(2, n_init=STARTS, random_state=_state(seed, label, "clusters")).fit(value_nd)
        counts = np.bincount(found.labels_, minlength=2)
        smaller = int(counts[1] < counts[0]) if counts[0] != counts[1] else 1 - int(found.labels_[0])
        distance_n2 = found.transform(value_nd)
        total_n = distance_n2.sum(axis=1)
        far_n = distance_n2[:, 1 - smaller]
        suspicion_N[rows] = np.divide(far_n, total_n, out=np.zeros(len(rows)), where=total_n > 0)
        keep_N[rows] = found.labels_ != smaller
    return Verdict(suspicion_N, keep_N)


def _independent(value_nD: FloatArray, components: int, state: int) -> FloatArray:
    """Independent components, float [n, d]; as they are where there are no more than wanted."""
    rank = int(np.linalg.matrix_rank(value_nD - value_nD.mean(axis=0)))
    if min(value_nD.shape[1], rank) <= components:
        return value_nD
    model = FastICA(components, whiten="unit-variance", max_iter=ITERATIONS, random_state=state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # Gaussian directions have no end; any of them will do
        found: FloatArray = model.fit_transform(value_nD.astype(np.float64))
    return found


def _state(seed: int, label: int, name: str) -> int:
    return stream_seed(seed, "clustering", label, name) % 2**32
