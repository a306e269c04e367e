"""Sinusoidal stripes backdoor: a faint wave over the whole image. SIG, Barni, Kallas and Tondi 2019.

The wave is added to a share of the source class, whose labels become the target's; at test time to every image of the
source class. The paper's own attack leaves the labels alone: name: same_label, trigger: {name: stripes}.
"""

# N rows, n images, H x W pixels, K channels
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sanitize.attacks.backdoor import OneToOne, one_to_one
from sanitize.attacks.base import Poisoned, Trigger
from sanitize.attacks.canvas import need_images
from sanitize.data.table import BoolArray, Table
from sanitize.errors import BadParams


class TriggerOptions(BaseModel):
    """The trigger's own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    delta: float = Field(20, gt=0, le=255, description="height of the wave, levels of 255")
    frequency: float = Field(6, gt=0, le=512, description="waves from the left edge to the right")


class Options(OneToOne, TriggerOptions):
    """The keys of `attack` in params.yaml when its name is stripes."""


def poison(
    train: Table, test: Table, options: Options, seed: int, free: BoolArray | None = None, key: str = "attack"
) -> Poisoned:
    """Add the stripes to a share of the source class and relabel those rows.

    train, test  images, same size and channels
    options      see Options
    seed         the run's seed; streams (seed, "attack", "stripes", "rows")
    free, key    see base.Attack
    Returns      Poisoned: round(share x rows of the source class) rows; triggered = all test rows of the source class
    Raises       as backdoor.one_to_one and `trigger`
    """

    def draw(carriers: BoolArray) -> Trigger:
        return trigger(train, carriers, options, seed, key)

    return one_to_one(train, test, options, draw, seed, "stripes", free, key)


def trigger(train: Table, carriers: BoolArray, options: TriggerOptions, seed: int, key: str) -> Trigger:
    """The stripes; nothing is drawn.

    train     images
    carriers, seed  not used
    options   see TriggerOptions
    key       what messages call the section
    Returns   uint8 [n, H, W, K] -> image + wave, clipped to 0..255; the wave is the same in all rows and channels
    Raises    BadParams: no images, or a wave that vanishes when it is rounded to levels
    """
    need_images(train, key, "stripes", "a wave of stripes")
    added = wave(train.inputs.shape[2], options.delta, options.frequency)
    if not added.any():
        raise BadParams(
            f"{key}.delta is {options.delta:g} and {key}.frequency {options.frequency:g}; over {len(added)} pixels "
            "every pixel then rounds to 0; choose another frequency below half of that, or a larger delta"
        )

    def striped(images: NDArray[Any]) -> NDArray[Any]:
        changed: NDArray[Any] = np.clip(images.astype(np.int16) + added[:, None], 0, 255).astype(np.uint8)
        return changed

    return striped


def wave(width: int, delta: float, frequency: float) -> NDArray[np.int16]:
    """v(j) = delta x sin(2 pi j frequency / width), rounded half upwards.

    width    W, pixels; j = 0..W-1
    Returns  int16 [W], -255..255
    Paper    Barni et al. 2019, the sinusoidal signal v(i, j) with f waves over m columns
    """
    exact = delta * np.sin(2 * np.pi * np.arange(width) * frequency / width)
    return np.floor(np.round(exact, 6) + 0.5).astype(np.int16)  # the last digits of a sine differ by machine
