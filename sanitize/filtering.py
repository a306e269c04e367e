"""The filter: ISPL, the vote and self-training composed. Table -> keep or drop per row, with reason and suspicion."""

# N rows, C classes
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sanitize.boosting import EXTERNAL, ComponentVerdicts, RowVotes, as_ballot, collect_votes, vote_on_rows
from sanitize.coherence import Finding, doubted_groups, examine_groups
from sanitize.data.table import BoolArray, FloatArray, IntArray, Table
from sanitize.evidence.base import LEAST_HALF, Compared, Evidence, View, examine
from sanitize.evidence.groups import CONFUSED, NO_CLASS, SEVERAL, TRIGGER, UNGROUPED, Groups, Strong, counted, numbered
from sanitize.evidence.views import plain_views
from sanitize.execution import OrderedMap
from sanitize.hunt import clusters_wanted, hunt
from sanitize.ispl import Partition, partition
from sanitize.params import Params
from sanitize.selftrain import selftrain, trusted_rows
from sanitize.signal import refuse_without_signal

KEPT = "kept"
MOST_NAMED = 2  # supporters that the reason of an outvoted row names
WEAK_MOST = 0.99  # suspicion of rows without strong evidence, at the most; of all others at the least
AT_RANDOM = 2 / 3  # part of labels drawn at random that leniency must not forgive
Steps = Callable[[str, int], AbstractContextManager[Callable[[], None]]]


def cause_of(reason: str) -> str:
    """What a reason says before its details."""
    return reason.partition(":")[0]


def no_steps(label: str, total: int) -> AbstractContextManager[Callable[[], None]]:
    """Show no progress."""
    return nullcontext(lambda: None)


@dataclass(frozen=True)
class Manifest:
    """The verdict on every row.

    keep_N       bool [N], True = keep
    reason_N     N strings: "kept", or the cause, a colon and the details ("outvoted: 19 of 24 voters say 3")
    suspicion_N  float64 [N], 0..1, higher = worse
    says_N       int64 [N], the class that a dropped row looks like, NO_CLASS for kept rows and where it is several
    finding_N    int64 [N], place of the finding whose carrier a dropped row is; -1 = of none
    group_N      int64 [N], number of a row's group; UNGROUPED = kept, or not numbered
    """

    keep_N: BoolArray
    reason_N: list[str]
    suspicion_N: NDArray[np.float64]
    says_N: IntArray
    finding_N: IntArray
    group_N: IntArray

    def reasons(self) -> dict[str, int]:
        """How many rows were dropped for each cause."""
        causes = Counter(map(cause_of, (reason for reason in self.reason_N if reason != KEPT)))
        return {cause: causes[cause] for cause in sorted(causes)}


@dataclass(frozen=True)
class Filtered:
    """All that the filter found on the way to its manifest.

    votes     all votes, those of further voters among them
    own       the votes of the partition's voters alone
    states    what these have learnt, None where it cannot be stored without pickle
    findings  the groups and clusters that were looked at
    groups    of the dropped rows
    """

    partition: Partition
    votes: RowVotes
    own: RowVotes
    states: list[dict[str, NDArray[Any]] | None]
    verdicts: ComponentVerdicts
    findings: list[Finding]
    groups: Groups
    manifest: Manifest


def decide(
    table: Table,
    votes: RowVotes,
    smoothed_NC: FloatArray | None,
    tolerance: float = 1.0,
    findings: Sequence[Finding] = (),
    lenient: float | None = None,
) -> Manifest:
    """The manifest, from the votes and what the self-trained networks think.

    smoothed_NC  float32 [N, C], from `selftrain`; None = no self-training, the vote stands
    tolerance    0 < tolerance <= 1: a row stays when its label has this part of the most probable class's probability;
                 1 = its label is the most probable class, as in the paper
    findings     of the groups of doubted rows: carriers of what a group shares are dropped, whatever else speaks for
                 them
    lenient      tolerance for rows that are in no group which is coherent or unclear; more where the networks answer
                 softly: so much that of labels drawn at random two thirds would not be kept. None = as for the others
    Suspicion is 1 minus the probability of the given label: the mean of the voters' geometric mean and of the
    self-trained networks'; of carriers at least the part of their group that was recognised. It is scaled so that rows
    with strong evidence are above `WEAK_MOST`, and all others are not.
    """
    label_N = table.labels
    supported_N = np.exp(-votes.loss_N.astype(np.float64))
    if smoothed_NC is None:
        says_N, keep_N = votes.vote_N, votes.keep_N.copy()
        suspicion_N = 1 - supported_N
    else:
        says_N = smoothed_NC.argmax(axis=1)
        given_N = smoothed_NC[np.arange(len(table)), label_N]
        tolerance_N = np.full(len(table), tolerance)
        if lenient is not None:
            tolerance_N[:] = min(tolerance, max(lenient, _at_random(smoothed_NC, says_N == label_N)))
        for finding in findings:
            if finding.verdict in ("coherent", "unclear"):
                tolerance_N[finding.group.rows] = tolerance
        keep_N = given_N >= tolerance_N * smoothed_NC.max(axis=1)
        suspicion_N = 1 - (supported_N + given_N.astype(np.float64)) / 2
    finding_N = np.full(len(table), -1, np.int64)
    for number, finding in reversed(list(enumerate(findings))):  # of several the first
        keep_N[finding.carriers] = False
        finding_N[finding.carriers] = number
        suspicion_N[finding.carriers] = np.maximum(suspicion_N[finding.carriers], finding.recognised)
    says_N = np.where(votes.keep_N, says_N, votes.vote_N)
    says_N = np.where(keep_N | (says_N == label_N), NO_CLASS, says_N)
    strong_N = np.zeros(len(table), np.bool_)
    for number, finding in enumerate(findings):
        says_N[finding_N == number] = finding.group.says
        strong_N[finding_N == number] = finding.strong
    suspicion_N = np.where(strong_N, WEAK_MOST + (1 - WEAK_MOST) * suspicion_N, WEAK_MOST * suspicion_N)
    reasons = [KEPT] * len(table)
    for row in np.flatnonzero(~keep_N).tolist():
        says = SEVERAL if says_N[row] == NO_CLASS else table.class_names[says_N[row]]
        if finding_N[row] >= 0:
            rows = int(np.count_nonzero(finding_N == finding_N[row]))
            reasons[row] = _carries(findings[finding_N[row]], rows, table.class_names[label_N[row]], says)
        elif votes.keep_N[row]:
            reasons[row] = f"self-training disagrees: looks like {says}"
        else:
            against = len(votes.voters) - int(votes.support_N[row])
            name = table.class_names[votes.vote_N[row]]
            supported = _supporters(votes, row, int(label_N[row]))
            reasons[row] = f"outvoted: {against} of {len(votes.voters)} voters, most say {name}{supported}"
    group_N = np.full(len(table), UNGROUPED, np.int64)
    return Manifest(keep_N, reasons, suspicion_N, says_N, finding_N, group_N)


def _carries(finding: Finding, rows: int, label: str, says: str) -> str:
    """The reason of a finding's carriers, of which there are so many."""
    if finding.strong:
        assert finding.evidence is not None
        return shares(finding.evidence.text, says)
    return f"{CONFUSED} {says}: one of {finding.group.elsewhere or rows} rows of class {label}"


def shares(evidence: str, says: str) -> str:
    """The reason of rows that have strong evidence against them."""
    return f"{TRIGGER}: {evidence}; looks like {says}"


def _supporters(votes: RowVotes, row: int, label: int) -> str:
    """The components whose voters are for a row, in words; "" where there are none, or more than MOST_NAMED."""
    own = np.flatnonzero(votes.prediction_VN[:, row] == label)
    if not 0 < len(own) <= MOST_NAMED:
        return ""
    by_run: dict[int, list[str]] = {}
    for run, component in (votes.voters[voter] for voter in own.tolist()):
        by_run.setdefault(run, []).append(str(component))
    parts = [f"component{'s' * (len(c) > 1)} {' and '.join(c)} of run {run}" for run, c in by_run.items()]
    return f"; supported only by {' and '.join(parts)}"


def _at_random(smoothed_NC: FloatArray, undoubted_N: BoolArray) -> float:
    """What labels drawn at random would have of the top class's probability: two thirds of them no more than this.

    Taken from the other classes of undoubted rows, n of them; 0 where there are none.
    """
    p_nC = smoothed_NC[undoubted_N]
    if not len(p_nC):
        return 0.0
    others_nC = np.sort(p_nC, axis=1)[:, :-1]
    return float(np.quantile(others_nC / p_nC.max(axis=1, keepdims=True), AT_RANDOM))


def filter_table(
    table: Table,
    params: Params,
    *,
    external: Sequence[FloatArray] = (),
    views: Sequence[View] | None = None,
    map: OrderedMap,
    steps: Steps = no_steps,
) -> Filtered:
    """Clean one table: partition, vote, verdicts.

    table     at least two classes; images, vectors or numeric columns
    params    `learner`, `ispl`, `vote`, `selftrain`, `coherence` and `seed` are used
    external  what further voters say, each float32 [N, C] probabilities, out of sample
    views     in which rows are compared to name what they share; None = `plain_views`
    map       how independent learners are executed; the result does not depend on it
    steps     called as steps(label, total) -> a context manager that yields a function to call after each piece
    Raises    BadInput, BadParams: see `partition`, `make_learner` and `refuse_without_signal`
    Paper     appendix C: partition, vote, self-training
    """
    learner, seed = params.learner, params.seed
    with steps("ISPL runs", params.ispl.runs) as advance:
        found = partition(table, learner, params.ispl, seed, map=map, advance=advance)
    with steps("voters", len(found.components())) as advance:
        own, verdicts, ballots = collect_votes(table, found, learner, params.vote, seed, map=map, advance=advance)
    refuse_without_signal(table, found, own, learner, params.vote, seed, map=map)
    votes = own
    if external:
        voters = [*own.voters, *((EXTERNAL, number) for number in range(len(external)))]
        added = [as_ballot(said_NC, table.labels) for said_NC in external]
        votes = vote_on_rows(voters, [*ballots, *added], table, params.vote, seed)
    states = [ballot.state for ballot in ballots]
    del ballots  # what they say stands in the votes
    manifest, findings, groups = settle(table, votes, params, views=views, map=map, steps=steps)
    return Filtered(found, votes, own, states, verdicts, findings, groups, manifest)


def settle(
    table: Table,
    votes: RowVotes,
    params: Params,
    *,
    views: Sequence[View] | None = None,
    map: OrderedMap,
    steps: Steps = no_steps,
) -> tuple[Manifest, list[Finding], Groups]:
    """Self-training from the vote (none where `selftrain.epochs` is 0), what groups and clusters share, the manifest.

    views, map, steps  as for `filter_table`
    Returns     the manifest, the findings that it rests on, and the groups of its dropped rows
    """
    views = plain_views(table) if views is None else views
    if not params.selftrain.epochs:
        return group_rows(table, decide(table, votes, None), [], views)
    learner, seed, given = params.learner, params.seed, params.coherence
    start_N = trusted_rows(votes, params.selftrain)
    with steps("self-training", params.selftrain.networks) as advance:
        smoothed_NC = selftrain(table, start_N, learner, params.selftrain, seed, map=map, advance=advance)
    groups = doubted_groups(table, smoothed_NC, given.least)
    findings: list[Finding] = []
    if groups:
        with steps("doubted groups", len(groups)) as advance:
            findings += examine_groups(table, smoothed_NC, groups, learner, given, seed, map=map, advance=advance)
    if wanted := clusters_wanted(table, given):
        with steps("clusters", wanted) as advance:
            findings += hunt(
                table, smoothed_NC, findings, learner, given, params.selftrain, seed, map=map, advance=advance
            )
    lenient = given.lenient if given.least else None
    findings = _with_evidence(findings, table, smoothed_NC.argmax(axis=1) != table.labels, views)
    manifest = decide(table, votes, smoothed_NC, params.selftrain.tolerance, findings, lenient)
    return group_rows(table, manifest, findings, views)


def _with_evidence(findings: list[Finding], table: Table, doubted_N: BoolArray, views: Sequence[View]) -> list[Finding]:
    """The findings with what their carriers share; doubted_N: rows that self-training contradicts, bool [N]."""
    trusted_N = ~doubted_N
    for finding in findings:
        trusted_N[finding.carriers] = False
    return [
        replace(one, evidence=_examined(table, one.carriers, one.group.label, one.group.says, trusted_N, views))
        for one in findings
    ]


def _examined(
    table: Table, rows: IntArray, label: int, says: int, trusted_N: BoolArray, views: Sequence[View]
) -> Evidence:
    """What some rows of a class share that trusted rows of it, and of what they look like, lack."""
    own_N = table.labels == label
    like_N = ~own_N if says == NO_CLASS else table.labels == says
    compared = Compared(rows, np.flatnonzero(own_N & trusted_N), np.flatnonzero(like_N & trusted_N))
    return examine(views, compared, table.labels, label, table.class_names[label])


def number_rows(manifest: Manifest, label_N: IntArray, findings: Sequence[Finding], groups: Groups) -> Manifest:
    """The manifest with the numbers of groups that were found in another table, as `group_rows` gives them there."""
    group_N = np.full(len(label_N), UNGROUPED, np.int64)
    weak = np.flatnonzero(~manifest.keep_N)
    group_N[weak] = groups.pairs(label_N[weak], manifest.says_N[weak])
    for place, finding in enumerate(findings):
        if finding.strong:
            group_N[manifest.finding_N == place] = finding.number
    return replace(manifest, group_N=group_N)


def group_rows(
    table: Table, manifest: Manifest, findings: Sequence[Finding], views: Sequence[View]
) -> tuple[Manifest, list[Finding], Groups]:
    """Group the dropped rows: those of each strong finding, outvoted ones that share something, and all others.

    manifest  from `decide`, with the same findings; changed
    Returns   the manifest with the groups' numbers, which also drops the rows that nobody doubted and that share what
              was found; the findings with the numbers of strong ones; the groups
    """
    label_N, says_N = table.labels, manifest.says_N
    dropped_N = ~manifest.keep_N
    strong: list[Strong] = []
    for place, finding in enumerate(findings):
        if finding.evidence is None or not finding.evidence.strong:
            continue
        rows = np.union1d(np.flatnonzero(manifest.finding_N == place), finding.evidence.rows)
        new = Strong(finding.group.label, finding.group.says, rows, finding.evidence, (place,))
        at = next((n for n, earlier in enumerate(strong) if earlier.shares_with(new)), None)
        if at is None:
            strong.append(new)
        else:
            strong[at] = strong[at].joined(new)
    left_N = dropped_N & (manifest.finding_N < 0)
    for (label, says), many in counted(label_N[left_N], says_N[left_N]).items():
        if many < 2 * LEAST_HALF:
            continue
        rows = np.flatnonzero(left_N & (label_N == label) & (says_N == says))
        evidence = _examined(table, rows, label, says, manifest.keep_N, views)
        if evidence.strong:
            strong.append(Strong(label, says, evidence.rows, evidence))
    weak_N = dropped_N.copy()
    for one in strong:
        weak_N[one.rows] = False
        _drop(manifest, one, table.class_names)
    groups, strong = numbered(strong, counted(label_N[weak_N], says_N[weak_N]), table.class_names)
    group_N = np.full(len(table), UNGROUPED, np.int64)
    group_N[weak_N] = groups.pairs(label_N[weak_N], says_N[weak_N])
    found = list(findings)
    for number, one in enumerate(strong, 1):
        group_N[one.rows] = number
        for place in one.findings:
            found[place] = replace(found[place], number=number)
    return replace(manifest, group_N=group_N), found, groups


def _drop(manifest: Manifest, group: Strong, classes: Sequence[str]) -> None:
    """Let the manifest drop all rows of a group that share something."""
    rows, suspicion_N = group.rows, manifest.suspicion_N
    lifted_n = WEAK_MOST + (1 - WEAK_MOST) * suspicion_N[rows] / WEAK_MOST
    suspicion_N[rows] = np.where(suspicion_N[rows] <= WEAK_MOST, lifted_n, suspicion_N[rows])
    manifest.keep_N[rows] = False
    says = SEVERAL if group.says == NO_CLASS else classes[group.says]
    for row in rows.tolist():
        manifest.reason_N[row] = shares(group.evidence.text, says)
