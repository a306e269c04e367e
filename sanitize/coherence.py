"""Coherence: do the doubted rows of a class share what its other rows lack? Table, predictions -> groups, carriers.

Rows of class t that self-training takes for class s are of two kinds. Hard rows are doubted each for its own reason;
rows with a trigger for one and the same. Two judges look for what a group shares, and each judges rows that it has not
seen. The first compares features, in milliseconds (common_features.py). Where it finds nothing, a network learns three
classes, s, t and half of the group, and is asked for the other half: of a group with a trigger it recognises nearly all
rows, of hard rows few. Either also finds the rows of t that carry the trigger and look enough like t to have passed
everything else.

Not in the papers. Assumes that the trigger, or whatever the group shares, is rare among the other rows of s and t.
"""

# N rows, C classes, G groups, n rows of a group's two classes
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sanitize.common_features import Rows, Rule, find_cluster, for_new_rows, scaled
from sanitize.data.seeds import stream
from sanitize.data.table import BoolArray, FloatArray, IntArray, Table
from sanitize.evidence.base import Evidence
from sanitize.evidence.groups import NO_CLASS, UNGROUPED
from sanitize.execution import OrderedMap
from sanitize.learners.base import make_learner
from sanitize.params import CoherenceParams, LearnerParams

KINDS = ("source", "target", "group")  # the three classes of a group's networks
SOURCE, TARGET, GROUP = range(len(KINDS))
LIKELY = 0.5  # probability of being one of the group, from which a row is one
FOLDS = 2
MOST_SOURCE = 2_000  # rows of the other classes that features are compared with
MOST_COPIES = 8  # of a group's row in one epoch
LEAST_PROBABILITY = 1e-6
State = dict[str, NDArray[Any]]
OTHERS = NO_CLASS  # what a group looks like whose rows look like several classes


@dataclass(frozen=True)
class Group:
    """Rows of one class that self-training takes for another.

    label, says  0..C-1; says is OTHERS where all doubted rows of the label stand together
    rows         int64, ascending positions
    elsewhere    rows of the group in the table where it was found, where that is another one
    """

    label: int
    says: int
    rows: IntArray
    elsewhere: int = 0

    @property
    def size(self) -> int:
        """How many rows the group had where it was found."""
        return self.elsewhere or len(self.rows)


@dataclass(frozen=True)
class Finding:
    """What a judge says of a group, of rows that it had not seen.

    group       the group
    verdict     "coherent": something is shared; "mixed": by less than half of the group; "unclear"; "nothing"
    recognised  part of the group's rows, or of the cluster found in it, that were taken for the group's, 0..1
    carriers    int64, ascending positions of the rows of the label that share it; none unless coherent or mixed
    rules       by which rows of the label that were not there are told; none where networks found it
    networks    what each half's network has learnt, by which they are told where features did not find it
    evidence    what the carriers share, in words; None = nobody has looked
    number      of the carriers' group among all groups; 0 = not numbered yet, or no group of its own
    """

    group: Group
    verdict: Literal["coherent", "mixed", "unclear", "nothing"]
    recognised: float
    carriers: IntArray
    rules: tuple[Rule, ...] = ()
    networks: tuple[State, ...] = ()
    evidence: Evidence | None = None
    number: int = UNGROUPED

    @property
    def strong(self) -> bool:
        """Whether it is named what the carriers share."""
        return self.evidence is not None and self.evidence.strong


class FoldSaid(NamedTuple):
    """What a network says of the half of a group's rows that it has not seen.

    share_n  float32 [n], probability of being one of the group
    state    what it has learnt, None where that cannot be stored
    """

    share_n: FloatArray
    state: State | None


class GroupTask(NamedTuple):
    """What a worker needs besides the group's number."""

    table: Table
    doubted_N: BoolArray
    groups: list[Group]
    learner: LearnerParams
    params: CoherenceParams
    seed: int


def doubted_groups(table: Table, smoothed_NC: FloatArray, least: int) -> list[Group]:
    """The groups of at least `least` rows, those that self-training contradicts most firmly first.

    smoothed_NC  float32 [N, C], from `selftrain`
    least        0 = no groups
    Returns      groups by falling mean of ln(p(said class) / p(label)), ties by label and said class; after them, for
                 every label whose doubted rows look like several classes, all of its doubted rows
    """
    if not least:
        return []
    label_N, says_N = table.labels, smoothed_NC.argmax(axis=1)
    given_N = np.maximum(smoothed_NC[np.arange(len(table)), label_N], LEAST_PROBABILITY)
    firm_N = np.log(smoothed_NC.max(axis=1) / given_N)
    found, pooled = [], []
    for label in np.unique(label_N).tolist():
        doubted = np.flatnonzero((label_N == label) & (says_N != label))
        for says in np.unique(says_N[doubted]).tolist():
            rows = doubted[says_N[doubted] == says]
            if len(rows) >= least:
                found.append((-float(firm_N[rows].mean()), Group(label, says, rows)))
        if len(doubted) >= least and len(np.unique(says_N[doubted])) > 1:
            pooled.append(Group(label, OTHERS, doubted))
    return [group for _, group in sorted(found, key=lambda pair: pair[0])] + pooled


def compare_features(task: GroupTask, number: int) -> Finding:
    """The first judge: what a group's rows have in common, feature by feature."""
    group, label_N, doubted_N = task.groups[number], task.table.labels, task.doubted_N
    draws = stream(task.seed, "coherence", group.label, group.says, "features")
    own = np.flatnonzero(label_N == group.label)
    source = np.flatnonzero((label_N == group.says if group.says != OTHERS else label_N != group.label) & ~doubted_N)
    if len(source) > MOST_SOURCE:
        source = np.sort(draws.permutation(source)[:MOST_SOURCE])
    used = np.sort(np.concatenate([own, source]))
    part = Table(
        task.table.ids[used], task.table.inputs[used], label_N[used], task.table.class_names, task.table.modality
    )
    kind_n = np.where(label_N[used] != group.label, SOURCE, np.where(np.isin(used, group.rows), GROUP, TARGET))
    rows = Rows(
        np.flatnonzero(kind_n == GROUP),
        np.flatnonzero(kind_n == SOURCE),
        np.flatnonzero(kind_n != SOURCE),
        doubted_N[used],
        deal_folds(kind_n, draws),
    )
    cluster = find_cluster(scaled(part), rows, task.params.least, task.params.common)
    if cluster is None:
        return Finding(group, "nothing", 0.0, np.empty(0, np.int64))
    carriers = used[cluster.rows]
    most = 2 * np.count_nonzero(np.isin(group.rows, carriers)) >= len(group.rows)
    verdict: Literal["coherent", "mixed"] = "coherent" if most else "mixed"
    return Finding(group, verdict, cluster.recognised, carriers, for_new_rows(part, cluster.rules))


def group_table(task: GroupTask, group: Group) -> tuple[Table, IntArray, IntArray]:
    """The three classes of a group's networks.

    Returns  (table of n rows with the classes SOURCE, TARGET and GROUP; int64 [n], their positions in the task's
             table, ascending; int64 [n], the fold of every row)
    """
    label_N = task.table.labels
    grouped_N = np.zeros(len(label_N), np.bool_)
    grouped_N[group.rows] = True
    rows = np.flatnonzero((label_N == group.label) | (label_N == group.says))
    classes_n = np.where(grouped_N[rows], GROUP, np.where(label_N[rows] == group.label, TARGET, SOURCE))
    table = Table(task.table.ids[rows], task.table.inputs[rows], classes_n, KINDS, task.table.modality)
    fold_n = deal_folds(classes_n, stream(task.seed, "coherence", group.label, group.says, "folds"))
    return table, rows, fold_n


def ask_fold(task: GroupTask, number_and_fold: tuple[int, int]) -> FoldSaid:
    """Train on all folds but one and ask for that one."""
    number, fold = number_and_fold
    group = task.groups[number]
    table, _, fold_n = group_table(task, group)
    seen = np.flatnonzero(fold_n != fold)
    few = seen[table.labels[seen] == GROUP]
    copies = int(np.clip((len(seen) - len(few)) // (2 * max(1, len(few))), 1, MOST_COPIES))
    learner = make_learner(task.learner.slowed(task.params.lr_factor), table, task.seed)
    learner.start("coherence", group.label, group.says, fold)
    learner.fit(np.concatenate([seen, *[few] * (copies - 1)]), task.params.epochs, total=task.params.epochs)
    return FoldSaid(learner.probabilities(table.inputs[fold_n == fold])[:, GROUP], learner.state())


def deal_folds(kind_n: IntArray, draws: np.random.Generator) -> IntArray:
    """Halves of every kind of row, int64 [n], 0 or 1. kind_n: int64 [n], 0, 1, … up to GROUP."""
    fold_n = np.empty(len(kind_n), np.int64)
    for kind in (SOURCE, TARGET, GROUP):
        members = np.flatnonzero(kind_n == kind)
        fold_n[draws.permutation(members)] = np.arange(len(members)) % FOLDS
    return fold_n


def examine_groups(
    table: Table,
    smoothed_NC: FloatArray,
    groups: list[Group],
    learner: LearnerParams,
    params: CoherenceParams,
    seed: int,
    *,
    map: OrderedMap,
    advance: Callable[[], None] = lambda: None,
) -> list[Finding]:
    """What the judges say of every group of doubted rows.

    smoothed_NC  float32 [N, C], from `selftrain`
    groups       from `doubted_groups`
    map          how the groups are examined; the result does not depend on it
    advance      called after each group
    Returns      one finding per group, in the groups' order, but none for a label's doubted rows together where some of
                 them are a group that shares something; networks look at the first `most` of the groups in which
                 features show nothing
    """
    doubted_N = smoothed_NC.argmax(axis=1) != table.labels
    task = GroupTask(table, doubted_N, groups, learner, params, seed)
    findings: list[Finding] = []
    for finding in map(compare_features, task, range(len(groups))):
        advance()
        findings.append(finding)
    sharing = {f.group.label for f in findings if f.group.says != OTHERS and f.verdict != "nothing"}
    findings = [f for f in findings if f.group.says != OTHERS or f.group.label not in sharing]
    pairs = [n for n, f in enumerate(findings) if f.group.says != OTHERS]  # they come first, in the groups' order
    left = [n for n in pairs if findings[n].verdict == "nothing"][: params.most]
    said = map(ask_fold, task, [(number, fold) for number in left for fold in range(FOLDS)])
    for number in left:
        findings[number] = _put_together(task, groups[number], [next(said) for _ in range(FOLDS)])
    return findings


def _put_together(task: GroupTask, group: Group, said: list[FoldSaid]) -> Finding:
    """The networks' finding, from what was said of each fold's rows."""
    table, rows, fold_n = group_table(task, group)
    share_n = np.empty(len(rows), np.float32)
    for fold, one in enumerate(said):
        share_n[fold_n == fold] = one.share_n
    recognised = float((share_n[table.labels == GROUP] > LIKELY).mean())
    if recognised >= task.params.recognised:
        carriers = rows[(table.labels != SOURCE) & (share_n > LIKELY)]
        networks = tuple(one.state for one in said if one.state is not None)
        return Finding(group, "coherent", recognised, carriers, networks=networks)
    verdict: Literal["unclear", "nothing"] = "unclear" if recognised >= task.params.unclear else "nothing"
    return Finding(group, verdict, recognised, np.empty(0, np.int64))
