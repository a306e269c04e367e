"""The filter: ISPL, the vote and self-training composed. Table -> keep or drop per row, with reason and suspicion."""

# N rows, C classes
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sanitize.boosting import EXTERNAL, ComponentVerdicts, RowVotes, as_ballot, collect_votes, vote_on_rows
from sanitize.coherence import OTHERS, Finding, doubted_groups, examine_groups
from sanitize.data.table import BoolArray, FloatArray, Table
from sanitize.execution import OrderedMap
from sanitize.hunt import clusters_wanted, hunt
from sanitize.ispl import Partition, partition
from sanitize.params import Params
from sanitize.selftrain import selftrain, trusted_rows
from sanitize.signal import refuse_without_signal

KEPT = "kept"
TRIGGER = "shares a trigger"  # the cause of rows that carry what a group shares
MOST_NAMED = 2  # supporters that the reason of an outvoted row names
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
    """

    keep_N: BoolArray
    reason_N: list[str]
    suspicion_N: NDArray[np.float64]

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
    """

    partition: Partition
    votes: RowVotes
    own: RowVotes
    states: list[dict[str, NDArray[Any]] | None]
    verdicts: ComponentVerdicts
    findings: list[Finding]
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
    self-trained networks'; of carriers at least the part of their group that was recognised.
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
    carriers: dict[int, Finding] = {}
    for finding in findings:
        keep_N[finding.carriers] = False
        carriers.update({row: finding for row in finding.carriers.tolist() if row not in carriers})
        suspicion_N[finding.carriers] = np.maximum(suspicion_N[finding.carriers], finding.recognised)
    reasons = [KEPT] * len(table)
    for row in np.flatnonzero(~keep_N).tolist():
        if row in carriers:
            group = carriers[row].group
            label = table.class_names[group.label]
            says = table.class_names[group.says] if group.says != OTHERS else "other classes"
            reasons[row] = f"{TRIGGER}: like {group.size} rows of class {label} that look like {says}"
        elif votes.keep_N[row]:
            reasons[row] = f"self-training disagrees: looks like {table.class_names[says_N[row]]}"
        else:
            against = len(votes.voters) - int(votes.support_N[row])
            name = table.class_names[votes.vote_N[row]]
            supported = _supporters(votes, row, int(label_N[row]))
            reasons[row] = f"outvoted: {against} of {len(votes.voters)} voters, most say {name}{supported}"
    return Manifest(keep_N, reasons, suspicion_N)


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
    table: Table, params: Params, *, external: Sequence[FloatArray] = (), map: OrderedMap, steps: Steps = no_steps
) -> Filtered:
    """Clean one table: partition, vote, verdicts.

    table     at least two classes; images, vectors or numeric columns
    params    `learner`, `ispl`, `vote`, `selftrain`, `coherence` and `seed` are used
    external  what further voters say, each float32 [N, C] probabilities, out of sample
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
    manifest, findings = settle(table, votes, params, map=map, steps=steps)
    return Filtered(found, votes, own, states, verdicts, findings, manifest)


def settle(
    table: Table, votes: RowVotes, params: Params, *, map: OrderedMap, steps: Steps = no_steps
) -> tuple[Manifest, list[Finding]]:
    """Self-training from the vote (none where `selftrain.epochs` is 0), what groups and clusters share, the manifest.

    map, steps  as for `filter_table`
    Returns     the manifest, and the findings that it rests on
    """
    if not params.selftrain.epochs:
        return decide(table, votes, None), []
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
    return decide(table, votes, smoothed_NC, params.selftrain.tolerance, findings, lenient), findings
