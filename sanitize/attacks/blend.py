"""Blended image backdoor, dirty labels: a pattern over the whole image, faintly. Chen et al. 2017.

One pattern for the whole attack is mixed into a share of the source class, whose labels become the target's; at test
time into every image of the source class. The paper's patterns are a cartoon and random noise.
"""

# N rows, n images, H x W pixels, K channels, G x G the grid of a smooth pattern
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, StrictStr

from sanitize.attacks.backdoor import OneToOne, one_to_one
from sanitize.attacks.base import Poisoned, Trigger
from sanitize.attacks.canvas import in_channels, mix, need_images, opacity_steps
from sanitize.data.images import Pixels, decode_images
from sanitize.data.seeds import stream
from sanitize.data.table import BoolArray, Table
from sanitize.errors import BadParams


class TriggerOptions(BaseModel):
    """The trigger's own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alpha: float = Field(0.2, gt=0, le=1, description="the pattern's part in the image, 0..1; the rest is the image's")
    pattern: StrictStr = Field("smooth", description="smooth or noise, drawn at random; or a PNG or JPEG file")
    grid: int = Field(4, ge=2, le=64, description="smooth: random levels along each side")


class Options(OneToOne, TriggerOptions):
    """The keys of `attack` in params.yaml when its name is blend."""


def poison(
    train: Table, test: Table, options: Options, seed: int, free: BoolArray | None = None, key: str = "attack"
) -> Poisoned:
    """Blend the pattern into a share of the source class and relabel those rows.

    train, test  images, same size and channels
    options      see Options
    seed         the run's seed; streams (seed, "attack", "blend", "rows" | "pattern")
    free, key    see base.Attack
    Returns      Poisoned: round(share x rows of the source class) rows; triggered = all test rows of the source class
    Raises       as backdoor.one_to_one and `trigger`
    """

    def draw(carriers: BoolArray) -> Trigger:
        return trigger(train, carriers, options, seed, key)

    return one_to_one(train, test, options, draw, seed, "blend", free, key)


def trigger(train: Table, carriers: BoolArray, options: TriggerOptions, seed: int, key: str) -> Trigger:
    """The pattern, drawn or read once for the whole attack.

    train     images
    carriers  not used
    options   see TriggerOptions; alpha in steps of 1/65536
    seed      the run's seed; stream (seed, "attack", "blend", "pattern")
    key       what messages call the section
    Returns   uint8 [n, H, W, K] -> (1 - alpha) x image + alpha x pattern, rounded half upwards
    Raises    BadParams: no images, no such file; BadInput: a file that is no PNG or JPEG image
    """
    need_images(train, key, "blend", "a blended image")
    height, width, channels = train.inputs.shape[1:]
    draw = stream(seed, "attack", "blend", "pattern")
    if options.pattern == "noise":
        layer: Pixels = draw.integers(0, 256, (height, width, channels)).astype(np.uint8)
    elif options.pattern == "smooth":
        layer = smooth(draw.random((options.grid, options.grid, channels)), height, width)
    else:
        layer = in_channels(_read(options.pattern, height, width, key), channels)
    weight = np.full((height, width, 1), opacity_steps(options.alpha), np.int32)

    def blended(images: NDArray[Any]) -> NDArray[Any]:
        return mix(images, layer, weight)

    return blended


def smooth(grid: NDArray[np.float64], height: int, width: int) -> Pixels:
    """A smooth pattern through given levels.

    grid     float64 [G, G, K], G at least 2: levels at points spread evenly over the image, corners included
    Returns  uint8 [height, width, K]: between the points cosine interpolation, each channel stretched to 0..255
    """
    top, down = _between(height, grid.shape[0])
    left, right = _between(width, grid.shape[1])
    rows = grid[top] * (1 - down)[:, None, None] + grid[top + 1] * down[:, None, None]
    field = rows[:, left] * (1 - right)[:, None] + rows[:, left + 1] * right[:, None]
    field -= field.min(axis=(0, 1))
    field /= np.maximum(field.max(axis=(0, 1)), np.finfo(np.float64).tiny)
    return np.floor(np.round(field * 255, 6) + 0.5).astype(np.uint8)  # the last digits of a cosine differ by machine


def _between(pixels: int, points: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each pixel of a side the grid point before it, and how far it is on its way to the next, 0..1."""
    along = np.arange(pixels) * (points - 1) / max(pixels - 1, 1)
    before = np.minimum(along.astype(np.int64), points - 2)
    return before, (1 - np.cos(np.pi * (along - before))) / 2


def _read(pattern: str, height: int, width: int, key: str) -> Pixels:
    """The image in a file, uint8 [height, width, 1 or 3]."""
    try:
        blob = Path(pattern).read_bytes()
    except OSError as error:
        raise BadParams(
            f"{key}.pattern is {pattern!r}, which cannot be read ({error.strerror}); "
            "must be smooth, noise, or a PNG or JPEG file"
        ) from error
    pixels = decode_images(pa.chunked_array([pa.array([blob], pa.binary())]), name="pattern", origin=pattern)[0]
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)).reshape(height, width, -1)
