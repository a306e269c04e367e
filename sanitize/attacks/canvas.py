"""What triggers on images share: where a box goes, mixing a layer over images, colours as greys. Integers only."""

# n images, H x W pixels, K channels, h x w the box
from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sanitize.data.images import Pixels
from sanitize.data.seeds import stream
from sanitize.data.table import Table
from sanitize.errors import BadParams

Offset = Annotated[int, Field(strict=True, ge=0)]
Position = Literal["random"] | Annotated[list[Offset], Field(min_length=2, max_length=2)]
ONE = 1 << 16  # opacity 1; integers are the same on every machine
_CHUNK = 256  # images mixed at once, so that their 32-bit copy stays small
_LUMA = (19595, 38470, 7471)  # ITU-R 601: 0.299, 0.587, 0.114 of 65536


def need_images(train: Table, key: str, name: str, what: str) -> None:
    """Raise BadParams unless the training set holds images. key, name, what: for the message."""
    if train.modality != "image":
        raise BadParams(f"{key}.name is {name!r}; the data are of modality {train.modality}; {what} needs images")


def place(
    position: Position, box: tuple[int, int], image: tuple[int, int], seed: int, name: str, key: str
) -> tuple[int, int]:
    """Row and column of a box's upper left pixel.

    position  as given, or "random": any place where the box fits, stream (seed, "attack", name, "position")
    box       h, w; not larger than the image
    image     H, W
    key       what messages call the section
    Raises    BadParams: the box does not fit there
    """
    room = (image[0] - box[0], image[1] - box[1])
    assert min(room) >= 0
    if position == "random":
        draw = stream(seed, "attack", name, "position")
        return int(draw.integers(room[0] + 1)), int(draw.integers(room[1] + 1))
    row, column = position
    if row > room[0] or column > room[1]:
        raise BadParams(
            f"{key}.position is [{row}, {column}]; a {box[0]} x {box[1]} trigger fits into "
            f"{image[0]} x {image[1]} pixels up to [{room[0]}, {room[1]}]"
        )
    return row, column


def opacity_steps(opacity: float) -> int:
    """An opacity 0..1 as a whole number of 1/65536."""
    return int(opacity * ONE + 0.5)


def mix(images: Pixels, layer: Pixels, weight: NDArray[np.int32]) -> Pixels:
    """A layer laid over images: (1 - w) x image + w x layer, rounded half upwards.

    images   uint8 [n, h, w, K]
    layer    uint8 [h, w, K]
    weight   int32 [h, w, 1], 0..65536 for w = 0..1
    Returns  uint8 [n, h, w, K], a new array
    """
    mixed = np.empty_like(images)
    over = layer.astype(np.int32) * weight + ONE // 2
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK].astype(np.int32)
        mixed[start : start + _CHUNK] = (chunk * (ONE - weight) + over) >> 16
    return mixed


def in_channels(picture: Pixels, channels: int) -> Pixels:
    """A picture with another number of channels: a colour's grey is its ITU-R 601 luma, a grey's colour is three of it.

    picture   uint8 [h, w, 1 or 3]
    channels  1 or 3
    Returns   uint8 [h, w, channels]
    """
    if picture.shape[2] == channels:
        return picture
    if channels == 3:
        return np.repeat(picture, 3, axis=2)
    luma = (picture.astype(np.int32) * np.array(_LUMA, np.int32)).sum(axis=2, keepdims=True) + ONE // 2
    grey: Pixels = (luma >> 16).astype(np.uint8)
    return grey
