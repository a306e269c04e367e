"""One pass over the rows: each batch is judged and at once written to kept or rejected rows, and to the manifest."""

# N rows, n rows of a batch
from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import sanitize
from sanitize.data.shards import Shard, Source
from sanitize.data.table import BoolArray
from sanitize.filter_manifest import Further, ManifestSink, manifest_rows, with_reasons, writable
from sanitize.filter_tally import Tally, Verdicts, count_batch, shown
from sanitize.io.atomic import put_new
from sanitize.io.rows import Rows
from sanitize.io.writer import Sink, chosen_rows
from sanitize.overrides import Overrides
from sanitize.whereabouts import told

PROVENANCE = b"sanitize"  # the schema metadata's key
RELEASE_EVERY = 8  # batches
AHEAD = 2  # batches that wait for each thread, so that none is idle while a row group is written
RUN = 64  # rows: runs of chosen rows that are so long on average are faster written one by one than gathered


class Judge(Protocol):
    """Judges a batch of rows. May be called by several threads at once."""

    columns: tuple[str, ...]  # that it needs to see; () = it knows the rows by their number
    classes: tuple[str, ...]  # the names that votes are places of
    labels: tuple[str, ...]  # the names that labels are places of
    threads: int

    def __call__(self, shard: Shard, start: int, first: int, batch: pa.RecordBatch) -> Verdicts:
        """Verdicts on the rows of `batch`: row `start` and on of the shard, row `first` and on of the whole input."""


@dataclass(frozen=True)
class Drafts:
    """Where the pass writes; None = nowhere. For an input of one file these are files, otherwise folders."""

    kept: Path | None
    rejected: Path | None
    manifest: Path | None


class Parts(Protocol):
    """Remembers which of several shards are done."""

    def manifest_of(self, number: int) -> Path:
        """Where a shard's manifest goes."""

    def shard(self, number: int) -> Tally | None:
        """What was counted in a shard that is done; None = it is not."""

    def keep_shard(self, number: int, tally: Tally) -> None:
        """Remember that a shard is done."""

    def manifests(self, shards: Sequence[Shard]) -> Iterator[pa.RecordBatch]:
        """The manifests of all shards, in order."""


def provenance(
    source: Source, parameters: str, digest: str, run: Mapping[str, Any] | None = None
) -> Callable[[str], dict[bytes, bytes]]:
    """ "kept", "rejected" or "manifest" -> schema metadata on where rows came from; an earlier one stays.

    run  what a manifest says of the run besides
    """
    earlier = (source.shards[0].schema.metadata or {}).get(PROVENANCE)

    def about(rows: str) -> dict[bytes, bytes]:
        values: dict[str, Any] = {
            "version": sanitize.__version__,
            "rows": rows,
            "parameters_sha256": parameters,
            "input_sha256": digest,
        }
        if rows == "manifest":
            values |= run or {}
        if earlier is not None:
            values["earlier"] = earlier.decode("utf-8", "replace")
        return {PROVENANCE: json.dumps(values, sort_keys=True).encode()}

    return about


def run_pass(
    source: Source,
    judge: Judge,
    drafts: Drafts,
    metadata: Callable[[str], dict[bytes, bytes]],
    progress: Callable[[int], None],
    memory: Parts,
    overrides: Overrides | None = None,
    id_column: str | None = None,
    reasons: bool = False,
) -> Tally:
    """Judge and write all rows, in order, in memory that does not grow with them.

    memory    which of several shards are done, and what was counted in them: these are not done again
    metadata  "kept", "rejected" or "manifest" -> what is added to the outputs' schema metadata
    progress  called with the number of rows done, after every batch
    overrides people's decisions, put over the judge's; None = there are none
    id_column column whose values the manifest repeats as `ID`; None = none
    reasons   whether rejected rows get the columns `REASONS`
    Raises    BadInput: a shard cannot be read, an output cannot be written; whatever the judge raises
    """
    whole = Tally(classes=dict.fromkeys(judge.labels, (0, 0)))
    first = 0
    for number, shard in enumerate(source.shards):
        tally = memory.shard(number) if not source.single else None
        if tally is None:
            tally = Tally()
            part = drafts if source.single else _drafts_of(number, shard, drafts, memory)
            further = Further(id_column, reasons)
            for _ in _pass_through(shard, first, judge, part, metadata, tally, overrides, further):
                progress(whole.rows + tally.rows)
            if not source.single:
                memory.keep_shard(number, tally)
        whole.add(tally)
        progress(whole.rows)
        first += shard.rows
    if drafts.manifest is not None and not source.single:
        with ManifestSink(drafts.manifest, metadata("manifest"), id_column is not None) as manifest:
            for batch in memory.manifests(source.shards):
                manifest.add(batch)
    return whole


def _drafts_of(number: int, shard: Shard, drafts: Drafts, memory: Parts) -> Drafts:
    """Where the rows of one of several shards go."""
    kept, rejected = (None if place is None else place / shard.name for place in (drafts.kept, drafts.rejected))
    return Drafts(kept, rejected, None if drafts.manifest is None else memory.manifest_of(number))


def _pass_through(
    shard: Shard,
    first: int,
    judge: Judge,
    drafts: Drafts,
    metadata: Callable[[str], dict[bytes, bytes]],
    tally: Tally,
    overrides: Overrides | None,
    further: Further,
) -> Iterator[None]:
    """Judge, count and write a shard's rows; yields after every batch."""
    with ExitStack() as stack:
        raw, file, pairs = _read(shard, judge, drafts.kept is not None, stack, further.id_column)
        stack.enter_context(writable(drafts.kept or drafts.manifest or Path()))
        # Read before the sinks look at the footer's columns: what is wrong with these, a reader tells, but pyarrow's
        # view of them lets an exception of C++ through, which ends the process.
        read = list(islice(pairs, 1))
        masks: list[BoolArray] = []
        writers: list[tuple[bool, Sink]] = []
        with ExitStack() as sinks:
            for name, path in (("kept", drafts.kept), ("rejected", drafts.rejected)):
                if path is not None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    more = further.fields(shard) if name == "rejected" else ()
                    sink = sinks.enter_context(Sink(put_new(path), file, metadata(name), shard.mirror, raw, more))
                    writers.append((name == "kept", sink))
            manifest = None
            if drafts.manifest is not None:
                manifest = sinks.enter_context(
                    ManifestSink(drafts.manifest, metadata("manifest"), further.id_column is not None)
                )
            for done, (start, batch, seen, found) in enumerate(_judged(shard, chain(read, pairs), judge, first), 1):
                if overrides is not None:
                    found = overrides.applied(found, first + start)
                with told("doing", f"wrote the rows of {shard.place} from row {start} on"):
                    for wanted, sink in writers:
                        rows = batch if wanted or not further.reasons else with_reasons(batch, found)
                        sink.add(_chosen(rows, found.keep_n if wanted else ~found.keep_n))
                    if manifest is not None:
                        keys = further.keys(shard, seen)
                        manifest.add(manifest_rows(shard.name, start, found, judge.classes, judge.labels, keys))
                if shard.mirror is not None:
                    masks.append(found.keep_n)
                count_batch(tally, found, judge.labels, judge.classes, shown(shard.name), start)
                yield
                if done % RELEASE_EVERY == 0:  # or what the pool keeps grows with the file, slowly
                    pa.default_memory_pool().release_unused()
        if shard.mirror is not None and writers:
            with told("doing", f"read the rows of {shard.place} again"):
                shard.refuse_changed([(wanted, sink.path) for wanted, sink in writers], masks)


Pairs = Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]


def _read(
    shard: Shard, judge: Judge, copied: bool, stack: ExitStack, id_column: str | None
) -> tuple[Any, pq.ParquetFile, Pairs]:
    """The shard's bytes, open file, and batches, each of them as it is written and as it is judged."""
    wanted = (*judge.columns, *([] if id_column is None else [id_column]))
    if not copied:
        columns = wanted or (shard.schema.names[:1] if len(shard.schema) else ())
        file = stack.enter_context(shard.opened())
        return None, file, ((batch, batch) for batch in shard.batches(file, columns))
    raw, file = stack.enter_context(shard.mirrored())
    batches = shard.batches(file)
    if shard.mirror is None or not wanted:
        return raw, file, ((batch, batch) for batch in batches)
    typed = Rows(shard.batches(stack.enter_context(shard.opened()), wanted))
    return raw, file, ((batch, typed.take(batch.num_rows)) for batch in batches)


def _judged(
    shard: Shard, pairs: Pairs, judge: Judge, first: int
) -> Iterator[tuple[int, pa.RecordBatch, pa.RecordBatch, Verdicts]]:
    """(first row, batch as it is written and as it is judged, verdicts) in order.

    Up to `judge.threads` batches are judged while others are written.
    """
    if judge.threads < 2:
        start = 0
        for batch, seen in pairs:
            yield start, batch, seen, _told_of(judge, shard, start, first + start, seen)
            start += batch.num_rows
        return
    waiting: deque[tuple[int, pa.RecordBatch, pa.RecordBatch, Future[Verdicts]]] = deque()
    pool = ThreadPoolExecutor(judge.threads)
    try:
        start = 0
        for batch, seen in pairs:
            waiting.append((start, batch, seen, pool.submit(_told_of, judge, shard, start, first + start, seen)))
            start += batch.num_rows
            if len(waiting) > AHEAD * judge.threads:
                begun, oldest, judged, future = waiting.popleft()
                yield begun, oldest, judged, future.result()
        while waiting:
            begun, oldest, judged, future = waiting.popleft()
            yield begun, oldest, judged, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _told_of(judge: Judge, shard: Shard, start: int, first: int, batch: pa.RecordBatch) -> Verdicts:
    """The judge's verdicts."""
    with told("doing", f"judged rows {start} to {start + batch.num_rows - 1} of {shard.place}"):
        return judge(shard, start, first, batch)


def _chosen(batch: pa.RecordBatch, mask: BoolArray) -> list[pa.RecordBatch]:
    """`chosen_rows`, without a copy where the rows lie together."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2)
    if len(edges) * RUN > np.count_nonzero(mask):
        return chosen_rows(batch, mask)
    return [batch.slice(int(first), int(end - first)) for first, end in edges]
