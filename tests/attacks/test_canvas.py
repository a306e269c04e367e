"""Boxes, layers and greys: by hand."""

import numpy as np
import pytest

from sanitize.attacks.canvas import ONE, in_channels, mix, opacity_steps, place
from sanitize.errors import BadParams


@pytest.mark.parametrize(("opacity", "steps"), [(0, 0), (0.5, 32768), (0.2, 13107), (0.8, 52429), (1, 65536)])
def test_opacity_in_steps(opacity, steps):
    """0.2 x 65536 = 13107.2, 0.8 x 65536 = 52428.8"""
    assert opacity_steps(opacity) == steps


def test_mix_by_hand():
    """0.2: 0.8 x 100 + 0.2 x 50 = 90; half: (100 + 51) / 2 = 75.5 -> 76; 1: the layer; 0: the image."""
    image = np.full((300, 1, 4, 1), 100, np.uint8)
    layer = np.array([50, 51, 7, 7], np.uint8).reshape(1, 4, 1)
    weight = np.array([13107, ONE // 2, ONE, 0], np.int32).reshape(1, 4, 1)
    mixed = mix(image, layer, weight)
    assert mixed.dtype == np.uint8 and (mixed[:, 0, :, 0] == [90, 76, 7, 100]).all()
    assert (image == 100).all()


@pytest.mark.parametrize("opacity", [0.1, 0.2, 0.33, 0.8, 0.95])
def test_mix_is_the_formula_within_its_steps(opacity):
    """Every pair of levels: at most one level from exact rounding, and that only where it is a toss."""
    image = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1).repeat(256, axis=2)
    layer = np.arange(256, dtype=np.uint8).reshape(1, 256, 1)
    mixed = mix(image, layer, np.full((1, 256, 1), opacity_steps(opacity), np.int32))
    exact = (1 - opacity) * image.astype(float) + opacity * layer
    assert np.abs(mixed - exact).max() < 0.5 + 255 / ONE


def test_extremes_stay_in_range():
    white = np.full((1, 1, 1, 3), 255, np.uint8)
    for steps in (0, 1, 30000, ONE):
        assert (mix(white, white[0], np.full((1, 1, 1), steps, np.int32)) == 255).all()


@pytest.mark.parametrize(
    ("color", "grey"),
    [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29), ((255, 255, 255), 255), ((9, 9, 9), 9)],
)
def test_greys_are_the_luma(color, grey):
    """0.299 x 255 = 76.2; 0.587 x 255 = 149.7; 0.114 x 255 = 29.1"""
    assert in_channels(np.array(color, np.uint8).reshape(1, 1, 3), 1).tolist() == [[[grey]]]


def test_a_grey_in_colour_is_three_of_it():
    assert in_channels(np.full((1, 2, 1), 7, np.uint8), 3).tolist() == [[[7, 7, 7], [7, 7, 7]]]
    same = np.zeros((2, 2, 3), np.uint8)
    assert in_channels(same, 3) is same


def test_places():
    """2 x 2 in 3 x 4 pixels: rows 0..1, columns 0..2."""
    assert place([1, 2], (2, 2), (3, 4), 0, "x", "attack") == (1, 2)
    drawn = {place("random", (2, 2), (3, 4), seed, "x", "attack") for seed in range(60)}
    assert drawn == {(row, column) for row in range(2) for column in range(3)}
    words = r"attack.trigger.position is \[2, 0\]; a 2 x 2 trigger fits into 3 x 4 pixels up to \[1, 2\]"
    with pytest.raises(BadParams, match=words):
        place([2, 0], (2, 2), (3, 4), 0, "x", "attack.trigger")
