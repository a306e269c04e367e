"""Images that anybody made: encoded bytes -> pixels of one shape, or what is wrong with each. Any size, any mode.

Only PNG and JPEG are decoded, whatever a path's ending says. An image's header tells its size before a pixel is
decoded; more than MAX_PIXELS are refused. Null bytes never open a file or an address, but below a folder that the user
named; links that lead out of it are not followed.
"""

# N rows, H x W pixels, K channels
from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from sanitize.data.images import FORMATS, Pixels
from sanitize.whereabouts import told

MAX_PIXELS = 89_478_485  # Pillow's own bound against decompression bombs: a quarter of a GiB as RGB
MAX_FILE = 64 << 20  # bytes of an image file below --image-root
COMMON_SIDE = 32  # pixels at which images of several sizes are looked at
LARGE = 128  # an image of more pixels a side is looked at with LARGE_SIDE
LARGE_SIDE = 64
GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F"}

# what Pillow's decoders raise for damaged files (UnidentifiedImageError is an OSError)
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError, OverflowError)


class Unreadable(Exception):
    """What is wrong with one image; never leaves this module."""


def common_shape(column: pa.ChunkedArray, size: int | None, root: Path | None) -> tuple[tuple[int, int, int], str]:
    """The shape at which a column's images are looked at, from their headers alone.

    size     pixels square, as asked for; None = the images' own size where they have one of at most LARGE pixels a side
    Returns  (height, width, channels), and in words what is done to the images; "" = nothing
    Channels are 1 where all images are grey, else 3. Images that cannot be opened do not count.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    with told("doing", "read the headers of images") as at:
        for row, (blob, path) in enumerate(_blobs(column)):
            at(row)
            try:
                with _opened(blob, path, root) as image:
                    sizes[image.size] += 1
                    modes[image.mode] += 1
            except Unreadable:
                continue
    grey = bool(modes) and set(modes) <= GREY
    odd = sorted(set(modes) - {"L", "RGB"}) + (["L"] if "L" in modes and not grey else [])
    notes = [f"images of mode {', '.join(odd)} are looked at as {'L' if grey else 'RGB'}"] if odd else []
    width, height = max(sizes, key=lambda pair: (sizes[pair], pair), default=(COMMON_SIDE, COMMON_SIDE))
    if size is not None:
        width = height = size
    elif len(sizes) > 1:
        width = height = COMMON_SIDE
        notes.append(f"images of {len(sizes)} sizes are looked at with {COMMON_SIDE} x {COMMON_SIDE} pixels")
    elif max(width, height) > LARGE:
        notes.append(f"images of {width} x {height} pixels are looked at with {LARGE_SIDE} x {LARGE_SIDE}")
        width = height = LARGE_SIDE
    remedy = " (--image-size N: with others)" if notes and size is None and len(notes) > bool(odd) else ""
    return (height, width, 1 if grey else 3), "; ".join(notes) + remedy


def read_pictures(
    column: pa.ChunkedArray, shape: tuple[int, int, int], root: Path | None
) -> tuple[Pixels, dict[int, str]]:
    """Decode images, each resized to `shape` (bilinear) where it has another.

    column   binary, or struct with a binary field `bytes` and maybe a text field `path`
    shape    height, width, channels (1 or 3)
    root     folder below which a path may be opened where bytes are null; None = nowhere
    Returns  uint8 [N, H, W, K], zeros for images that cannot be read; and for these rows what is wrong
    """
    height, width, channels = shape
    pixels = np.zeros((len(column), height, width, channels), np.uint8)
    bad: dict[int, str] = {}
    with told("doing", "decoded images") as at:
        for row, (blob, path) in enumerate(_blobs(column)):
            at(row)
            try:
                with _opened(blob, path, root) as image:
                    pixels[row] = _pixels(image, shape)
            except Unreadable as error:
                bad[row] = str(error)
    return pixels, bad


def _blobs(column: pa.ChunkedArray) -> Iterator[tuple[bytes | None, str | None]]:
    """Each row's bytes and path."""
    for chunk in column.chunks:
        if not pa.types.is_struct(chunk.type):
            for blob in chunk:
                yield blob.as_py(), None
            continue
        blobs = pc.struct_field(chunk, "bytes")
        paths = pc.struct_field(chunk, "path") if chunk.type.get_field_index("path") >= 0 else None
        for row in range(len(chunk)):
            blob = blobs[row].as_py()
            yield blob, None if blob is not None or paths is None else _text(paths[row])


def _text(value: pa.Scalar) -> str | None:
    try:
        path = value.as_py()
    except UnicodeDecodeError:
        return "\ufffd"
    return path if isinstance(path, str) else None


def _opened(blob: bytes | None, path: str | None, root: Path | None) -> Image.Image:
    """The image, its header read, no pixel decoded."""
    if blob is None:
        blob = _from_root(path, root)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(io.BytesIO(blob), formats=FORMATS)
    except _BOMB as error:
        raise Unreadable(f"image has more than {MAX_PIXELS} pixels, the bound against decompression bombs") from error
    except _DAMAGED as error:
        raise Unreadable(f"image is corrupt or neither PNG nor JPEG ({_first(error)})") from error
    if image.width * image.height > MAX_PIXELS:
        raise Unreadable(
            f"image has {image.width} x {image.height} pixels, more than {MAX_PIXELS}, the bound against decompression "
            f"bombs"
        )
    return image


def _first(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text.split(" <")[0]  # what follows is an object's address, another one in every run


def _from_root(path: str | None, root: Path | None) -> bytes:
    """The bytes of a file below `root`; an absolute path must lie there as well."""
    if path is None:
        raise Unreadable("image is null")
    if root is None:
        raise Unreadable(f"bytes is null and path is {path!r}; files are opened below --image-root only")
    try:
        base = root.resolve(strict=True)
        place = (base / path).resolve(strict=True)
        if not place.is_relative_to(base) or "://" in path or not place.is_file():
            raise Unreadable(f"path {path!r} is no file below --image-root {root}; nothing else is opened")
        if place.stat().st_size > MAX_FILE:
            raise Unreadable(f"path {path!r} has more than {MAX_FILE} bytes; shrink it")
        return place.read_bytes()
    except (OSError, ValueError, RuntimeError) as error:  # not there; a null byte in the name; links in a circle
        raise Unreadable(
            f"path {path!r} cannot be opened below --image-root {root} ({type(error).__name__})"
        ) from error


def _pixels(image: Image.Image, shape: tuple[int, int, int]) -> Pixels:
    height, width, channels = shape
    try:
        if image.format == "JPEG" and image.width > 2 * width and image.height > 2 * height:
            image.draft(None, (2 * width, 2 * height))  # decodes a large photograph at a fraction of its size
        image.load()
        seen = _as_mode(image, "L" if channels == 1 else "RGB")
        if seen.size != (width, height):
            seen = seen.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(seen, np.uint8).reshape(shape)
    except _BOMB as error:
        raise Unreadable("image does not fit into memory") from error
    except _DAMAGED as error:
        raise Unreadable(f"image is corrupt or neither PNG nor JPEG ({_first(error)})") from error


def _as_mode(image: Image.Image, mode: str) -> Image.Image:
    """Grey or RGB; 16 bits become 8, what is transparent becomes black's neighbour, its own colour."""
    if image.mode == mode:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        levels = np.asarray(image, np.float64)
        scaled = np.clip(levels / (257 if levels.max(initial=0) > 255 else 1), 0, 255)
        image = Image.fromarray(scaled.astype(np.uint8))
    if image.mode == "P":
        image = image.convert("RGBA")
    return image.convert(mode)
