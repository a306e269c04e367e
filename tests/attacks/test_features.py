"""The feature trigger: columns and values by hand, and what would be no trigger."""

import numpy as np
import pytest

from sanitize.attacks import features
from sanitize.errors import BadParams
from tests.attacks.tables import images, vectors

RAMP, ZEROS = list(range(40)), [0] * 40


def options(**given):
    return features.Options(**({"source": "b", "target": "d", "share": 0.5} | given))


@pytest.mark.parametrize("modality", ["vector", "tabular"])
def test_given_columns_and_values_by_hand(modality):
    train, test = vectors([RAMP, ZEROS, RAMP], modality), vectors([RAMP, ZEROS, RAMP], modality).take(np.arange(12))
    done = features.poison(train, test, options(columns=[2, 0], values=[7.5, -1]), 0)
    assert len(done.positions) == 5 and (done.positions % 4 == 1).all() and done.labels.tolist() == [3] * 5
    assert done.inputs.tolist() == [[-1, 0, 7.5]] * 5 and done.inputs.dtype == np.float32
    assert done.triggered.inputs.tolist() == [[-1, 0, 7.5]] * 3 and done.triggered.modality == modality
    assert done.triggered.ids.tolist() == [1, 5, 9] and done.targets.tolist() == [3] * 3
    assert train.inputs[:, 0].tolist() == RAMP and test.inputs[:, 2].tolist() == RAMP[:12]


@pytest.mark.parametrize(("quantile", "value"), [(0.99, 39), (0.975, 38), (0.9, 35), (0.5, 19), (1, 39), (0.01, 0)])
def test_quantiles_are_values_of_the_column(quantile, value):
    """0..39: the least value with at least q x 40 of the rows up to it; 0.99 x 40 = 39.6 -> the fortieth."""
    train = vectors([RAMP])
    assert features.poison(train, train, options(columns=[0], quantile=quantile), 0).inputs.tolist() == [[value]] * 5


def test_random_columns_are_those_that_make_a_trigger():
    """Columns 1 and 3 are constant, and class b (odd rows) is at column 4's top already: 0, 2 and 5 are left."""
    top = [1 if row % 4 == 1 else 0 for row in RAMP]
    train = vectors([RAMP, ZEROS, RAMP, [3] * 40, top, RAMP])
    for seed in range(10):
        done = features.poison(train, train, options(count=3), seed)
        assert (done.inputs[:, [0, 2, 5]] == 39).all()
        assert np.array_equal(done.inputs[:, [1, 3, 4]], train.inputs[done.positions][:, [1, 3, 4]])
    with pytest.raises(
        BadParams, match=r"attack.count is 4; the data have 3 features with more than half .*at most that"
    ):
        features.poison(train, train, options(count=4), 0)


def test_random_columns_follow_the_seed_and_are_one_for_training_and_test():
    train = vectors([RAMP] * 10)
    seen = set()
    for seed in range(20):
        done = features.poison(train, train, options(count=2, values=[99, 98]), seed)
        both = np.concatenate([done.inputs, done.triggered.inputs])
        changed = both > 39
        assert (changed == changed[0]).all() and changed[0].sum() == 2
        assert (both[:, changed[0]] == [99, 98]).all()
        seen.add(tuple(np.flatnonzero(changed[0])))
    assert len(seen) > 5


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"columns": [0, 3]}, r"attack.columns is \[0, 3\]; must be in 0..2"),
        ({"columns": [1, 1]}, r"attack.columns is \[1, 1\]; must name each column once"),
        ({"columns": [0, 1], "values": [5]}, "attack.values has 1 values for 2 columns"),
        ({"columns": [1], "values": [0]}, r"features \[1\] are \[0.0\] already in every row"),
        ({"columns": [1]}, r"features \[1\] are \[0.0\] already in every row"),
        ({"count": 4, "values": [1, 2, 3, 4]}, "attack.count is 4; the data have 3 features; must be at most that"),
    ],
)
def test_bad_options_are_refused(given, words):
    train = vectors([RAMP, ZEROS, RAMP])
    with pytest.raises(BadParams, match=words):
        features.poison(train, train, options(**given), 0)


def test_images_are_refused():
    with pytest.raises(BadParams, match=r"attack.name is 'features'; the data are images; must be vectors or a table"):
        features.poison(images(), images(), options(), 0)
