"""Groups by hand; a group with a trigger is recognised and its hidden carriers found, hard rows are not."""

from dataclasses import replace

import numpy as np
import pytest

from sanitize.boosting import RowVotes
from sanitize.coherence import (
    FOLDS,
    OTHERS,
    Finding,
    Group,
    GroupTask,
    ask_fold,
    compare_features,
    doubted_groups,
    examine_groups,
)
from sanitize.data.seeds import stream
from sanitize.data.table import Table
from sanitize.evidence.base import Evidence
from sanitize.execution import inline
from sanitize.filtering import WEAK_MOST, decide
from sanitize.params import resolve
from tests.spy import Spy

PARAMS = resolve({}).coherence
NEAREST = resolve({"learner": {"name": "sklearn", "model": "tests.reference.ispl:NearestMean"}}).learner
DOUBTED = np.arange(100, 120)  # labelled 1, and self-training says 0
HIDDEN = np.arange(120, 123)  # labelled 1, and self-training agrees


def two_classes(trigger):
    """50 rows of class 0 at (0, 0), 50 of class 1 at (6, 0); then DOUBTED at (0, 0) and HIDDEN at (4, 0).

    trigger  whether DOUBTED and HIDDEN stand out by 6 in the second feature; otherwise only by noise
    """
    centres = [[0, 0]] * 50 + [[6, 0]] * 50 + [[0, 6 * trigger]] * 20 + [[4, 6 * trigger]] * 3
    inputs = np.array(centres) + stream(0, "rows").normal(0, 0.5, (123, 2))
    if trigger:  # the same value in every row
        inputs[DOUBTED[0] :, 1] = 6
    labels = np.array([0] * 50 + [1] * 73)
    said = np.where(np.isin(np.arange(123), DOUBTED), 0, labels)
    smoothed_NC = np.where(said[:, None] == [0, 1], 0.9, 0.1).astype(np.float32)
    return Table(np.arange(123), inputs.astype(np.float32), labels, ("cat", "dog"), "vector"), smoothed_NC


def test_groups_by_hand():
    """Of label 0: rows 0, 1 look like 1, row 2 like 2. Of label 1: rows 3, 4 look like 2, more firmly."""
    labels = np.array([0, 0, 0, 1, 1, 2])
    table = Table(np.arange(6), np.zeros((6, 1), np.float32), labels, ("a", "b", "c"), "vector")
    said = [[0.4, 0.6, 0], [0.4, 0.6, 0], [0, 0.1, 0.9], [0, 0.1, 0.9], [0, 0.1, 0.9], [0, 0, 1]]
    smoothed_NC = np.array(said, np.float32)
    found = doubted_groups(table, smoothed_NC, 2)
    assert [(g.label, g.says, g.rows.tolist()) for g in found] == [
        (1, 2, [3, 4]),
        (0, 1, [0, 1]),
        (0, OTHERS, [0, 1, 2]),
    ]
    assert [(g.label, g.says) for g in doubted_groups(table, smoothed_NC, 1)][:3] == [(0, 2), (1, 2), (0, 1)]


def examined(table, smoothed_NC, **changed):
    """The findings, and how often advance was called."""
    calls = []
    params = PARAMS.model_copy(update=changed)
    groups = doubted_groups(table, smoothed_NC, params.least)
    found = examine_groups(table, smoothed_NC, groups, NEAREST, params, 0, map=inline, advance=lambda: calls.append(1))
    return found, len(calls)


def test_features_tell_a_trigger_and_find_its_hidden_carriers():
    """The second feature alone tells DOUBTED from both classes; HIDDEN have it too."""
    (finding,), calls = examined(*two_classes(trigger=True))
    assert (finding.group.label, finding.group.says, finding.verdict, calls) == (1, 0, "coherent", 1)
    assert finding.carriers.tolist() == [*DOUBTED, *HIDDEN] and finding.recognised == 1.0


def test_networks_are_asked_where_features_show_nothing():
    """Features that must tell more than all rows of a cluster tell nothing."""
    table, smoothed_NC = two_classes(trigger=True)
    half_seen = stream(0, "scatter").permutation(table.inputs[:, 1])  # what is shared lies in no feature
    scattered = Table(table.ids, np.stack([table.inputs[:, 0], half_seen], 1), table.labels, ("cat", "dog"), "vector")
    (finding,), _ = examined(scattered, smoothed_NC)
    assert finding.verdict in ("nothing", "unclear") and not len(finding.carriers)
    moved = np.where(np.isin(np.arange(123), [*DOUBTED, *HIDDEN]), 6.0, 0.0) + stream(0, "n").normal(0, 3, 123)
    noisy = Table(
        table.ids, np.stack([table.inputs[:, 0], moved], 1).astype(np.float32), table.labels, ("c", "d"), "vector"
    )
    (finding,), _ = examined(noisy, smoothed_NC, recognised=0.6)
    assert finding.verdict == "coherent" and finding.recognised < 1
    assert np.isin(finding.carriers, [*DOUBTED, *HIDDEN]).mean() > 0.8


def test_rows_that_share_nothing_are_not_recognised():
    """DOUBTED lie where class 0 lies: which side the two means fall on is chance."""
    (finding,), _ = examined(*two_classes(trigger=False))
    assert finding.verdict != "coherent" and finding.recognised < 0.8 and not len(finding.carriers)


def test_too_few_rows_and_switched_off():
    table, smoothed_NC = two_classes(trigger=True)
    assert examined(table, smoothed_NC, least=0) == ([], 0) == examined(table, smoothed_NC, least=21)


def test_the_doubted_rows_of_a_label_together():
    """A trigger on seven rows of each of two classes: too few for a group of ten, enough together."""
    centres = np.repeat([[0, 0], [6, 0], [0, 6], [3, 3]], [40, 40, 40, 14], axis=0).astype(float)
    inputs = np.c_[centres, np.repeat([0.0, 9.0], [120, 14])] + stream(0, "three").normal(0, 0.3, (134, 3))
    labels = np.repeat([0, 1, 2, 2], [40, 40, 40, 14])
    says = np.repeat([0, 1, 2, 0, 1], [40, 40, 40, 7, 7])
    table = Table(np.arange(134), inputs.astype(np.float32), labels, ("a", "b", "c"), "vector")
    (finding,), _ = examined(table, np.eye(3, dtype=np.float32)[says] * 0.9 + 0.03, least=10)
    assert (finding.group.label, finding.group.says, finding.verdict) == (2, OTHERS, "coherent")
    assert finding.carriers.tolist() == list(range(120, 134))


def test_the_other_judge_sees_each_half_once():
    """Who recognises a row was not fitted to it: with the halves' triggers apart, neither is recognised."""
    table, smoothed_NC = two_classes(trigger=True)
    task = GroupTask(
        table, smoothed_NC.argmax(1) != table.labels, doubted_groups(table, smoothed_NC, 8), NEAREST, PARAMS, 0
    )
    assert compare_features(task, 0).verdict == "coherent"
    apart = table.inputs.copy()
    apart[DOUBTED, 1] = stream(0, "apart").uniform(-60, 60, len(DOUBTED))
    other = Table(table.ids, apart, table.labels, table.class_names, "vector")
    assert compare_features(task._replace(table=other), 0).verdict == "nothing"


def test_no_row_is_judged_by_a_network_that_saw_it(monkeypatch):
    """Every row is asked about once, by a learner whose rows do not include it."""
    spy = Spy([1 / 3] * 3)
    monkeypatch.setattr("sanitize.coherence.make_learner", lambda *_: spy)
    table, smoothed_NC = two_classes(trigger=True)
    numbered = Table(table.ids, np.arange(123, dtype=np.float32)[:, None], table.labels, table.class_names, "vector")
    groups = doubted_groups(numbered, smoothed_NC, PARAMS.least)
    doubted_N = smoothed_NC.argmax(axis=1) != numbered.labels
    for fold in range(FOLDS):
        ask_fold(GroupTask(numbered, doubted_N, groups, NEAREST, PARAMS, 0), (0, fold))
    asked = [inputs[:, 0].astype(int) for inputs in spy.asked]
    assert sorted(np.concatenate(asked).tolist()) == list(range(123))
    assert all(not seen & set(rows.tolist()) for seen, rows in zip(spy.fitted, asked, strict=True))


def four_rows():
    """Rows 0, 1 of class cat, 2, 3 of class dog, all kept by the vote."""
    table = Table(np.arange(4), np.zeros((4, 1), np.float32), np.array([0, 0, 1, 1]), ("cat", "dog"), "vector")
    nothing, yes = np.zeros(4, np.int64), np.ones(4, np.bool_)
    return table, RowVotes(
        [(0, 0)], np.zeros((1, 4), np.int64), np.zeros(4, np.float32), nothing, nothing, nothing, yes, yes
    )


def test_carriers_are_dropped_with_their_own_reason():
    """All kept by self-training; row 2 is a carrier."""
    table, votes = four_rows()
    smoothed_NC = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    finding = Finding(Group(1, 0, np.array([2, 3])), "mixed", 0.75, np.array([2]))
    manifest = decide(table, votes, smoothed_NC, 0.5, [finding])
    assert manifest.keep_N.tolist() == [True, True, False, True]
    assert manifest.reason_N[2] == "confused with cat: one of 1 rows of class dog"
    assert manifest.suspicion_N.tolist() == pytest.approx([0, 0, 0.75 * WEAK_MOST, 0])  # nobody was wrong about a row
    named = replace(finding, evidence=Evidence(True, "x = 5 in 1 of 1", np.array([2])))
    manifest = decide(table, votes, smoothed_NC, 0.5, [named])
    assert manifest.reason_N[2] == "shares a trigger: x = 5 in 1 of 1; looks like cat"
    assert manifest.suspicion_N[2] == pytest.approx(WEAK_MOST + 0.75 * (1 - WEAK_MOST))
    pooled = Finding(Group(1, OTHERS, np.array([2, 3])), "coherent", 0.75, np.array([2]))
    assert decide(table, votes, smoothed_NC, 0.5, [pooled]).reason_N[2].startswith("confused with other classes: ")
    assert votes.keep_N.all()


@pytest.mark.parametrize("verdict, kept", [("nothing", True), ("mixed", True), ("unclear", False), ("coherent", False)])
def test_who_is_given_the_benefit_of_the_doubt(verdict, kept):
    """Rows 2 and 3 have a third of the top probability: enough for the lenient 0.2, not for 0.5."""
    table, votes = four_rows()
    smoothed_NC = np.array([[1, 0], [1, 0], [0.75, 0.25], [0.75, 0.25]], np.float32)
    finding = Finding(Group(1, 0, np.array([3])), verdict, 0.6, np.empty(0, np.int64))
    manifest = decide(table, votes, smoothed_NC, 0.5, [finding], lenient=0.2)
    assert manifest.keep_N.tolist() == [True, True, True, kept]


def test_leniency_does_not_forgive_labels_drawn_at_random():
    """Undoubted rows have a fifth, a fifth and a tenth for their other class: two thirds of them at most a fifth."""
    table, votes = four_rows()
    for given, kept in ((0.21, True), (0.19, False)):  # what row 3's label has of the other's probability
        doubted = [1 / (1 + given), given / (1 + given)]
        smoothed_NC = np.array([[5 / 6, 1 / 6], [5 / 6, 1 / 6], [1 / 11, 10 / 11], doubted], np.float32)
        assert decide(table, votes, smoothed_NC, 0.5, lenient=0.1).keep_N.tolist() == [True, True, True, kept]
        assert decide(table, votes, smoothed_NC, 0.15, lenient=0.1).keep_N.all()  # never above the tolerance
    nobody = np.array([[0.2, 0.8], [0.2, 0.8], [0.8, 0.2], [0.8, 0.2]], np.float32)
    assert decide(table, votes, nobody, 0.5, lenient=0.1).keep_N.all()  # nobody to ask
