"""Table: what it takes, what it refuses and how it says so."""

import numpy as np
import pytest

from sanitize.data.table import Table
from sanitize.errors import BadInput

NAMES = ("cat", "dog", "fox")


def vectors(inputs, labels=(0, 1, 2), ids=(10, 20, 30)):
    return Table(np.array(ids), np.array(inputs, np.float32), np.array(labels), NAMES, "vector")


def test_length_and_classes():
    table = vectors(np.zeros((3, 2)), labels=(0, 0, 1))
    assert len(table) == 3 and table.classes == 3


def test_take_keeps_ids_order_and_names():
    table = vectors([[1, 1], [2, 2], [3, 3]])
    taken = table.take(np.array([2, 0]))
    assert taken.ids.tolist() == [30, 10] and taken.labels.tolist() == [2, 0]
    assert taken.inputs.tolist() == [[3, 3], [1, 1]] and taken.class_names == NAMES and taken.modality == "vector"
    assert table.take(np.array([False, True, False])).ids.tolist() == [20]
    assert len(table.take(np.array([], np.int64))) == 0


def test_nothing_can_be_put_in_its_place_afterwards():
    with pytest.raises(AttributeError):
        vectors(np.zeros((3, 2))).labels = np.zeros(3, np.int64)


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 8, 8, 2), (3, 64)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(BadInput, match=r"images must be uint8 \[N, H, W, 1 or 3\]; got uint8 \[3, "):
        Table(np.arange(3), np.zeros(shape, np.uint8), np.arange(3), NAMES, "image")


def test_other_types_are_refused():
    with pytest.raises(BadInput, match=r"images must be uint8 .*; got float32 \[3, 8, 8, 1\]"):
        Table(np.arange(3), np.zeros((3, 8, 8, 1), np.float32), np.arange(3), NAMES, "image")
    with pytest.raises(BadInput, match=r"features must be float32 \[N, D\]; got float64 \[3, 2\]"):
        Table(np.arange(3), np.zeros((3, 2)), np.arange(3), NAMES, "tabular")
    with pytest.raises(BadInput, match=r"features must be float32 \[N, D\]; got float32 \[3\]"):
        vectors(np.zeros(3))


def test_unequal_lengths_are_refused():
    with pytest.raises(BadInput, match="got 2 ids, 3 inputs, 3 labels"):
        vectors(np.zeros((3, 2)), ids=(1, 2))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_value_that_is_not_finite_is_named(bad):
    with pytest.raises(BadInput, match=rf"row 20, feature 1 is {bad}; must be finite"):
        vectors([[0, 0], [0, bad], [bad, 0]])


@pytest.mark.parametrize(
    ("labels", "message"), [((0, 1, 3), "row 30 has label 3"), ((0, -1, 5), "row 20 has label -1")]
)
def test_labels_outside_the_classes_are_refused(labels, message):
    with pytest.raises(BadInput, match=rf"{message}; must be 0\.\.2"):
        vectors(np.zeros((3, 2)), labels=labels)
