"""Rows into a parquet file that looks like the one they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sanitize.io.layout import Mirror, elements, leaves, put_back, written_paths
from sanitize.io.thrift import parse

NARROW_GROUP = 1 << 18  # rows of a row group where nothing else is known
PENDING_BYTES = 64 << 20  # what waits at most to fill a row group
_CODECS = {"UNCOMPRESSED": "NONE"}  # where the reader's name for a codec is not the writer's


def chosen_rows(batch: pa.RecordBatch, mask: NDArray[np.bool_]) -> list[pa.RecordBatch]:
    """The rows of the batch where the mask is True."""
    if mask.all():
        return [batch]
    try:
        return [batch.filter(pa.array(mask))] if mask.any() else []
    except pa.ArrowNotImplementedError:  # views have no filter kernel: take runs of rows, which works for any type
        edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2)
        return [batch.slice(int(first), int(end - first)) for first, end in edges]


def _alone(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, int]:
    """The batch, and what it holds in memory: a small part of a large batch is copied, or it would hold all of that."""
    size, held = batch.nbytes, batch.get_total_buffer_size()
    if held <= 2 * size:
        return batch, size
    try:
        return batch.take(pa.array(np.arange(batch.num_rows))), size
    except pa.ArrowNotImplementedError:  # views, as for `chosen_rows`
        return batch, held


class Sink:
    """A ParquetWriter that is set up as the source's footer says and fills row groups from batches of any size.

    path      the file to write
    source    the open file whose rows are to be written: its schema and its layout are taken over
    metadata  added to the schema metadata
    more      columns that come after the source's; with no mirror only
    mirror    how the schema is kept where pyarrow would change it; `source` then is read plainly, and `raw` its bytes
    """

    def __init__(
        self,
        path: Path,
        source: pq.ParquetFile,
        metadata: Mapping[bytes, bytes] | None = None,
        mirror: Mirror | None = None,
        raw: BinaryIO | None = None,
        more: Sequence[pa.Field] = (),
    ) -> None:
        footer, self.schema = source.metadata, source.schema_arrow
        for field in more:
            self.schema = self.schema.append(field)
        if metadata and mirror is None:
            self.schema = self.schema.with_metadata({**(self.schema.metadata or {}), **metadata})
        self.path, self.metadata, self.mirror, self.raw = path, metadata or {}, mirror, raw
        groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
        self.group_rows = max([group.num_rows for group in groups], default=NARROW_GROUP)
        self.pending: list[pa.RecordBatch] = []
        self.rows = self.bytes = 0  # of what waits
        self.written = 0  # rows
        with ExitStack() as stack:
            # an open file, since Arrow takes no path that is not UTF-8
            self.file = stack.enter_context(open(path, "w+b"))
            self.writer = pq.ParquetWriter(self.file, self.schema, **settings(footer, mirror, self.schema))
            self.closing = stack.pop_all()

    def add(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Take rows in; whole row groups are written at once, the rest waits."""
        for batch in batches:
            while self.rows + batch.num_rows >= self.group_rows:
                first = self.group_rows - self.rows
                self._hold(batch.slice(0, first))
                self._flush()
                batch = batch.slice(first)
            if batch.num_rows:
                self._hold(batch)
            if self.bytes >= PENDING_BYTES:
                self._flush()

    def _hold(self, batch: pa.RecordBatch) -> None:
        batch, size = _alone(batch)
        self.pending.append(batch)
        self.rows += batch.num_rows
        self.bytes += size

    def _flush(self) -> None:
        if self.rows:
            table = pa.Table.from_batches(self.pending, self.schema)
            self.writer.write_table(table.unify_dictionaries(), row_group_size=self.rows)
            self.written += self.rows
        self.pending, self.rows, self.bytes = [], 0, 0

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self.closing:
            try:
                if kind is None:
                    self._flush()
            finally:
                self.writer.close()
            if kind is None and self.mirror is not None and self.raw is not None:
                put_back(self.file, self.mirror, self.raw, self.metadata)


def settings(footer: pq.FileMetaData, mirror: Mirror | None, schema: pa.Schema) -> dict[str, Any]:
    """The ParquetWriter's arguments that the first row group of a file was written with.

    footer  as the file is read: plainly, if there is a mirror
    schema  to write, as Arrow has it
    """
    found: dict[str, Any] = {}
    if mirror is not None:
        paths = written_paths(schema)
        places = [leaf.place for leaf in leaves(elements(parse(mirror.schema)))]
        # without their annotations values are ordered otherwise, so nothing is said about the least and the largest
        told = [path for path, place in zip(paths, places, strict=True) if place not in mirror.plain]
        found = {"store_schema": False, "write_statistics": told if 0 < len(told) < len(paths) else bool(told)}
    if not footer.num_row_groups:
        return found
    group = footer.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    own = [column.path_in_schema for column in columns]
    names = own if mirror is None else paths
    codecs = {name: _CODECS.get(c.compression, c.compression) for name, c in zip(names, columns, strict=True)}
    dictionaries = [name for name, column in zip(names, columns, strict=True) if column.has_dictionary_page]
    found |= {
        # one value for all where there is one: other writers may name the insides of nested columns otherwise
        "compression": codecs if len(set(codecs.values())) > 1 else next(iter(codecs.values()), "NONE"),
        "use_dictionary": dictionaries if 0 < len(dictionaries) < len(columns) else bool(dictionaries),
        "use_compliant_nested_type": mirror is not None or not any(".list.item" in path for path in own),
        "write_page_index": any(column.has_offset_index for column in columns),
    }
    sortings = [footer.row_group(number).sorting_columns for number in range(footer.num_row_groups)]
    if sortings[0] and all(sorting == sortings[0] for sorting in sortings):
        found["sorting_columns"] = sortings[0]
    return found
