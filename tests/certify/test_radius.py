"""rNN's radius: given or from the test rows, in the unit of the distance."""

import numpy as np
import pytest

from sanitize.certify.features import Features
from sanitize.certify.radius import choose_radius, unit
from sanitize.errors import BadParams
from sanitize.params import resolve

BITS = Features("hog", np.array([[0], [51], [255]], np.uint8), 255.0)


def settings(**given):
    return resolve({"certify": given}).certify


def test_a_given_radius_stays():
    assert choose_radius(settings(radius=3.5), BITS, 10) == (3.5, "certify.radius")


def test_a_radius_is_chosen_in_the_features_unit():
    """Nearest others at 51, 51, 204: the median is 51 / 255 = 0.2, in L1 and in L2. k = 1 of 3 rows is 1 of 3."""
    for distance in ("l1", "l2"):
        found = choose_radius(settings(k=1, distance=distance), BITS, 3)
        assert found.value == 0.2 and "nearest other test row number 1: k = 1" in found.origin


def test_cosine_has_no_unit():
    assert (unit(BITS, "cosine"), unit(BITS, "l1"), unit(BITS, "l2")) == (1.0, 255.0, 255.0)
    right = Features("raw", np.array([[9, 0], [3, 0], [0, 7]], np.uint8), 255.0)
    assert choose_radius(settings(k=2, distance="cosine"), right, 3).value == 1.0  # second nearest: 1, 1, 1


def test_one_test_row_cannot_choose():
    with pytest.raises(BadParams, match=r"there are only 1 test rows to choose it from; .* set certify.radius"):
        choose_radius(settings(), Features("raw", BITS.values[:1], 255.0), 10)
