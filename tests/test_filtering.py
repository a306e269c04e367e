"""The manifest's reasons and suspicion by hand; the whole filter on rows with swapped labels."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from sanitize.boosting import RowVotes
from sanitize.data.table import Table
from sanitize.errors import BadInput
from sanitize.execution import inline
from sanitize.filtering import KEPT, WEAK_MOST, Manifest, decide, filter_table
from sanitize.params import resolve
from tests.reference.ispl import blobs

LOSS = np.log(np.array([1, 4, 2, 1e4, 1], np.float32))  # mean probabilities 1, 1/4, 1/2, 1/10000, 1
QUICK = resolve(
    {
        "preset": "fast",
        "learner": {"name": "sklearn", "model": "tests.reference.ispl:NearestMean"},
        "ispl": {"runs": 2, "components": 4, "expansion": 0.5},
        "selftrain": {"epochs": 4, "every": 2, "learners": 1},
    }
)


def five_rows():
    """Labels cat dog cat dog cat; three voters; rows 1 and 3 outvoted, but row 1 kept by the lower half."""
    table = Table(np.arange(5), np.zeros((5, 1), np.float32), np.array([0, 1, 0, 1, 0]), ("cat", "dog"), "vector")
    prediction_VN = np.array([[0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 1, 0, 0, 0]])
    votes = RowVotes(
        [(0, 0), (0, 1), (1, 0)],
        prediction_VN,
        LOSS,
        np.array([0, 0, 0, 0, 0]),
        np.array([3, 2, 2, 3, 3]),
        np.array([3, 1, 2, 0, 3]),
        np.array([True, True, False, False, False]),
        np.array([True, True, True, False, True]),
    )
    return table, votes


def test_without_self_training_the_vote_stands():
    manifest = decide(*five_rows(), None)
    assert manifest.keep_N.tolist() == [True, True, True, False, True]
    assert manifest.reason_N == [KEPT, KEPT, KEPT, "outvoted: 3 of 3 voters, most say cat", KEPT]
    assert manifest.suspicion_N / WEAK_MOST == pytest.approx([0, 0.75, 0.5, 0.9999, 0], abs=1e-7)
    assert manifest.reasons() == {"outvoted": 1}


def test_self_training_has_the_last_word():
    """Row 1 is now dropped though the vote kept it, row 3 is won back; suspicion is 1 - the mean of both chances."""
    table, votes = five_rows()
    smoothed_NC = np.array([[1, 0], [0.75, 0.25], [0.6, 0.4], [0.1, 0.9], [0.5, 0.5]], np.float32)
    manifest = decide(table, votes, smoothed_NC)
    assert manifest.keep_N.tolist() == [True, False, True, True, True]
    assert manifest.reason_N == [KEPT, "self-training disagrees: looks like cat", KEPT, KEPT, KEPT]
    assert manifest.suspicion_N / WEAK_MOST == pytest.approx([0, 0.75, 0.45, 0.54995, 0.25], abs=1e-4)
    assert manifest.reasons() == {"self-training disagrees": 1}


def test_tolerance_keeps_labels_that_come_close():
    """Given 0.25 of at most 0.75: a third. Row 1 stays for a tolerance of up to a third, row 3 (1/4 of it) does not."""
    table, votes = five_rows()
    smoothed_NC = np.array([[1, 0], [0.75, 0.25], [1, 0], [0.8, 0.2], [1, 0]], np.float32)
    for tolerance, keep in ((1.0, [False, False]), (0.34, [False, False]), (0.33, [True, False]), (0.25, [True, True])):
        assert decide(table, votes, smoothed_NC, tolerance).keep_N[[1, 3]].tolist() == keep
    assert decide(table, votes, smoothed_NC).keep_N[[1, 3]].tolist() == [False, False]


def test_a_row_dropped_by_both_is_outvoted():
    table, votes = five_rows()
    smoothed_NC = np.array([[1, 0], [0, 1], [1, 0], [0.8, 0.2], [1, 0]], np.float32)
    assert decide(table, votes, smoothed_NC).reason_N[3] == "outvoted: 3 of 3 voters, most say cat"


def test_the_few_that_support_an_outvoted_row_are_named():
    """Row 3 is for dog: by one voter, by two of one run or of two, and then by none or too many to name."""
    table, votes = five_rows()
    most = "of 3 voters, most say cat"
    for support, ending in (
        ([0, 1, 0], f"2 {most}; supported only by component 1 of run 0"),
        ([1, 1, 0], f"1 {most}; supported only by components 0 and 1 of run 0"),
        ([0, 1, 1], f"1 {most}; supported only by component 1 of run 0 and component 0 of run 1"),
        ([0, 0, 0], f"3 {most}"),
        ([1, 1, 1], f"0 {most}"),
    ):
        prediction_VN = votes.prediction_VN.copy()
        prediction_VN[:, 3] = support
        changed = replace(votes, prediction_VN=prediction_VN, support_N=np.array([3, 1, 2, sum(support), 3]))
        assert decide(table, changed, None).reason_N[3] == f"outvoted: {ending}"


def test_suspicion_lies_between_0_and_1():
    table, votes = five_rows()
    for smoothed_NC in (None, np.eye(2, dtype=np.float32)[[1, 0, 1, 0, 1]], np.eye(2, dtype=np.float32)[table.labels]):
        suspicion_N = decide(table, votes, smoothed_NC).suspicion_N
        assert suspicion_N.dtype == np.float64 and (suspicion_N >= 0).all() and (suspicion_N <= 1).all()


def test_reasons_are_counted_by_cause():
    manifest = Manifest(
        np.array([False, True, False, False]),
        ["outvoted: 2 of 3 voters, most say a: b", KEPT, "self-training disagrees: looks like b", "outvoted: 3 of 3"],
        np.zeros(4),
        *[np.zeros(4, np.int64)] * 3,
    )
    assert manifest.reasons() == {"outvoted": 2, "self-training disagrees": 1}


def test_swapped_labels_are_dropped_and_nothing_else():
    table = blobs(200, 2, noise=0.3)
    wrong = np.array([5, 40, 77, 120])
    table.labels[wrong] = 1 - table.labels[wrong]
    found = filter_table(table, QUICK, map=inline)
    assert np.flatnonzero(~found.manifest.keep_N).tolist() == wrong.tolist()
    assert found.manifest.suspicion_N[wrong].min() > np.delete(found.manifest.suspicion_N, wrong).max()
    assert found.votes.voters == found.partition.components()
    assert [reason == KEPT for reason in found.manifest.reason_N] == found.manifest.keep_N.tolist()


def test_without_self_training_the_manifest_is_the_vote():
    table = blobs(120, 2)
    params = QUICK.model_copy(update={"selftrain": QUICK.selftrain.model_copy(update={"epochs": 0})})
    found = filter_table(table, params, map=inline)
    assert found.manifest.keep_N.tolist() == found.votes.keep_N.tolist()


def test_steps_are_told_what_is_done_and_how_far():
    told = []

    @contextmanager
    def steps(label, total):
        done = []
        yield lambda: done.append(1)
        told.append((label, total, len(done)))

    found = filter_table(blobs(120, 2), QUICK, map=inline, steps=steps)
    voters = len(found.votes.voters)
    assert told[:3] == [("ISPL runs", 2, 2), ("voters", voters, voters), ("self-training", 2, 2)]
    ((label, total, done),) = told[3:]
    assert (label, total) == ("clusters", 4) and done <= 4


def test_one_class_is_refused_before_any_work():
    with pytest.raises(BadInput, match="one class only"):
        filter_table(blobs(20, 1), QUICK, map=inline)
