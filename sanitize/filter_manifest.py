"""The manifest's rows and file: the verdict on every row, and what of it rejected rows may carry along."""

# N rows, n rows of a batch
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sanitize.data.shards import Shard
from sanitize.data.table import IntArray
from sanitize.errors import BadInput
from sanitize.evidence.groups import UNGROUPED, id_of
from sanitize.filter_tally import Verdicts, shown
from sanitize.filtering import KEPT, cause_of
from sanitize.io.atomic import put_new
from sanitize.io.origin import called
from sanitize.row_ids import as_texts

MANIFEST = pa.schema(
    [
        ("row", pa.int64()),
        ("keep", pa.bool_()),
        ("reason", pa.string()),
        ("suspicion", pa.float64()),
        ("file", pa.string()),
        ("vote", pa.string()),
        ("voters", pa.int32()),
        ("support", pa.int32()),
        ("agreement", pa.int32()),
        ("label", pa.string()),
        ("cause", pa.string()),
        ("group", pa.string()),
        ("stable", pa.bool_()),
    ]
)
ID = pa.field("id", pa.string())  # comes after them, where rows have keys of their own
REASONS = ("reason", "group", "suspicion")  # columns that rejected rows may get
MANIFEST_GROUP = 1 << 16


def manifest_rows(
    file: str,
    start: int,
    found: Verdicts,
    classes: Sequence[str],
    labels: Sequence[str],
    keys: pa.Array | None = None,
) -> pa.RecordBatch:
    """The manifest of rows `start` and on of a file; classes and labels: as `Judge` has them; keys: see `ID`."""
    rows = len(found.keep_n)
    columns = [
        pa.array(np.arange(start, start + rows)),
        pa.array(found.keep_n),
        pa.array(found.reason_n, pa.string()),
        pa.array(found.suspicion_n, from_pandas=True),
        pa.array([shown(file)], pa.string()).take(pa.array(np.zeros(rows, np.int64))),
        _names(found.vote_n, classes),
        *(pa.array(n.astype(np.int32), mask=n < 0) for n in (found.voters_n, found.support_n, found.agreement_n)),
        _names(found.label_n, labels),
        pa.array([None if reason == KEPT else cause_of(reason) for reason in found.reason_n], pa.string()),
        _group_ids(found.group_n),
        pa.array(found.stable_n > 0, mask=found.stable_n < 0),
    ]
    if keys is None:
        return pa.RecordBatch.from_arrays(columns, schema=MANIFEST)
    return pa.RecordBatch.from_arrays([*columns, keys], schema=MANIFEST.append(ID))


def _group_ids(group_n: IntArray) -> pa.Array:
    return pa.array([None if number == UNGROUPED else id_of(number) for number in group_n.tolist()], pa.string())


@dataclass(frozen=True)
class Further:
    """Columns that outputs get besides: see `run_pass`."""

    id_column: str | None
    reasons: bool

    def fields(self, shard: Shard) -> tuple[pa.Field, ...]:
        """The columns `REASONS`, where they are wanted. BadInput: the shard's own columns leave no room for them."""
        if not self.reasons:
            return ()
        for name in REASONS:
            if name in shard.schema.names:
                raise BadInput(f"{shard.name}: has a column {name!r} already; rename it, or leave out --reasons")
        if shard.mirror is not None:
            raise BadInput(
                f"{shard.name}: has types that can be copied whole but not written beside other columns; leave out "
                "--reasons, and use --manifest"
            )
        return tuple(MANIFEST.field(name) for name in REASONS)

    def keys(self, shard: Shard, batch: pa.RecordBatch) -> pa.Array | None:
        """The column `ID` of a batch as it is judged, partition columns included; None = there is none."""
        return None if self.id_column is None else as_texts(shard.with_keys(batch, [self.id_column]).column(0))


def with_reasons(batch: pa.RecordBatch, found: Verdicts) -> pa.RecordBatch:
    """The batch with the columns `REASONS`."""
    told = [
        pa.array(found.reason_n, pa.string()), _group_ids(found.group_n), pa.array(found.suspicion_n, from_pandas=True)
    ]  # fmt: skip
    schema = batch.schema
    for name in REASONS:
        schema = schema.append(MANIFEST.field(name))
    return pa.RecordBatch.from_arrays([*batch.columns, *told], schema=schema)


def _names(place_n: IntArray, names: Sequence[str]) -> pa.Array:
    """The names that places stand for; null where a place is below 0."""
    return pa.array([*names, None], pa.string()).take(pa.array(np.where(place_n < 0, len(names), place_n)))


class ManifestSink:
    """The manifest's parquet file, written in row groups of one size."""

    def __init__(self, path: Path, metadata: dict[bytes, bytes], with_ids: bool = False) -> None:
        self.path = path
        self.schema = MANIFEST.append(ID) if with_ids else MANIFEST
        self.pending: list[pa.RecordBatch] = []
        self.rows = 0
        with writable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with ExitStack() as stack:
                self.file = stack.enter_context(open(put_new(path), "wb"))
                self.writer = pq.ParquetWriter(self.file, self.schema.with_metadata(metadata))
                self.closing = stack.pop_all()

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in rows, as `manifest_rows` makes them."""
        self.pending.append(batch)
        self.rows += batch.num_rows
        while self.rows >= MANIFEST_GROUP:
            self._flush(MANIFEST_GROUP)

    def _flush(self, rows: int) -> None:
        table = pa.Table.from_batches(self.pending, self.schema)
        self.writer.write_table(table.slice(0, rows).combine_chunks(), row_group_size=max(1, rows))
        self.pending = table.slice(rows).to_batches()
        self.rows -= rows

    def __enter__(self) -> ManifestSink:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with writable(self.path), self.closing:
            try:
                if kind is None and self.rows:
                    self._flush(self.rows)
            finally:
                self.writer.close()


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turns what writing can raise into BadInput; what reading raises has become one before."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{called(path.parent)}: cannot be written ({error}); free or name another place") from error
