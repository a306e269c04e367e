"""The filter: ISPL, the vote and self-training composed. Table -> keep or drop per row, with reason and suspicion."""

# N rows, C classes
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sanitize.boosting import ComponentVerdicts, RowVotes, collect_votes
from sanitize.coherence import Finding, find_triggers
from sanitize.data.table import BoolArray, FloatArray, Table
from sanitize.execution import OrderedMap
from sanitize.ispl import Partition, partition
from sanitize.params import Params
from sanitize.selftrain import selftrain, trusted_rows

KEPT = "kept"
Steps = Callable[[str, int], AbstractContextManager[Callable[[], None]]]


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
        causes = Counter(r.split(":")[0] for r in self.reason_N if r != KEPT)
        return {cause: causes[cause] for cause in sorted(causes)}


@dataclass(frozen=True)
class Filtered:
    """All that the filter found on the way to its manifest."""

    partition: Partition
    votes: RowVotes
    verdicts: ComponentVerdicts
    manifest: Manifest


def decide(
    table: Table,
    votes: RowVotes,
    smoothed_NC: FloatArray | None,
    tolerance: float = 1.0,
    findings: Sequence[Finding] = (),
) -> Manifest:
    """The manifest, from the votes and what the self-trained networks think.

    smoothed_NC  float32 [N, C], from `selftrain`; None = no self-training, the vote stands
    tolerance    0 < tolerance <= 1: a row stays when its label has this part of the most probable class's probability;
                 1 = its label is the most probable class, as in the paper
    findings     groups of doubted rows that share a trigger: rows that are more likely than not of such a group are
                 dropped, whatever else speaks for them
    Suspicion is 1 minus the probability of the given label: the mean of the voters' geometric mean and of the
    self-trained networks'; or the probability of being of such a group, where that is higher.
    """
    label_N = table.labels
    supported_N = np.exp(-votes.loss_N.astype(np.float64))
    if smoothed_NC is None:
        says_N, keep_N = votes.vote_N, votes.keep_N
        suspicion_N = 1 - supported_N
    else:
        says_N = smoothed_NC.argmax(axis=1)
        given_N = smoothed_NC[np.arange(len(table)), label_N]
        keep_N = given_N >= tolerance * smoothed_NC.max(axis=1)
        suspicion_N = 1 - (supported_N + given_N.astype(np.float64)) / 2
    keep_N = keep_N.copy()
    carriers: dict[int, Finding] = {}
    for finding in findings:
        hits = finding.rows[finding.share_n > 0.5]
        keep_N[hits] = False
        carriers.update(dict.fromkeys(hits.tolist(), finding))
        suspicion_N[finding.rows] = np.maximum(suspicion_N[finding.rows], finding.share_n)
    reasons = [KEPT] * len(table)
    for row in np.flatnonzero(~keep_N).tolist():
        if row in carriers:
            group = carriers[row].group
            label, says = table.class_names[group.label], table.class_names[group.says]
            reasons[row] = f"shares a trigger: like {len(group.rows)} rows of class {label} that look like {says}"
        elif votes.keep_N[row]:
            reasons[row] = f"self-training disagrees: looks like {table.class_names[says_N[row]]}"
        else:
            against = len(votes.voters) - int(votes.support_N[row])
            name = table.class_names[votes.vote_N[row]]
            reasons[row] = f"outvoted: {against} of {len(votes.voters)} voters, most say {name}"
    return Manifest(keep_N, reasons, suspicion_N)


def filter_table(table: Table, params: Params, *, map: OrderedMap, steps: Steps = no_steps) -> Filtered:
    """Clean one table.

    table    at least two classes; images, vectors or numeric columns
    params   `learner`, `ispl`, `vote`, `selftrain` and `seed` are used
    map      how independent learners are executed; the result does not depend on it
    steps    called as steps(label, total) -> a context manager that yields a function to call after each piece
    Raises   BadInput, BadParams: see `partition` and `make_learner`
    Paper    appendix C: partition, vote, self-training
    """
    with steps("ISPL runs", params.ispl.runs) as advance:
        found = partition(table, params.learner, params.ispl, params.seed, map=map, advance=advance)
    with steps("voters", len(found.components())) as advance:
        votes, verdicts, _ = collect_votes(
            table, found, params.learner, params.vote, params.seed, map=map, advance=advance
        )
    with steps("self-training", params.selftrain.networks) as advance:
        manifest = settle(table, votes, params, map=map, advance=advance)
    return Filtered(found, votes, verdicts, manifest)


def settle(
    table: Table, votes: RowVotes, params: Params, *, map: OrderedMap, advance: Callable[[], None] = lambda: None
) -> Manifest:
    """Self-training from the vote (none where `selftrain.epochs` is 0), then the manifest."""
    smoothed_NC = None
    findings: list[Finding] = []
    if params.selftrain.epochs:
        start_N = trusted_rows(votes, params.selftrain)
        smoothed_NC = selftrain(table, start_N, params.learner, params.selftrain, params.seed, map=map, advance=advance)
        findings = find_triggers(table, smoothed_NC, params.learner, params.coherence, params.seed, map=map)
    return decide(table, votes, smoothed_NC, params.selftrain.tolerance, findings)
