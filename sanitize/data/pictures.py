"""Images that anybody made: encoded bytes -> pixels of one shape, or what is wrong with each. Any size, any mode.

Null bytes never open a file or an address, but below a folder that the user named; links that lead out of it are not
followed.
"""

# N rows, H x W pixels, K channels
from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from sanitize.data.decoder import (
    GREY,
    WHITE,
    Unreadable,
    has_alpha,
    has_frames,
    is_turned,
    open_image,
    shown,
    upright_size,
)
from sanitize.data.images import Pixels, resize_images
from sanitize.data.stored import bytes_and_paths, channels_last, sides
from sanitize.whereabouts import told

MAX_FILE = 64 << 20  # bytes of an image file below --image-root
COMMON_SIDE = 32  # pixels at which images of several sizes are looked at
LARGE = 128  # an image of more pixels a side is looked at with LARGE_SIDE
LARGE_SIDE = 64
BLACK = 0
LOOKED_AT = 64  # images with transparent parts that are looked at to choose the ground below them


def common_shape(column: pa.ChunkedArray, size: int | None, root: Path | None) -> tuple[tuple[int, int, int], int, str]:
    """The shape at which a column's images are looked at, from their headers alone.

    size     pixels square, as asked for; None = the images' own size where they have one of at most LARGE pixels a side
    Returns  (height, width, channels); the grey level below what is transparent: white, or black where all of the first
             LOOKED_AT images with transparent parts look alike on white, but not on black; and in words what is done to
             the images, "" = nothing
    Channels are 1 where all images are grey, else 3. Images that cannot be opened do not count.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    clear: list[tuple[bytes | None, str | None]] = []
    turned = several = 0
    with told("doing", "read the headers of images") as at:
        for row, (blob, path) in enumerate(bytes_and_paths(column)):
            at(row)
            try:
                with _opened(blob, path, root) as image:
                    sizes[upright_size(image)] += 1
                    modes[image.mode] += 1
                    turned += is_turned(image)
                    several += has_frames(image)
                    if has_alpha(image) and len(clear) < LOOKED_AT:
                        clear.append((blob, path))
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
    if size is None and len(notes) > bool(odd):
        notes[-1] += " (--image-size N: with others)"
    shape = (height, width, 1 if grey else 3)
    ground = _ground(clear, shape, root) if clear else WHITE
    if clear:
        notes.append(f"transparent parts are looked at on {'white' if ground else 'black, on white all look alike'}")
    if turned:
        notes.append(f"{turned} images are turned as their EXIF data say")
    if several:
        notes.append(f"of {several} images with several frames the first is looked at")
    return shape, ground, "; ".join(notes)


def _ground(images: list[tuple[bytes | None, str | None]], shape: tuple[int, int, int], root: Path | None) -> int:
    """The grey level below transparent parts on which something can be seen; white, if both will do or none."""

    def alike(ground: int) -> bool:
        first: Pixels | None = None
        for blob, path in images:
            try:
                with _opened(blob, path, root) as image:
                    pixels = _pixels(image, shape, ground)
            except Unreadable:
                continue
            if first is not None and not np.array_equal(first, pixels):
                return False
            first = pixels
        return True

    return BLACK if alike(WHITE) and not alike(BLACK) else WHITE


def read_pictures(
    column: pa.ChunkedArray, shape: tuple[int, int, int], root: Path | None, ground: int = WHITE
) -> tuple[Pixels, dict[int, str]]:
    """Decode images, each resized to `shape` (bilinear) where it has another.

    column   binary, or struct with a binary field `bytes` and maybe a text field `path`
    shape    height, width, channels (1 or 3)
    root     folder below which a path may be opened where bytes are null; None = nowhere
    ground   grey level below what is transparent
    Returns  uint8 [N, H, W, K], zeros for images that cannot be read; and for these rows what is wrong
    """
    height, width, channels = shape
    pixels = np.zeros((len(column), height, width, channels), np.uint8)
    bad: dict[int, str] = {}
    with told("doing", "decoded images") as at:
        for row, (blob, path) in enumerate(bytes_and_paths(column)):
            at(row)
            try:
                with _opened(blob, path, root) as image:
                    pixels[row] = _pixels(image, shape, ground)
            except Unreadable as error:
                bad[row] = str(error)
    return pixels, bad


def array_shape(stored: tuple[int, ...], size: int | None) -> tuple[tuple[int, int, int], str]:
    """The shape at which arrays of pixels are looked at, and what is done to them in words; as `common_shape`."""
    height, width = sides(stored) or (0, 0)
    channels = 1 if len(stored) == 2 or (1 in (stored[0], stored[2]) and 3 not in (stored[2],)) else 3
    if size is not None:
        return (size, size, channels), ""
    if max(height, width) > LARGE:
        note = f"images of {width} x {height} pixels are looked at with {LARGE_SIDE} x {LARGE_SIDE}"
        return (LARGE_SIDE, LARGE_SIDE, channels), f"{note} (--image-size N: with others)"
    return (height, width, channels), ""


def array_pictures(values: NDArray[Any], scale: float, shape: tuple[int, int, int]) -> tuple[Pixels, dict[int, str]]:
    """Arrays of pixels as images, each resized to `shape` (bilinear) where it has another.

    values   numbers [N, H, W], [N, H, W, 1 or 3] or [N, 1 or 3, H, W]
    scale    what brings them into 0..255
    Returns  uint8 [N, H, W, K], zeros where a value lies outside; and for these rows what is wrong
    """
    values = channels_last(values)
    if values.dtype == np.uint8 and scale == 1:
        return _sized(values, shape), {}
    levels = np.round(values.astype(np.float64) * scale)
    inside = np.isfinite(levels) & (levels >= 0) & (levels <= 255)
    bad = {}
    for row in np.flatnonzero(~inside.reshape(len(levels), -1).all(axis=1)):
        value = values[row][~inside[row]][0]
        bad[int(row)] = f"a pixel is {value}; must be within 0..{255 / scale:g}, as the others are"
        levels[row] = 0
    return _sized(levels.astype(np.uint8), shape), bad


def _sized(images: Pixels, shape: tuple[int, int, int]) -> Pixels:
    if images.shape[1:] == shape:
        return images
    assert shape[0] == shape[1]
    return resize_images(images, shape[0])


def _opened(blob: bytes | None, path: str | None, root: Path | None) -> Image.Image:
    """The image, its header read, no pixel decoded."""
    return open_image(_from_root(path, root) if blob is None else blob)


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


def _pixels(image: Image.Image, shape: tuple[int, int, int], ground: int) -> Pixels:
    height, width, channels = shape
    seen = shown(image, "L" if channels == 1 else "RGB", ground, (width, height))
    if seen.size != (width, height):
        seen = seen.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(seen, np.uint8).reshape(shape)
