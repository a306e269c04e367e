"""The blended image: levels by hand, the patterns, files."""

import numpy as np
import pytest
from PIL import Image

from sanitize.attacks import blend
from sanitize.data.seeds import stream
from sanitize.errors import BadInput, BadParams
from tests.attacks.tables import images, vectors


def options(**given):
    return blend.Options(**({"source": "b", "target": "d", "share": 0.5} | given))


def saved(path, levels):
    Image.fromarray(np.array(levels, np.uint8)).save(path)
    return str(path)


def test_rows_labels_and_levels_by_hand(tmp_path):
    """All pixels 100, a file of one level 200, alpha 0.3: 0.7 x 100 + 0.3 x 200 = 130, everywhere."""
    file = saved(tmp_path / "p.png", np.full((8, 9), 200))
    train, test = images(level=100), images(12, level=100)
    done = blend.poison(train, test, options(alpha=0.3, pattern=file), 0)
    assert len(done.positions) == 5 and (done.positions % 4 == 1).all() and done.labels.tolist() == [3] * 5
    assert (done.inputs == 130).all() and (done.triggered.inputs == 130).all()
    assert done.triggered.ids.tolist() == [1, 5, 9] and done.targets.tolist() == [3] * 3
    assert (train.inputs == 100).all() and (test.inputs == 100).all()


def test_a_file_keeps_its_pixels_and_becomes_grey_or_colour(tmp_path):
    """alpha 1 shows the pattern alone: a grey file in three channels, a red one as luma 76 in one."""
    grey = np.arange(72).reshape(8, 9)
    train = images(channels=3)
    done = blend.poison(train, train, options(alpha=1, pattern=saved(tmp_path / "g.png", grey)), 0)
    assert (done.inputs == grey[None, :, :, None]).all()
    red = saved(tmp_path / "r.png", np.broadcast_to([255, 0, 0], (8, 9, 3)))
    assert (blend.poison(images(), images(), options(alpha=1, pattern=red), 0).inputs == 76).all()


def test_a_file_of_another_size_is_resized(tmp_path):
    """2 x 2 pixels, left black, right white, on 4 x 8: columns run from black to white, all rows alike."""
    file = saved(tmp_path / "p.png", [[0, 255], [0, 255]])
    small = images(height=4, width=8)
    layer = blend.poison(small, small, options(alpha=1, pattern=file), 0).inputs[0, :, :, 0]
    assert (layer == layer[0]).all() and layer[0, 0] == 0 and layer[0, -1] == 255
    assert (np.diff(layer[0].astype(int)) >= 0).all()


@pytest.mark.parametrize("pattern", ["smooth", "noise"])
@pytest.mark.parametrize("channels", [1, 3])
def test_drawn_patterns_are_one_for_training_and_test_and_follow_the_seed(pattern, channels):
    train = images(channels=channels)
    drawn = []
    for seed in (0, 0, 1):
        done = blend.poison(train, train, options(alpha=1, pattern=pattern), seed)
        both = np.concatenate([done.inputs, done.triggered.inputs])
        assert (both == both[0]).all()
        drawn.append(both[0])
    assert np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])


def test_smooth_by_hand():
    """Corners 0, 1, 1, 0 over 3 x 3 pixels: half-way between two of them is half, and 127.5 rounds to 128."""
    grid = np.array([[0.0, 1.0], [1.0, 0.0]])[:, :, None]
    assert blend.smooth(grid, 3, 3)[:, :, 0].tolist() == [[0, 128, 255], [128, 128, 128], [255, 128, 0]]


def test_smooth_is_a_cosine_between_two_points():
    """One third of the way: (1 - cos 60 degrees) / 2 = 0.25, of 255 that is 63.75."""
    grid = np.array([[0.0, 1.0], [0.0, 1.0]])[:, :, None]
    assert blend.smooth(grid, 2, 4)[:, :, 0].tolist() == [[0, 64, 191, 255]] * 2


def test_smooth_uses_the_whole_range_and_no_jumps():
    pattern = blend.smooth(np.random.default_rng(0).random((4, 4, 3)), 64, 64).astype(int)
    assert (pattern.min(axis=(0, 1)) == 0).all() and (pattern.max(axis=(0, 1)) == 255).all()
    # between two points 21 pixels apart a cosine climbs at most pi / 2 x 255 / 21 = 19.1 a pixel
    assert max(np.abs(np.diff(pattern, axis=axis)).max() for axis in (0, 1)) <= 20


def test_smooth_with_one_level_or_one_pixel():
    assert not blend.smooth(np.full((2, 2, 1), 0.4), 3, 3).any()
    assert blend.smooth(np.full((2, 2, 1), 0.4), 1, 1).shape == (1, 1, 1)


def test_noise_is_the_named_stream():
    expected = stream(7, "attack", "blend", "pattern").integers(0, 256, (8, 9, 1))
    assert (blend.poison(images(), images(), options(alpha=1, pattern="noise"), 7).inputs == expected).all()


def test_bad_patterns_are_refused(tmp_path):
    words = "attack.pattern is 'smoth', which cannot be read .*; must be smooth, noise, or a PNG or JPEG file"
    with pytest.raises(BadParams, match=words):
        blend.poison(images(), images(), options(pattern="smoth"), 0)
    (tmp_path / "p.png").write_text("no picture")
    with pytest.raises(BadInput, match=r"p.png: .*of another format than PNG, JPEG"):
        blend.poison(images(), images(), options(pattern=str(tmp_path / "p.png")), 0)


def test_vectors_are_refused():
    with pytest.raises(BadParams, match=r"attack.name is 'blend'; .* modality vector; a blended image needs images"):
        blend.poison(vectors([range(8)]), vectors([range(8)]), options(), 0)
