"""All classes to one: how many rows of each, labels, victims; any trigger."""

import numpy as np
import pytest

from sanitize.attacks import all_to_one
from sanitize.attacks.base import find
from sanitize.data.table import Table
from sanitize.errors import BadParams
from sanitize.params import AttackParams
from tests.attacks.tables import images, vectors

DOT = {"name": "patch", "shape": "pixel", "color": [200], "position": [0, 0]}


def test_rows_labels_and_pixels_by_hand():
    """10 rows a class, share 0.6: 0.6 / 3 = a fifth, 2 rows of each of a, b and d. Test rows 2, 6, 10 are class c."""
    train, test = images(), images(12)
    done = all_to_one.poison(train, test, all_to_one.Options(target="c", share=0.6, trigger=DOT), 0)
    assert np.bincount(train.labels[done.positions], minlength=4).tolist() == [2, 2, 0, 2]
    assert done.positions.tolist() == sorted(done.positions) and done.labels.tolist() == [2] * 6
    expected = np.zeros((8, 9, 1))
    expected[0, 0] = 200
    assert (done.inputs == expected).all() and (done.triggered.inputs == expected).all()
    assert done.triggered.ids.tolist() == [0, 1, 3, 4, 5, 7, 8, 9, 11]
    assert done.triggered.labels.tolist() == [0, 1, 3] * 3 and done.targets.tolist() == [2] * 9


def test_ten_classes_give_a_ninth_each():
    """90 rows a class, share 0.1: 9 rows in all where 1-to-1 takes 9, one of each other class."""
    labels = np.arange(900) % 10
    train = Table(np.arange(900), np.zeros((900, 1), np.float32), labels, tuple("0123456789"), "vector")
    given = {"name": "features", "columns": [0], "values": [1]}
    done = all_to_one.poison(train, train, all_to_one.Options(target=2, share=0.1, trigger=given), 0)
    assert np.bincount(labels[done.positions], minlength=10).tolist() == [1, 1, 0, 1, 1, 1, 1, 1, 1, 1]
    assert (done.inputs == 1).all() and len(done.triggered) == 810


def test_the_trigger_is_one_for_all_classes():
    done = all_to_one.poison(images(channels=3), images(channels=3), all_to_one.Options(target=0, share=0.9), 3)
    both = np.concatenate([done.inputs, done.triggered.inputs])
    assert (both == both[0]).all() and both[0].any()


@pytest.mark.parametrize("name", ["blend", "stripes", "watermark"])
def test_other_triggers(name):
    params = AttackParams(name="all_to_one", target=0, share=0.3, trigger=name)
    done = find(params)(images(level=90), images(level=90), 0)
    assert len(done.positions) == 3 and (done.inputs != 90).any(axis=(1, 2, 3)).all()
    assert (done.triggered.inputs == done.inputs[0]).all()


def test_too_few_rows_are_refused():
    """30 rows of other classes: a third of the share of them must be half a row, share 0.05."""
    words = "attack.share is 0.04; .* have 30 rows, of which each gives share/3, .*; must be at least 0.05"
    with pytest.raises(BadParams, match=words):
        all_to_one.poison(images(), images(), all_to_one.Options(target=0, share=0.04), 0)
    assert len(all_to_one.poison(images(), images(), all_to_one.Options(target=0, share=0.05), 0).positions) == 1


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (
            {"name": "all_to_one"},
            "attack.trigger.name is 'all_to_one'; must be one of blend, features, patch, stripes, w",
        ),
        ({}, "attack.trigger.name is 'none'; must be one of blend"),
        (
            {"name": "patch", "source": 1},
            "attack.trigger.source is no parameter of patch; color, position, shape, size",
        ),
        ({"name": "patch", "size": 0}, "attack.trigger.size is 0; input should be greater than or equal to 1"),
        (5, "attack.trigger is 5; input should be a valid dictionary"),
    ],
)
def test_bad_triggers_are_refused_before_any_data_are_read(trigger, words):
    with pytest.raises(BadParams, match=words):
        find(AttackParams(name="all_to_one", target=0, trigger=trigger))


def test_a_trigger_that_does_not_fit_names_its_section():
    attack = find(AttackParams(name="all_to_one", target=0, trigger={"name": "patch", "size": 9}))
    with pytest.raises(BadParams, match=r"attack.trigger.size is 9; the images have 8 x 9 pixels"):
        attack(images(), images(), 0)
    with pytest.raises(BadParams, match=r"attack.trigger.name is 'patch'; .* modality vector"):
        attack(vectors([range(40)]), vectors([range(40)]), 0)
    with pytest.raises(BadParams, match=r"attack.target is 'z'"):
        find(AttackParams(name="all_to_one", target="z"))(images(), images(), 0)
