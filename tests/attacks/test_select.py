"""Which rows are poisoned: counts by hand, draws by name."""

import numpy as np
import pytest

from sanitize.attacks.select import class_index, rows_of_class
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
