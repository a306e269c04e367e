"""Parquet files: read, write, split by a mask. Nothing lost on the way, nothing half-written, same bytes each time."""

# N rows
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sanitize.data.arrow import decode_table, encoded_image_table, image_table, replace_rows, vector_table
from sanitize.data.columns import refuse_names
from sanitize.data.plain_columns import Columns, pick_columns
from sanitize.data.sample import LARGE_ROWS, Sample, draw_rows, is_large
from sanitize.data.stored import is_list, plain_type
from sanitize.data.table import BoolArray, Table
from sanitize.errors import BadInput, BadParams
from sanitize.io.atomic import atomic_write
from sanitize.io.layout import mirror_of, parquet, plain_metadata
from sanitize.io.regular import open_regular
from sanitize.io.sizes import Sizing, read_batches, sizing_of
from sanitize.io.writer import NARROW_GROUP, Sink, chosen_rows

__all__ = [
    "Columns",
    "decode_table",
    "encoded_image_table",
    "find_inputs",
    "image_table",
    "read_arrow",
    "read_table",
    "replace_rows",
    "split_rows",
    "vector_table",
    "write_arrow",
]

WIDE_GROUP = 1024  # rows per row group where a column holds images or lists: a few MiB of images

Result = TypeVar("Result")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns what reading can raise into BadInput."""
    try:
        yield
    except PermissionError as error:
        raise BadInput(f"{path}: may not be read; change its permissions") from error
    except (pa.ArrowException, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{path}: cannot be read as parquet ({first}); write it again as a parquet file") from error


def _reading(path: Path, read: Callable[[pq.ParquetFile], Result]) -> Result:
    """What `read` makes of the open file."""
    with _readable(path), open_regular(path, "one parquet file") as raw, parquet(raw) as file:
        return read(file)


def read_arrow(path: str | Path, *, allow_empty: bool = False) -> pa.Table:
    """Read a whole parquet file, schema metadata kept.

    allow_empty  whether zero rows are fine
    Raises       BadInput: no such file, a folder, no parquet, damaged, zero rows
    """
    path = Path(path)
    table = _reading(path, lambda file: file.read())
    if not table.num_rows and not allow_empty:
        raise BadInput(f"{path}: has no rows; must have at least 1")
    return table


def read_table(
    path: str | Path,
    *,
    label: str | None = None,
    inputs: Sequence[str] | None = None,
    like: Columns | None = None,
    image_size: int | None = None,
    class_names: Sequence[str] | None = None,
    numbered: bool = False,
    allow_empty: bool = False,
    least_classes: int = 2,
) -> tuple[Table, Columns]:
    """Read the label and input columns of a parquet file into a Table whose ids are the rows' positions.

    label        label column; None = found
    inputs       input columns; None = found
    like         the columns of another table of the same data, in place of both: they are read as there
    image_size   resize images to this many pixels square; None = all must have one size
    class_names  the classes of the training table, when reading another table of the same data (its labels then get
                 the same numbers, and one class alone is fine); None = this table's own
    numbered     of the training table's Columns: whether numbers without names are places of `class_names`
    allow_empty  whether zero rows are fine
    least_classes  classes that the rows must have; not asked if `class_names` is given
    Returns      the Table, and which columns it was made from
    Raises       BadInput, BadParams: as `read_arrow` and `decode_table`
    """
    path = Path(path)
    columns = find_inputs(path, label=label, inputs=inputs) if like is None else like
    names = [*columns.inputs, columns.label]

    def needed(file: pq.ParquetFile) -> pa.Table:
        refuse_names(file.schema_arrow.names, columns.label, columns.inputs, str(path))
        return file.read(columns=names).select(names)

    arrow = _reading(path, needed)
    if not arrow.num_rows and not allow_empty:
        raise BadInput(f"{path}: has no rows; must have at least 1")
    return decode_table(
        arrow,
        like=columns,
        image_size=image_size,
        class_names=class_names,
        numbered=numbered,
        least_classes=least_classes,
        origin=str(path),
    )


def find_inputs(path: str | Path, *, label: str | None = None, inputs: Sequence[str] | None = None) -> Columns:
    """Which columns of a parquet file are looked at, by its schema and some of its rows; without class names.

    Raises  BadInput, BadParams: as `read_arrow` and `pick_columns`
    """
    path = Path(path)

    def pick(file: pq.ParquetFile) -> Columns:
        schema = file.schema_arrow
        refuse_names(schema.names, label, inputs, str(path))
        return pick_columns(schema, _some_rows(file), label=label, inputs=inputs, origin=str(path))

    return _reading(path, pick)


SAMPLED_AT_ONCE = 1024  # rows


def _some_rows(file: pq.ParquetFile) -> Sample:
    def read(names: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        for batch in file.iter_batches(batch_size=rows, columns=names):
            yield batch.select(names)

    return draw_rows(
        list(file.schema_arrow),
        file.metadata.num_rows,
        lambda names: read(names, SAMPLED_AT_ONCE),
        lambda names: islice(read(names, LARGE_ROWS), 1),
    )


def write_arrow(table: pa.Table, path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a parquet file; the same values give the same bytes, however the table is chunked.

    metadata  added to the schema metadata
    Raises    BadInput: the file cannot be written; nothing is left then
    """
    if metadata:
        added = {key.encode(): value.encode() for key, value in metadata.items()}
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **added})
    wide = any(is_large(field.type) or is_list(plain_type(field.type)) for field in table.schema)
    with _writable(Path(path)), atomic_write(path) as (draft,):
        pq.write_table(table.combine_chunks(), draft, row_group_size=WIDE_GROUP if wide else NARROW_GROUP)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Turns what writing can raise into BadInput."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path}: cannot be written ({error}); free or name another place") from error


def split_rows(
    source: str | Path, keep: BoolArray, kept_path: str | Path, rejected_path: str | Path | None = None
) -> None:
    """Split a parquet file by a mask: kept and rejected together are the input, row for row, nothing decoded.

    source         the file to split; read batch by batch, so that memory does not grow with it
    keep           bool [N], True = to `kept_path`, False = to `rejected_path`
    kept_path      where the kept rows go, in input order
    rejected_path  where the rejected rows go, in input order; None = nowhere
    Raises         BadInput: unreadable source, unwritable output, `keep` of another length
                   BadParams: an output that is the source (also through a link) or the other output
    The outputs have the source's schema with its metadata, its codec per column, sorting columns, dictionary columns
    and page index, and row groups of its largest group's number of rows, fewer where these would be
    more than 64 MiB. Compression levels and Bloom filters are not kept. A file without rows is a valid one. After an
    error what stood at the outputs is untouched.
    """
    source = Path(source)
    outputs = [Path(kept_path), *([] if rejected_path is None else [Path(rejected_path)])]
    _refuse_overlap(source, outputs)
    assert keep.dtype == np.bool_
    with ExitStack() as stack:
        with _readable(source):
            raw = stack.enter_context(open_regular(source, "one parquet file"))
            file = stack.enter_context(parquet(raw))
            mirror = mirror_of(raw, file, str(source))
            sizing = sizing_of(raw, file.metadata, file.schema_arrow, str(source))
            if mirror is not None:
                file = stack.enter_context(parquet(raw, metadata=plain_metadata(raw, mirror, str(source))))
        if len(keep) != file.metadata.num_rows:
            raise BadInput(
                f"{source}: has {file.metadata.num_rows} rows, but there are {len(keep)} verdicts; filter it again"
            )
        stack.enter_context(_writable(outputs[0].parent))
        batches = _batches(source, file, sizing)
        read = list(islice(batches, 1))  # before the sinks look at the footer's columns: see filter_pass
        drafts = stack.enter_context(atomic_write(*outputs))
        sinks = [stack.enter_context(Sink(draft, file, mirror=mirror, raw=raw)) for draft in drafts]
        start = 0
        for batch in chain(read, batches):
            mask = keep[start : start + batch.num_rows]
            for sink, chosen in zip(sinks, (mask, ~mask), strict=False):
                sink.add(chosen_rows(batch, chosen))
            start += batch.num_rows


def _batches(path: Path, file: pq.ParquetFile, sizing: Sizing) -> Iterator[pa.RecordBatch]:
    with _readable(path):
        yield from read_batches(file, sizing)


def _refuse_overlap(source: Path, outputs: Sequence[Path]) -> None:
    for output in outputs:
        if output.resolve() == source.resolve() or (output.exists() and source.exists() and output.samefile(source)):
            raise BadParams(f"output {output} is the input {source}; name another file, the input is never overwritten")
    if len(outputs) == 2:
        kept, rejected = outputs
        if kept.resolve() == rejected.resolve():
            raise BadParams(f"kept and rejected rows both go to {kept}; name two files")
