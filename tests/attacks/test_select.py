"""Which rows are poisoned: counts by hand, draws by name."""

import numpy as np
import pytest

from sanitize.attacks.select import class_index, class_pair, drawn, rows_of_class, rows_of_classes
from sanitize.data.table import Table
from sanitize.errors import BadParams


def table(labels, names=("7", "bird", "cat")):
    labels = np.array(labels, np.int64)
    return Table(np.arange(len(labels)), np.zeros((len(labels), 2, 2, 1), np.uint8), labels, names, "image")


@pytest.mark.parametrize(("given", "label"), [(1, 1), ("bird", 1), ("7", 0), ("2", 2), (0, 0)])
def test_classes_by_name_or_number(given, label):
    """The string "7" is a class name; the string "2" is none, and counts as a number."""
    assert class_index(table([0, 1, 2]), given, "attack.source") == label


@pytest.mark.parametrize("given", [3, -1, "dog", "-1", 7])
def test_unknown_classes_are_refused(given):
    words = rf"attack.source is {given!r}; must be a class \(7, bird, cat\) or a number 0..2"
    with pytest.raises(BadParams, match=words):
        class_index(table([0, 1, 2]), given, "attack.source")


@pytest.mark.parametrize(("share", "count"), [(0.05, 1), (0.1, 1), (0.15, 2), (0.25, 3), (0.5, 5), (1.0, 10)])
def test_counts_round_half_upwards(share, count):
    rows = rows_of_class(table([0, 1] * 10), 1, share, 0, "patch")
    assert len(rows) == len(set(rows.tolist())) == count
    assert rows.tolist() == sorted(rows.tolist()) and all(row % 2 == 1 for row in rows)


def test_draws_follow_seed_and_attack():
    many = table([0, 1] * 200)
    draws = [tuple(rows_of_class(many, 1, 0.1, seed, name)) for seed, name in ((0, "a"), (0, "a"), (1, "a"), (0, "b"))]
    assert draws[0] == draws[1] and len(set(draws)) == 3


def test_the_least_share_is_named_and_is_enough():
    with pytest.raises(BadParams, match=r"attack.share is 0.01; class bird has 7 rows.*must be at least 0.071429"):
        rows_of_class(table([1] * 7), 1, 0.01, 0, "patch")
    assert len(rows_of_class(table([1] * 7), 1, 0.071429, 0, "patch")) == 1


def test_a_class_without_rows_is_refused():
    with pytest.raises(BadParams, match="class cat has no rows"):
        rows_of_class(table([0, 1]), 2, 0.5, 0, "patch")


def test_pairs_must_differ():
    assert class_pair(table([0, 1, 2]), "bird", 2, "attack") == (1, 2)
    with pytest.raises(BadParams, match=r"attack.attacks.0.source and attack.attacks.0.target are both class bird"):
        class_pair(table([0, 1, 2]), "bird", 1, "attack.attacks.0")


@pytest.mark.parametrize(
    ("share", "parts", "counts"),
    [(0.1, 1, [2, 1]), (0.05, 1, [1, 1]), (0.03, 1, [1, 0]), (0.3, 3, [2, 1]), (1, 1, [20, 10])],
)
def test_classes_share_by_largest_remainder(share, parts, counts):
    """20 and 10 rows. 0.05 is 1.5 -> 2 rows, of which 1.33 and 0.67; 0.03 is 0.9 -> 1 row, of which 0.67 and 0.33."""
    many = table([0] * 20 + [1] * 10 + [2] * 10)
    rows = rows_of_classes(many, [0, 1], share, 0, "x", parts=parts)
    assert np.bincount(many.labels[rows], minlength=3).tolist() == [*counts, 0] and rows.tolist() == sorted(set(rows))


def test_taken_rows_are_not_drawn_and_the_largest_share_is_named():
    many, free = table([0] * 20 + [1] * 10), np.arange(30) >= 8
    assert rows_of_class(many, 0, 0.6, 0, "x", free).tolist() == list(range(8, 20))
    assert rows_of_classes(many, [0, 1], 0.6, 0, "x", free)[:12].tolist() == list(range(8, 20))
    with pytest.raises(
        BadParams, match=r"attack.share is 0.65; class 7 has 20 rows, of .* taken 8; must be at most 0.6"
    ):
        rows_of_class(many, 0, 0.65, 0, "x", free)
    with pytest.raises(
        BadParams, match=r"attack.share is 0.8; class 7 has 20 rows, of .* taken 13; must be at most 0.7"
    ):
        rows_of_classes(many, [0, 1], 0.8, 0, "x", np.arange(30) >= 13, parts=2)


def test_classes_without_rows_are_refused():
    with pytest.raises(BadParams, match="attack: no class that it poisons has rows"):
        rows_of_classes(table([0, 1]), [2], 0.5, 0, "x")


def test_a_draw_of_all_is_all():
    assert drawn(np.array([3, 5, 9]), 3, (0, "x"), None, "").tolist() == [3, 5, 9]
