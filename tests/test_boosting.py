"""Votes: modes, ties, halves and Algorithm 2 against loops and by hand."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sanitize.boosting import (
    EXTERNAL,
    UNASKED,
    Ballot,
    RowVotes,
    VoterTask,
    cast_ballot,
    collect_votes,
    component_errors,
    count_votes,
    lower_half,
    modal_vote,
    stable_rows,
    vote_on_components,
    vote_on_rows,
)
from sanitize.data.table import Table
from sanitize.execution import inline
from sanitize.ispl import Partition
from sanitize.params import resolve
from tests.reference import boosting as slow
from tests.reference.ispl import NearestMean, blobs
from tests.reference.theory import clean_components

VOTE = resolve({}).vote.model_copy(update={"lower_half": False, "least_agreement": 1})
NEAREST = resolve({"learner": {"name": "sklearn", "model": "tests.reference.ispl:NearestMean"}}).learner


def table_of(labels, classes=3):
    rows = len(labels)
    return Table(np.arange(rows), np.zeros((rows, 1), np.float32), np.array(labels), tuple("abc"[:classes]), "vector")


def ballots(*said, loss=None):
    rows = len(said[0])
    given = [np.zeros(rows, np.float32)] * len(said) if loss is None else loss
    return [
        Ballot(np.array(prediction), np.array(its_loss, np.float32), None)
        for prediction, its_loss in zip(said, given, strict=True)
    ]


def test_counts_and_modes_by_hand():
    """Rows: 0 0 1 | 2 2 2 | 1 0 1."""
    prediction_VN = np.array([[0, 2, 1], [0, 2, 0], [1, 2, 1]])
    assert count_votes(prediction_VN, 3).tolist() == [[2, 1, 0], [0, 0, 3], [1, 2, 0]]
    vote, agreement = modal_vote(prediction_VN, 3, seed=0)
    assert vote.tolist() == [0, 2, 1] and agreement.tolist() == [2, 3, 2]


@settings(deadline=None)
@given(arrays.arrays(np.int64, st.tuples(st.integers(1, 7), st.integers(1, 20)), elements=st.integers(0, 4)))
def test_modal_vote_equals_the_slow_version(prediction_VN):
    vote, agreement = modal_vote(prediction_VN, 5, seed=3)
    for row, (label, count) in enumerate(zip(vote.tolist(), agreement.tolist(), strict=True)):
        tied, most = slow.modes(prediction_VN[:, row].tolist())
        assert label in tied and count == most


def test_ties_are_broken_by_the_seed_and_evenly():
    """3,000 rows with a three-way tie: each label wins a third, within five standard deviations of 26."""
    prediction_VN = np.repeat(np.array([[0], [1], [3]]), 3000, axis=1)
    vote, agreement = modal_vote(prediction_VN, 4, seed=0)
    counts = Counter(vote.tolist())
    assert set(counts) == {0, 1, 3} and all(abs(count - 1000) < 130 for count in counts.values())
    assert (agreement == 1).all()
    assert vote.tolist() == modal_vote(prediction_VN, 4, seed=0)[0].tolist()
    assert vote.tolist() != modal_vote(prediction_VN, 4, seed=1)[0].tolist()


def test_the_order_of_the_voters_does_not_matter():
    prediction_VN = np.array([[0, 1, 2, 2], [1, 1, 0, 2], [2, 0, 1, 0]])
    for order in ([0, 1, 2], [2, 0, 1], [1, 0, 2]):
        vote, agreement = modal_vote(prediction_VN[order], 3, seed=5)
        first = modal_vote(prediction_VN, 3, seed=5)
        assert vote.tolist() == first[0].tolist() and agreement.tolist() == first[1].tolist()


def test_other_rows_do_not_change_a_row_without_a_tie():
    clear = np.array([[1], [1], [0]])
    tied = np.array([[0, 2], [1, 0], [2, 1]])
    alone = modal_vote(clear, 3, seed=0)[0]
    assert modal_vote(np.hstack([tied, clear]), 3, seed=0)[0][2] == alone[0] == 1


def test_lower_half_by_hand():
    """Class 0 has three rows: two are in its lower half. Class 1 has four with a tie: the earlier two of it."""
    loss_N = np.array([3, 1, 2, 5, 5, 5, 9], np.float32)
    label_N = np.array([0, 0, 0, 1, 1, 1, 1])
    assert lower_half(loss_N, label_N).tolist() == [False, True, True, True, True, False, False]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=25))
def test_lower_half_equals_the_slow_version(rows):
    loss, label = zip(*rows, strict=True)
    assert lower_half(np.array(loss, np.float32), np.array(label)).tolist() == slow.lower_half(loss, label)


def test_rows_are_kept_where_the_mode_is_the_label():
    """Modes 0, 1, 2, 1 with 3, 2, 2, 2 of 3 voters; labels 0, 1, 1, 0."""
    table = table_of([0, 1, 1, 0])
    votes = vote_on_rows(
        [(0, 0), (0, 1), (1, 0)],
        ballots([0, 1, 2, 1], [0, 1, 2, 1], [0, 0, 0, 0], loss=[[0, 1, 3, 4], [0, 1, 3, 4], [3, 1, 0, 4]]),
        table,
        VOTE,
        seed=0,
    )
    assert votes.vote_N.tolist() == [0, 1, 2, 1]
    assert votes.agreement_N.tolist() == [3, 2, 2, 2]
    assert votes.support_N.tolist() == [3, 2, 0, 1]
    assert votes.loss_N.tolist() == [1, 1, 2, 4] and votes.loss_N.dtype == np.float32
    assert votes.lower_half_N.tolist() == [True, True, False, False]
    assert votes.keep_N.tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("update", "keep"),
    [
        ({"least_agreement": 2}, [True, True, False, False]),
        ({"least_agreement": 3}, [True, False, False, False]),
        ({"lower_half": True}, [True, True, True, False]),
        ({"lower_half": True, "least_agreement": 3}, [True, False, True, False]),
    ],
)
def test_agreement_and_lower_half(update, keep):
    """Label 0: rows 0 and 3, row 0 lower. Label 1: rows 1 and 2; row 2, outvoted, is the lower one."""
    table = table_of([0, 1, 1, 0])
    said = ballots([0, 1, 2, 1], [0, 1, 2, 1], [0, 0, 0, 0], loss=[[0, 2, 1, 4]] * 3)
    votes = vote_on_rows([(0, 0), (0, 1), (0, 2)], said, table, VOTE.model_copy(update=update), seed=0)
    assert votes.keep_N.tolist() == keep


def test_component_errors_equal_the_slow_version():
    component_RN = np.array([[0, 0, 1, 1, -1], [1, -1, 1, 0, 0]])
    prediction_VN = np.array([[0, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0], [0, 1, 1, 1, 0]])
    labels = [0, 1, 1, 1, 0]
    part = Partition(component_RN, np.zeros((2, 5), np.float32))
    nothing = np.zeros(5, np.int64)
    votes = RowVotes(
        part.components(), prediction_VN, np.zeros(5, np.float32), nothing, nothing, nothing, nothing > 0, nothing > 0
    )
    error_VK, weight_K = component_errors(part, votes, np.array(labels))
    members = [[0, 1], [2, 3], [3, 4], [0, 2]]
    assert weight_K.tolist() == [2, 2, 2, 2]
    assert error_VK.tolist() == slow.errors(prediction_VN.tolist(), labels, members)
    assert error_VK[0].tolist() == [0, 0.5, 0.5, 0]


def test_algorithm_2_by_hand():
    """Weights 3, 2, 2: more than 3.5 is needed. Component 0 has 3 + 2, component 1 only 2, component 2 has 2 + 2.

    An error of exactly a half is no vote.
    """
    error_KK = np.array([[0.1, 0.5, 0.9], [0.2, 0.4, 0.1], [0.6, 0.5, 0.0]])
    verdicts = vote_on_components(error_KK, np.array([3, 2, 2]))
    assert verdicts.votes_for_K.tolist() == [5, 2, 4] and verdicts.votes_needed == 3.5
    assert verdicts.clean_K.tolist() == [True, False, True]
    assert verdicts.self_error_K.tolist() == [0.1, 0.4, 0.0]


def test_exactly_half_of_the_weight_is_not_enough():
    verdicts = vote_on_components(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([4, 4]))
    assert verdicts.votes_for_K.tolist() == [4, 4] and verdicts.clean_K.tolist() == [False, False]


@settings(deadline=None)
@given(
    st.integers(1, 6).flatmap(
        lambda k: st.tuples(
            st.lists(st.integers(1, 50), min_size=k, max_size=k),
            arrays.arrays(np.float64, (k, k), elements=st.sampled_from([0.0, 0.25, 0.49, 0.5, 0.75, 1.0])),
        )
    )
)
def test_algorithm_2_equals_the_loops(drawn):
    weights, error_KK = drawn
    verdicts = vote_on_components(error_KK, np.array(weights))
    assert verdicts.clean_K.tolist() == clean_components(error_KK.tolist(), weights)


def test_a_voter_learns_its_component_alone_and_predicts_all_rows():
    table = blobs(30, 3)
    part = Partition(np.array([[0, 1] * 15]), np.zeros((1, 30), np.float32))
    ballot = cast_ballot(VoterTask(table, part, NEAREST, VOTE, 0), (0, 1))
    rows = np.arange(1, 30, 2)
    model = NearestMean().fit(table.inputs[rows], table.labels[rows])
    chance_NC = model.predict_proba(table.inputs)
    assert ballot.prediction_N.tolist() == chance_NC.argmax(axis=1).tolist()
    assert ballot.loss_N == pytest.approx(-np.log(np.maximum(chance_NC[np.arange(30), table.labels], 1e-7)), rel=1e-5)


def test_collected_votes_are_those_of_the_single_voters():
    table = blobs(60, 3)
    part = Partition(np.array([np.arange(60) // 15 % 2, np.arange(60) % 4 - 1]), np.zeros((2, 60), np.float32))
    calls = []
    votes, verdicts, cast = collect_votes(table, part, NEAREST, VOTE, 0, map=inline, advance=lambda: calls.append(1))
    voters = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    assert votes.voters == voters and len(calls) == len(cast) == 5
    task = VoterTask(table, part, NEAREST, VOTE, 0)
    said = [cast_ballot(task, voter).prediction_N.tolist() for voter in voters]
    assert votes.prediction_VN.tolist() == said
    members = [part.members(*voter).tolist() for voter in voters]
    errors = slow.errors(said, table.labels.tolist(), members)
    assert verdicts.clean_K.tolist() == clean_components(errors, [len(m) for m in members])
    assert verdicts.weight_K.tolist() == [30, 30, 15, 15, 15]


def test_stable_rows_are_those_of_which_two_seeds_say_the_same():
    """Runs 0 and 1 of three and two voters, and somebody else's; ties go to the first class; one is half asked."""
    voters = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (EXTERNAL, 0)]
    said = np.array([[0, 1, 2, 1, 1], [0, 1, 1, 1, 1], [2, 2, 0, 0, 1], [0, 2, 1, 2, UNASKED], [1, 2, 0, 1, UNASKED],
                     [1, 0, 0, 0, 0]])  # fmt: skip
    nothing = np.zeros(5, np.int64)
    votes = RowVotes(voters, said, nothing.astype(np.float32), nothing, nothing, nothing, nothing > 0, nothing > 0)
    assert stable_rows(votes).tolist() == [1, 0, 1, 1, UNASKED]
    assert stable_rows(replace(votes, voters=voters[:3], prediction_VN=said[:3])).tolist() == [UNASKED] * 5
