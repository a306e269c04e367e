"""Table: what every algorithm here works on. Rows with ids, inputs and labels; no truth about them."""

# N rows, C classes, D features, H x W pixels, K channels
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sanitize.errors import BadInput

Modality = Literal["image", "vector", "tabular"]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float32]


BLOCK = 1024  # rows that are compared at once


def refuse_constant(inputs: NDArray[Any], seen: str, origin: str) -> None:
    """Refuse inputs that are the same in all rows: nothing could be told from them.

    inputs  [N, ...]
    seen    what they are, in words
    Raises  BadInput: they are all the same, in two rows or more
    """
    blocks = (inputs[start : start + BLOCK] for start in range(0, len(inputs), BLOCK))
    if len(inputs) > 1 and all((block == inputs[:1]).all() for block in blocks):
        raise BadInput(
            f"{origin}: the inputs of all {len(inputs)} rows are the same, so that nothing can be told from them "
            f"({seen}); name other columns with --inputs, or write the rows again with their values"
        )


@dataclass(frozen=True)
class Table:
    """N rows of one data set, in memory.

    ids          int64 [N]: the row's number in the file that it came from; crosses stage borders. Unique, but for
                 triggered test rows: a row that two triggers use stands there twice
    inputs       images: uint8 [N, H, W, K] with K = 1 or 3; vectors and numeric columns: float32 [N, D], finite
    labels       int64 [N], 0..C-1
    class_names  C strings; label l is called class_names[l]
    modality     "image", "vector" or "tabular"
    Raises       BadInput: unequal lengths, labels outside 0..C-1, inputs of another shape or type, NaN
    """

    ids: IntArray
    inputs: NDArray[Any]
    labels: IntArray
    class_names: tuple[str, ...]
    modality: Modality

    def __post_init__(self) -> None:
        rows = len(self.labels)
        if not len(self.ids) == len(self.inputs) == rows:
            raise BadInput(
                f"a table needs one id, one input and one label per row; "
                f"got {len(self.ids)} ids, {len(self.inputs)} inputs, {rows} labels"
            )
        image = self.modality == "image"
        if image and (self.inputs.dtype != np.uint8 or self.inputs.ndim != 4 or self.inputs.shape[3] not in (1, 3)):
            raise BadInput(f"images must be uint8 [N, H, W, 1 or 3]; got {self.inputs.dtype} {list(self.inputs.shape)}")
        if not image and (self.inputs.dtype != np.float32 or self.inputs.ndim != 2):
            raise BadInput(f"features must be float32 [N, D]; got {self.inputs.dtype} {list(self.inputs.shape)}")
        if not image and not np.isfinite(self.inputs).all():
            row, column = (int(v) for v in np.argwhere(~np.isfinite(self.inputs))[0])
            raise BadInput(
                f"row {self.ids[row]}, feature {column} is {self.inputs[row, column]}; "
                f"must be finite; fill or drop such rows first"
            )
        if rows and (self.labels.min() < 0 or self.labels.max() >= len(self.class_names)):
            row = int(np.flatnonzero((self.labels < 0) | (self.labels >= len(self.class_names)))[0])
            raise BadInput(f"row {self.ids[row]} has label {self.labels[row]}; must be 0..{len(self.class_names) - 1}")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        """C, the number of classes that the table knows by name (a class may have no rows)."""
        return len(self.class_names)

    def take(self, positions: NDArray[Any]) -> Table:
        """The rows at `positions` (int64 [n], or bool [N]), in that order, with their own ids."""
        return replace(self, ids=self.ids[positions], inputs=self.inputs[positions], labels=self.labels[positions])
