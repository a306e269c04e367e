"""rNN's radius: given or from the test rows, in the unit of the distance."""

import numpy as np
import pytest

from sanitize.certify.features import Features
from sanitize.certify.radius import choose_radius, unit
from sanitize.errors import BadParams
from sanitize.params import resolve

LABELS = np.array([0, 1, 1])
BITS = Features("hog", np.array([[0], [51], [255]], np.uint8), 255.0)


def settings(**given):
    return resolve({"certify": given}).certify


def test_a_given_radius_stays():
    assert choose_radius(settings(radius=3.5), BITS, LABELS) == (3.5, "certify.radius")


def test_a_radius_is_chosen_in_the_features_unit():
    """Nearest others at 51, 51, 204: the median is 51 / 255 = 0.2, in L1 and in L2."""
    for distance in ("l1", "l2"):
        found = choose_radius(settings(distance=distance), BITS, LABELS)
        assert found.value == 0.2 and "nearest other test row number 1, an eighth of a label's rows" in found.origin


def test_the_neighbour_is_an_eighth_of_a_labels_rows():
    """Rows at 0, 1, 2, …: the 3rd nearest other of most is 2 away. 48 rows of 2 labels: 48 / 16 = 3, whatever k is."""
    line = Features("vector", np.arange(48, dtype=np.float32)[:, None], 1.0)
    for labels, number, value in (
        (np.arange(48) % 2, 3, 2.0),
        (np.arange(48) % 6, 1, 1.0),
        (np.zeros(48, int), 6, 3.0),
    ):
        found = choose_radius(settings(k=40), line, labels)
        assert found.value == value and f"row number {number}," in found.origin


def test_cosine_has_no_unit():
    assert (unit(BITS, "cosine"), unit(BITS, "l1"), unit(BITS, "l2")) == (1.0, 255.0, 255.0)
    right = Features("raw", np.array([[9, 0], [3, 0], [0, 7]], np.uint8), 255.0)
    assert choose_radius(settings(distance="cosine"), right, LABELS).value == 0.0  # nearest: 0, 0, 1


def test_one_test_row_cannot_choose():
    with pytest.raises(BadParams, match=r"there are only 1 test rows to choose it from; .* set certify.radius"):
        choose_radius(settings(), Features("raw", BITS.values[:1], 255.0), LABELS[:1])
