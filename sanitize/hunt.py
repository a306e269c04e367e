"""Hunt: rows with a trigger that nobody doubted. Table, predictions -> findings.

Where too many voters have learnt a trigger, the vote and self-training take its rows for good, and no group of doubted
rows gives them away. So clusters are looked for among all rows of a class (common_features.py). Most are honest:
sandals with a strap, sevens with a bar. What tells them apart is a network that has not seen the cluster: the class's
other rows have taught it what an honest kind is, and it takes a trigger's rows for what they were before.

Not in the papers; the question is that of compatibility (definition 2.2, Jin et al. 2023): do the class's other rows
help to predict the cluster's?
"""

# N rows, C classes
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sanitize.coherence import MOST_SOURCE, Finding, Group, deal_folds
from sanitize.common_features import Cluster, clusters_of_label, for_new_rows, scaled
from sanitize.data.seeds import stream
from sanitize.data.table import BoolArray, FloatArray, IntArray, Table
from sanitize.execution import OrderedMap
from sanitize.learners.base import make_learner
from sanitize.params import CoherenceParams, LearnerParams, SelftrainParams

MOST_HUNTED = 4  # clusters of each class, where networks are cheap
OWN = 0.3  # part of an honest cluster that a network which has not seen it predicts right, at the least


def clusters_wanted(table: Table, params: CoherenceParams) -> int:
    """How many clusters of each class are looked at; as many networks are trained."""
    if params.hunted != "auto":
        return params.hunted
    return 0 if table.modality == "image" else MOST_HUNTED


class HuntTask(NamedTuple):
    """What a worker needs besides a number.

    kept_N    bool [N], rows to train on, but for those that a network must not see
    unseen    for every network the clusters that it does not see, with their labels
    """

    table: Table
    kept_N: BoolArray
    unseen: list[list[tuple[int, Cluster]]]
    learner: LearnerParams
    params: CoherenceParams
    epochs: int
    seed: int


def look_for_clusters(task: HuntTask, label: int) -> list[Cluster]:
    """The clusters of one label, the most conspicuous first; none where it has too few rows.

    Their rules are for inputs that are not scaled.
    """
    label_N = task.table.labels
    own, source = np.flatnonzero(label_N == label), np.flatnonzero(label_N != label)
    draws = stream(task.seed, "hunt", label, "rows")
    if len(source) > MOST_SOURCE:
        source = np.sort(draws.permutation(source)[:MOST_SOURCE])
    if len(own) < 2 * task.params.least or not len(source):
        return []
    used = np.sort(np.concatenate([own, source]))
    ids, inputs, names = task.table.ids, task.table.inputs, task.table.class_names
    part = Table(ids[used], inputs[used], label_N[used], names, task.table.modality)
    kind_n = (part.labels == label).astype(np.int64)
    found = clusters_of_label(
        scaled(part),
        np.flatnonzero(kind_n == 1),
        np.flatnonzero(kind_n == 0),
        deal_folds(kind_n, draws),
        task.params.least,
        clusters_wanted(task.table, task.params),
        task.params.common,
    )
    return [replace(one, rows=used[one.rows], rules=for_new_rows(part, one.rules)) for one in found]


def predict_unseen(task: HuntTask, number: int) -> list[IntArray]:
    """What a network says of the clusters that it has not seen: a class for every row."""
    keep_N = task.kept_N.copy()
    for _, cluster in task.unseen[number]:
        keep_N[cluster.rows] = False
    learner = make_learner(task.learner, task.table, task.seed)
    learner.start("hunt", number)
    learner.fit(np.flatnonzero(keep_N), task.epochs, total=task.epochs)
    inputs = task.table.inputs
    return [learner.probabilities(inputs[cluster.rows]).argmax(axis=1) for _, cluster in task.unseen[number]]


def hunt(
    table: Table,
    smoothed_NC: FloatArray,
    findings: Sequence[Finding],
    learner: LearnerParams,
    params: CoherenceParams,
    training: SelftrainParams,
    seed: int,
    *,
    map: OrderedMap,
    advance: Callable[[], None] = lambda: None,
) -> list[Finding]:
    """Clusters of a class that its other rows do not explain.

    smoothed_NC  float32 [N, C], from `selftrain`
    findings     of `examine_groups`: their carriers are known, and no network sees them
    training     gives the networks' epochs (`every`) and learning rate
    map          how clusters are looked for and networks trained; the result does not depend on it
    advance      called after each network
    Returns      coherent findings, by number of the network and label; at most `clusters_wanted` networks are trained,
                 each without one cluster of every class; nothing where none is wanted
    """
    if not clusters_wanted(table, params):
        return []
    kept_N = smoothed_NC.argmax(axis=1) == table.labels
    known_N = np.zeros(len(table), np.bool_)
    for finding in findings:
        known_N[finding.carriers] = True
    rate = learner.slowed(training.lr_factor)
    task = HuntTask(table, kept_N & ~known_N, [], rate, params, training.every, seed)
    by_label = [
        [cluster for cluster in clusters if not known_N[cluster.rows].all()]
        for clusters in map(look_for_clusters, task, range(table.classes))
    ]
    rounds = max(len(clusters) for clusters in by_label)
    unseen = [[(c, clusters[n]) for c, clusters in enumerate(by_label) if n < len(clusters)] for n in range(rounds)]
    found = []
    for clusters, said in zip(unseen, map(predict_unseen, task._replace(unseen=unseen), range(rounds)), strict=True):
        advance()
        for (label, cluster), said_n in zip(clusters, said, strict=True):
            votes_C = np.bincount(said_n, minlength=table.classes)
            own = votes_C[label] / len(cluster.rows)
            if own < OWN:
                votes_C[label] = 0
                group = Group(label, int(votes_C.argmax()), cluster.rows)
                found.append(Finding(group, "coherent", float(1 - own), cluster.rows, cluster.rules))
    return found
