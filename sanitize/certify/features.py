"""What nearest neighbours compare. Table -> features in 8 bits (images) or float32 (vectors), row by row.

Every row's features depend on that row alone: no scale is learned from the training set, because an attacker who could
move the scale would change every distance, and no certificate that counts rows would hold.
Dalal and Triggs 2005 (histogram of oriented gradients); Jia et al. 2020 use it for their certificates.
"""

# N rows, D features, H x W pixels, K channels
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sanitize.data.table import Table
from sanitize.errors import BadParams

_LEVELS = 255  # 8 bits for the range 0..1
_CELL, _LEAST_CELL = 8, 2  # pixels; scikit-image's default, and the smallest that has gradients inside
_BLOCK = 3  # cells a side; scikit-image's default


@dataclass(frozen=True)
class Features:
    """The features of N rows.

    kind    "hog", "raw" (pixels) or "vector"
    values  uint8 [N, D] for images in 8 bits, else float32 [N, D]
    scale   what a difference of 1 in the features' own unit is in `values`: 255 for images in 8 bits, else 1. A radius
            is given in the features' own unit
    """

    kind: str
    values: NDArray[Any]
    scale: float


def compute(table: Table, kind: str, *, quantise: bool = True, threads: int | None = None) -> Features:
    """The features of every row.

    table     N rows
    kind      "hog" or "raw"; vectors and numeric columns have no gradients and are always taken as they are
    quantise  whether images' features are in 8 bits: distances are then whole numbers, and several times faster
    threads   for hog; None = one per usable core. The values are the same
    Returns   Features. hog: scikit-image's defaults (9 orientations, cells of 8 x 8 pixels, blocks of 3 x 3 cells,
              L2-Hys: 28 x 28 -> 81 values), each 0..1, rounded to 1/255 in 8 bits; images with a side under 24 pixels
              cannot hold 3 cells of 8, and get cells of side // 3 pixels. raw: the pixels, 0..255 in 8 bits, else 0..1
    Raises    BadParams: another kind, or images too small for hog
    """
    if kind not in ("hog", "raw"):
        raise BadParams(f"certify.features is {kind!r}; must be 'hog' or 'raw'")
    if table.modality != "image":
        return Features("vector", table.inputs, 1.0)
    scale = float(_LEVELS) if quantise else 1.0
    if kind == "raw":
        pixels = table.inputs.reshape(len(table), -1)
        return Features("raw", pixels if quantise else pixels.astype(np.float32) / np.float32(_LEVELS), scale)
    from sanitize.certify.hog import histograms  # compiles: half a second to import, which raw and vectors need not pay

    cell = cell_size(table.inputs.shape[1], table.inputs.shape[2])
    return Features("hog", histograms(table.inputs, cell, quantise=quantise, threads=threads), scale)


def cell_size(height: int, width: int) -> int:
    """Pixels a side of a cell: 8, or a third of the shorter side where that is less.

    Raises   BadParams: fewer than 6 pixels a side
    """
    cell = min(_CELL, min(height, width) // _BLOCK)
    if cell < _LEAST_CELL:
        raise BadParams(
            f"certify.features is 'hog'; the images have {height} x {width} pixels; hog needs at least "
            f"{_BLOCK * _LEAST_CELL} a side; use raw"
        )
    return cell
