"""Features: shapes by arithmetic, scikit-image's values, one row at a time."""

import numpy as np
import pytest
from skimage.feature import hog

from sanitize.certify import features
from sanitize.data.seeds import stream
from sanitize.data.table import Table
from sanitize.errors import BadParams


def images(rows, height, width, channels):
    pixels = stream(0, "images").integers(0, 256, (rows, height, width, channels)).astype(np.uint8)
    return Table(np.arange(rows), pixels, np.zeros(rows, np.int64), ("a",), "image")


@pytest.mark.parametrize(
    ("height", "width", "channels", "length"),
    [
        (28, 28, 1, 81),  # 3 x 3 cells of 8: 1 block of 9 cells x 9 orientations
        (32, 32, 3, 324),  # 4 x 4 cells: 4 blocks
        (8, 8, 1, 324),  # cells of 2: 4 x 4 cells
        (6, 9, 1, 162),  # cells of 2: 3 x 4 cells, 2 blocks
    ],
)
def test_hog_lengths(height, width, channels, length):
    found = features.compute(images(2, height, width, channels), "hog")
    assert found.values.shape == (2, length) and found.values.dtype == np.uint8
    assert (found.kind, found.scale) == ("hog", 255.0)


def test_hog_is_scikit_images_default_rounded_to_8_bits():
    table = images(3, 28, 28, 1)
    found = features.compute(table, "hog").values
    for row in range(3):
        assert np.abs(found[row] / 255 - hog(table.inputs[row, :, :, 0])).max() <= 0.5 / 255 + 1e-12


def test_a_rows_features_do_not_depend_on_other_rows():
    table = images(5, 32, 32, 3)
    alone = features.compute(table.take(np.array([3])), "hog").values
    assert np.array_equal(features.compute(table, "hog").values[[3]], alone)


def test_a_blank_image_has_no_gradients():
    table = Table(np.arange(1), np.full((1, 28, 28, 1), 200, np.uint8), np.zeros(1, np.int64), ("a",), "image")
    assert not features.compute(table, "hog").values.any()


def test_raw_pixels_and_vectors_are_taken_as_they_are():
    table = images(2, 5, 4, 3)
    raw = features.compute(table, "raw")
    assert np.array_equal(raw.values, table.inputs.reshape(2, 60)) and raw.scale == 255.0
    vectors = Table(np.arange(2), np.array([[1.5], [-2.0]], np.float32), np.zeros(2, np.int64), ("a",), "vector")
    for kind in ("hog", "raw"):
        found = features.compute(vectors, kind)
        assert found.values.tolist() == [[1.5], [-2.0]] and (found.kind, found.scale) == ("vector", 1.0)


@pytest.mark.parametrize("kind", ["hog", "raw"])
def test_float_features_are_those_that_8_bits_round(kind):
    table = images(4, 32, 32, 3)
    exact, rounded = features.compute(table, kind, quantise=False), features.compute(table, kind)
    assert exact.values.dtype == np.float32 and (exact.scale, rounded.scale) == (1.0, 255.0)
    assert np.abs(exact.values - rounded.values / np.float32(255)).max() <= 0.5 / 255 + 1e-6
    assert exact.values.max() <= 1


def test_bad_kinds_and_sizes_are_refused():
    with pytest.raises(BadParams, match="5 x 28 pixels; hog needs at least 6 a side; use raw"):
        features.compute(images(1, 5, 28, 1), "hog")
    with pytest.raises(BadParams, match=r"certify.features is 'sift'"):
        features.compute(images(1, 28, 28, 1), "sift")
