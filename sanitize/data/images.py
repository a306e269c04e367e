"""Images: encoded bytes in a column -> one uint8 array, and back to PNG. As a viewer shows them, grey or RGB."""

# N rows, H x W pixels, K channels
from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from sanitize.data.decoder import Unreadable, open_image, plain_mode, shown
from sanitize.errors import BadInput

Pixels = NDArray[np.uint8]

CHANNELS = {"L": 1, "RGB": 3}


def decode_images(column: pa.ChunkedArray, *, name: str, origin: str, size: int | None = None) -> Pixels:
    """Decode a column of images of one size; see `decoder` for the formats and for what is shown of them.

    column   binary, or struct with a binary field `bytes` (a field `path` is never followed)
    name     the column's name, for messages
    origin   the file's name, for messages
    size     resize every image to size x size pixels, bilinear; None = all must have one size
    Returns  uint8 [N, H, W, K], K = 1 where all are grey and 3 where all have colours; no rows: [0, size or 1, ..., 1]
    Raises   BadInput: null, null bytes with a path, an image that cannot be read, several sizes or modes
    """
    pixels = np.empty((0, size or 1, size or 1, 1), np.uint8)
    mode, shape, row = "", (0, 0), 0
    for chunk in column.chunks:
        paths = _field(chunk, "path")
        blobs = _field(chunk, "bytes") if pa.types.is_struct(chunk.type) else chunk
        assert blobs is not None
        for position, blob in enumerate(blobs):
            where = f"{origin}: row {row}, column {name!r}"
            if not blob.is_valid:
                raise BadInput(_no_bytes(where, paths[position].as_py() if paths is not None else None))
            image = _decode(blob.as_py(), where, size)
            if not row:
                mode, shape = image.mode, image.size
                pixels = np.empty((len(column), image.height, image.width, CHANNELS[mode]), np.uint8)
            if image.mode != mode:
                raise BadInput(
                    f"{where}: image has mode {image.mode}, but row 0 has mode {mode}; "
                    f"all must have one mode; convert them all to RGB, or all to L"
                )
            if image.size != shape:
                raise BadInput(
                    f"{where}: image has {image.width} x {image.height} pixels, but row 0 has "
                    f"{shape[0]} x {shape[1]}; all must have one size; "
                    f"set data.image_size (--image-size) to resize them"
                )
            pixels[row] = np.frombuffer(image.tobytes(), np.uint8).reshape(pixels.shape[1:])
            row += 1
    return pixels


def _field(chunk: pa.Array, name: str) -> pa.Array | None:
    """A struct's field, null where the struct is null; None where there is no such field."""
    if not pa.types.is_struct(chunk.type) or chunk.type.get_field_index(name) < 0:
        return None
    return pc.struct_field(chunk, name)


def _no_bytes(where: str, path: str | None) -> str:
    if path is None:
        return f"{where}: image is null; fill or drop such rows first"
    return (
        f"{where}: bytes is null and path is {path!r}; files are never opened by their path; "
        f"store the image's bytes in the column"
    )


def _decode(blob: bytes, where: str, size: int | None) -> Image.Image:
    try:
        with open_image(blob) as opened:
            image = shown(opened, plain_mode(opened))
    except Unreadable as error:
        raise BadInput(f"{where}: {error}; mend or drop such rows first") from error
    if size is not None and image.size != (size, size):
        return image.resize((size, size), Image.Resampling.BILINEAR)
    return image


def resize_images(images: Pixels, size: int | None) -> Pixels:
    """Images resized to size x size pixels, bilinear.

    images   uint8 [N, H, W, 1 or 3]
    size     pixels; None = as they are
    Returns  uint8 [N, size, size, K]
    """
    if size is None or images.shape[1:3] == (size, size):
        return images
    resized = np.empty((len(images), size, size, images.shape[3]), np.uint8)
    for row, image in enumerate(images):
        small = _picture(image).resize((size, size), Image.Resampling.BILINEAR)
        resized[row] = np.asarray(small).reshape(resized.shape[1:])
    return resized


def encode_images(images: Pixels) -> pa.Array:
    """Encode as PNG.

    images   uint8 [N, H, W, 1 or 3]
    Returns  binary [N]; `decode_images` gives the same pixels back
    """
    return pa.array([encode_image(_picture(image)) for image in images], pa.binary())


def encode_image(image: Image.Image) -> bytes:
    """One image of mode L or RGB as PNG; the same pixels give the same bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _picture(image: Pixels) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image[:, :, 0] if image.shape[2] == 1 else image))
