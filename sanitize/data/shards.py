"""Where rows come from: a parquet file, a folder of them, a pattern or an fsspec address -> the shards, batch by batch.

Nothing of a file is believed before it is read: sizes in its footer are bounded, and its rows are counted. Folders
named KEY=VALUE (hive partitions) are columns of their shards, and stay folders in the output.
"""

# N rows
from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sanitize.data.table import BoolArray
from sanitize.errors import BadInput
from sanitize.io.layout import Mirror, mirror_of, parquet, plain_metadata
from sanitize.io.listing import MAGIC, SUFFIXES, files_below, files_like, is_shard
from sanitize.io.regular import open_regular, refuse_irregular
from sanitize.io.remote import connect, is_remote, remote_errors
from sanitize.io.rows import Rows, same
from sanitize.io.sizes import ONE_BY_ONE, Sizing, read_batches, refuse_large, sizing_of
from sanitize.io.splits import choose_split
from sanitize.io.writer import chosen_rows
from sanitize.whereabouts import told

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # how Hive writes null


@dataclass(frozen=True)
class Shard:
    """One parquet file.

    name    path below the input's folder, with /; what the output calls it as well
    place   where it lies: a local path, or a path of the file system `store`
    rows    as its footer says
    schema  without the partition columns
    keys    partition columns, from folders named KEY=VALUE
    mirror  how its schema is kept where pyarrow would write another; None = as it is
    sizing  how many rows of it are read at once
    """

    name: str
    place: str
    rows: int
    schema: pa.Schema
    keys: tuple[tuple[str, str | None], ...]
    store: Any = None
    mirror: Mirror | None = None
    sizing: Sizing = ONE_BY_ONE

    def stamp(self) -> tuple[Any, ...]:
        """Changes when the file does."""
        if self.store is not None:
            info = self.store.info(self.place)
            return (info.get("size"), str(info.get("ETag") or info.get("LastModified") or info.get("mtime")))
        status = Path(self.place).stat()
        return status.st_ino, status.st_size, status.st_mtime_ns

    def sha256(self) -> str:
        """SHA-256 (hex) of the file's bytes."""
        with _readable(self.name), self._bytes() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _bytes(self) -> Any:
        return open_regular(self.place) if self.store is None else self.store.open(self.place, "rb")

    @contextmanager
    def opened(self) -> Iterator[pq.ParquetFile]:
        """The open file, which reads in pieces of 1 MiB so that memory does not depend on its row groups."""
        with _readable(self.name), ExitStack() as stack:
            raw = stack.enter_context(self._bytes())
            with told("doing", f"read {self.place} (its footer)"):
                file = stack.enter_context(parquet(raw))
            yield file

    @contextmanager
    def mirrored(self) -> Iterator[tuple[Any, pq.ParquetFile]]:
        """The file's bytes, and the file open for copying its rows: read plainly where there is a mirror."""
        with _readable(self.name), ExitStack() as stack:
            raw = stack.enter_context(self._bytes())
            with told("doing", f"read {self.place} (its footer)"):
                plain = None if self.mirror is None else plain_metadata(raw, self.mirror, self.name)
                file = stack.enter_context(parquet(raw, metadata=plain))
            yield raw, file

    def batches(self, file: pq.ParquetFile, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The open file's rows, about 4 MiB at a time.

        columns  those to read, partition columns among them; None = the file's own
        Raises   BadInput: damaged, or it holds other rows than its footer says
        """
        own = None if columns is None else [name for name in columns if name not in dict(self.keys)]
        seen = 0
        with _readable(self.name):
            where = _Groups(file.metadata)
            batches = read_batches(file, self.sizing, own)
            while True:
                with told("doing", f"read {self.place} ({where.of(seen, self.sizing.rows)})"):
                    batch = next(batches, None)
                if batch is None:
                    break
                refuse_large(batch, seen, self.name)
                seen += batch.num_rows
                yield batch if columns is None else self.with_keys(batch, columns)
        if seen != self.rows:
            raise BadInput(f"{self.name}: holds {seen} rows, but its footer says {self.rows}; write the file again")

    def refuse_changed(self, outputs: Sequence[tuple[bool, Path]], keep: Sequence[BoolArray]) -> None:
        """BadInput if files written with the shard's mirror do not hold its rows, value for value and type for type.

        outputs  (whether it is that of the kept rows, the file)
        keep     whether each row was kept, in parts
        """
        assert self.mirror is not None
        keep_N = np.concatenate([*keep, np.zeros(0, np.bool_)])
        for wanted, path in outputs:
            with self.mirrored() as (_, given), open(path, "rb") as raw, parquet(raw) as typed:
                if not typed.schema_arrow.equals(self.schema):
                    raise BadInput(f"{self.name}: its columns' types would come out changed; cast them to others")
                with parquet(raw, metadata=plain_metadata(raw, self.mirror, self.name)) as made:
                    written, start = Rows(made.iter_batches(batch_size=1024)), 0
                    for batch in self.batches(given):
                        mask = keep_N[start : start + batch.num_rows]
                        start += batch.num_rows
                        for part in chosen_rows(batch, mask if wanted else ~mask):
                            self._refuse_other(part, written)
                    assert written.ended(), f"{path} has more rows than were written to it"

    def _refuse_other(self, part: pa.RecordBatch, written: Rows) -> None:
        again = written.take(part.num_rows)
        for name, one, other in zip(part.schema.names, part.columns, again.columns, strict=True):
            if not same(one, other):
                raise BadInput(f"{self.name}: column {name!r} would come out changed; cast it to another type")

    def with_keys(self, batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
        """The batch's `columns` without metadata, the partition columns among them with one value throughout."""
        keys = dict(self.keys)
        arrays = [
            pa.array([keys[name]], pa.string()).take(pa.array([0] * batch.num_rows, pa.int64()))
            if name in keys
            else batch.column(name)
            for name in columns
        ]
        fields = [pa.field(name, array.type) for name, array in zip(columns, arrays, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


@dataclass(frozen=True)
class Source:
    """All shards of an input.

    address  as the user gave it
    shards   at least one, in the order of their names
    single   whether the address is that of one file
    notes    what a person should know about how the files were found
    """

    address: str
    shards: tuple[Shard, ...]
    single: bool
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of all shards."""
        return sum(shard.rows for shard in self.shards)

    @property
    def schema(self) -> pa.Schema:
        """The first shard's columns with the partition columns, as text."""
        first = self.shards[0]
        schema = first.schema
        for key, _ in first.keys:
            if key not in schema.names:
                schema = schema.append(pa.field(key, pa.string()))
        return schema

    def sha256(self) -> str:
        """SHA-256 (hex): of the file's bytes where there is one file; otherwise of one line "NAME NUL SHA-256" each."""
        if self.single:
            return self.shards[0].sha256()
        return sha256_of_names((shard.name, shard.sha256()) for shard in self.shards)

    def stamps(self) -> list[tuple[Any, ...]]:
        """Change when a shard does. BadInput: a shard has gone."""
        try:
            return [shard.stamp() for shard in self.shards]
        except remote_errors() as error:
            raise BadInput(f"{self.address}: cannot be looked at again ({error}); filter it again") from error

    def refuse_unlike(self, label: str, names: Sequence[str]) -> None:
        """BadInput where a shard lacks the label or one of these columns, or has one in another type than the first."""
        for shard in self.shards:
            for name in (label, *names):
                wanted = self.schema.field(name).type
                place = shard.schema.get_field_index(name)
                if name not in dict(shard.keys) and (
                    place < 0 or (name != label and shard.schema.field(place).type != wanted)
                ):
                    got = "is missing" if place < 0 else f"has type {shard.schema.field(place).type}"
                    raise BadInput(
                        f"{shard.name}: column {name!r} {got}, but has type {wanted} in {self.shards[0].name}; "
                        f"all files must agree on the label and input columns"
                    )

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[Shard, int, pa.RecordBatch]]:
        """(shard, the batch's first row within it, batch with `columns`) through all shards, in order."""
        for shard in self.shards:
            start = 0
            with shard.opened() as file:
                for batch in shard.batches(file, columns):
                    yield shard, start, batch
                    start += batch.num_rows


def sha256_of_names(files: Iterable[tuple[str, str]]) -> str:
    """SHA-256 (hex) of several files: of one line "NAME NUL SHA-256" each."""
    lines = (f"{name}\0{digest}\n" for name, digest in files)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def find_shards(address: str | Path, split: str | None = None) -> Source:
    """The shards at an address: a file, a folder (all parquet files below it), a pattern with * ? [ ], or protocol://…

    split    the split whose files to take, where their names tell several; see `io.splits`
    Raises   BadInput: nothing there, a folder that cannot be listed, a file that cannot be read as parquet, files of
             several splits; BadParams: an address of a kind that is not known, or needs a package that is not installed
    """
    text = str(address)
    store, place = connect(text) if is_remote(text) else (None, text.removeprefix("file://"))
    try:
        base, names, single, notes = _remote_files(store, place) if store else _local_files(place)
    except remote_errors() as error:
        raise BadInput(f"{text}: cannot be read ({error}); check the address and your access to it") from error
    if not names:
        raise BadInput(f"{text}: holds no parquet files (named *{', *'.join(SUFFIXES)}); name a file, or mend the path")
    for name in names:
        if ".." in PurePosixPath(name).parts:
            raise BadInput(f"{text}: a file's name below it is {name!r}; must not lead out by '..'; rename it")
    names, left = choose_split(names, split, text)
    return Source(text, tuple(_shard(base, name, store) for name in names), single, (*notes, *left))


def _local_files(place: str) -> tuple[str, list[str], bool, list[str]]:
    """The folder, the files' names below it, whether one file was named, and what else to say."""
    path = Path(place)
    if path.is_dir():
        names, notes = files_below(place)
        return place, names, False, notes
    if os.path.lexists(place) or not MAGIC.search(place):
        refuse_irregular(place, "a parquet file")
        return str(path.parent), [path.name], True, []
    base = _base(place)
    pattern = str(PurePosixPath(place).relative_to(base)) if base else place
    names, notes = files_like(base, pattern)
    return base, names, False, notes


def _remote_files(store: Any, place: str) -> tuple[str, list[str], bool, list[str]]:
    """As `_local_files`."""
    if MAGIC.search(place):
        base = _base(place)
        matches = {p for p in store.glob(place) if store.isfile(p)}
        return base, sorted(str(PurePosixPath(p).relative_to(base)) for p in matches), False, []
    if store.isfile(place):
        return str(PurePosixPath(place).parent), [PurePosixPath(place).name], True, []
    found = [PurePosixPath(p).relative_to(place) for p in store.find(place)]
    if not found:
        raise BadInput(f"{place}: no such file; check the address")
    return place, sorted(str(p) for p in found if is_shard(p)), False, []


def _base(pattern: str) -> str:
    """The folders before the first part with a wildcard."""
    parts = PurePosixPath(pattern).parts
    first = next(number for number, part in enumerate(parts) if MAGIC.search(part))
    return str(PurePosixPath(*parts[:first])) if first else ""


def _shard(base: str, name: str, store: Any) -> Shard:
    place = str(PurePosixPath(base) / name) if store else str(Path(base) / name)
    parts = [part.split("=", 1) for part in PurePosixPath(name).parts[:-1] if "=" in part]
    bare = Shard(name, place, 0, pa.schema([]), (), store)
    with bare.mirrored() as (raw, file):
        schema, rows = file.schema_arrow, file.metadata.num_rows
        own = schema.names
        mirror = mirror_of(raw, file, name)
        sizing = sizing_of(raw, file.metadata, schema, name)
    keys = tuple((key, None if value == _NO_VALUE else unquote(value)) for key, value in parts if key not in own)
    return Shard(name, place, rows, schema, keys, store, mirror, sizing)


class _Groups:
    """Which row groups the rows of a file lie in, as its footer has it, in words."""

    def __init__(self, footer: pq.FileMetaData) -> None:
        self.ends = list(accumulate(footer.row_group(group).num_rows for group in range(footer.num_row_groups)))

    def of(self, row: int, rows: int) -> str:
        """Where `rows` rows from `row` on lie."""
        first, last = (min(bisect_right(self.ends, place), len(self.ends) - 1) for place in (row, row + rows - 1))
        return f"row group {first}" if last <= first else f"row groups {first} to {last}"


def _unreadable() -> tuple[type[Exception], ...]:
    return (pa.ArrowException, UnicodeDecodeError, *remote_errors())


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Turns what reading can raise into BadInput; names in a damaged schema need not even be text."""
    try:
        yield
    except PermissionError as error:
        raise BadInput(f"{name}: may not be read; change its permissions") from error
    except _unreadable() as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{name}: cannot be read as parquet ({first}); write it again as a parquet file") from error
