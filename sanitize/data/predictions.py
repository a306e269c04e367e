"""Somebody's own out-of-sample class probabilities for every row: a .npy file, or a parquet file -> one more voter."""

# N rows, C classes, n rows asked for
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sanitize.data.features import decode_numeric, decode_vectors
from sanitize.data.parquet import read_arrow
from sanitize.data.table import FloatArray, IntArray
from sanitize.errors import BadInput
from sanitize.io.regular import refuse_irregular


class Predictions:
    """Class probabilities by row.

    values  floats [N, C], maybe in a file that is only mapped into memory
    chosen  int64, the columns of the classes that are judged
    """

    def __init__(self, values: NDArray[Any], chosen: IntArray, name: str) -> None:
        self.values, self.chosen, self.name = values, chosen, name

    def rows(self, positions: IntArray) -> FloatArray:
        """float32 [n, judged classes], adding up to 1. BadInput: below 0, not finite, or nothing but zeros."""
        said: FloatArray = np.asarray(self.values[positions], np.float32)[:, self.chosen]
        total_n = said.sum(axis=1, dtype=np.float64)
        wrong = np.flatnonzero(~(np.isfinite(total_n) & (said >= 0).all(axis=1) & (total_n > 0)))
        if len(wrong):
            raise BadInput(
                f"{self.name}: row {positions[wrong[0]]} is {said[wrong[0]][:10].tolist()}; must be probabilities: at "
                f"least 0, finite, one above 0"
            )
        whole: FloatArray = said / total_n[:, None].astype(np.float32)
        return whole


def read_predictions(path: Path, rows: int, classes: Sequence[str], judged: Sequence[str]) -> Predictions:
    """Open somebody's predictions.

    path     .npy (floats [N, C]); or parquet with one list column, or with one column per class, called as the class
    rows     N of the input
    classes  all C class names, in the order of the probabilities of a .npy file or a list
    judged   those that are judged
    Raises   BadInput: no such file, cannot be read, other numbers of rows or classes
    """
    if path.suffix == ".npy":
        refuse_irregular(path, "a .npy file")
        try:
            values = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise BadInput(
                f"{path}: cannot be read as .npy ({error}); write it with numpy.save, floats [N, C]"
            ) from error
    else:
        table = read_arrow(path)
        values = _from_table(table, classes, str(path))
    if values.ndim != 2 or values.shape != (rows, len(classes)) or values.dtype.kind != "f":
        raise BadInput(
            f"{path}: holds {values.dtype} {list(values.shape)}; must be floats [{rows}, {len(classes)}]: one row per "
            f"row of the input, one column per class ({', '.join(classes[:10])}{', …' if len(classes) > 10 else ''})"
        )
    return Predictions(values, np.array([list(classes).index(name) for name in judged], np.int64), str(path))


def _from_table(table: pa.Table, classes: Sequence[str], origin: str) -> FloatArray:
    if set(classes) <= set(table.column_names):
        return decode_numeric(table, list(classes), origin=origin)
    lists = [f.name for f in table.schema if pa.types.is_list(f.type) or pa.types.is_fixed_size_list(f.type)]
    if len(lists) != 1:
        raise BadInput(
            f"{origin}: columns are {', '.join(table.column_names[:20])}; must be one list of {len(classes)} numbers, "
            f"or one column per class, called as the class"
        )
    return decode_vectors(table.column(lists[0]), name=lists[0], origin=origin)
