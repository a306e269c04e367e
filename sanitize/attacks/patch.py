"""Patch backdoor, dirty labels: tables -> rows of the source class with a trigger and the target label.

The papers' DLBD (Jin et al. 2023, appendix B; BadNets, Gu et al. 2017): a small shape of one colour, at one place for
the whole attack, pasted on a share of the source class, whose labels become the target's. At test time every image of
the source class gets the trigger.
"""

# N rows, M poisoned rows, H x W pixels, K channels, h x w the trigger's box
from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from sanitize.attacks.base import Poisoned
from sanitize.attacks.select import class_index, rows_of_class
from sanitize.data.seeds import stream
from sanitize.data.table import BoolArray, Table
from sanitize.errors import BadInput, BadParams

Shape = Literal["pixel", "L", "X", "checkerboard", "square"]
Level = Annotated[int, Field(strict=True, ge=0, le=255)]
Offset = Annotated[int, Field(strict=True, ge=0)]
_CONTRAST = 128  # levels that a random grey keeps from the pixels that it covers: half of the range
_BLACK, _WHITE = 0, 255


class Options(BaseModel):
    """The keys of `attack` in params.yaml when its name is patch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: StrictInt | StrictStr = Field(description="class whose images get the trigger: name or label")
    target: StrictInt | StrictStr = Field(description="class that the attacker wants for them: name or label")
    share: float = Field(0.1, ge=0, le=1, description="part of the source class that is poisoned, 0..1")
    shape: Shape = Field("checkerboard", description="drawn inside size x size pixels; pixel is always 1 x 1")
    size: int = Field(3, ge=1, le=256, description="height and width of the shape, pixels")
    color: Literal["random"] | list[Level] = Field("random", description="or one level 0..255 per channel")
    position: Literal["random"] | Annotated[list[Offset], Field(min_length=2, max_length=2)] = Field(
        "random", description="or [row, column] of the shape's upper left pixel, from 0"
    )


def poison(train: Table, test: Table, options: Options, seed: int) -> Poisoned:
    """Paste the trigger on a share of the source class and relabel those rows.

    train, test  images, same size and channels
    options      see Options
    seed         the run's seed; streams (seed, "attack", "patch", "rows" | "position" | "color")
    Returns      Poisoned: round(share x rows of the source class) rows; triggered = all test rows of the source class
    Raises       BadParams: no images, unknown or equal classes, a share below one row, a trigger that does not fit, a
                 colour with another number of channels; BadInput: test images or classes unlike the training set's
    Paper        DLBD: 1-to-1, shapes inside 3 x 3, anywhere that it fits, random colour. Deviation: see `_color`
    """
    if train.modality != "image":
        raise BadParams(f"attack.name is 'patch'; the data are of modality {train.modality}; a patch needs images")
    if len(test) and test.inputs.shape[1:] != train.inputs.shape[1:]:
        raise BadInput(
            f"test images are {list(test.inputs.shape[1:])}, training images {list(train.inputs.shape[1:])} "
            "(height, width, channels); must be the same; data.image_size resizes both"
        )
    if len(test) and test.class_names != train.class_names:
        raise BadInput(
            f"the test set's classes are {', '.join(test.class_names)}, the training set's "
            f"{', '.join(train.class_names)}; must be the same, in the same order"
        )
    source = class_index(train, options.source, "attack.source")
    target = class_index(train, options.target, "attack.target")
    if source == target:
        raise BadParams(
            f"attack.source and attack.target are both class {train.class_names[source]}; must differ; "
            "choose another target"
        )
    positions = rows_of_class(train, source, options.share, seed, "patch")
    mask = shape_mask(options.shape, options.size)
    row, column = _place(options, mask, train.inputs.shape[1:3], seed)
    box = (slice(None), slice(row, row + mask.shape[0]), slice(column, column + mask.shape[1]))
    patch = _patch(options, mask, train.inputs[train.labels == source][box], seed)

    inputs = train.inputs[positions]
    triggered = test.take(np.flatnonzero(test.labels == source))
    stamped = triggered.inputs.copy()
    for images in (inputs, stamped):
        if len(images):
            images[box][:, mask] = patch[mask]
    return Poisoned(
        positions,
        inputs,
        np.full(len(positions), target, np.int64),
        Table(triggered.ids, stamped, triggered.labels, test.class_names, test.modality),
        np.full(len(triggered), target, np.int64),
    )


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


def _place(options: Options, mask: BoolArray, image: tuple[int, ...], seed: int) -> tuple[int, int]:
    """Row and column of the box's upper left pixel: drawn once for the whole attack, or as given."""
    room = (image[0] - mask.shape[0], image[1] - mask.shape[1])
    if min(room) < 0:
        raise BadParams(
            f"attack.size is {options.size}; the images have {image[0]} x {image[1]} pixels; "
            f"must be at most {min(image[:2])}"
        )
    if options.position == "random":
        draw = stream(seed, "attack", "patch", "position")
        return int(draw.integers(room[0] + 1)), int(draw.integers(room[1] + 1))
    row, column = options.position
    if row > room[0] or column > room[1]:
        raise BadParams(
            f"attack.position is [{row}, {column}]; a {mask.shape[0]} x {mask.shape[1]} trigger fits into "
            f"{image[0]} x {image[1]} pixels up to [{room[0]}, {room[1]}]"
        )
    return row, column


def _patch(options: Options, mask: BoolArray, covered: NDArray[Any], seed: int) -> NDArray[np.uint8]:
    """The box's pixels, uint8 [h, w, K]; only those under `mask` are used."""
    channels = covered.shape[3]
    if options.color == "random":
        white = options.shape == "checkerboard"
        color = np.full(channels, _WHITE, np.uint8) if white else _color(covered[:, mask], seed)
    elif len(options.color) != channels:
        raise BadParams(
            f"attack.color is {options.color}; must have one level for each of the images' {channels} channels"
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
