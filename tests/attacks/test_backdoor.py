"""What attacks with a trigger share: one class to another, and triggers on chosen rows."""

import numpy as np
import pytest

from sanitize.attacks.backdoor import OneToOne, implant, one_to_one
from sanitize.data.table import Table
from sanitize.errors import BadInput, BadParams
from tests.attacks.tables import empty, images, vectors


def plus_one(inputs):
    return inputs + np.asarray(1, inputs.dtype)


def test_one_to_one_by_hand():
    """Rows 1, 5, … 37 are class b: half of them is 5. Test rows 1, 5, 9 are its victims."""
    asked = []

    def draw(carriers):
        asked.append(carriers)
        return plus_one

    train, test = images(), images(12)
    done = one_to_one(train, test, OneToOne(source="b", target=3, share=0.5), draw, 0, "name", None, "attack")
    assert np.flatnonzero(asked[0]).tolist() == list(range(1, 40, 4))
    assert len(done.positions) == 5 and (done.positions % 4 == 1).all()
    assert done.labels.tolist() == [3] * 5 and (done.inputs == 1).all()
    assert done.triggered.ids.tolist() == [1, 5, 9] and done.triggered.labels.tolist() == [1] * 3
    assert done.targets.tolist() == [3] * 3 and (done.triggered.inputs == 1).all()
    assert not train.inputs.any() and not test.inputs.any()


def test_only_free_rows_are_taken_and_the_share_is_of_all():
    """Six of class b's ten rows are free: half of ten is 5 of them; 0.7 is 7, too many."""
    free = np.ones(40, bool)
    free[[1, 5, 9, 13]] = False
    half, more = (OneToOne(source=1, target=0, share=share) for share in (0.5, 0.7))
    done = one_to_one(images(), images(), half, lambda _: plus_one, 0, "name", free, "attack")
    assert len(done.positions) == 5 and free[done.positions].all()
    words = (
        "attack.attacks.1.share is 0.7; class b has 10 rows, of which other attacks have taken 4; must be at most 0.6"
    )
    with pytest.raises(BadParams, match=words):
        one_to_one(images(), images(), more, lambda _: plus_one, 0, "name", free, "attack.attacks.1")


def test_messages_name_the_section():
    with pytest.raises(BadParams, match=r"x.source and x.target are both class b; must differ"):
        one_to_one(images(), images(), OneToOne(source=1, target="b"), lambda _: plus_one, 0, "name", None, "x")
    with pytest.raises(BadParams, match=r"x.target is 9; must be a class"):
        one_to_one(images(), images(), OneToOne(source=1, target=9), lambda _: plus_one, 0, "name", None, "x")


def test_implant_puts_the_trigger_where_it_is_told():
    train, test = vectors([range(8)]), vectors([range(10, 14)])
    done = implant(train, test, np.array([2, 5]), np.array([1, 3]), np.array([3, 0]), np.array([0, 2]), plus_one)
    assert done.inputs[:, 0].tolist() == [3, 6] and done.labels.tolist() == [1, 3]
    assert done.triggered.inputs[:, 0].tolist() == [14, 11] and done.triggered.ids.tolist() == [3, 0]
    assert done.triggered.labels.tolist() == [3, 0] and done.targets.tolist() == [0, 2]


def test_unlike_test_sets_are_refused():
    nothing = np.zeros(0, np.int64)
    arguments = (nothing, nothing, nothing, nothing, plus_one)
    with pytest.raises(BadInput, match=r"test images are \[8, 8, 1\], training images \[8, 9, 1\]"):
        implant(images(), images(width=8), *arguments)
    with pytest.raises(BadInput, match="test rows have 2 features, training rows 1; must be the same"):
        implant(vectors([range(8)]), vectors([range(8)] * 2), *arguments)
    other = Table(np.arange(1), np.zeros((1, 8, 9, 1), np.uint8), np.zeros(1, np.int64), ("a",), "image")
    with pytest.raises(BadInput, match="the test set's classes are a, the training set's a, b, c, d"):
        implant(images(), other, *arguments)


def test_no_test_rows_give_no_triggered_rows():
    done = one_to_one(
        images(), empty(images(width=3)), OneToOne(source=1, target=0), lambda _: plus_one, 0, "", None, ""
    )
    assert len(done.positions) == 1 and len(done.triggered) == len(done.targets) == 0
