"""What a group's images share, drawn: the mean of its rows, that of its class's kept rows, and the difference."""

# H x W pixels, K channels
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sanitize.data.images import Pixels
from sanitize.data.table import IntArray
from sanitize.manifest_file import Group
from sanitize.report.pictures import LONGEST, data_uri, resized, within
from sanitize.report.review_rows import Mean

AVERAGED = 300  # rows of a group, and of a class, whose mean is taken
MIDDLE = 128  # grey where two means are equal


@dataclass(frozen=True)
class Drawn:
    """Three images of one size, and where to look.

    height, width  of the images as the filter saw them, in which the box is told
    members, kept  the means, data: URIs
    difference     members minus kept, grey where they are equal
    rows, beside   of how many rows the means are
    box            (left, top, width, height); None = no region is known
    """

    height: int
    width: int
    members: str
    kept: str
    difference: str
    rows: int
    beside: int
    box: tuple[int, int, int, int] | None

    @property
    def size(self) -> int:
        """Characters of the images."""
        return len(self.members) + len(self.kept) + len(self.difference)


def spread(places: IntArray) -> IntArray:
    """At most AVERAGED of some positions, evenly over them."""
    if len(places) <= AVERAGED:
        return places
    chosen: IntArray = places[np.linspace(0, len(places) - 1, AVERAGED).astype(np.int64)]
    return chosen


def draw(group: Group, members: Mean, kept: Mean) -> Drawn | None:
    """The images; None where one of the means is of no rows."""
    if not (members.rows and kept.rows):
        return None
    height, width = members.value.shape[:2]
    apart = members.value - kept.value
    most = float(np.abs(apart).max()) or 1.0
    box = None
    if group.region is not None:
        top, left, bottom, right = group.region
        if bottom < height and right < width:
            box = (left, top, right - left + 1, bottom - top + 1)
    return Drawn(
        height,
        width,
        _drawn(members.value),
        _drawn(kept.value),
        _drawn(MIDDLE + apart * ((MIDDLE - 1) / most)),
        members.rows,
        kept.rows,
        box,
    )


def _drawn(levels: NDArray[Any]) -> str:
    pixels: Pixels = np.clip(np.round(levels), 0, 255).astype(np.uint8)
    return data_uri(resized(pixels, within((pixels.shape[0], pixels.shape[1]), LONGEST)))
