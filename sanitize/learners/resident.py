"""A table's rows on the device that computes, once for all learners of a process: Table -> what a batch is cut from."""

# N rows, n of a batch, K channels, H x W pixels, P padding, D features
from __future__ import annotations

import threading
from typing import Any, Literal
from weakref import WeakValueDictionary, ref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sanitize.data.table import Table

STATISTICS = 10_000  # rows tell the mean to a hundredth of a deviation


class Resident:
    """The rows of a table where a device reads them; never written to.

    inputs           uint8 [N, H + 2P, W + 2P, K] with a border of zeros, or float32 [N, D]
    labels           int64 [N]
    pad              P, pixels; 0 for vectors
    mean, deviation  per channel or feature, float32 [K] or [D], in the units of the inputs; a deviation of 0 is told
                     as 1
    """

    def __init__(self, table: Table, device: torch.device, pad: int) -> None:
        self.image = table.modality == "image"
        self.shape: tuple[int, ...] = table.inputs.shape[1:]
        self.device = device
        self.pad = pad
        self.mean, self.deviation = self._statistics(table.inputs)
        inputs = torch.from_numpy(np.ascontiguousarray(table.inputs))
        if pad:  # once, so that a shifted crop is one gather
            inputs = functional.pad(inputs, (0, 0, pad, pad, pad, pad))
        self.inputs = inputs.to(device)
        if self.image:  # every shifted crop of every image, a view: [N, 2P + 1, 2P + 1, H, W, K]
            crops = self.inputs.unfold(1, self.shape[0], 1).unfold(2, self.shape[1], 1)
            self.windows = crops.permute(0, 1, 2, 4, 5, 3)
        self.labels = torch.from_numpy(np.ascontiguousarray(table.labels)).to(device)
        self.given = ref(table.inputs), ref(table.labels)

    def _statistics(self, inputs: NDArray[Any]) -> tuple[Tensor, Tensor]:
        axes = (0, 1, 2) if self.image else (0,)
        rows = inputs[:: max(1, len(inputs) // STATISTICS)]
        mean = rows.mean(axis=axes, dtype=np.float64)
        deviation = rows.std(axis=axes, dtype=np.float64)
        deviation = np.where(deviation > 0, deviation, 1.0)
        mean_K, deviation_K = (torch.tensor(v, dtype=torch.float32, device=self.device) for v in (mean, deviation))
        return mean_K, deviation_K

    def moved(self, flip: bool) -> bool:
        """Whether training moves these rows: images that are shifted, or turned left to right."""
        return self.image and (flip or self.pad > 0)

    def gathered(self, row_n: Tensor, move_n3: Tensor | None, flip: bool = False) -> Tensor:
        """The inputs of some rows, moved, as they lie: uint8 [n, H, W, K] or float32 [n, D].

        row   int64 [n], on the device
        move  int64 [n, 3], on the device: pixels down, pixels right, turned left to right or not; None = not moved. A
              shift is a window of the padded image
        flip  whether any may be turned
        """
        if not self.image:
            return self.inputs[row_n]
        pad = self.pad
        if move_n3 is None:
            whole = self.inputs[row_n]
            height, width, _ = self.shape
            return whole[:, pad : pad + height, pad : pad + width] if pad else whole
        moved = self.windows[row_n, move_n3[:, 0], move_n3[:, 1]]
        if flip:
            moved = torch.where(move_n3[:, 2].bool()[:, None, None, None], moved.flip(2), moved)
        return moved


_kept: WeakValueDictionary[tuple[int, int, torch.device, int], Resident] = WeakValueDictionary()
_one_by_one = threading.Lock()


def resident(table: Table, device: torch.device, crop: int | Literal["auto"]) -> Resident:
    """The rows of `table` on `device`: those that another learner of this process uses, or laid there now.

    crop  images are to be shifted by up to so many pixels; "auto" = a fourteenth of the shorter side
    """
    pad = 0
    if table.modality == "image":
        pad = min(table.inputs.shape[1:3]) // 14 if crop == "auto" else crop
    key = (id(table.inputs), id(table.labels), device, pad)
    with _one_by_one:
        known = _kept.get(key)
        if known is None or known.given[0]() is not table.inputs or known.given[1]() is not table.labels:
            known = _kept[key] = Resident(table, device, pad)
        return known
