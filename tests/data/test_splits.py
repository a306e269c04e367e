"""Fixed stratified splits."""

import numpy as np

from sanitize.data.arrow import decode_table
from sanitize.data.splits import image_splits, stratified_split
from tests.data.pictures import gradient


def test_classes_in_proportion() -> None:
    labels = np.array([0] * 5 + [1] * 3 + [2] * 2)
    # 4 of 10: shares 2.0, 1.2, 0.8 -> 2, 1, 0 and the largest remainder (0.8) gets the last one
    train, test = stratified_split(labels, 4, "x")
    assert np.bincount(labels[test]).tolist() == [2, 1, 1]
    assert sorted([*train, *test]) == list(range(10))
    assert test.tolist() == sorted(test)
    assert train.dtype == test.dtype == np.int64


def test_equal_remainders_go_to_the_lower_classes() -> None:
    labels = np.array([2, 1, 0])
    _, test = stratified_split(labels, 2, "x")
    assert sorted(labels[test]) == [0, 1]


def test_fixed_by_name() -> None:
    labels = np.arange(200) % 2
    first, again, other = (stratified_split(labels, 50, name) for name in ("a", "a", "b"))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])
    assert first[0].tolist() != sorted(first[0])


def test_image_splits_resize() -> None:
    images = np.full((2, 8, 8, 1), 50, np.uint8)
    splits = image_splits((images, np.array([0, 1])), (gradient(1, 8, 8), np.array([1])), ["p", "q"], 4)
    assert splits.test is not None
    table, _ = decode_table(splits.train)
    assert table.inputs.tolist() == np.full((2, 4, 4, 1), 50).tolist()
    assert decode_table(splits.test, class_names=["p", "q"])[0].labels.tolist() == [1]
