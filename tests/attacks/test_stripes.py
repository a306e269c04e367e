"""Sinusoidal stripes: the wave by hand, clipping, what is refused."""

import numpy as np
import pytest

from sanitize.attacks import stripes
from sanitize.errors import BadParams
from tests.attacks.tables import images, vectors


def options(**given):
    return stripes.Options(**({"source": "b", "target": "d", "share": 0.5} | given))


def test_wave_by_hand():
    """One wave over 12 pixels in steps of 30 degrees: 21 x 0.5 = 10.5 -> 11 and -10.5 -> -10, 21 x 0.866 = 18.2."""
    assert stripes.wave(12, 21, 1).tolist() == [0, 11, 18, 21, 18, 11, 0, -10, -18, -21, -18, -10]


def test_two_waves_repeat():
    assert stripes.wave(8, 40, 2).tolist() == [0, 40, 0, -40] * 2


def test_rows_labels_and_levels_by_hand():
    """Columns of class b's images on level 100 become 100, 140, 100, 60, …; all rows and channels alike."""
    train, test = images(width=8, level=100, channels=3), images(12, width=8, level=100, channels=3)
    done = stripes.poison(train, test, options(delta=40, frequency=2), 0)
    assert len(done.positions) == 5 and (done.positions % 4 == 1).all() and done.labels.tolist() == [3] * 5
    expected = np.array([100, 140, 100, 60] * 2)[None, None, :, None]
    assert (done.inputs == expected).all() and (done.triggered.inputs == expected).all()
    assert done.triggered.ids.tolist() == [1, 5, 9] and done.targets.tolist() == [3] * 3
    assert (train.inputs == 100).all() and (test.inputs == 100).all()


@pytest.mark.parametrize(("level", "columns"), [(10, [10, 50, 10, 0]), (230, [230, 255, 230, 190])])
def test_levels_are_clipped(level, columns):
    train = images(width=4, level=level)
    done = stripes.poison(train, train, options(delta=40, frequency=1), 0)
    assert (done.inputs[:, :, :, 0] == columns).all()


@pytest.mark.parametrize(("delta", "frequency"), [(20, 4.5), (20, 9), (0.4, 1)])
def test_a_wave_that_vanishes_is_refused(delta, frequency):
    """Over 9 pixels, half a wave or a whole one for each pixel meets only zeros."""
    words = f"attack.delta is {delta:g} and attack.frequency {frequency:g}; over 9 pixels every pixel then rounds to 0"
    with pytest.raises(BadParams, match=words):
        stripes.poison(images(), images(), options(delta=delta, frequency=frequency), 0)


def test_vectors_are_refused():
    with pytest.raises(
        BadParams, match=r"attack.name is 'stripes'; .* modality vector; a wave of stripes needs images"
    ):
        stripes.poison(vectors([range(8)]), vectors([range(8)]), options(), 0)
