"""Images: pixels that have one value in nearly all rows of a group, and other values elsewhere."""

# N images, H x W pixels, C channels, P pixels that tell
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sanitize.data.table import BoolArray, IntArray
from sanitize.evidence.base import Compared, Region

LEVELS = 8  # of 255 by which equal values may differ: compression, noise
AGREE = 0.8  # part of the group that has a pixel's value
APART = 0.5  # by which that is more than the part of others
MOST_PIXELS = 64
OF_THEM = 0.9  # part of the pixels that a row must have
AT_ONCE = 1 << 24  # values that are compared at a time


class EqualPixels(NamedTuple):
    """Pixels and their values: int64 [P, 2] (row, column), int16 [P, C]."""

    place_P2: IntArray
    value_PC: NDArray[np.int16]


class Pixels:
    """Images of one size. See `base.View`.

    images  uint8 [N, H, W, C]
    """

    have = 0.8

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.images = images
        self.most = max(64, AT_ONCE // max(1, int(np.prod(images.shape[1:]))))

    def learn(self, rows: Compared) -> EqualPixels | None:
        """See `base.View`."""
        few = Compared(*(_spread(part, self.most) for part in rows))
        value_HWC = np.rint(np.median(self.images[few.group], axis=0)).astype(np.int16)
        group_HW, *others = (self._agree(part, value_HWC).mean(axis=0) for part in few)
        apart_HW = group_HW - np.maximum(*others)
        apart_HW[(group_HW < AGREE) | (apart_HW < APART)] = -1
        best = np.argsort(-apart_HW, axis=None, kind="stable")[:MOST_PIXELS]
        best = np.sort(best[apart_HW.ravel()[best] > 0])
        if not len(best):
            return None
        place_P2 = np.stack(np.unravel_index(best, apart_HW.shape), axis=1)
        return EqualPixels(place_P2, value_HWC[place_P2[:, 0], place_P2[:, 1]])

    def _agree(self, rows: IntArray, value_HWC: NDArray[np.int16]) -> BoolArray:
        near: BoolArray = (np.abs(self.images[rows].astype(np.int16) - value_HWC) <= LEVELS).all(axis=-1)
        return near

    def has(self, shared: EqualPixels, rows: IntArray) -> BoolArray:
        """See `base.View`."""
        row_P, column_P = shared.place_P2.T
        pixel_nPC = self.images[rows[:, None], row_P, column_P].astype(np.int16)
        share_n = (np.abs(pixel_nPC - shared.value_PC) <= LEVELS).all(axis=-1).mean(axis=1)
        found: BoolArray = share_n >= OF_THEM
        return found

    def natural(self, shared: Any, label_N: IntArray, label: int, holders: IntArray) -> bool:
        """See `base.View`: images have no neighbours."""
        return False

    def words(self, shared: EqualPixels) -> str:
        """See `base.View`."""
        top, left, bottom, right = self.region(shared)
        return f"pixels {_span('row', top, bottom)}, {_span('column', left, right)} equal"

    def region(self, shared: EqualPixels) -> Region:
        """See `base.View`."""
        (top, left), (bottom, right) = shared.place_P2.min(axis=0).tolist(), shared.place_P2.max(axis=0).tolist()
        return top, left, bottom, right


def _spread(rows: IntArray, most: int) -> IntArray:
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _span(what: str, first: int, last: int) -> str:
    return f"{what} {first}" if first == last else f"{what}s {first}-{last}"
