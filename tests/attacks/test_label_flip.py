"""Label flips: which rows, which labels, nothing else."""

import numpy as np
import pytest

from sanitize.attacks import label_flip
from sanitize.attacks.base import find
from sanitize.data.table import Table
from sanitize.errors import BadParams
from sanitize.params import AttackParams
from tests.attacks.tables import images, vectors


def test_one_class_to_another_by_hand():
    train = vectors([range(40)], "tabular")
    done = label_flip.poison(train, train, label_flip.Options(source="b", target="d", share=0.3), 0)
    assert len(done.positions) == 3 and (done.positions % 4 == 1).all() and done.labels.tolist() == [3] * 3
    assert np.array_equal(done.inputs, train.inputs[done.positions])
    assert len(done.triggered) == len(done.targets) == 0 and done.triggered.inputs.shape == (0, 1)


def test_symmetric_noise_takes_any_row_and_never_its_own_label():
    """A quarter of 4000 rows; each of the three other labels about a third of the time."""
    train = images(4000, 1, 1)
    done = label_flip.poison(train, train, label_flip.Options(share=0.25), 0)
    old = train.labels[done.positions]
    assert len(done.positions) == 1000 and len(set(done.positions.tolist())) == 1000
    step = (done.labels - old) % 4
    assert done.labels.dtype == np.int64 and set(done.labels) == {0, 1, 2, 3}
    assert np.bincount(step, minlength=4)[0] == 0 and (np.bincount(step)[1:] > 280).all()
    assert (np.bincount(old) > 200).all()


def test_source_alone_goes_anywhere_and_target_alone_comes_from_anywhere():
    train = images(400)
    done = label_flip.poison(train, train, label_flip.Options(source=1, share=0.5), 0)
    assert len(done.positions) == 50 and (done.positions % 4 == 1).all() and set(done.labels) == {0, 2, 3}
    done = label_flip.poison(train, train, label_flip.Options(target=1, share=0.5), 0)
    assert len(done.positions) == 150 and set(done.positions % 4) == {0, 2, 3} and set(done.labels) == {1}


def test_found_by_name_and_the_same_for_the_same_seed():
    attack = find(AttackParams(name="label_flip", share=0.5))
    first, again, other = (attack(images(), images(), seed) for seed in (1, 1, 2))
    assert first.positions.tolist() == again.positions.tolist() != other.positions.tolist()
    assert first.labels.tolist() == again.labels.tolist()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"source": 1, "target": "b"}, "attack.source and attack.target are both class b"),
        ({"source": "z"}, "attack.source is 'z'"),
        ({"share": 0.01}, "attack.share is 0.01; the training set has 40 rows, .* at least 0.0125"),
        ({"target": 0, "share": 0.01}, "the classes other than a have 30 rows, .* at least 0.016667"),
    ],
)
def test_bad_options_are_refused(given, words):
    with pytest.raises(BadParams, match=words):
        label_flip.poison(images(), images(), label_flip.Options(**given), 0)


def test_nothing_to_flip_is_refused():
    alone = Table(np.arange(3), np.zeros((3, 2), np.float32), np.zeros(3, np.int64), ("a",), "vector")
    with pytest.raises(BadParams, match="the data have one class only"):
        label_flip.poison(alone, alone, label_flip.Options(share=1), 0)
    alone = Table(np.arange(3), np.zeros((3, 2), np.float32), np.zeros(3, np.int64), ("a", "b"), "vector")
    with pytest.raises(BadParams, match="class b has 0 rows in the training set; choose other classes"):
        label_flip.poison(alone, alone, label_flip.Options(source=1), 0)


def test_only_free_rows_are_taken():
    free = np.arange(40) < 20
    done = label_flip.poison(images(), images(), label_flip.Options(share=0.5), 0, free)
    assert done.positions.tolist() == list(range(20))
    with pytest.raises(
        BadParams, match=r"x.share is 0.6; the training set has 40 rows, .* taken 20; must be at most 0.5"
    ):
        label_flip.poison(images(), images(), label_flip.Options(share=0.6), 0, free, "x")
