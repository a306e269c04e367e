"""The rows that the report shows: a parquet file -> labels of all rows, inputs of a few. Nothing else is decoded."""

# N rows of the file, n rows asked for
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sanitize.data.arrow import decode_table
from sanitize.data.labels import encode_labels
from sanitize.data.parquet import find_inputs
from sanitize.data.plain_columns import Columns
from sanitize.data.table import IntArray, Table
from sanitize.errors import BadInput


@dataclass(frozen=True)
class Rows:
    """A training file whose labels are known and whose inputs are still in it.

    path     the file
    columns  its label and input columns, with class names
    labels   int64 [N], the given labels, 0..C-1
    """

    path: Path
    columns: Columns
    labels: IntArray

    def take(self, positions: IntArray, image_size: int | None = None) -> Table:
        """Decode some rows; of the file only the row groups that hold them are read.

        positions   int64 [n], 0..N-1, each at most once, in any order
        image_size  resize images to this many pixels square; None = as they are
        Returns     the n rows in the order of `positions`; `ids` are the positions
        Raises      BadInput: as `decode_table`; the file changed or cannot be read
        """
        assert len(np.unique(positions)) == len(positions)
        names = [*self.columns.inputs, self.columns.label]
        order = np.argsort(positions)
        with _opened(self.path) as file:
            schema = file.schema_arrow
            pieces = list(_pieces(file, positions[order], names))
        empty = pa.schema([schema.field(name) for name in names], schema.metadata).empty_table()
        table, _ = decode_table(
            pa.concat_tables([empty, *pieces]),
            like=self.columns,
            image_size=image_size,
            class_names=self.columns.class_names,
            origin=f"{self.path} (the rows that the report shows)",
        )
        return replace(table, ids=positions[order]).take(np.argsort(order))


def open_rows(path: Path, *, label: str | None = None, inputs: Sequence[str] | None = None) -> Rows:
    """Read a training file's schema and labels.

    label    label column; None = found
    inputs   input columns; None = found
    Raises   BadInput: no such file, no parquet; BadInput, BadParams: as `find_inputs` and `encode_labels`
    """
    with _opened(path) as file:
        columns = find_inputs(path, label=label, inputs=inputs)
        labels, class_names = encode_labels(file.read(columns=[columns.label]), columns.label, origin=str(path))
    return Rows(path, replace(columns, class_names=class_names), labels)


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """The open file; what reading can raise becomes BadInput."""
    if not path.is_file():
        raise BadInput(f"{path}: no such file; run the stage that writes it")
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path}: cannot be read as parquet ({error}); run the stage that writes it again") from error


def _pieces(file: pq.ParquetFile, positions: IntArray, names: Sequence[str]) -> Iterator[pa.Table]:
    """The rows at the ascending `positions`, row group by row group."""
    start = 0
    for group in range(file.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        inside = positions[(positions >= start) & (positions < end)]
        if len(inside):
            yield file.read_row_group(group, columns=list(names)).select(list(names)).take(pa.array(inside - start))
        start = end
