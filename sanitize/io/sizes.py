"""How many rows of a file make a batch of about BATCH_BYTES in memory, whatever they take in the file.

A page of zeros or of one text repeated takes a few bytes. How many values a column chunk has is in the footer; how long
its texts are at most, in its dictionary; where neither tells, few rows are read at once, and gathered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sanitize.errors import BadInput
from sanitize.io.layout import GROUPS, REPEATED, SCHEMA, Leaf, elements, leaves, parquet, sound
from sanitize.io.pages import PAGE_BYTES, refuse_large_page
from sanitize.io.thrift import LIST, Reader, parse, read_footer

BATCH_BYTES = 4 << 20
BATCH_ROWS = 65536
VALUE_BYTES = 64 << 20  # what one row may take in memory
STEEP = 16  # from so many times its bytes in the file a column is read with care
SKEW = 16  # so many times the mean some rows may have: what is read at once is by so much smaller, and then gathered
STEEP_BYTES = 64 << 20  # in memory, of a column chunk, below which it need not
WIDTHS = (1, 4, 8, 12, 4, 8)  # bytes of a value, by physical type
BYTE_ARRAY, FIXED = 6, 7
DICTIONARIES = {2, 8}  # encodings
LEVELS = 4  # bytes of a value's levels while lists are read


class Chunk(NamedTuple):
    """A column chunk, as the footer has it.

    dictionary  whether it has one
    values      how many
    encoded     bytes, decompressed
    stored      bytes in the file, from byte `start` on
    """

    dictionary: bool
    values: int
    encoded: int
    stored: int
    start: int


class Steep(NamedTuple):
    """A column chunk that grows in memory: which, and how many rows of it make a batch at most."""

    group: int
    column: str
    rows: int


@dataclass(frozen=True)
class Sizing:
    """How to read a file.

    rows   of a batch, where no column that is read is steep
    steep  column chunks that need care
    """

    rows: int
    steep: tuple[Steep, ...] = ()

    def of(self, group: int, columns: Sequence[str] | None) -> int:
        """Rows of a batch in a row group; columns as for `iter_batches`."""
        rows = [s.rows for s in self.steep if s.group == group and (columns is None or s.column in columns)]
        return max(1, min([self.rows, *rows]))

    def careful(self, columns: Sequence[str] | None) -> bool:
        """Whether some column that is read is steep."""
        return any(columns is None or steep.column in columns for steep in self.steep)


ONE_BY_ONE = Sizing(1)


def sizing_of(raw: BinaryIO, footer: pq.FileMetaData, schema: pa.Schema, name: str) -> Sizing:
    """How to read an open file.

    schema  as Arrow has it: tells lists of one length from others
    Raises  BadInput: a damaged footer; values that take more than VALUE_BYTES each
    """
    local = _is_local(raw)
    with sound(name):
        content = read_footer(raw)[1]
        found = leaves(elements(parse(content, SCHEMA)))
        groups = list(_scan(content, len(found)))
        longest = _longest(raw, found, groups)
        steep, total = [], 0
        for number, (rows, chunks) in enumerate(groups):
            for place, (leaf, chunk) in enumerate(zip(found, chunks, strict=True)):
                if REPEATED not in leaf.levels and chunk.values != rows:
                    raise BadInput(
                        f"{_where(name, leaf, number)}: has {chunk.values} values, but the footer says that the group "
                        f"has {rows} rows; write the file again"
                    )
                long = longest.get((number, place))
                size = _decoded(leaf, chunk, long)
                total += size
                if size > VALUE_BYTES * max(rows, 1):
                    raise BadInput(
                        f"{_where(name, leaf, number)}: {rows} rows take {size} bytes in memory; one row may take "
                        f"{VALUE_BYTES}; split such values, or leave the column out"
                    )
                if chunk.encoded > PAGE_BYTES and (local or chunk.encoded > STEEP * chunk.stored):
                    refuse_large_page(raw, chunk.start, chunk.stored, _where(name, leaf, number))
                if size > max(STEEP * chunk.stored, STEEP_BYTES):
                    top = leaf.path[0].decode("utf-8", "replace")
                    steep.append(Steep(number, top, _careful(leaf, chunk, long, rows, schema, top)))
    encoded = sum(footer.row_group(group).total_byte_size for group in range(footer.num_row_groups))
    return Sizing(batch_rows(total if total > 2 * encoded else encoded, footer.num_rows), tuple(steep))


def _is_local(raw: BinaryIO) -> bool:
    """Whether looking here and there in the file costs nothing; elsewhere each look is a request."""
    try:
        return raw.fileno() >= 0
    except (AttributeError, OSError):
        return False


def _where(name: str, leaf: Leaf, group: int) -> str:
    return f"{name}: column {leaf.shown!r}, row group {group}"


def batch_rows(size: int, rows: int) -> int:
    """Rows that make about BATCH_BYTES, where so many rows have `size` bytes."""
    return max(1, min(BATCH_ROWS, BATCH_BYTES * rows // max(size, 1)))


def read_batches(
    file: pq.ParquetFile, sizing: Sizing, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """An open file's rows in batches of about BATCH_BYTES; columns as for `iter_batches`."""
    if not sizing.careful(columns):
        yield from file.iter_batches(batch_size=sizing.rows, columns=columns)
        return
    for group in range(file.num_row_groups):
        size = sizing.of(group, columns)
        yield from _gathered(file.iter_batches(batch_size=size, row_groups=[group], columns=columns))


def _gathered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Small batches put together to such of about BATCH_BYTES."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if waiting and (size + batch.nbytes > BATCH_BYTES or rows + batch.num_rows > BATCH_ROWS):
            yield pa.concat_batches(waiting)
            waiting, rows, size = [], 0, 0
        waiting.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
    if waiting:
        yield pa.concat_batches(waiting)


def refuse_large(batch: pa.RecordBatch, first: int, name: str) -> None:
    """BadInput if a row of the batch, whose first is row `first` of the file, takes more than VALUE_BYTES."""
    if batch.nbytes <= VALUE_BYTES:
        return
    for row in range(batch.num_rows):
        size = batch.slice(row, 1).nbytes
        if size > VALUE_BYTES:
            raise BadInput(
                f"{name}: row {first + row} takes {size} bytes in memory; one row may take {VALUE_BYTES}; split it, or "
                f"leave it out"
            )


def _decoded(leaf: Leaf, chunk: Chunk, longest: int | None) -> int:
    """Bytes of a column chunk in memory, at most as far as can be known."""
    if leaf.kind == BYTE_ARRAY:
        size = chunk.encoded + (0 if longest is None else chunk.values * longest)
    else:
        size = chunk.values * (leaf.length if leaf.kind == FIXED else WIDTHS[leaf.kind])
    return size + (LEVELS * chunk.values if REPEATED in leaf.levels else 0)


def _careful(leaf: Leaf, chunk: Chunk, longest: int | None, rows: int, schema: pa.Schema, top: str) -> int:
    """Rows of a steep column chunk that are read at once."""
    mean = BATCH_BYTES * rows // _decoded(leaf, chunk, longest)
    if REPEATED in leaf.levels:
        place = schema.get_field_index(top)
        kind = None if place < 0 else schema.field(place).type
        kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
        even = kind is not None and pa.types.is_fixed_size_list(kind) and chunk.values == rows * kind.list_size
        return max(1, mean if even else mean // SKEW)
    if leaf.kind == BYTE_ARRAY and (longest is None or chunk.encoded > max(STEEP * chunk.stored, STEEP_BYTES)):
        return max(1, mean // SKEW)  # plain texts, which compression has made small
    return max(1, mean)


def _longest(
    raw: BinaryIO, found: Sequence[Leaf], groups: Sequence[tuple[int, list[Chunk]]]
) -> dict[tuple[int, int], int]:
    """(row group, column) -> bytes of the longest text in its dictionary, where that can matter."""
    asked = [
        (number, place)
        for number, (_, chunks) in enumerate(groups)
        for place, chunk in enumerate(chunks)
        if found[place].kind == BYTE_ARRAY
        and chunk.dictionary
        and chunk.values * chunk.encoded > max(STEEP * chunk.stored, STEEP_BYTES)
    ]
    if not asked:
        return {}
    paths = {place: found[place].shown for _, place in asked}
    longest = {}
    with parquet(raw, read_dictionary=list(paths.values())) as file:
        for number, place in asked:
            batch = next(file.iter_batches(batch_size=1, row_groups=[number], columns=[paths[place]]), None)
            longest[number, place] = 0 if batch is None else max(map(_length, batch.columns), default=0)
    return longest


def _length(array: pa.Array) -> int:
    """Bytes of the longest text in the dictionaries of an array."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return _length(array.storage)
    if pa.types.is_dictionary(kind):
        texts = array.dictionary
        return int(pc.max(pc.binary_length(texts.cast(pa.large_binary()))).as_py() or 0) if len(texts) else 0
    if pa.types.is_struct(kind):
        return max((_length(array.field(number)) for number in range(kind.num_fields)), default=0)
    if pa.types.is_map(kind):
        return max(_length(array.keys), _length(array.items))
    if pa.types.is_nested(kind):
        return _length(array.values)
    return 0


def _scan(content: bytes, columns: int) -> Iterator[tuple[int, list[Chunk]]]:
    """Rows and column chunks of every row group, one after the other."""
    reader = _Scanner(content)
    for number, kind in reader.fields():
        if number == GROUPS and kind == LIST:
            for _ in range(reader.items()):
                rows, chunks = reader.group()
                if len(chunks) != columns:
                    raise BadInput(f"a row group has {len(chunks)} columns in place of {columns}")
                yield rows, chunks
            return
        reader.skip(kind)


class _Scanner(Reader):
    """Goes through a footer without keeping what is not asked for."""

    def group(self) -> tuple[int, list[Chunk]]:
        rows, chunks = 0, []
        for number, kind in self.fields():
            if number == 1:
                chunks = [self.chunk() for _ in range(self.items())]
            elif number == 3:
                rows = self.zigzag()
            else:
                self.skip(kind)
        return rows, chunks

    def chunk(self) -> Chunk:
        found = Chunk(False, 0, 0, 0, 0)
        for number, kind in self.fields():
            if number == 3:
                found = self.about()
            else:
                self.skip(kind)
        return found

    def about(self) -> Chunk:
        encodings: list[Any] = []
        counts = {5: 0, 6: 0, 7: 0, 9: 0, 11: 0}
        for number, kind in self.fields():
            if number == 2:
                encodings = self.value(kind).values
            elif number in counts:
                counts[number] = self.zigzag()
            else:
                self.skip(kind)
        values, encoded, stored, data, dictionary = counts.values()
        start = dictionary if 0 < dictionary < data else data  # some writers put a dictionary at 0 that is not there
        return Chunk(bool(DICTIONARIES & set(encodings)), values, encoded, stored, start)
