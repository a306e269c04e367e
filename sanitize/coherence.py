"""Coherence: do the doubted rows of a class share what its other rows lack? Table, predictions -> groups, carriers.

Rows of class t that self-training takes for class s are of two kinds. Hard rows are doubted each for its own reason;
rows with a trigger for one and the same. So a network learns three classes, s, t and half of the group, and is asked
for the other half: of a group with a trigger it recognises nearly all rows, of hard rows few. Having learnt it, the
network also finds the rows of t that carry it and look enough like t to have passed everything else.

Not in the papers. Assumes that the trigger, or whatever the group shares, is rare among the other rows of s and t.
"""

# N rows, C classes, G groups, n rows of a group's two classes
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sanitize.data.seeds import stream
from sanitize.data.table import FloatArray, IntArray, Table
from sanitize.execution import OrderedMap
from sanitize.learners.base import make_learner
from sanitize.params import CoherenceParams, LearnerParams

SOURCE, TARGET, GROUP = range(3)  # the three classes of a group's networks
FOLDS = 2
MOST_COPIES = 8  # of a group's row in one epoch
LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class Group:
    """Rows of one class that self-training takes for another.

    label, says  0..C-1
    rows         int64, ascending positions
    """

    label: int
    says: int
    rows: IntArray


@dataclass(frozen=True)
class Finding:
    """What the networks that had not seen a row say of it.

    group       the group
    recognised  part of the group's rows that are taken for the group's, 0..1
    rows        int64 [n], ascending positions of all rows with the group's label
    share_n     float32 [n], probability of being one of the group
    """

    group: Group
    recognised: float
    rows: IntArray
    share_n: FloatArray


class GroupTask(NamedTuple):
    """What a worker needs besides the group's number."""

    table: Table
    groups: list[Group]
    learner: LearnerParams
    params: CoherenceParams
    seed: int


def doubted_groups(table: Table, smoothed_NC: FloatArray, params: CoherenceParams) -> list[Group]:
    """The groups to look at: at least `least` rows each, the `most` that self-training contradicts most firmly.

    smoothed_NC  float32 [N, C], from `selftrain`
    Returns      groups by falling mean of ln(p(said class) / p(label)), ties by label and said class
    """
    label_N, says_N = table.labels, smoothed_NC.argmax(axis=1)
    given_N = np.maximum(smoothed_NC[np.arange(len(table)), label_N], LEAST_PROBABILITY)
    firm_N = np.log(smoothed_NC.max(axis=1) / given_N)
    found = []
    for label, says in np.unique(np.stack([label_N, says_N], axis=1)[label_N != says_N], axis=0):
        rows = np.flatnonzero((label_N == label) & (says_N == says))
        if len(rows) >= params.least:
            found.append((-float(firm_N[rows].mean()), Group(int(label), int(says), rows)))
    return [group for _, group in sorted(found, key=lambda pair: pair[0])[: params.most]]


def examine(task: GroupTask, number: int) -> Finding:
    """Train on one half, ask for the other, and the other way round."""
    group, label_N = task.groups[number], task.table.labels
    grouped_N = np.zeros(len(label_N), np.bool_)
    grouped_N[group.rows] = True
    rows = np.flatnonzero((label_N == group.label) | (label_N == group.says))
    classes_n = np.where(grouped_N[rows], GROUP, np.where(label_N[rows] == group.label, TARGET, SOURCE))
    names = ("source", "target", "group")
    table = Table(task.table.ids[rows], task.table.inputs[rows], classes_n, names, task.table.modality)
    learner = make_learner(task.learner.slowed(task.params.lr_factor), table, task.seed)
    share_n = np.empty(len(rows), np.float32)
    fold_n = _folds(classes_n, stream(task.seed, "coherence", group.label, group.says, "folds"))
    for fold in range(FOLDS):
        seen = np.flatnonzero(fold_n != fold)
        few = seen[classes_n[seen] == GROUP]
        copies = int(np.clip((len(seen) - len(few)) // (2 * max(1, len(few))), 1, MOST_COPIES))
        learner.start("coherence", group.label, group.says, fold)
        learner.fit(np.concatenate([seen, *[few] * (copies - 1)]), task.params.epochs, total=task.params.epochs)
        asked = np.flatnonzero(fold_n == fold)
        share_n[asked] = learner.probabilities(table.inputs[asked])[:, GROUP]
    own = label_N[rows] == group.label
    recognised = float((share_n[classes_n == GROUP] > 0.5).mean())
    return Finding(group, recognised, rows[own], share_n[own])


def _folds(classes_n: IntArray, draws: np.random.Generator) -> IntArray:
    """Halves of every class, int64 [n], 0 or 1."""
    fold_n = np.empty(len(classes_n), np.int64)
    for label in (SOURCE, TARGET, GROUP):
        members = np.flatnonzero(classes_n == label)
        fold_n[draws.permutation(members)] = np.arange(len(members)) % FOLDS
    return fold_n


def find_triggers(
    table: Table,
    smoothed_NC: FloatArray,
    learner: LearnerParams,
    params: CoherenceParams,
    seed: int,
    *,
    map: OrderedMap,
    advance: Callable[[], None] = lambda: None,
) -> list[Finding]:
    """The groups whose rows share something.

    smoothed_NC  float32 [N, C], from `selftrain`
    map          how the groups are examined; the result does not depend on it
    advance      called after each group
    Returns      the findings with at least `params.recognised`; none where `params.least` is 0
    """
    if not params.least:
        return []
    groups = doubted_groups(table, smoothed_NC, params)
    findings = []
    for finding in map(examine, GroupTask(table, groups, learner, params, seed), range(len(groups))):
        advance()
        if finding.recognised >= params.recognised:
            findings.append(finding)
    return findings
