"""Images of any size and mode seen in one shape."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from sanitize.data.images import decode_images
from sanitize.data.pictures import common_shape, read_pictures
from tests.data.pictures import encoded, gradient, image_column


def column(*blobs, paths=None):
    return pa.chunked_array([image_column(blobs, paths)])


def read(*blobs, shape=(3, 4, 1)):
    return read_pictures(column(*blobs), shape, None)


@pytest.mark.parametrize(
    ("blobs", "size", "shape", "words"),
    [
        ([encoded()] * 3, None, (3, 4, 1), ""),
        ([encoded("RGB")] * 3, None, (3, 4, 3), ""),
        ([encoded(), encoded("RGB")], None, (3, 4, 3), "images of mode L are looked at as RGB"),
        ([encoded("1"), encoded("LA")], None, (3, 4, 1), "images of mode 1, LA are looked at as L"),
        ([encoded(), encoded("P")], None, (3, 4, 3), "images of mode P, L are looked at as RGB"),
        ([encoded(), encoded(size=(9, 9))], None, (32, 32, 1), "images of 2 sizes are looked at with 32 x 32 pixels"),
        ([encoded(size=(128, 128))], None, (128, 128, 1), ""),
        ([encoded(size=(129, 5))], None, (64, 64, 1), "images of 129 x 5 pixels are looked at with 64 x 64"),
        ([encoded(), encoded(size=(9, 9))], 7, (7, 7, 1), ""),
        ([b"none", None, encoded()], None, (3, 4, 1), ""),
        ([b"none"], None, (32, 32, 3), ""),
    ],
)
def test_the_shape_in_which_images_are_seen(blobs, size, shape, words):
    found, ground, note = common_shape(column(*blobs), size, None)
    assert (found, ground) == (shape, 255)
    assert note.startswith(words) and bool(note) == bool(words)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_one_shape_are_the_pixels_that_the_pipeline_reads(channels):
    images = gradient(5, channels=channels)
    blobs = [Image.fromarray(image[:, :, 0] if channels == 1 else image) for image in images]
    encoded_blobs = []
    for image in blobs:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        encoded_blobs.append(buffer.getvalue())
    seen, bad = read(*encoded_blobs, shape=images.shape[1:])
    assert np.array_equal(seen, images) and not bad
    small, _ = read(*encoded_blobs, shape=(2, 2, channels))
    assert np.array_equal(small, decode_images(column(*encoded_blobs), name="i", origin="f", size=2))


@pytest.mark.parametrize(
    ("mode", "form", "grey", "rgb"),
    [
        ("L", "PNG", 60, [60] * 3),
        ("RGB", "PNG", 60, [60] * 3),
        ("LA", "PNG", 60, [60] * 3),
        ("RGBA", "PNG", 60, [60] * 3),
        ("P", "PNG", 60, [60] * 3),
        ("I;16", "PNG", 0, [0] * 3),  # 60 of 65535
        ("CMYK", "JPEG", 60, [60] * 3),
    ],
)
def test_every_mode(mode, form, grey, rgb):
    blob = encoded(mode, form=form, color=60)
    as_grey, _ = read(blob)
    as_rgb, _ = read(blob, shape=(3, 4, 3))
    assert np.abs(as_grey[0].astype(int) - grey).max() <= 3
    assert np.abs(as_rgb[0].astype(int) - rgb).max() <= 3


def test_sixteen_bits_become_eight():
    """65535 is white, 32768 its half: 32768 / 257 = 127.5."""
    buffer = io.BytesIO()
    Image.fromarray(np.array([[0, 65535], [32768, 257]], np.uint16)).save(buffer, "PNG")
    seen, bad = read(buffer.getvalue(), shape=(2, 2, 1))
    assert seen[0, :, :, 0].tolist() == [[0, 255], [127, 1]] and not bad


def test_bad_images_are_zeros_with_a_cause():
    seen, bad = read(encoded(), b"none", None, b"GIF89a", encoded())
    assert set(bad) == {1, 2, 3}
    assert bad[2] == "image is null"
    assert "0x" not in " ".join(bad.values())  # no addresses, which are others in every run
    assert (seen[[0, 4]] == 7).all() and (seen[1:4] == 0).all()


def test_plain_binary_columns():
    seen, bad = read_pictures(pa.chunked_array([pa.array([encoded(), b""], pa.large_binary())]), (3, 4, 1), None)
    assert (seen[0] == 7).all() and set(bad) == {1}
