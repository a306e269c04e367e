"""Groups of dropped rows: their numbers, and that rows of other tables find theirs."""

from dataclasses import replace

import numpy as np
import pytest

from sanitize.coherence import Finding, Group
from sanitize.data.table import Table
from sanitize.evidence.base import NOTHING, Evidence
from sanitize.evidence.groups import NO_CLASS, Groups, RowGroup, Strong, counted, numbered, weak_group
from sanitize.evidence.pixels import Pixels
from sanitize.filtering import WEAK_MOST, Manifest, group_rows, number_rows

CLASSES = ("ant", "bee", "cat")


def strong(label, says, rows, text="x"):
    rows = np.array(rows)
    return Strong(label, says, rows, Evidence(True, text, rows))


def test_strong_groups_come_first_each_kind_by_size():
    weak = {(0, 1): 5, (2, NO_CLASS): 9}
    groups, ordered = numbered([strong(0, 1, [1, 2]), strong(1, NO_CLASS, [3, 4, 5])], weak, CLASSES)
    shown = [(one.id, one.rows, one.label, one.says, one.cause) for one in groups.known]
    assert shown == [
        ("G1", 3, "bee", None, "shares a trigger"),
        ("G2", 2, "ant", "bee", "shares a trigger"),
        ("G3", 9, "cat", None, "confused with other classes"),
        ("G4", 5, "ant", "bee", "confused with bee"),
    ]
    assert [one.label for one in ordered] == [1, 0]
    assert groups.known[0].as_json() == {
        "id": "G1", "rows": 3, "label": "bee", "says": None, "cause": "shares a trigger", "strength": "strong",
        "evidence": "x", "region": None,
    }  # fmt: skip


def test_rows_of_other_tables_find_their_group():
    """Pairs that were not there get numbers beyond, from which their classes are told."""
    groups, _ = numbered([strong(0, 1, [1, 2])], {(0, 1): 5, (2, NO_CLASS): 9}, CLASSES)
    label_n, says_n = np.array([0, 2, 2, 1, 0]), np.array([1, NO_CLASS, 0, NO_CLASS, 2])
    number_n = groups.pairs(label_n, says_n)
    assert number_n[:2].tolist() == [3, 2] and len(set(number_n.tolist())) == 5
    described = groups.described(dict.fromkeys(number_n.tolist(), 7))
    by_number = {one.number: (one.label, one.says, one.rows) for one in described}
    for number, label, says in zip(number_n.tolist(), label_n, says_n, strict=True):
        assert by_number[number] == (CLASSES[label], None if says == NO_CLASS else CLASSES[says], 7)
    assert Groups((), CLASSES).described({1: 2})[0].says is None


def test_findings_about_the_same_rows_are_one_group():
    one, other = strong(0, 1, range(10)), strong(0, 2, range(5, 20), "y")
    assert one.shares_with(other) and not one.shares_with(replaced_label(other))
    both = one.joined(other)
    assert both.rows.tolist() == list(range(20)) and both.evidence.text == "y" and both.says == 1
    assert not strong(0, 1, range(10)).shares_with(strong(0, 1, range(8, 30)))


def replaced_label(one):
    return one._replace(label=2)


def test_pairs_are_counted():
    assert counted(np.array([1, 0, 1]), np.array([0, NO_CLASS, 0])) == {(0, NO_CLASS): 1, (1, 0): 2}
    assert counted(np.array([], np.int64), np.array([], np.int64)) == {}


def ground():
    """200 images. Rows 0..19 carry a patch and are doubted; 30 carries it and is not; 40..49 are hard."""
    images = np.random.default_rng(0).integers(0, 256, (200, 6, 6, 1), np.uint8)
    label_N = np.repeat([1, 0], 100)
    images[[*range(20), 30], 0:2, 0:2] = 255
    dropped = [*range(20), *range(40, 50)]
    keep_N = np.ones(200, np.bool_)
    keep_N[dropped] = False
    table = Table(np.arange(200), images, label_N, ("bee", "ant"), "image")
    says_N, finding_N = np.full(200, NO_CLASS), np.full(200, -1)
    says_N[dropped] = 0
    reasons = ["kept" if keep else "outvoted: 3 of 3 voters, most say bee" for keep in keep_N]
    manifest = Manifest(keep_N, reasons, np.where(keep_N, 0.1, 0.9), says_N, finding_N, np.zeros(200, np.int64))
    return table, manifest


def test_outvoted_rows_that_share_a_patch_take_the_undoubted_one_with_them():
    """The hard rows look like several classes, so that they are another group."""
    table, manifest = ground()
    manifest.says_N[40:50] = NO_CLASS
    after, _, groups = group_rows(table, manifest, [], [Pixels(table.inputs)])
    assert np.flatnonzero(~after.keep_N).tolist() == [*range(20), 30, *range(40, 50)]
    assert [(one.rows, one.strength) for one in groups.known] == [(21, "strong"), (10, "weak")]
    assert after.group_N[[0, 30, 45, 60]].tolist() == [1, 1, 2, 0]
    assert after.reason_N[30] == after.reason_N[0] == f"shares a trigger: {groups.known[0].evidence}; looks like bee"
    assert after.reason_N[45] == "outvoted: 3 of 3 voters, most say bee"
    assert after.suspicion_N[[0, 30]].min() > WEAK_MOST > after.suspicion_N[45] and after.suspicion_N.max() <= 1


def test_a_finding_brings_its_group_and_its_number():
    table, manifest = ground()
    rows = np.arange(20)
    manifest.finding_N[rows] = 0
    finding = Finding(Group(1, 0, rows), "coherent", 1.0, rows, evidence=Evidence(True, "a patch", rows))
    weak = Finding(Group(1, 0, rows), "coherent", 1.0, np.arange(0))
    after, (found, other), groups = group_rows(table, manifest, [finding, weak], [])
    assert (found.number, other.number) == (1, 0)
    assert [one.rows for one in groups.known] == [20, 10]
    again = number_rows(after, table.labels, [found, other], groups)
    assert again.group_N.tolist() == after.group_N.tolist()
    assert number_rows(after, table.labels, [replace(found, evidence=None)], groups).group_N[0] == 2


def test_without_evidence_all_are_told_by_their_classes():
    table, manifest = ground()
    _, _, groups = group_rows(table, manifest, [], [])
    assert groups.known == (weak_group(1, 30, "ant", "bee"),)
    assert groups.known[0].evidence == NOTHING
    with pytest.raises(ValueError, match="number"):
        RowGroup(number=0, rows=1, label="a", says=None, strength="weak", evidence="")
