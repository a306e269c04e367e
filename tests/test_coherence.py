"""Groups by hand; a group with a trigger is recognised and its hidden carriers found, hard rows are not."""

import numpy as np
import pytest

from sanitize.boosting import RowVotes
from sanitize.coherence import Finding, Group, GroupTask, doubted_groups, examine, find_triggers
from sanitize.data.seeds import stream
from sanitize.data.table import Table
from sanitize.execution import inline
from sanitize.filtering import decide
from sanitize.params import resolve

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
    found = doubted_groups(table, smoothed_NC, PARAMS.model_copy(update={"least": 2}))
    assert [(g.label, g.says, g.rows.tolist()) for g in found] == [(1, 2, [3, 4]), (0, 1, [0, 1])]
    most_one = doubted_groups(table, smoothed_NC, PARAMS.model_copy(update={"least": 1, "most": 1}))
    assert [(g.label, g.says) for g in most_one] == [(0, 2)]


def test_a_trigger_is_recognised_and_its_hidden_carriers_are_found():
    table, smoothed_NC = two_classes(trigger=True)
    calls = []
    (finding,) = find_triggers(table, smoothed_NC, NEAREST, PARAMS, 0, map=inline, advance=lambda: calls.append(1))
    assert (finding.group.label, finding.group.says, finding.recognised) == (1, 0, 1.0)
    assert finding.rows.tolist() == list(range(50, 123)) and len(calls) == 1
    assert finding.rows[finding.share_n > 0.5].tolist() == [*DOUBTED, *HIDDEN]


def test_rows_that_share_nothing_are_not_recognised():
    """DOUBTED lie where class 0 lies: which side the two means fall on is chance."""
    table, smoothed_NC = two_classes(trigger=False)
    assert find_triggers(table, smoothed_NC, NEAREST, PARAMS, 0, map=inline) == []
    (finding,) = find_triggers(
        table, smoothed_NC, NEAREST, PARAMS.model_copy(update={"recognised": 0.0}), 0, map=inline
    )
    assert finding.recognised < 0.8


def test_too_few_rows_and_switched_off():
    table, smoothed_NC = two_classes(trigger=True)
    for least in (0, 21):
        params = PARAMS.model_copy(update={"least": least})
        assert find_triggers(table, smoothed_NC, NEAREST, params, 0, map=inline) == []


def test_no_row_is_judged_by_a_network_that_saw_it(monkeypatch):
    """Every row is asked about once, by a learner whose rows do not include it."""
    fitted, asked = [], []

    class Spy:
        def start(self, *names):
            pass

        def fit(self, rows, epochs, *, done=0, total=None):
            fitted.append(set(rows.tolist()))

        def probabilities(self, inputs):
            asked.append(inputs[:, 0].astype(int))
            return np.full((len(inputs), 3), 1 / 3, np.float32)

    monkeypatch.setattr("sanitize.coherence.make_learner", lambda *_: Spy())
    table, smoothed_NC = two_classes(trigger=True)
    numbered = Table(table.ids, np.arange(123, dtype=np.float32)[:, None], table.labels, table.class_names, "vector")
    groups = doubted_groups(numbered, smoothed_NC, PARAMS)
    examine(GroupTask(numbered, groups, NEAREST, PARAMS, 0), 0)
    assert sorted(np.concatenate(asked).tolist()) == list(range(123))
    assert all(not seen & set(rows.tolist()) for seen, rows in zip(fitted, asked, strict=True))


def test_carriers_are_dropped_with_their_own_reason():
    """Four rows, all kept by self-training; the finding is sure of row 2 and not of row 3."""
    table = Table(np.arange(4), np.zeros((4, 1), np.float32), np.array([0, 0, 1, 1]), ("cat", "dog"), "vector")
    nothing, yes = np.zeros(4, np.int64), np.ones(4, np.bool_)
    votes = RowVotes([(0, 0)], np.zeros((1, 4), np.int64), np.zeros(4, np.float32), nothing, nothing, nothing, yes, yes)
    smoothed_NC = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    finding = Finding(Group(1, 0, np.arange(9)), 1.0, np.array([2, 3]), np.array([0.75, 0.25], np.float32))
    manifest = decide(table, votes, smoothed_NC, 0.5, [finding])
    assert manifest.keep_N.tolist() == [True, True, False, True]
    assert manifest.reason_N[2] == "shares a trigger: like 9 rows of class dog that look like cat"
    assert manifest.suspicion_N.tolist() == pytest.approx([0, 0, 0.75, 0.25])
    assert votes.keep_N.all()
