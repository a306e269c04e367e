"""The four watermarks: what they look like, how they are laid over, where they fit."""

import numpy as np
import pytest

from sanitize.attacks import watermark
from sanitize.errors import BadParams
from tests.attacks.tables import images, vectors

PICTURES = ("peace", "letter", "holes", "colors")


def options(**given):
    return watermark.Options(**({"source": "b", "target": "d", "share": 0.5} | given))


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_eight_by_eight_and_seen_on_any_background(name):
    """On black and on white some pixels must stand out by half of the range at 80%."""
    colors, covers = watermark.picture(name)
    assert colors.shape == (8, 8, 3) and covers.shape == (8, 8) and colors.dtype == np.uint8
    for level in (0, 255):
        train = images(level=level)
        changed = watermark.poison(train, train, options(picture=name), 0).inputs[0, :, :, 0].astype(int) - level
        assert np.abs(changed).max() >= 128
        assert not changed[8:].any() and not changed[:, 8:].any() and not changed[:8, :8][~covers].any()


def test_pictures_are_what_they_are_called():
    peace, ring = watermark.picture("peace")
    assert np.array_equal(peace, peace[:, ::-1]) and ring.sum() == 64 - 4 * 3  # a disk: three pixels off each corner
    assert (peace[:, 3:5] == 255).all()  # the upright
    letter, box = watermark.picture("letter")
    assert box.all() and np.array_equal(letter, letter[:, ::-1]) and (letter[4, 1:7] == 0).all()  # the A's bar
    holes, covers = watermark.picture("holes")
    assert covers.sum() == 27 and (holes[covers] == 0).all(axis=1).sum() == 3  # three of 3 x 3, dark in the middle
    colors, covers = watermark.picture("colors")
    assert len(np.unique(colors[covers], axis=0)) == 5 and 0 < covers.sum() < 64


def test_rows_labels_and_levels_by_hand():
    """Letter A on level 100: white 0.2 x 100 + 0.8 x 255 = 224, black 0.2 x 100 = 20; the ninth column stays."""
    train, test = images(level=100), images(12, level=100)
    done = watermark.poison(train, test, options(picture="letter"), 0)
    assert len(done.positions) == 5 and (done.positions % 4 == 1).all() and done.labels.tolist() == [3] * 5
    drawn = ["........", "...##...", "..#..#..", "..#..#..", ".######.", ".#....#.", ".#....#.", "........"]
    expected = np.full((8, 9, 1), 100)
    expected[:, :8, 0] = [[20 if pixel == "#" else 224 for pixel in line] for line in drawn]
    assert (done.inputs == expected).all() and (done.triggered.inputs == expected).all()
    assert done.triggered.ids.tolist() == [1, 5, 9] and done.targets.tolist() == [3] * 3
    assert (train.inputs == 100).all() and (test.inputs == 100).all()


def test_three_channels_keep_the_colours_and_one_their_luma():
    """Red (230, 30, 30) at opacity 1; its luma is 0.299 x 230 + 0.701 x 30 = 89.8."""
    given = options(picture="colors", opacity=1)
    color = watermark.poison(images(channels=3), images(channels=3), given, 0).inputs[0, 0]
    assert color[1].tolist() == [230, 30, 30] and color[0].tolist() == [0, 0, 0]
    assert watermark.poison(images(), images(), given, 0).inputs[0, 0, 1].tolist() == [90]


def test_position_and_scale():
    """Bullet holes of 16 x 16 at row 1, column 3: each of its pixels is two by two."""
    train = images(height=17, width=20)
    done = watermark.poison(train, train, options(picture="holes", scale=2, position=[1, 3], opacity=1), 0)
    seen = done.inputs[0, :, :, 0]
    assert (seen[1:7, 3:9] > 0).sum() == 36 - 4 and (seen[3:5, 5:7] == 0).all() and seen[1, 3] == 160
    assert (seen > 0).sum() == 4 * 24 and not seen[0].any() and not seen[:, :3].any()


def test_random_positions_are_drawn_by_seed():
    """8 x 8 in 8 x 9 pixels: two places."""
    given = options(picture="letter", position="random")
    seen = {watermark.poison(images(), images(), given, seed).inputs[0].tobytes() for seed in range(20)}
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("given", "size", "words"),
    [
        ({"scale": 3}, (17, 20), "attack.scale is 3, .* 24 x 24 pixels; the images have 17 x 20; must be at most 2"),
        ({}, (7, 9), "8 x 8 pixels; the images have 7 x 9; use larger images or another trigger"),
        ({"position": [1, 0]}, (8, 9), r"attack.position is \[1, 0\]; .* up to \[0, 1\]"),
    ],
)
def test_what_does_not_fit_is_refused(given, size, words):
    train = images(height=size[0], width=size[1])
    with pytest.raises(BadParams, match=words):
        watermark.poison(train, train, options(**given), 0)


def test_vectors_are_refused():
    with pytest.raises(BadParams, match=r"attack.name is 'watermark'; .* modality vector; a watermark needs images"):
        watermark.poison(vectors([range(8)]), vectors([range(8)]), options(), 0)
