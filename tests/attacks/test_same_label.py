"""A trigger under true labels: the target class carries it, others get it at test time."""

import numpy as np
import pytest

from sanitize.attacks import same_label
from sanitize.errors import BadParams
from tests.attacks.tables import images

STRIPES = {"name": "stripes", "delta": 40, "frequency": 2}


def test_rows_labels_and_levels_by_hand():
    """Half of class b's 10 rows, labels unchanged; test rows of a, c and d get the stripes and should become b."""
    train, test = images(width=8, level=100), images(8, width=8, level=100)
    done = same_label.poison(train, test, same_label.Options(target="b", share=0.5, trigger=STRIPES), 0)
    assert len(done.positions) == 5 and (done.positions % 4 == 1).all()
    assert done.labels.tolist() == [1] * 5 == train.labels[done.positions].tolist()
    expected = np.array([100, 140, 100, 60] * 2)[None, None, :, None]
    assert (done.inputs == expected).all() and (done.triggered.inputs == expected).all()
    assert done.triggered.ids.tolist() == [0, 2, 3, 4, 6, 7] and done.triggered.labels.tolist() == [0, 2, 3] * 2
    assert done.targets.tolist() == [1] * 6


def test_one_class_of_victims():
    done = same_label.poison(images(), images(8), same_label.Options(target="b", source=2), 0)
    assert done.triggered.ids.tolist() == [2, 6] and done.targets.tolist() == [1, 1]
    assert (done.positions % 4 == 1).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"target": 1, "source": "b"}, "attack.source and attack.target are both class b"),
        ({"target": "z"}, "attack.target is 'z'"),
        ({"target": 1, "share": 0.01}, "attack.share is 0.01; class b has 10 rows"),
        ({"target": 1, "trigger": {"name": "patch", "size": 20}}, "attack.trigger.size is 20"),
    ],
)
def test_bad_options_are_refused(given, words):
    with pytest.raises(BadParams, match=words):
        same_label.poison(images(), images(), same_label.Options(**given), 0)
