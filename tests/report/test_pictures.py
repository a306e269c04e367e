"""Thumbnails: our own PNG of the same pixels."""

import base64
import io

import numpy as np
from PIL import Image

from sanitize.report.pictures import LONGEST, data_uri, resized, within


def thumbnail(image):
    return data_uri(resized(image, within(image.shape[:2], LONGEST)))


def decoded(uri):
    head, _, body = uri.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(body, validate=True)), formats=["PNG"])


def test_small_images_keep_their_pixels():
    for channels in (1, 3):
        image = np.arange(5 * 4 * channels, dtype=np.uint8).reshape(5, 4, channels)
        assert np.array_equal(np.asarray(decoded(thumbnail(image))).reshape(image.shape), image)


def test_large_images_shrink_and_keep_their_shape():
    """A 200 x 100 image of two halves, 0 and 200, becomes 96 x 48 of the same halves."""
    image = np.zeros((100, 200, 3), np.uint8)
    image[:, 100:] = 200
    small = np.asarray(decoded(thumbnail(image)))
    assert small.shape == (48, LONGEST, 3)
    assert (small[:, :48] == 0).all() and (small[:, 48:] == 200).all()


def test_an_extreme_shape_keeps_one_pixel():
    assert decoded(thumbnail(np.zeros((1, 1000, 1), np.uint8))).size == (LONGEST, 1)
