"""All classes shifted: rows, labels, and a target for each victim."""

import numpy as np
import pytest

from sanitize.attacks import all_to_all
from sanitize.attacks.base import find
from sanitize.data.table import Table
from sanitize.errors import BadParams
from sanitize.params import AttackParams
from tests.attacks.tables import images

DOT = {"name": "patch", "shape": "pixel", "color": [200], "position": [0, 0]}


def test_rows_labels_and_pixels_by_hand():
    """10 rows a class, share 0.2: 2 of each; shift 3 of 4 classes: a -> d, b -> a, c -> b, d -> c."""
    train, test = images(), images(6)
    done = all_to_all.poison(train, test, all_to_all.Options(shift=3, share=0.2, trigger=DOT), 0)
    old = train.labels[done.positions]
    assert np.bincount(old).tolist() == [2, 2, 2, 2]
    assert done.labels.tolist() == [[3, 0, 1, 2][label] for label in old]
    assert (done.inputs[:, 0, 0] == 200).all() and (done.inputs > 0).sum() == 8
    assert done.triggered.ids.tolist() == list(range(6)) and done.triggered.labels.tolist() == [0, 1, 2, 3, 0, 1]
    assert done.targets.tolist() == [3, 0, 1, 2, 3, 0] and (done.triggered.inputs > 0).sum() == 6


def test_unequal_classes_give_their_parts():
    """60, 30 and 10 rows, share 0.15: 15 rows, of which 9, 4.5 and 1.5: the lower of equal remainders rounds up."""
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    train = Table(np.arange(100), np.zeros((100, 8, 9, 1), np.uint8), labels, ("a", "b", "c"), "image")
    done = all_to_all.poison(train, train, all_to_all.Options(share=0.15), 0)
    assert np.bincount(labels[done.positions]).tolist() == [9, 5, 1]


@pytest.mark.parametrize("shift", [4, 8])
def test_a_shift_that_changes_nothing_is_refused(shift):
    with pytest.raises(BadParams, match=f"attack.shift is {shift}; with 4 classes every label would stay"):
        all_to_all.poison(images(), images(), all_to_all.Options(shift=shift), 0)


def test_a_larger_shift_goes_round():
    done = all_to_all.poison(images(), images(4), all_to_all.Options(shift=5), 0)
    assert done.targets.tolist() == [1, 2, 3, 0]


def test_found_by_name_and_the_same_for_the_same_seed():
    attack = find(AttackParams(name="all_to_all", shift=2, share=0.5, trigger={"name": "stripes", "delta": 50}))
    first, again, other = (attack(images(level=90), images(level=90), seed) for seed in (1, 1, 2))
    assert first.positions.tolist() == again.positions.tolist() != other.positions.tolist()
    assert np.array_equal(first.inputs, again.inputs)
    with pytest.raises(BadParams, match=r"attack.shift is 0; input should be greater than or equal to 1"):
        find(AttackParams(name="all_to_all", shift=0))
