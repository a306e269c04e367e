"""Images from bytes and back."""

import io
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sanitize.data import decoder
from sanitize.data.images import decode_images, encode_images, resize_images
from sanitize.errors import BadInput
from tests.data.pictures import encoded, gradient, image_column


def decode(*blobs: bytes | None, size: int | None = None, paths: list[str | None] | None = None) -> np.ndarray:
    return decode_images(pa.chunked_array([image_column(blobs, paths)]), name="image", origin="f", size=size)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_keeps_every_pixel(channels: int) -> None:
    images = gradient(6, channels=channels)
    blobs = encode_images(images)
    assert blobs.type == pa.binary()
    assert encode_images(images).equals(blobs)
    for column in (blobs, blobs.cast(pa.large_binary()), image_column(blobs.to_pylist())):
        parts = pa.chunked_array([column.slice(0, 1), column.slice(1, 0), column.slice(1)])
        assert np.array_equal(decode_images(parts, name="image", origin="f"), images)


def test_jpeg_of_one_colour() -> None:
    images = decode(encoded("RGB", form="JPEG", color=100))
    assert images.shape == (1, 3, 4, 3)
    assert np.abs(images.astype(int) - 100).max() <= 1


def test_resizing() -> None:
    images = decode(encoded(size=(4, 3), color=9), encoded(size=(8, 8), color=200), size=5)
    assert images.shape == (2, 5, 5, 1)
    assert (images[0] == 9).all()
    assert (images[1] == 200).all()
    # bilinear with antialiasing: halving one row of 0, 0, 100, 100 weighs neighbours 3 : 3 : 1 : (outside), by hand
    row = np.tile(np.array([0, 0, 100, 100], np.uint8)[None, None, :, None], (1, 4, 1, 1))
    half = resize_images(row, 2)
    assert half.shape == (1, 2, 2, 1)
    assert half[0, :, :, 0].tolist() == [[14, 86], [14, 86]]
    assert resize_images(row, None) is row
    assert np.array_equal(decode_images(pa.chunked_array([encode_images(row)]), name="i", origin="f", size=2), half)


def test_no_rows() -> None:
    empty = pa.chunked_array([], pa.binary())
    assert decode_images(empty, name="i", origin="f").shape == (0, 1, 1, 1)
    assert decode_images(empty, name="i", origin="f", size=6).shape == (0, 6, 6, 1)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (None, "f: row 1, column 'image': image is null; fill or drop"),
        (b"", r"f: row 1, column 'image': image is corrupt or of another format than PNG, JPEG, .* \(has no bytes\)"),
        (b"no image at all", r"image is corrupt or of another format than PNG, .* \(begins with b'no image'\)"),
        (encoded()[:-28], r"image is corrupt \(PNG: .*truncated"),
        (encoded(size=(5, 3)), r"row 1, .* has 5 x 3 pixels, but row 0 has 4 x 3; .* set data.image_size \(--image-s"),
        (encoded("RGB"), "row 1, .* has mode RGB, but row 0 has mode L; .* convert them all to RGB, or all to L"),
        (encoded("RGBA"), "row 1, .* has mode RGB, but row 0 has mode L"),
        (encoded("CMYK", form="JPEG"), "has mode RGB, but row 0 has mode L"),
    ],
)
def test_bad_images(second: bytes | None, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        decode(encoded(), second)


def test_modes_may_not_differ_even_if_resized() -> None:
    with pytest.raises(BadInput, match="has mode L, but row 0 has mode RGB"):
        decode(encoded("RGB"), encoded("L"), size=4)


def test_a_path_is_never_opened(tmp_path: object) -> None:
    path = f"{tmp_path}/there.png"
    with open(path, "wb") as file:
        file.write(encoded())
    with pytest.raises(
        BadInput, match=r"row 1, column 'image': bytes is null and path is '.*there.png'; files are nev"
    ):
        decode(encoded(), None, paths=[None, path])


@pytest.mark.parametrize("bound", [10, 7])
def test_decompression_bombs(monkeypatch: pytest.MonkeyPatch, bound: int) -> None:
    monkeypatch.setattr(decoder, "MAX_PIXELS", bound)
    with pytest.raises(BadInput, match=f"row 0, .* has 4 x 4 pixels, more than {bound}"):
        decode(encoded(size=(4, 4)))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_give_an_image_or_a_message(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["PNG", "JPEG"]))
    blob = bytearray(encoded("RGB", (9, 7), form, 50))
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(blob)))
    try:
        images = decode(bytes(blob[:cut]), size=4)
    except BadInput as error:
        assert "row 0, column 'image'" in str(error)
    else:
        assert images.shape[:3] == (1, 4, 4)


def test_decoding_is_quick() -> None:
    blobs = encode_images(gradient(4000, 28, 28))
    start = time.process_time()
    decode_images(pa.chunked_array([blobs]), name="image", origin="f")
    assert time.process_time() - start < 2  # 0.15 s on an idle core; a bound that a busy one keeps too


def test_encoding_is_plain_png() -> None:
    image = Image.open(io.BytesIO(encode_images(gradient(1, channels=3))[0].as_py()))
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (4, 5))
