"""Which rows an attack changed. Kept apart from the data: only the attack writes it, only evaluation reads it."""

# N rows
from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from sanitize.data.parquet import read_arrow, write_arrow
from sanitize.data.table import BoolArray, IntArray
from sanitize.errors import BadInput

SCHEMA = pa.schema([("row", pa.int64()), ("is_poison", pa.bool_()), ("original_label", pa.int64())])


def write_truth(path: str | Path, is_poison: BoolArray | None, original_labels: IntArray | None = None) -> None:
    """Write the truth about every row.

    is_poison        bool [N], True = changed by the attack; None = nothing is known (attack none): zero rows
    original_labels  int64 [N], the labels 0..C-1 before the attack; needed unless `is_poison` is None
    Raises           BadInput: the file cannot be written
    """
    if is_poison is None:
        write_arrow(SCHEMA.empty_table(), path)
        return
    assert original_labels is not None and len(original_labels) == len(is_poison)
    rows = np.arange(len(is_poison), dtype=np.int64)
    columns = [pa.array(rows), pa.array(is_poison), pa.array(original_labels, pa.int64())]
    write_arrow(pa.table(columns, schema=SCHEMA), path)


def read_truth(path: str | Path) -> BoolArray | None:
    """Which rows the attack changed.

    Returns  bool [N], True = poisoned; None if nothing is known (zero rows)
    Raises   BadInput: no such file, not written by `write_truth`
    """
    table = read_arrow(path, allow_empty=True)
    if not table.schema.equals(SCHEMA):
        raise BadInput(
            f"{path}: columns are {', '.join(table.schema.names)}; must be {', '.join(SCHEMA.names)}; "
            f"run the poison stage again"
        )
    if not table.num_rows:
        return None
    if table.column("row").to_pylist() != list(range(table.num_rows)) or table.column("is_poison").null_count:
        raise BadInput(f"{path}: must hold one verdict for each of rows 0..{table.num_rows - 1}; poison again")
    is_poison: BoolArray = table.column("is_poison").to_numpy()
    return is_poison
