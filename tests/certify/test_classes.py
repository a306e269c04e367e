"""Columns of votes: labels by name, their order, and what stands for them in a row's content."""

import hashlib

import numpy as np

from sanitize.certify.classes import UNSEEN, Classes, columns, ordered, tokens
from sanitize.data.table import Table


def table(*labels, names=None):
    names = tuple(dict.fromkeys(labels)) if names is None else names
    places = np.zeros((len(labels), 1), np.float32)
    return Table(np.arange(len(labels)), places, np.array([names.index(y) for y in labels], np.int64), names, "vector")


def test_whole_numbers_by_size_then_names():
    names = ["b", "10", "9", "-2", "", "007", "1.0", "9" * 40, "B"]
    assert ordered(names) == ["-2", "9", "10", "", "007", "1.0", "9" * 40, "B", "b"]


def test_labels_of_test_rows_win_ties_and_unseen_ones_stand_between():
    found = columns(table("z", "b", "c", "b"), table("b", "a"), 2)
    assert found == Classes(("c", "z"), 2, ("a", "b"))
    assert found.names == ("c", "z", UNSEEN, UNSEEN, "a", "b") and found.known.tolist() == [4, 5]
    train = found.of(table("z", "b", "c", "b"))
    assert train.labels.tolist() == [1, 5, 0, 5] and train.class_names == found.names
    assert found.of(table("b", "a")).labels.tolist() == [5, 4]


def test_only_labels_that_rows_have_count():
    many = tuple(str(n) for n in range(10_000))
    assert columns(table("3", names=many), table("7", "3", names=many), 0).names == ("3", "7")


def test_a_label_may_be_called_as_the_column_of_zeros_is():
    found = columns(table(UNSEEN, "b"), table("b", "a"), 1)
    assert found.names == (UNSEEN, UNSEEN, "a", "b")
    assert found.of(table(UNSEEN, "b")).labels.tolist() == [0, 3]


def test_the_order_of_two_names_is_theirs_alone():
    """Whatever labels come and go among the training rows."""
    test = table("b", "9")
    few, many = columns(table("b", "x"), test, 1), columns(table("x", "!", "10", "y", "a", "b"), test, 1)
    both = [name for name in many.names if name in few.names]
    assert both == list(few.names)


def test_tokens_are_of_the_name_alone():
    """Numbers stand for themselves, as labels did when they were numbers; other names for 63 bits of their hash."""
    names = ("0", "12", "b", "-1", "007", "9" * 40)
    found = tokens(names).tolist()
    assert found[:2] == [0, 12] and all(token < 0 for token in found[2:]) and len(set(found)) == 6
    assert found[2] == -1 - (int.from_bytes(hashlib.sha256(b"b").digest()[:8], "big") >> 1)
    assert tokens(("b",)).tolist() == [found[2]]
