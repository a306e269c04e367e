"""One image that anybody made: encoded bytes -> what a viewer shows of it, or what is wrong with it.

PNG, JPEG, WebP, BMP, TIFF and GIF (the first frame), told by their first bytes, whatever a name says; one decoder sees
them. The header tells the size before a pixel is decoded; more than MAX_PIXELS are refused. Texts and colour profiles
of a PNG are never unpacked. What is transparent shows a white ground, as in a browser, and EXIF turns the image.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, TiffImagePlugin, WebPImagePlugin

MAX_PIXELS = 89_478_485  # Pillow's own bound against decompression bombs: a quarter of a GiB as RGB
WHITE = 255  # the ground below what is transparent
GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F"}
ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}
READ = "PNG, JPEG, WebP, BMP, TIFF or GIF"
PLUGINS = (TiffImagePlugin, WebPImagePlugin)  # the two that Pillow would look for among all its formats

_PNG = b"\x89PNG\r\n\x1a\n"
_UNSEEN = {b"tEXt", b"zTXt", b"iTXt", b"iCCP"}  # chunks that change no pixel, and may unpack to any length
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # their lengths
_ORIENTATION = 0x0112  # EXIF's tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_THEIR_SIDE = (5, 6, 7, 8)

# what Pillow's decoders raise for damaged files (UnidentifiedImageError is an OSError)
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    struct.error,
    zlib.error,
)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError, OverflowError)


class Unreadable(Exception):
    """What is wrong with one image; the callers turn it into a row's cause or a message."""


def begins_as(blob: bytes) -> str | None:
    """The image format that the first bytes are those of, as Pillow calls it; None = none that is read."""
    if blob.startswith(_PNG):
        return "PNG"
    if blob.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if blob.startswith(b"RIFF") and blob[8:12] == b"WEBP":
        return "WEBP"
    if blob.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if blob.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if blob.startswith(b"BM") and int.from_bytes(blob[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    return None


def open_image(blob: bytes) -> Image.Image:
    """The image, its header read, no pixel decoded. Unreadable: no such image, damaged, or too large."""
    form = begins_as(blob)
    if form is None:
        first = f"begins with {blob[:8]!r}" if blob else "has no bytes"
        raise Unreadable(f"image is corrupt or of another format than {READ} ({first})")
    if form == "PNG":
        blob = _without_unseen(blob)
    elif form == "WEBP" and blob[12:16] == b"VP8X":  # its decoder makes room for all pixels when it opens
        _refuse_large(1 + int.from_bytes(blob[24:27], "little"), 1 + int.from_bytes(blob[27:30], "little"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image: Image.Image = Image.open(io.BytesIO(blob), formats=(form,))
    except _BOMB as error:
        raise Unreadable(f"image has more than {MAX_PIXELS} pixels, the bound against decompression bombs") from error
    except _DAMAGED as error:
        raise Unreadable(f"image is corrupt ({form}: {_first(error)})") from error
    _refuse_large(image.width, image.height)
    return image


def _refuse_large(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Unreadable(
            f"image has {width} x {height} pixels, more than {MAX_PIXELS}, the bound against decompression bombs"
        )


def _first(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text.split(" <")[0]  # what follows is an object's address, another one in every run


def _without_unseen(blob: bytes) -> bytes:
    """A PNG without its texts and colour profile; all other bytes, damaged ones too, as they are."""
    pieces, start, place = [], 0, len(_PNG)
    while place + 8 <= len(blob):
        end = place + 12 + int.from_bytes(blob[place : place + 4], "big")
        if blob[place + 4 : place + 8] in _UNSEEN and end <= len(blob):
            pieces.append(blob[start:place])
            start = end
        place = end
    return b"".join([*pieces, blob[start:]]) if start else blob


def _turn(image: Image.Image) -> int:
    """EXIF's orientation, 1..8; 1 where there is none, or none that can be read. PNG: only what is read by now."""
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1  # a TIFF is turned by its decoder
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return int(image.getexif().get(_ORIENTATION, 1))
    except _DAMAGED:
        return 1


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as shown."""
    width, height = image.size
    return (height, width) if _turn(image) in _ON_THEIR_SIDE else (width, height)


def is_turned(image: Image.Image) -> bool:
    """Whether it is shown otherwise than it is stored."""
    return _turn(image) in _TURNS


def has_alpha(image: Image.Image) -> bool:
    """Whether a part of it may be transparent."""
    return image.mode in ALPHA or "transparency" in image.info


def has_frames(image: Image.Image) -> bool:
    """Whether a second frame follows, as far as can be seen without counting them."""
    try:
        return bool(getattr(image, "is_animated", False))
    except _DAMAGED:
        return False


def plain_mode(image: Image.Image) -> str:
    """L for an image without colours, by its mode; else RGB."""
    return "L" if image.mode in GREY else "RGB"


def shown(image: Image.Image, mode: str, ground: int = WHITE, room: tuple[int, int] | None = None) -> Image.Image:
    """The image as a viewer shows it, upright, its first frame, opaque.

    image    as `open_image` gave it
    mode     "L" or "RGB"
    ground   grey level below what is transparent
    room     width and height for which it is wanted: a large JPEG is decoded at a fraction of its size, never below
             twice these; None = whole
    Raises   Unreadable: damaged, or does not fit into memory
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if room is not None and image.format == "JPEG":
                width, height = room if _turn(image) not in _ON_THEIR_SIDE else room[::-1]
                if image.width > 2 * width and image.height > 2 * height:
                    image.draft(None, (2 * width, 2 * height))
            image.load()
            turn = _turn(image)
            seen = _opaque(image, mode, ground)
            return seen.transpose(_TURNS[turn]) if turn in _TURNS else seen
    except _BOMB as error:
        raise Unreadable("image does not fit into memory") from error
    except _DAMAGED as error:
        raise Unreadable(f"image is corrupt ({image.format}: {_first(error)})") from error


def _opaque(image: Image.Image, mode: str, ground: int) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bits(image).convert(mode)
    if has_alpha(image):
        below = Image.new("RGBA", image.size, (ground, ground, ground, 255))
        return Image.alpha_composite(below, image.convert("RGBA")).convert(mode)
    return image if image.mode == mode else image.convert(mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    """16 bits have 65535 as white; of whole numbers and floats the largest value tells: 1, 255 or 65535."""
    levels = np.nan_to_num(np.asarray(image, np.float64), posinf=0, neginf=0)
    largest = levels.max(initial=0)
    if image.mode.startswith("I;16") or largest > 255:
        levels = levels / 257
    elif image.mode == "F" and largest <= 1:
        levels = levels * 255
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
