"""Several attacks at once: no row twice, streams of their own, victims one after the other."""

import numpy as np
import pytest

from sanitize.attacks.base import find
from sanitize.errors import BadParams
from sanitize.params import AttackParams, resolve
from tests.attacks.tables import images

DOT = {
    "name": "patch",
    "source": "a",
    "target": "b",
    "share": 0.2,
    "shape": "pixel",
    "color": [200],
    "position": [0, 0],
}
LINES = {"name": "stripes", "source": "c", "target": "d", "share": 0.3, "delta": 40, "frequency": 3}


def several(*attacks):
    return find(AttackParams(name="several", attacks=list(attacks)))


def test_two_backdoors_by_hand():
    """2 of a's rows get the dot, 3 of c's the stripes, in the order of the rows; victims: test rows 0, 4, then 2, 6."""
    train, test = images(level=100), images(8, level=100)
    done = several(DOT, LINES)(train, test, 0)
    old = train.labels[done.positions]
    assert done.positions.tolist() == sorted(done.positions) and np.bincount(old).tolist() == [2, 0, 3]
    assert done.labels.tolist() == [1 if label == 0 else 3 for label in old]
    dotted = (done.inputs[:, 0, 0, 0] == 200) & ((done.inputs != 100).sum(axis=(1, 2, 3)) == 1)
    assert (dotted == (old == 0)).all()
    assert done.triggered.ids.tolist() == [0, 4, 2, 6] and done.triggered.labels.tolist() == [0, 0, 2, 2]
    assert done.targets.tolist() == [1, 1, 3, 3]
    assert (done.triggered.inputs[:2, 0, 0] == 200).all() and (done.triggered.inputs[2:, :, 0] == 100).all()


def test_each_attack_alone_under_its_own_seed_gives_its_part():
    """The first attack's rows do not depend on the second."""
    train = images()
    both, other = several(DOT, LINES)(train, train, 5), several(DOT, {**DOT, "source": "d"})(train, train, 5)
    first = both.positions[train.labels[both.positions] == 0]
    assert first.tolist() == other.positions[train.labels[other.positions] == 0].tolist()


def test_one_attack_twice_takes_other_rows_and_another_place():
    """5 and 5 of a's 10 rows, each row once; the same test rows twice."""
    twice = {"name": "patch", "source": "a", "target": "b", "share": 0.5, "shape": "pixel", "color": [200]}
    train, test = images(), images(8)
    places = set()
    for seed in range(5):
        done = several(twice, twice)(train, test, seed)
        assert done.positions.tolist() == list(range(0, 40, 4))
        seen = done.inputs.reshape(10, -1).argmax(axis=1)
        assert len(set(seen)) == 2 and sorted(np.unique(seen, return_counts=True)[1]) == [5, 5]
        assert done.triggered.ids.tolist() == [0, 4, 0, 4]
        places |= set(seen)
    assert len(places) > 5


def test_two_targets_for_one_victim():
    """The same test rows stand there with either trigger, each with its own target."""
    done = several(DOT, {**DOT, "target": "c", "position": [3, 3]})(images(), images(4), 0)
    assert done.triggered.ids.tolist() == [0, 0] and done.targets.tolist() == [1, 2]
    assert done.triggered.inputs[0, 0, 0] == 200 and done.triggered.inputs[1, 3, 3] == 200


def test_too_few_rows_left_are_refused():
    words = (
        "attack.attacks.1.share is 0.9; class a has 10 rows, of which other attacks have taken 2; must be at most 0.8"
    )
    with pytest.raises(BadParams, match=words):
        several(DOT, {**DOT, "share": 0.9})(images(), images(), 0)
    assert len(several(DOT, {**DOT, "share": 0.8})(images(), images(), 0).positions) == 10


def test_flips_beside_a_backdoor_and_attacks_within_attacks():
    """5 rows of any class flipped among the 38 that the dot leaves; 2 + (2 + 3) rows where one of two is several."""
    train = images()
    done = several(DOT, {"name": "label_flip", "share": 0.125})(train, images(8), 0)
    assert len(set(done.positions.tolist())) == 7 and done.triggered.ids.tolist() == [0, 4]
    nested = {"name": "several", "attacks": [DOT, LINES]}
    done = several(DOT, nested)(train, images(8), 0)
    assert np.bincount(train.labels[done.positions]).tolist() == [4, 0, 3] and len(done.triggered) == 6
    done = several("none", "none")(train, images(8), 0)
    assert len(done.positions) == len(done.triggered) == 0


@pytest.mark.parametrize(
    ("attacks", "words"),
    [
        ([DOT], "attack.attacks is .*; list should have at least 2 items"),
        ([DOT, "pach"], "attack.attacks.1.name is 'pach'; must be one of all_to_all"),
        ([{**DOT, "share": 2}, DOT], "attack.attacks.0.share is 2; input should be less than or equal to 1"),
        ([DOT, {**DOT, "shpe": "L"}], "attack.attacks.1.shpe is no parameter of patch"),
        ([DOT, 7], "attack.attacks.1 is 7; input should be a valid dictionary"),
        (
            [DOT, {"name": "all_to_one", "target": 0, "trigger": {"name": "patch", "size": 0}}],
            "attack.attacks.1.trigger.size is 0",
        ),
        ([DOT, {"name": "several", "attacks": [DOT, {**DOT, "size": 0}]}], "attack.attacks.1.attacks.1.size is 0"),
    ],
)
def test_bad_options_are_refused_before_any_data_are_read(attacks, words):
    with pytest.raises(BadParams, match=words):
        several(*attacks)


def test_messages_at_work_name_the_attack():
    with pytest.raises(BadParams, match=r"attack.attacks.1.source is 'z'"):
        several(DOT, {**DOT, "source": "z"})(images(), images(), 0)
    scheme = {"name": "all_to_one", "target": 0, "trigger": {"name": "patch", "size": 9}}
    with pytest.raises(BadParams, match=r"attack.attacks.1.trigger.size is 9; the images have 8 x 9 pixels"):
        several(DOT, scheme)(images(), images(), 0)


def test_as_params_yaml_has_it():
    params = resolve({"attack": {"name": "several", "attacks": [DOT, LINES]}}).attack
    assert len(find(params)(images(), images(), 0).positions) == 5
