"""Members of ensembles: who sees which rows, and that nothing but its own rows reaches a base learner."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from sanitize.certify import ensembles, partitions
from sanitize.data.seeds import stream, stream_seed
from sanitize.data.table import Table
from sanitize.errors import BadInput, BadParams
from sanitize.execution import LocalProcesses, inline
from sanitize.params import resolve

SKLEARN = resolve({"learner": {"name": "sklearn", "model": "logistic_regression"}}).learner
TORCH = resolve({"learner": {"name": "torch", "net": "mlp", "device": "cpu", "precision": "float32"}}).learner


def blobs(rows, classes=3, seed=0):
    draw = stream(seed, "blobs", rows)
    labels = draw.integers(0, classes, rows)
    inputs = draw.normal(size=(rows, 4)) + 3 * np.eye(classes, 4)[labels]
    names = tuple(f"class {c}" for c in range(classes))
    return Table(np.arange(rows), inputs.astype(np.float32), labels, names, "vector")


def contents(table, rows):
    return [(table.inputs[row].tobytes(), int(table.labels[row])) for row in rows]


def test_parts_follow_sha256():
    table = blobs(40)
    salt = stream_seed(5, "certify", "split").to_bytes(8, "little")
    table = replace(table, class_names=("0", "7", "b"))
    named = hashlib.sha256(b"b").digest()[:8]
    token = [
        bytes(8),
        b"\x07" + bytes(7),
        (-1 - (int.from_bytes(named, "big") >> 1)).to_bytes(8, "little", signed=True),
    ]
    digest = [
        hashlib.sha256(salt + token[y] + x.tobytes()).digest() for x, y in zip(table.inputs, table.labels, strict=True)
    ]
    parts = partitions.split(table, 7, 5)
    assert sorted(np.concatenate(parts).tolist()) == list(range(40))
    for number, rows in enumerate(parts):
        assert all(int.from_bytes(digest[row], "little") % 7 == number for row in rows)
        assert [digest[row] for row in rows] == sorted(digest[row] for row in rows)
    assert [len(part) for part in partitions.split(table, 7, 6)] != [len(part) for part in parts]


def test_a_row_reaches_its_own_part_alone():
    """Rows in another order, without one of them: the other parts hold the same contents in the same order."""
    table = blobs(60)
    other = table.take(stream(1, "order").permutation(60)[1:])
    before = [contents(table, part) for part in partitions.split(table, 9, 0)]
    after = [contents(other, part) for part in partitions.split(other, 9, 0)]
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


def test_spread_reaches_each_learner_as_often():
    assert partitions.spread_parts(4, 1, 0).tolist() == [[0], [1], [2], [3]]
    for parts, degree in ((7, 3), (5, 5), (40, 8)):
        spread = partitions.spread_parts(parts, degree, 3)
        assert all(len(set(row)) == degree for row in spread.tolist())
        assert np.bincount(spread.ravel()).tolist() == [degree] * parts


def test_shares_hold_their_parts():
    table = blobs(50)
    parts, spread = partitions.split(table, 6, 2), partitions.spread_parts(6, 2, 2)
    for share in partitions.partition_shares(table, 6, 2, 2):
        mine = [part for part in range(6) if share.number in spread[part]]
        assert share.rows.tolist() == [row for part in mine for row in parts[part].tolist()]
    dpa = partitions.partition_shares(table, 6, 1, 2)
    assert all(np.array_equal(share.rows, part) for share, part in zip(dpa, parts, strict=True))


def test_bags_are_seeded_draws_with_replacement():
    bags = partitions.bag_shares(10, 200, 30, 4)
    assert all(len(bag.rows) == 200 and set(bag.rows.tolist()) == set(range(10)) for bag in bags)
    assert np.array_equal(bags[7].rows, partitions.bag_shares(10, 200, 8, 4)[7].rows)
    assert not np.array_equal(bags[7].rows, bags[8].rows)
    assert not np.array_equal(bags[7].rows, partitions.bag_shares(10, 200, 8, 5)[7].rows)


def trained(table, inputs, shares, learner, map=inline):
    return np.stack(list(partitions.train_members(table, inputs, shares, learner, epochs=2, seed=0, map=map)))


@pytest.mark.parametrize("learner", [SKLEARN, TORCH])
def test_a_row_changes_no_other_learner(learner):
    """What DPA rests on: in another order and without one row, all learners but one say the same, bit for bit."""
    table, tests = blobs(80), blobs(12, seed=1)
    other = table.take(stream(2, "order").permutation(80)[1:])
    before, after = (trained(t, tests.inputs, partitions.partition_shares(t, 5, 1, 0), learner) for t in (table, other))
    assert before.shape == (5, 12, 3) and before.dtype == np.float32
    assert sum(not np.array_equal(a, b) for a, b in zip(before, after, strict=True)) == 1


@pytest.mark.parametrize("learner", [SKLEARN, TORCH])
def test_labels_of_others_change_no_learner(learner):
    """Labels are named and numbered otherwise, and there are more of them: only the columns move."""
    table, tests = blobs(60, classes=2), blobs(12, seed=1)
    wide = replace(table, labels=np.array([1, 3])[table.labels], class_names=("a", "class 0", "b", "class 1", "z"))
    before, after = (trained(t, tests.inputs, partitions.partition_shares(t, 4, 1, 0), learner) for t in (table, wide))
    assert np.array_equal(after[..., [1, 3]], before) and not after[..., [0, 2, 4]].any()
    known = {"epochs": 2, "seed": 0, "map": inline, "known": np.array([1, 2, 3])}
    shares = partitions.partition_shares(wide, 4, 1, 0)
    (first, *_) = partitions.train_members(wide, tests.inputs, shares, learner, **known)
    assert first[:, [1, 2, 3]].sum() == pytest.approx(12) and first[:, 2].any() == (learner is TORCH)


def test_a_learner_that_is_led_to_nonsense_says_nothing():
    """A row at the end of float32 makes the network's outputs NaN: every label is as likely, and nothing stops."""
    table = blobs(40)
    table.inputs[0] = [3e38, -3e38, 3e38, 0]
    learner = TORCH.model_copy(update={"lr": 1e30})
    found = trained(table, table.inputs[:5], [partitions.Share(0, np.arange(40))], learner)
    assert np.isfinite(found).all() and np.allclose(found, 1 / 3)


def test_small_shares_by_hand():
    """No rows: every label alike, a vote for the largest. One row, or rows of one label: that label."""
    table = blobs(30)
    first = np.flatnonzero(table.labels == 1)
    shares = [partitions.Share(0, first[:0]), partitions.Share(1, first[:1]), partitions.Share(2, first)]
    found = trained(table, table.inputs[:2], shares, TORCH)
    assert np.allclose(found[0], 1 / 3) and found[1:, 0].tolist() == [[0, 1, 0]] * 2
    assert partitions.predicted(found).tolist() == [[2, 2], [1, 1], [1, 1]]


def test_ensembles_of_real_learners():
    """Well separated blobs: all three certify most tests, and processes give the same bytes."""
    table, tests = blobs(300), blobs(40, seed=1)
    shares = partitions.partition_shares(table, 15, 1, 0)
    scores = trained(table, tests.inputs, shares, SKLEARN)
    assert np.array_equal(
        scores, trained(table, tests.inputs, shares, SKLEARN, LocalProcesses(2, ["sanitize.certify.partitions"]))
    )
    votes = ensembles.count_votes(partitions.predicted(scores), 3)
    dpa, elected = ensembles.dpa(votes), ensembles.run_off(scores)
    for found in (dpa, elected):
        right = found.prediction == tests.labels
        assert np.mean(right) > 0.9 and np.mean(right & (found.size >= 5)) > 0.7
    bags = trained(table, tests.inputs, partitions.bag_shares(300, 20, 60, 0), SKLEARN)
    bagged = ensembles.bagging(ensembles.count_votes(partitions.predicted(bags), 3), rows=300, bag=20, alpha=0.01)
    assert np.mean((bagged.prediction == tests.labels) & (bagged.size >= 1)) > 0.5
    wide = partitions.partition_shares(table, 15, 3, 0)
    said = partitions.predicted(trained(table, tests.inputs, wide, SKLEARN))
    spread = ensembles.finite_aggregation(said, 3, partitions.spread_parts(15, 3, 0))
    assert np.mean((spread.prediction == tests.labels) & (spread.size >= 1)) > 0.7


def test_deleted_rows_never_beat_dpa():
    """A real attack within the certificate: the rows of some learners that vote for the prediction are gone."""
    table, tests = blobs(120), blobs(15, seed=1)
    votes = ensembles.count_votes(
        partitions.predicted(trained(table, tests.inputs, partitions.partition_shares(table, 7, 1, 0), SKLEARN)), 3
    )
    found = ensembles.dpa(votes)
    assert found.size.max() >= 3
    for attempt in range(4):
        gone = stream(attempt, "gone").choice(120, 3, replace=False)
        left = table.take(np.delete(np.arange(120), gone))
        shares = partitions.partition_shares(left, 7, 1, 0)
        after = ensembles.count_votes(partitions.predicted(trained(left, tests.inputs, shares, SKLEARN)), 3)
        held = found.size >= 3
        assert np.array_equal(ensembles.dpa(after).prediction[held], found.prediction[held])


def test_bad_arguments_are_refused():
    table = blobs(10)
    for call, error, words in (
        (lambda: partitions.split(table, 0, 0), BadParams, "0 parts; must be at least 1"),
        (lambda: partitions.spread_parts(3, 4, 0), BadParams, r"degree is 4; must be 1\.\.3"),
        (lambda: partitions.bag_shares(0, 1, 1, 0), BadInput, "no training rows"),
        (lambda: partitions.bag_shares(5, 0, 1, 0), BadParams, "1 bags of 0 rows"),
        (lambda: trained(table, table.inputs, [], SKLEARN), BadParams, "no base learners"),
        (lambda: trained(table, table.inputs[:, :2], [partitions.Share(0, np.arange(10))], SKLEARN), BadInput, "shape"),
        (
            lambda: partitions.train_members(table, table.inputs, [], SKLEARN, epochs=0, seed=0, map=inline),
            BadParams,
            "epochs is 0",
        ),
    ):
        with pytest.raises(error, match=words):
            call()
