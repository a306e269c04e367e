"""What a viewer shows of one image."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, PngImagePlugin

from sanitize.data.decoder import Unreadable, begins_as, is_turned, open_image, plain_mode, shown, upright_size
from sanitize.data.pictures import common_shape
from tests.data.pictures import encoded

PIXELS = np.zeros((8, 12, 3), np.uint8)
PIXELS[:4] = [255, 0, 0]
PIXELS[4:, 6:] = [0, 255, 0]
UPRIGHT = {
    1: PIXELS, 2: PIXELS[:, ::-1], 3: PIXELS[::-1, ::-1], 4: PIXELS[::-1], 5: PIXELS.transpose(1, 0, 2),
    6: np.rot90(PIXELS, -1), 7: PIXELS[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(PIXELS),
}  # fmt: skip


def saved(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def seen(blob, mode="RGB", **options):
    with open_image(blob) as image:
        return np.asarray(shown(image, mode, **options))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"])
def test_formats_are_told_by_their_first_bytes(form):
    blob = encoded("RGB", form=form, color=60)
    assert begins_as(blob) == form
    assert begins_as(b"x" + blob) is None
    assert np.abs(seen(blob).astype(int) - 60).max() <= 3
    with pytest.raises(Unreadable, match=f"image is corrupt \\({form}: "):
        seen(blob[: len(blob) // 2])


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_turns_the_image_and_its_size(form, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {
        "PNG": {"exif": exif}, "JPEG": {"exif": exif, "quality": 100, "subsampling": 0},
        "WEBP": {"exif": exif, "lossless": True}, "TIFF": {"tiffinfo": {0x0112: turn}},
    }  # fmt: skip
    blob = saved(Image.fromarray(PIXELS), form, **options[form])
    assert seen(blob).shape == UPRIGHT[turn].shape
    assert np.abs(seen(blob).astype(int) - UPRIGHT[turn]).max() <= 12
    with open_image(blob) as image:
        assert upright_size(image) == UPRIGHT[turn].shape[1::-1]
        assert is_turned(image) == (turn > 1 and form != "TIFF")  # a TIFF is turned by its decoder


@pytest.mark.parametrize("colour", [0, 90, 255])
def test_transparent_parts_show_the_ground(colour):
    pixels = np.full((2, 2, 4), colour, np.uint8)
    pixels[..., 3] = [[0, 255], [51, 255]]
    for ground in (255, 0):
        expected = [[ground, colour], [(204 * ground + 51 * colour + 127) // 255, colour]]
        assert np.abs(seen(saved(Image.fromarray(pixels)), "L", ground=ground).astype(int) - expected).max() <= 1
    own = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    own.putpalette([colour] * 6)
    assert seen(saved(own, transparency=0), "L").tolist() == [[255, colour]]


def test_the_ground_is_black_where_white_hides_all():
    def column(colour):
        blobs = []
        for row in range(4):
            pixels = np.full((8, 8, 4), colour, np.uint8)
            pixels[..., 3] = 0
            pixels[row, :, 3] = 255
            blobs.append(saved(Image.fromarray(pixels)))
        return pa.chunked_array([pa.array(blobs)])

    shape, ground, note = common_shape(column(0), None, None)
    assert (shape, ground) == ((8, 8, 3), 255) and "looked at on white" in note
    assert common_shape(column(255), None, None)[1:] == (
        0, "images of mode RGBA are looked at as RGB; transparent parts are looked at on black, on white all look alike"
    )  # fmt: skip


def test_long_texts_and_profiles_do_not_matter():
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a cat, " * 1_000_000, zip=True)
    blob = saved(Image.fromarray(PIXELS), pnginfo=info, icc_profile=bytes(3_000_000))
    assert len(blob) < 50_000 and np.array_equal(seen(blob), PIXELS)


@pytest.mark.parametrize("form", ["GIF", "PNG", "TIFF", "WEBP"])
def test_the_first_frame_is_shown(form):
    first, other = Image.new("RGB", (5, 4), (200, 0, 0)), Image.new("RGB", (5, 4), (0, 0, 200))
    blob = saved(first, form, save_all=True, append_images=[other])
    assert np.abs(seen(blob).astype(int) - [200, 0, 0]).max() <= 4


def test_bits_beyond_eight():
    """65535 is white; floats up to 1 and whole numbers up to 255 are what they say."""
    deep = np.array([[0, 65535], [32768, 200]], np.uint16)
    assert seen(saved(Image.fromarray(deep)), "L").tolist() == [[0, 255], [127, 0]]
    floats = np.array([[0, 1], [0.5, np.nan]], np.float32)
    assert seen(saved(Image.fromarray(floats), "TIFF"), "L").tolist() == [[0, 255], [127, 0]]
    assert plain_mode(Image.fromarray(floats)) == "L"


def test_a_canvas_of_webp_is_bounded_before_there_is_room_for_it():
    side = (15_999).to_bytes(3, "little")
    with pytest.raises(Unreadable, match="image has 16000 x 16000 pixels, more than 89478485"):
        open_image(b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0" + side + side)
