"""Histograms of gradients: scikit-image's, bit for bit."""

import numpy as np
import pytest
from skimage.feature import hog

from sanitize.certify.features import cell_size
from sanitize.certify.hog import histograms
from sanitize.data.seeds import stream

SIZES = [(28, 28, 1), (32, 32, 3), (8, 8, 1), (6, 9, 3), (24, 31, 3), (41, 33, 1), (64, 48, 3)]


def made(height, width, channels):
    """Noise, faint noise, black and white, and one colour: channels that tie, borders, no gradient at all."""
    images = stream(0, "hog", height, width).integers(0, 256, (12, height, width, channels)).astype(np.uint8)
    images[3:6] //= 32
    images[6:9] = (images[6:9] > 200) * np.uint8(255)
    images[9:11] = images[9:11, :, :, :1]
    images[11] = 200
    return images


@pytest.mark.parametrize(("height", "width", "channels"), SIZES)
def test_values_are_scikit_images_bit_for_bit(height, width, channels):
    images, cell = made(height, width, channels), cell_size(height, width)
    expected = np.array(
        [
            hog(
                image[..., 0] if channels == 1 else image,
                orientations=9,
                pixels_per_cell=(cell, cell),
                cells_per_block=(3, 3),
                block_norm="L2-Hys",
                channel_axis=None if channels == 1 else -1,
            )
            for image in images
        ]
    )
    assert np.array_equal(histograms(images, cell, quantise=False), expected.astype(np.float32))
    assert np.array_equal(histograms(images, cell), np.rint(expected * 255).astype(np.uint8))
    assert not histograms(images, cell)[11].any()


def test_values_do_not_depend_on_threads_or_on_other_images():
    images = np.concatenate([made(28, 28, 1)] * 90)  # more than one thread's share
    found = histograms(images, 8)
    assert np.array_equal(found, histograms(images, 8, threads=1))
    assert np.array_equal(found[7:8], histograms(images[7:8], 8)) and np.array_equal(found[:12], found[-12:])


def test_no_images_have_no_features():
    assert histograms(np.zeros((0, 28, 28, 1), np.uint8), 8).shape == (0, 81)
