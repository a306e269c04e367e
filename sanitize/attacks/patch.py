"""Patch backdoor, dirty labels: tables -> rows of the source class with a trigger and the target label.

The papers' DLBD (Jin et al. 2023, appendix B; BadNets, Gu et al. 2017): a small shape of one colour, at one place for
the whole attack, pasted on a share of the source class, whose labels become the target's. At test time every image of
the source class gets the trigger.
"""

# N rows, n images, M poisoned rows, H x W pixels, K channels, h x w the trigger's box
from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sanitize.attacks.backdoor import OneToOne, one_to_one
from sanitize.attacks.base import Poisoned, Trigger
from sanitize.attacks.canvas import Position, need_images, place
from sanitize.data.seeds import stream
from sanitize.data.table import BoolArray, Table
from sanitize.errors import BadParams

Shape = Literal["pixel", "L", "X", "checkerboard", "square"]
Level = Annotated[int, Field(strict=True, ge=0, le=255)]
_CONTRAST = 128  # levels that a random grey keeps from the pixels that it covers: half of the range
_BLACK, _WHITE = 0, 255


class TriggerOptions(BaseModel):
    """The trigger's own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shape: Shape = Field("checkerboard", description="drawn inside size x size pixels; pixel is always 1 x 1")
    size: int = Field(3, ge=1, le=256, description="height and width of the shape, pixels")
    color: Literal["random"] | list[Level] = Field("random", description="or one level 0..255 per channel")
    position: Position = Field("random", description="or [row, column] of the shape's upper left pixel, from 0")


class Options(OneToOne, TriggerOptions):
    """The keys of `attack` in params.yaml when its name is patch."""


def poison(
    train: Table, test: Table, options: Options, seed: int, free: BoolArray | None = None, key: str = "attack"
) -> Poisoned:
    """Paste the trigger on a share of the source class and relabel those rows.

    train, test  images, same size and channels
    options      see Options
    seed         the run's seed; streams (seed, "attack", "patch", "rows" | "position" | "color")
    free, key    see base.Attack
    Returns      Poisoned: round(share x rows of the source class) rows; triggered = all test rows of the source class
    Raises       BadParams: no images, unknown or equal classes, a share below one row, a trigger that does not fit, a
                 colour with another number of channels; BadInput: test images or classes unlike the training set's
    Paper        DLBD: 1-to-1, shapes inside 3 x 3, anywhere that it fits, random colour. Deviation: see `_color`
    """

    def draw(carriers: BoolArray) -> Trigger:
        return trigger(train, carriers, options, seed, key)

    return one_to_one(train, test, options, draw, seed, "patch", free, key)


def trigger(train: Table, carriers: BoolArray, options: TriggerOptions, seed: int, key: str) -> Trigger:
    """The shape, its place and its colour, drawn once for the whole attack.

    train     images
    carriers  bool [N], training rows that may carry it; a random grey keeps away from what it covers there
    options   see TriggerOptions
    seed, key  see `poison`
    Returns   uint8 [n, H, W, K] -> a copy with the shape on it
    Raises    BadParams: no images, a trigger that does not fit, a colour with another number of channels
    """
    need_images(train, key, "patch", "a patch")
    mask = shape_mask(options.shape, options.size)
    height, width = train.inputs.shape[1:3]
    if min(height - mask.shape[0], width - mask.shape[1]) < 0:
        raise BadParams(
            f"{key}.size is {options.size}; the images have {height} x {width} pixels; "
            f"must be at most {min(height, width)}"
        )
    row, column = place(options.position, (mask.shape[0], mask.shape[1]), (height, width), seed, "patch", key)
    box = (slice(None), slice(row, row + mask.shape[0]), slice(column, column + mask.shape[1]))
    patch = _patch(options, mask, train.inputs[box][carriers], seed, key)

    def stamp(images: NDArray[Any]) -> NDArray[Any]:
        stamped = images.copy()
        stamped[box][:, mask] = patch[mask]
        return stamped

    return stamp


def shape_mask(shape: Shape, size: int = 3) -> BoolArray:
    """The pixels that a shape covers.

    shape    pixel: one; L: left column and lowest row; X: both diagonals; checkerboard, square: the whole box
    size     height and width of the box, pixels; pixel is 1 x 1 whatever the size
    Returns  bool [h, w]
    """
    if shape == "pixel":
        return np.ones((1, 1), bool)
    mask = np.zeros((size, size), bool)
    if shape == "L":
        mask[:, 0] = mask[-1, :] = True
    elif shape == "X":
        mask |= np.eye(size, dtype=bool) | np.eye(size, dtype=bool)[::-1]
    else:
        mask[:] = True
    return mask


def _patch(options: TriggerOptions, mask: BoolArray, covered: NDArray[Any], seed: int, key: str) -> NDArray[np.uint8]:
    """The box's pixels, uint8 [h, w, K]; only those under `mask` are used."""
    channels = covered.shape[3]
    if options.color == "random":
        white = options.shape == "checkerboard"
        color = np.full(channels, _WHITE, np.uint8) if white else _color(covered[:, mask], seed)
    elif len(options.color) != channels:
        raise BadParams(
            f"{key}.color is {options.color}; must have one level for each of the images' {channels} channels"
        )
    else:
        color = np.array(options.color, np.uint8)
    patch = np.broadcast_to(color, (*mask.shape, channels)).copy()
    if options.shape == "checkerboard":
        rows, columns = np.indices(mask.shape)
        patch[(rows + columns) % 2 == 1] = _BLACK  # the corners are bright
    return patch


def _color(covered: NDArray[Any], seed: int) -> NDArray[np.uint8]:
    """A random colour, uint8 [K]. Three channels: uniform, as in the paper.

    One channel: a uniform grey could be as dark as the background and thus no trigger at all, so the level is drawn
    uniformly from those at least 128 away from the median of the pixels that it covers in the training set's source
    class: 128..255 on black, 0..127 on white.
    """
    draw = stream(seed, "attack", "patch", "color")
    channels = int(covered.shape[-1])
    if channels != 1:
        return draw.integers(0, 256, channels).astype(np.uint8)
    median = int(np.median(covered))
    low, high = (median + _CONTRAST, _WHITE) if median < _CONTRAST else (_BLACK, median - _CONTRAST)
    return np.array([draw.integers(low, high + 1)], np.uint8)
