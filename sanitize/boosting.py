"""Votes of weak learners, one per component: per row (appendix C) and per component (Alg. 2). Jin et al. 2023."""

# N rows, V voters, C classes, K components
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sanitize.data.seeds import stream
from sanitize.data.table import BoolArray, FloatArray, IntArray, Table
from sanitize.execution import OrderedMap
from sanitize.ispl import Partition, lowest_of_class
from sanitize.learners.base import all_rows, make_learner
from sanitize.params import LearnerParams, VoteParams

UNASKED = -1  # in place of a prediction
EXTERNAL = -1  # in place of a run: a voter that somebody brings along
LEAST_PROBABILITY = 1e-7


class Ballot(NamedTuple):
    """One voter's say.

    prediction_N  int64 [N]
    loss_N        float32 [N], loss of the given label, nats
    state         learned arrays, or None where the learner cannot be stored without pickle
    """

    prediction_N: IntArray
    loss_N: FloatArray
    state: dict[str, NDArray[Any]] | None


def as_ballot(probability_nC: FloatArray, label_n: IntArray) -> Ballot:
    """One voter's say from its class probabilities, float [n, C]."""
    given_n = probability_nC[np.arange(len(label_n)), label_n]
    loss_n = -np.log(np.clip(given_n, LEAST_PROBABILITY, 1.0)).astype(np.float32)
    return Ballot(probability_nC.argmax(axis=1).astype(np.int64), loss_n, None)


class VoterTask(NamedTuple):
    """What a worker needs besides the voter's (run, component)."""

    table: Table
    partition: Partition
    learner: LearnerParams
    params: VoteParams
    seed: int


@dataclass(frozen=True)
class RowVotes:
    """The per-row vote of appendix C.

    voters         (run, component) of each voter
    prediction_VN  int64 [V, N]
    loss_N         float32 [N], mean over the voters of the given label's loss, nats
    vote_N         int64 [N], modal prediction, ties broken by a named stream
    agreement_N    int64 [N], voters that share the modal prediction
    support_N      int64 [N], voters that predict the given label
    lower_half_N   bool [N], in the lower half of its class by loss_N
    keep_N         bool [N]
    """

    voters: list[tuple[int, int]]
    prediction_VN: IntArray
    loss_N: FloatArray
    vote_N: IntArray
    agreement_N: IntArray
    support_N: IntArray
    lower_half_N: BoolArray
    keep_N: BoolArray


@dataclass(frozen=True)
class ComponentVerdicts:
    """Algorithm 2's say on whole components.

    weight_K        int64 [K], rows of the component
    self_error_K    float64 [K], 0-1 error of its own voter on it, 0..1
    votes_for_K     int64 [K], weight of the voters with an error under a half on it
    votes_needed    float, half of all weight; clean means more
    clean_K         bool [K]
    """

    weight_K: IntArray
    self_error_K: NDArray[np.float64]
    votes_for_K: IntArray
    votes_needed: float
    clean_K: BoolArray


def cast_ballot(task: VoterTask, voter: tuple[int, int]) -> Ballot:
    """Train one weak learner afresh on its component, and let it predict every row."""
    learner = make_learner(task.learner.slowed(task.params.lr_factor), task.table, task.seed)
    learner.start("vote", *voter)
    learner.fit(task.partition.members(*voter), task.params.epochs, total=task.params.epochs)
    scores = learner.score(all_rows(task.table))
    return Ballot(scores.prediction, scores.loss, learner.state())


def modal_vote(prediction_VN: IntArray, classes: int, seed: int) -> tuple[IntArray, IntArray]:
    """The most frequent prediction of every row.

    prediction_VN  int64 [V, N], 0..classes-1
    seed           of the run; ties are broken by the stream ("vote", "ties")
    Returns        (vote int64 [N], number of voters that share it int64 [N])
    """
    votes_NC = count_votes(prediction_VN, classes)
    order_NC = stream(seed, "vote", "ties").permuted(np.broadcast_to(np.arange(classes), votes_NC.shape), axis=1)
    # Among the labels with most votes the one of largest random rank wins.
    vote_N = (votes_NC * classes + order_NC).argmax(axis=1)
    return vote_N, votes_NC[np.arange(len(vote_N)), vote_N]


def count_votes(prediction_VN: IntArray, classes: int) -> IntArray:
    """Voters per label: int64 [V, N] -> int64 [N, C]."""
    return np.stack([(prediction_VN == label).sum(axis=0) for label in range(classes)], axis=1)


def stable_rows(votes: RowVotes) -> IntArray:
    """Whether most voters of every run, each from its own seed, name the same class: int64 [N], 1 = they do, 0 = not.

    UNASKED where there are not two runs with voters that were asked. Of equally many the first class.
    """
    runs = np.array([run for run, _ in votes.voters])
    named = []
    for run in sorted(set(runs[runs != EXTERNAL].tolist())):
        prediction_VN = votes.prediction_VN[runs == run]
        most_N, best_N = np.full(prediction_VN.shape[1], UNASKED), np.zeros(prediction_VN.shape[1], np.int64)
        for said_N in prediction_VN:
            count_N = np.where(said_N == UNASKED, 0, (prediction_VN == said_N).sum(axis=0))
            better_N = (count_N > best_N) | ((count_N == best_N) & (said_N < most_N) & (count_N > 0))
            most_N, best_N = np.where(better_N, said_N, most_N), np.maximum(best_N, count_N)
        named.append(most_N)
    if len(named) < 2:
        return np.full(votes.prediction_VN.shape[1], UNASKED)
    named_RN = np.stack(named)
    stable_N: IntArray = (named_RN == named_RN[0]).all(axis=0).astype(np.int64)
    stable_N[(named_RN == UNASKED).any(axis=0)] = UNASKED
    return stable_N


def lower_half(loss_N: FloatArray, label_N: IntArray) -> BoolArray:
    """True for the lower half of each class by loss (appendix C); of an odd number of rows the middle one is in it."""
    return lowest_of_class(loss_N, label_N, 0.5)


def vote_on_rows(
    voters: list[tuple[int, int]], ballots: list[Ballot], table: Table, params: VoteParams, seed: int
) -> RowVotes:
    """Count the ballots of a fitted table row by row: see `count_rows`; the lower half is that of the table."""
    prediction_VN = np.stack([b.prediction_N for b in ballots])
    loss_N = np.stack([b.loss_N for b in ballots]).mean(axis=0, dtype=np.float64).astype(np.float32)
    lower_half_N = lower_half(loss_N, table.labels)
    return count_rows(voters, prediction_VN, loss_N, table.labels, lower_half_N, table.classes, params, seed)


def count_rows(
    voters: list[tuple[int, int]],
    prediction_VN: IntArray,
    loss_N: FloatArray,
    label_N: IntArray,
    lower_half_N: BoolArray,
    classes: int,
    params: VoteParams,
    seed: int | None,
) -> RowVotes:
    """The vote on every row.

    prediction_VN  int64 [V, N], UNASKED where a voter was not asked
    seed           of the run, from which ties are drawn; None = of equals the given label, then the first, so that a
                   row's vote does not depend on the rows beside it
    A row is kept when the modal prediction is its label (and `least_agreement` voters share it), or when it is in
    the lower half of its class by loss.
    Paper    appendix C; `least_agreement` 2 and `lower_half` false are what the released code does
    """
    support_N = (prediction_VN == label_N).sum(axis=0)
    if seed is not None:
        vote_N, agreement_N = modal_vote(prediction_VN, classes, seed)
    else:
        counts_NC = count_votes(prediction_VN, classes)
        agreement_N = counts_NC.max(axis=1)
        vote_N = np.where(support_N == agreement_N, label_N, counts_NC.argmax(axis=1))
    keep_N = (vote_N == label_N) & (agreement_N >= params.least_agreement)
    if params.lower_half:
        keep_N |= lower_half_N
    return RowVotes(voters, prediction_VN, loss_N, vote_N, agreement_N, support_N, lower_half_N, keep_N)


def vote_on_components(error_VK: NDArray[np.float64], weight_K: IntArray) -> ComponentVerdicts:
    """Algorithm 2: weak learner i votes for component k when its 0-1 loss on k is under a half.

    error_VK  float64 [K, K], 0..1: error of component i's voter (row) on the rows of component k (column)
    weight_K  int64 [K], rows of each component: the weight of its voter's vote
    Returns   verdicts; a component is clean when its votes exceed half of all weight
    Paper     Alg. 2, Property 3.3, Theorem 3.4
    """
    votes_for_K = ((error_VK < 0.5) * weight_K[:, None]).sum(axis=0)
    needed = weight_K.sum() / 2
    return ComponentVerdicts(weight_K, np.diag(error_VK).copy(), votes_for_K, float(needed), votes_for_K > needed)


def component_errors(partition: Partition, votes: RowVotes, label_N: IntArray) -> tuple[NDArray[np.float64], IntArray]:
    """0-1 error of every voter on every component (float64 [K, K]), and the components' sizes (int64 [K])."""
    members = [partition.members(*voter) for voter in votes.voters]
    wrong_VN = votes.prediction_VN != label_N
    error_VK = np.stack([wrong_VN[:, rows].mean(axis=1) for rows in members], axis=1)
    return error_VK, np.array([len(rows) for rows in members], dtype=np.int64)


def collect_votes(
    table: Table,
    partition: Partition,
    learner: LearnerParams,
    params: VoteParams,
    seed: int,
    *,
    map: OrderedMap,
    advance: Callable[[], None] = lambda: None,
) -> tuple[RowVotes, ComponentVerdicts, list[Ballot]]:
    """Train one voter per component and count both votes.

    map      how the voters are executed; the result does not depend on it
    advance  called after each voter
    """
    voters = partition.components()
    ballots = []
    for ballot in map(cast_ballot, VoterTask(table, partition, learner, params, seed), voters):
        ballots.append(ballot)
        advance()
    votes = vote_on_rows(voters, ballots, table, params, seed)
    verdicts = vote_on_components(*component_errors(partition, votes, table.labels))
    return votes, verdicts, ballots
