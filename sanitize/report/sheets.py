"""Many small pictures in a few: tiles side by side in PNG sheets of our own making, within a number of bytes."""

# n pictures, H x W pixels, K channels
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sanitize.data.images import Pixels
from sanitize.report.pictures import data_uri, resized, within

SIDES = (96, 64, 48, 32, 24, 16, 12)  # pixels of a tile's longer side
ACROSS = 16  # tiles side by side, and below each other
HOPED = 8  # PNG makes a picture about so many times smaller, at best


@dataclass(frozen=True)
class Sheets:
    """Tiles in sheets, ACROSS * ACROSS in each, row by row.

    height, width  of a tile
    sources        data: URIs
    tiles          how many there are
    """

    height: int
    width: int
    sources: list[str]
    tiles: int

    def plain(self) -> dict[str, Any]:
        """What the page's script takes."""
        return {"height": self.height, "width": self.width, "across": ACROSS, "sources": self.sources}


def tile_shape(shape: tuple[int, int, int], pictures: int, most_bytes: int) -> tuple[int, int] | None:
    """Height and width at which so many pictures may fit into so many bytes; None = at none do all of them.

    shape  of the pictures: H, W, K
    """
    for side in SIDES:
        height, width = within(shape[:2], side)
        if pictures * height * width * shape[2] <= HOPED * most_bytes:
            return height, width
    return None


def smaller(shape: tuple[int, int]) -> tuple[int, int] | None:
    """The next smaller tile; None = there is none."""
    side = next((side for side in SIDES if side < max(shape)), None)
    return None if side is None else within(shape, side)


def in_sheets(pictures: list[Pixels], most_bytes: int) -> Sheets:
    """Put pictures of one shape into sheets.

    pictures    uint8 [H, W, 1 or 3] each, the ones that matter most first
    most_bytes  of all sources together; where it takes that, pictures shrink, and the last ones are left out
    """
    if not pictures:
        return Sheets(1, 1, [], 0)
    shape = (pictures[0].shape[0], pictures[0].shape[1])
    while True:
        sources = _encoded(pictures)
        if sum(map(len, sources)) <= most_bytes:
            return Sheets(*shape, sources, len(pictures))
        less = smaller(shape)
        if less is None:
            break
        shape = less
        pictures = [resized(picture, shape) for picture in pictures]
    fitting, size = 0, 0
    for source in sources:
        size += len(source)
        fitting += size <= most_bytes
    return Sheets(*shape, sources[:fitting], min(len(pictures), fitting * ACROSS * ACROSS))


def _encoded(pictures: list[Pixels]) -> list[str]:
    per = ACROSS * ACROSS
    return [data_uri(_sheet(pictures[first : first + per])) for first in range(0, len(pictures), per)]


def _sheet(pictures: list[Pixels]) -> Pixels:
    height, width, channels = pictures[0].shape
    down, across = -(-len(pictures) // ACROSS), min(ACROSS, len(pictures))
    sheet = np.zeros((down * height, across * width, channels), np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // ACROSS * height, place % ACROSS * width
        sheet[top : top + height, left : left + width] = picture
    return sheet
