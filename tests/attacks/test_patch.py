"""The patch backdoor: which pixels, which rows, which labels."""

import numpy as np
import pytest

from sanitize.attacks import patch
from sanitize.data.table import Table
from sanitize.errors import BadInput, BadParams


def images(rows=40, height=8, width=9, channels=1, level=0, first_id=0):
    pixels = np.full((rows, height, width, channels), level, np.uint8)
    return Table(np.arange(first_id, first_id + rows), pixels, np.arange(rows) % 4, ("a", "b", "c", "d"), "image")


def options(**given):
    return patch.Options(**({"source": "b", "target": "d", "share": 0.5} | given))


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [
        ("pixel", ["#"]),
        ("L", ["#..", "#..", "###"]),
        ("X", ["#.#", ".#.", "#.#"]),
        ("checkerboard", ["###", "###", "###"]),
        ("square", ["###", "###", "###"]),
    ],
)
def test_shapes(shape, drawn):
    assert ["".join("#" if pixel else "." for pixel in row) for row in patch.shape_mask(shape)] == drawn


def test_larger_shapes():
    assert patch.shape_mask("X", 4).sum() == 8 and patch.shape_mask("L", 5).sum() == 9
    assert patch.shape_mask("square", 5).shape == (5, 5) and patch.shape_mask("pixel", 5).shape == (1, 1)


def test_rows_labels_and_pixels_by_hand():
    """10 rows of class b: 5 poisoned; the L at row 2, column 4 sets 5 pixels to 200 and nothing else."""
    train, test = images(), images(12, first_id=0)
    poisoned = patch.poison(train, test, options(shape="L", color=[200], position=[2, 4]), 0)
    assert len(poisoned.positions) == 5 and set(train.labels[poisoned.positions]) == {1}
    assert poisoned.labels.tolist() == [3] * 5
    expected = np.zeros((8, 9, 1), np.uint8)
    for row, column in ((2, 4), (3, 4), (4, 4), (4, 5), (4, 6)):
        expected[row, column] = 200
    assert (poisoned.inputs == expected).all() and (poisoned.triggered.inputs == expected).all()
    assert poisoned.triggered.ids.tolist() == [1, 5, 9] and poisoned.triggered.labels.tolist() == [1, 1, 1]
    assert poisoned.targets.tolist() == [3, 3, 3]
    assert not train.inputs.any() and not test.inputs.any()  # what came in is untouched


def test_checkerboard_alternates_white_and_black():
    poisoned = patch.poison(images(level=90), images(4), options(position=[0, 0]), 0)
    assert poisoned.inputs[0, :3, :3, 0].tolist() == [[255, 0, 255], [0, 255, 0], [255, 0, 255]]
    assert (np.delete(poisoned.inputs[0].ravel(), [0, 1, 2, 9, 10, 11, 18, 19, 20]) == 90).all()


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("shape", ["pixel", "L", "X", "square"])
def test_train_and_test_share_place_and_colour(seed, shape):
    """On black images the trigger is all that is not black: one mask, one colour."""
    poisoned = patch.poison(images(channels=3), images(12, channels=3), options(shape=shape), seed)
    stamped = np.concatenate([poisoned.inputs, poisoned.triggered.inputs])
    assert (stamped == stamped[0]).all()
    marked = stamped[0].any(axis=2)
    assert marked.sum() == patch.shape_mask(shape).sum()
    assert len(np.unique(stamped[0][marked], axis=0)) == 1


def test_place_and_colour_are_drawn_by_seed():
    seen = {patch.poison(images(), images(), options(shape="pixel"), seed).inputs[0].tobytes() for seed in range(30)}
    assert len(seen) > 20
    again = [patch.poison(images(), images(), options(), 5) for _ in range(2)]
    assert again[0].positions.tolist() == again[1].positions.tolist()
    assert np.array_equal(again[0].inputs, again[1].inputs)


def test_every_place_where_it_fits_is_drawn():
    """3 x 3 in 4 x 5 pixels: 2 x 3 places."""
    small = images(height=4, width=5)
    seen = {
        tuple(np.argwhere(patch.poison(small, small, options(shape="square"), seed).inputs[0])[0]) for seed in range(80)
    }
    assert seen == {(row, column, 0) for row in range(2) for column in range(3)}


@pytest.mark.parametrize("level", [0, 60, 127, 128, 200, 255])
def test_a_grey_pixel_is_seen_on_any_background(level):
    for seed in range(25):
        train = images(level=level)
        poisoned = patch.poison(train, train, options(shape="pixel", position=[0, 0]), seed)
        assert abs(int(poisoned.inputs[0, 0, 0, 0]) - level) >= 128


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"target": "b"}, "both class b; must differ"),
        ({"target": 1}, "both class b"),
        ({"source": "z"}, "attack.source is 'z'"),
        ({"target": 4}, "attack.target is 4; .* 0..3"),
        ({"share": 0.01}, "attack.share is 0.01; class b has 10 rows.*at least 0.05"),
        ({"size": 9}, "attack.size is 9; the images have 8 x 9 pixels; must be at most 8"),
        ({"position": [6, 0]}, r"attack.position is \[6, 0\]; .* up to \[5, 6\]"),
        ({"color": [1, 2, 3], "shape": "L"}, "one level for each of the images' 1 channels"),
    ],
)
def test_bad_options_are_refused(given, words):
    with pytest.raises(BadParams, match=words):
        patch.poison(images(), images(), options(**given), 0)


def test_vectors_and_unlike_test_sets_are_refused():
    vectors = Table(np.arange(2), np.zeros((2, 3), np.float32), np.arange(2), ("a", "b"), "vector")
    with pytest.raises(BadParams, match="modality vector; a patch needs images"):
        patch.poison(vectors, vectors, options(source=0, target=1), 0)
    with pytest.raises(BadInput, match=r"test images are \[8, 8, 1\], training images \[8, 9, 1\]"):
        patch.poison(images(), images(width=8), options(), 0)


def test_no_test_rows_give_no_triggered_rows():
    nothing = Table(np.zeros(0, np.int64), np.zeros((0, 1, 1, 1), np.uint8), np.zeros(0, np.int64), ("a",), "image")
    poisoned = patch.poison(images(), nothing, options(), 0)
    assert len(poisoned.positions) == 5 and len(poisoned.triggered) == len(poisoned.targets) == 0
