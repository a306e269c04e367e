"""Watermark backdoor, dirty labels: a small picture laid over a corner. WATERMARK, Jin et al. 2023, appendix B.

A picture of 8 x 8 pixels, upper left, 80% opaque, on a share of the source class, whose labels become the target's; at
test time on every image of the source class. The paper names its pictures but does not print them; these are ours.
"""

# N rows, n images, H x W pixels, K channels, h x w the picture
from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sanitize.attacks.backdoor import OneToOne, one_to_one
from sanitize.attacks.base import Poisoned, Trigger
from sanitize.attacks.canvas import Position, in_channels, mix, need_images, opacity_steps, place
from sanitize.data.images import Pixels
from sanitize.data.table import BoolArray, Table
from sanitize.errors import BadParams

_COLORS = {
    "#": (0, 0, 0),
    "W": (255, 255, 255),
    "g": (160, 160, 160),
    "R": (230, 30, 30),
    "G": (40, 200, 60),
    "B": (40, 70, 230),
    "M": (220, 60, 220),
    "Y": (250, 220, 40),
}
_CLEAR = "."
_PICTURES = {  # dark and bright side by side, so that each is seen on any background
    "peace": "..WWWW.. .W#WW#W. W##WW##W W##WW##W W#WWWW#W WW#WW#WW .W#WW#W. ..WWWW..",
    "letter": "WWWWWWWW WWW##WWW WW#WW#WW WW#WW#WW W######W W#WWWW#W W#WWWW#W WWWWWWWW",
    "holes": "ggg..... g#g..ggg ggg..g#g .....ggg ........ ..ggg... ..g#g... ..ggg...",
    "colors": ".RR..GG. RRRRGGGG RRRYYGGG .RYYYYG. .BYYYYM. BBBYYMMM BBBBMMMM .BB..MM.",
}


class TriggerOptions(BaseModel):
    """The trigger's own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    picture: Literal["peace", "letter", "holes", "colors"] = Field(
        "peace", description="peace sign, letter A, three bullet holes, or a colourful patch; 8 x 8 pixels"
    )
    opacity: float = Field(0.8, gt=0, le=1, description="the picture's part in the pixels that it covers, 0..1")
    position: Position = Field([0, 0], description="[row, column] of its upper left pixel, from 0; or random")
    scale: int = Field(1, ge=1, le=64, description="pixels along each side of one of the picture's pixels")


class Options(OneToOne, TriggerOptions):
    """The keys of `attack` in params.yaml when its name is watermark."""


def poison(
    train: Table, test: Table, options: Options, seed: int, free: BoolArray | None = None, key: str = "attack"
) -> Poisoned:
    """Lay the picture over a share of the source class and relabel those rows.

    train, test  images, same size and channels
    options      see Options
    seed         the run's seed; streams (seed, "attack", "watermark", "rows" | "position")
    free, key    see base.Attack
    Returns      Poisoned: round(share x rows of the source class) rows; triggered = all test rows of the source class
    Raises       as backdoor.one_to_one and `trigger`
    """

    def draw(carriers: BoolArray) -> Trigger:
        return trigger(train, carriers, options, seed, key)

    return one_to_one(train, test, options, draw, seed, "watermark", free, key)


def trigger(train: Table, carriers: BoolArray, options: TriggerOptions, seed: int, key: str) -> Trigger:
    """The picture and its place, drawn once for the whole attack.

    train     images; on one channel the picture becomes grey
    carriers  not used
    options   see TriggerOptions; opacity in steps of 1/65536
    seed      the run's seed; stream (seed, "attack", "watermark", "position")
    key       what messages call the section
    Returns   uint8 [n, H, W, K] -> a copy with the picture over it, rounded half upwards
    Raises    BadParams: no images, or a picture that does not fit
    """
    need_images(train, key, "watermark", "a watermark")
    colors, covers = picture(options.picture, options.scale)
    height, width, channels = train.inputs.shape[1:]
    side = len(colors)
    if side > min(height, width):
        most = min(height, width) * options.scale // side
        raise BadParams(
            f"{key}.scale is {options.scale}, which makes the watermark {side} x {side} pixels; the images have "
            f"{height} x {width}; " + (f"must be at most {most}" if most else "use larger images or another trigger")
        )
    row, column = place(options.position, (side, side), (height, width), seed, "watermark", key)
    box = (slice(None), slice(row, row + side), slice(column, column + side))
    layer = in_channels(colors, channels)
    weight = covers[:, :, None] * np.int32(opacity_steps(options.opacity))

    def marked(images: NDArray[Any]) -> NDArray[Any]:
        stamped = images.copy()
        stamped[box] = mix(images[box], layer, weight)
        return stamped

    return marked


def picture(name: str, scale: int = 1) -> tuple[Pixels, BoolArray]:
    """One of the four pictures.

    name     peace, letter, holes or colors
    scale    pixels along each side of one of its 8 x 8 pixels
    Returns  uint8 [8 x scale, 8 x scale, 3], and bool [8 x scale, 8 x scale]: the pixels that are not transparent
    """
    drawn = [list(line) for line in _PICTURES[name].split()]
    covers = np.array([[pixel != _CLEAR for pixel in line] for line in drawn])
    colors = np.array([[_COLORS.get(pixel, (0, 0, 0)) for pixel in line] for line in drawn], np.uint8)
    return colors.repeat(scale, axis=0).repeat(scale, axis=1), covers.repeat(scale, axis=0).repeat(scale, axis=1)
