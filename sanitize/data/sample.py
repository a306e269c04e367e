"""Some rows of an input, from all of it, so that columns can be judged by their values: at most SAMPLE_ROWS.

Of columns whose values are large, pictures and arrays, a few rows from the beginning of each file are looked at.
"""

# n rows of the sample, N of the whole
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sanitize.data.seeds import stream
from sanitize.data.stored import is_binary, is_list, plain_type
from sanitize.data.table import IntArray

SAMPLE_ROWS = 4096
LARGE_ROWS = 64  # of columns with large values
MOST_BYTES = 32 << 20  # of the sample; beyond that every second row is left out
FEWEST_ROWS = 8
TEXT_BYTES = 1 << 14  # of a text or of bytes; what is longer is looked at as far as that


@dataclass(frozen=True)
class Sample:
    """Some rows, column by column.

    columns  by name; those with large values have other rows, and fewer. A column that is not there is told by its type
    places   int64 [n], the rows' numbers in the whole, ascending
    rows     N, of the whole
    """

    columns: Mapping[str, pa.ChunkedArray]
    places: IntArray
    rows: int

    def aligned(self, name: str) -> pa.ChunkedArray | None:
        """A column whose rows are those at `places`; None where there is none."""
        column = self.columns.get(name)
        return column if column is not None and not is_large(column.type) else None


def is_large(kind: pa.DataType) -> bool:
    """Whether a column's values may be large: bytes, structs, lists of lists."""
    plain = plain_type(kind)
    if is_list(plain):
        return is_list(plain_type(plain.value_type)) or len(getattr(kind, "shape", None) or ()) > 1
    return bool(is_binary(plain) or pa.types.is_struct(plain) or pa.types.is_nested(plain))


def no_sample() -> Sample:
    """Types alone."""
    return Sample({}, np.empty(0, np.int64), 0)


def sample_of(table: pa.Table) -> Sample:
    """A sample of a table in memory."""
    places = _drawn(table.num_rows)
    few = table if len(places) == table.num_rows else table.take(pa.array(places))
    columns = {
        name: table.column(name).slice(0, LARGE_ROWS) if is_large(table.schema.field(name).type) else few.column(name)
        for name in table.column_names
        if table.column_names.count(name) == 1
    }
    return Sample(columns, places, table.num_rows)


def draw_rows(
    fields: Sequence[pa.Field],
    rows: int,
    read: Callable[[list[str]], Iterable[pa.RecordBatch]],
    heads: Callable[[list[str]], Iterable[pa.RecordBatch]],
) -> Sample:
    """A sample of what is read batch by batch.

    fields  the columns that all files have in a type that can be cast to this one
    rows    N
    read    column names -> all rows, in order
    heads   column names -> the first rows of each file, or of some
    """
    small = pa.schema([field for field in fields if not is_large(field.type)])
    large = pa.schema([field for field in fields if is_large(field.type)])
    places = _drawn(rows)
    columns: dict[str, pa.ChunkedArray] = {}
    if small:
        table, places = _at(places, small, read(small.names))
        columns |= {name: table.column(name) for name in small.names}
    if large:
        batches: list[pa.RecordBatch] = []
        for batch in heads(large.names):
            batches.append(_cast(batch, large))
            if sum(b.num_rows for b in batches) >= LARGE_ROWS or sum(b.nbytes for b in batches) >= MOST_BYTES:
                break
        columns |= {name: pa.Table.from_batches(batches, large).column(name) for name in large.names}
    return Sample(columns, places, rows)


def _drawn(rows: int) -> IntArray:
    if rows <= SAMPLE_ROWS:
        return np.arange(rows)
    drawn: IntArray = np.sort(stream(0, "sample", "columns").choice(rows, SAMPLE_ROWS, replace=False))
    return drawn


def _at(places: IntArray, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> tuple[pa.Table, IntArray]:
    """The rows at `places`, or, where these are too large, at every second of them."""
    taken: list[pa.RecordBatch] = []
    size = first = 0
    for batch in batches:
        last = first + batch.num_rows
        inside = places[np.searchsorted(places, first) : np.searchsorted(places, last)] - first
        if len(inside):
            table = pa.Table.from_batches([_cast(batch, schema)])
            chosen = table if len(inside) == batch.num_rows else table.take(pa.array(inside))
            taken.append(chosen.combine_chunks().to_batches()[0])
            size += taken[-1].nbytes
        first = last
        if size > MOST_BYTES and len(places) > FEWEST_ROWS:
            so_far = pa.Table.from_batches(taken, schema)
            even = np.arange(0, so_far.num_rows, 2)
            places = np.concatenate([places[: so_far.num_rows][even], places[so_far.num_rows :][::2]])
            taken = so_far.take(pa.array(even)).combine_chunks().to_batches()
            size = sum(batch.nbytes for batch in taken)
    return pa.Table.from_batches(taken, schema), places


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = []
    for field in schema:
        array = _short(batch.column(field.name))
        arrays.append(array if array.type == field.type else array.cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _short(array: pa.Array) -> pa.Array:
    """Texts without what is behind their first TEXT_BYTES, where they are that long on average."""
    raw = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}.get(array.type)
    if raw is None or array.nbytes <= TEXT_BYTES * len(array):
        return array
    return pc.binary_slice(array.view(raw), 0, TEXT_BYTES).view(array.type)
