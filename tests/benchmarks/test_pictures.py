"""Pictures to measure with: sizes, repetitions, refined classes."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.pictures import cifar10, drawn, refined, sized
from sanitize.errors import BadInput, BadParams


def test_drawn_pictures():
    found = drawn(100, side=10, channels=1, classes=4)
    assert found.train.inputs.shape == (100, 10, 10, 1) and found.test.inputs.shape == (20, 10, 10, 1)
    assert np.bincount(found.train.labels).tolist() == [25] * 4
    assert found.what == "100 drawn pictures, 10 x 10 x 1"
    means = [found.train.inputs[found.train.labels == c].mean(axis=0) for c in range(4)]
    nearest = [np.argmin([np.abs(x - m).mean() for m in means]) for x in found.test.inputs]
    assert np.mean(nearest == found.test.labels) > 0.9  # there is something to learn


def test_sizes_and_repetitions():
    """Of 12 rows of each class, 10 are taken; of 12, 30 are 12 as they are and 18 moved ones."""
    source = drawn(36, side=8, channels=1, classes=3).train
    few = sized(source, 30, 3)
    assert np.bincount(few.labels).tolist() == [10, 10, 10]
    known = {picture.tobytes() for picture in source.inputs}
    assert len({picture.tobytes() for picture in few.inputs} & known) == 30
    many = sized(source, 90, 3)
    assert np.bincount(many.labels).tolist() == [30, 30, 30]
    whole = sum(picture.tobytes() in known for picture in many.inputs)
    assert 36 <= whole < 50  # some are moved by nothing
    rolls = {np.roll(p, (y, x), (0, 1)).tobytes() for p in source.inputs for y in range(-2, 3) for x in range(-2, 3)}
    assert all(picture.tobytes() in rolls for picture in many.inputs)
    assert np.array_equal(sized(source, 90, 3).inputs, many.inputs)
    with pytest.raises(BadInput, match="2 rows for 3 classes"):
        sized(source, 2, 3)
    with pytest.raises(BadParams, match="classes is 20; must be 3 or 30"):
        sized(source, 30, 20)


def test_refined_classes_are_of_equal_size_and_nest_in_their_own():
    source = drawn(200, side=8, channels=3, classes=2).train
    table = refined(source)
    assert table.classes == 20 and table.class_names[11] == "1.1"
    assert np.bincount(table.labels).tolist() == [10] * 20
    assert np.array_equal(table.labels // 10, source.labels)
    assert sized(source, 40, 20).classes == 20


def test_refined_classes_follow_what_varies_most():
    """Pictures that differ in brightness alone: parts are steps of it, up or down."""
    source = drawn(100, side=8, channels=1, classes=2).train
    source.inputs[:] = np.arange(100)[:, None, None, None] * 2
    parts = refined(source).labels[::2] % 10  # class 0, darkest first
    assert parts.tolist() in (sorted(parts), sorted(parts, reverse=True))


def test_cifar10_is_taken_where_it_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("CIFAR10_FOLDER", raising=False)
    assert cifar10() is None
    monkeypatch.setenv("CIFAR10_FOLDER", str(tmp_path))
    with pytest.raises(BadInput, match=r"cifar-10-batches-py|train\.parquet"):
        cifar10()
