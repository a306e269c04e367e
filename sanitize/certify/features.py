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
_ORIENTATIONS = 9  # scikit-image's default


@dataclass(frozen=True)
class Features:
    """The features of N rows.

    kind    "hog", "raw" (pixels) or "vector"
    values  uint8 [N, D] for images, float32 [N, D] for vectors
    scale   what a difference of 1 in the features' own unit is in `values`: 255 for images, 1 for vectors. A radius is
            given in the features' own unit
    """

    kind: str
    values: NDArray[Any]
    scale: float


def compute(table: Table, kind: str) -> Features:
    """The features of every row.

    table    N rows
    kind     "hog" or "raw"; vectors and numeric columns have no gradients and are always taken as they are
    Returns  Features. hog: scikit-image's defaults (9 orientations, cells of 8 x 8 pixels, blocks of 3 x 3 cells,
             L2-Hys: 28 x 28 -> 81 values), each 0..1 rounded to 1/255; images with a side under 24 pixels cannot hold
             3 cells of 8, and get cells of side // 3 pixels. raw: the pixels 0..255
    Raises   BadParams: another kind, or images too small for hog
    """
    if kind not in ("hog", "raw"):
        raise BadParams(f"certify.features is {kind!r}; must be 'hog' or 'raw'")
    if table.modality != "image":
        return Features("vector", table.inputs, 1.0)
    if kind == "raw":
        return Features("raw", table.inputs.reshape(len(table), -1), float(_LEVELS))
    return Features("hog", _hog(table.inputs), float(_LEVELS))


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


def _hog(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from skimage.feature import hog  # a quarter of a second, which raw pixels and vectors need not pay

    _, height, width, channels = images.shape
    cell = cell_size(height, width)
    blocks = (height // cell - _BLOCK + 1) * (width // cell - _BLOCK + 1)
    values = np.empty((len(images), blocks * _BLOCK * _BLOCK * _ORIENTATIONS), np.uint8)
    for row, image in enumerate(images):
        found = hog(
            image[..., 0] if channels == 1 else image,
            orientations=_ORIENTATIONS,
            pixels_per_cell=(cell, cell),
            cells_per_block=(_BLOCK, _BLOCK),
            block_norm="L2-Hys",
            channel_axis=None if channels == 1 else -1,
        )
        values[row] = np.rint(found * _LEVELS)
    return values
