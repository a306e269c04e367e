"""One pass over the rows: each batch is judged and at once written to kept or rejected rows, and to the manifest."""

# N rows, n rows of a batch
from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sanitize.data.parquet import Sink, chosen_rows
from sanitize.data.shards import Shard, Source
from sanitize.data.table import BoolArray, IntArray
from sanitize.errors import BadInput
from sanitize.filtering import KEPT

UNJUDGED = -1
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
    ]
)
MANIFEST_GROUP = 1 << 16
RELEASE_EVERY = 8  # batches
WORST = 40  # rows that a report shows


@dataclass(frozen=True)
class Verdicts:
    """What becomes of n rows.

    keep_n       bool [n]
    reason_n     n strings: "kept", or a cause, a colon and details
    suspicion_n  float64 [n], 0..1, higher = worse; NaN where a row was not judged
    vote_n       int64 [n], the label that most voters say, a place in `classes`; UNJUDGED where a row was not judged
    support_n    int64 [n], voters that say the given label; UNJUDGED likewise
    agreement_n  int64 [n], voters that say `vote_n`; UNJUDGED likewise
    label_n      int64 [n], place of the given label among all class names; UNJUDGED where it is none
    voters       how many vote on a row
    """

    keep_n: BoolArray
    reason_n: NDArray[np.object_]
    suspicion_n: NDArray[np.float64]
    vote_n: IntArray
    support_n: IntArray
    agreement_n: IntArray
    label_n: IntArray
    voters: int

    def part(self, start: int, rows: int) -> Verdicts:
        """The verdicts on `rows` rows from `start` on."""
        cut = slice(start, start + rows)
        return Verdicts(
            self.keep_n[cut],
            self.reason_n[cut],
            self.suspicion_n[cut],
            self.vote_n[cut],
            self.support_n[cut],
            self.agreement_n[cut],
            self.label_n[cut],
            self.voters,
        )


class Judge(Protocol):
    """Judges a batch of rows. May be called by several threads at once."""

    columns: tuple[str, ...]  # that it needs to see; () = it knows the rows by their number
    classes: tuple[str, ...]  # the names that votes are places of
    labels: tuple[str, ...]  # the names that labels are places of
    threads: int

    def __call__(self, shard: Shard, start: int, first: int, batch: pa.RecordBatch) -> Verdicts:
        """Verdicts on the rows of `batch`: row `start` and on of the shard, row `first` and on of the whole input."""

    def picture(self, batch: pa.RecordBatch, row: int) -> NDArray[np.uint8] | None:
        """One row of a batch as an image, uint8 [H, W, 1 or 3]; None where rows are no images."""


@dataclass
class Tally:
    """What the pass counted.

    reasons    rows rejected for each cause
    unjudged   rows kept without a verdict, for each cause
    classes    rows and rejected rows of each class
    worst      the most suspicious rows: (suspicion, number, file, row, label, reason, picture)
    """

    rows: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    unjudged: Counter[str] = field(default_factory=Counter)
    classes: dict[str, tuple[int, int]] = field(default_factory=dict)
    worst: list[tuple[float, int, str, int, str, str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Drafts:
    """Where the pass writes; None = nowhere. For an input of one file these are files, otherwise folders."""

    kept: Path | None
    rejected: Path | None
    manifest: Path | None


def run_pass(
    source: Source,
    judge: Judge,
    drafts: Drafts,
    metadata: Callable[[str], dict[bytes, bytes]],
    progress: Callable[[int], None],
    pictures: bool = False,
) -> Tally:
    """Judge and write all rows, in order, in memory that does not grow with them.

    metadata  "kept" or "rejected" -> what is added to the outputs' schema metadata
    progress  called with the number of rows done, after every batch
    pictures  whether the tally's worst rows come with their pictures
    Raises    BadInput: a shard cannot be read, an output cannot be written; whatever the judge raises
    """
    tally = Tally(classes=dict.fromkeys(judge.labels, (0, 0)))
    rewriting = drafts.kept is not None
    first = batches_done = 0
    with ExitStack() as stack:
        manifest = None
        if drafts.manifest is not None:
            manifest = stack.enter_context(_ManifestSink(drafts.manifest))
        for shard in source.shards:
            with shard.opened() as file, _writable(drafts.kept or drafts.manifest or Path()), ExitStack() as sinks:
                writers = []
                for name, place in (("kept", drafts.kept), ("rejected", drafts.rejected)):
                    if place is not None:
                        path = place if source.single else place / shard.name
                        path.parent.mkdir(parents=True, exist_ok=True)
                        writers.append((name == "kept", sinks.enter_context(Sink(path, file, metadata(name)))))
                columns = None if rewriting else judge.columns or (shard.schema.names[:1] if len(shard.schema) else ())
                batches = shard.batches(file, columns)
                for start, batch, found in _judged(shard, batches, judge, first):
                    for wanted, sink in writers:
                        sink.add(chosen_rows(batch, found.keep_n if wanted else ~found.keep_n))
                    if manifest is not None:
                        manifest.add(shard.name, start, found, judge.classes)
                    _count(tally, found, judge, shard, start, batch, pictures)
                    progress(tally.rows)
                    batches_done += 1
                    if batches_done % RELEASE_EVERY == 0:  # or what the pool keeps grows with the file, slowly
                        pa.default_memory_pool().release_unused()
            first += shard.rows
    tally.worst.sort(key=lambda row: (-row[0], -row[1]))
    return tally


def _judged(
    shard: Shard, batches: Iterator[pa.RecordBatch], judge: Judge, first: int
) -> Iterator[tuple[int, pa.RecordBatch, Verdicts]]:
    """(first row, batch, verdicts) in order; up to `judge.threads` batches are judged while others are written."""
    if judge.threads < 2:
        start = 0
        for batch in batches:
            yield start, batch, judge(shard, start, first + start, batch)
            start += batch.num_rows
        return
    waiting: deque[tuple[int, pa.RecordBatch, Future[Verdicts]]] = deque()
    pool = ThreadPoolExecutor(judge.threads)
    try:
        start = 0
        for batch in batches:
            waiting.append((start, batch, pool.submit(judge, shard, start, first + start, batch)))
            start += batch.num_rows
            if len(waiting) > judge.threads:
                begun, oldest, future = waiting.popleft()
                yield begun, oldest, future.result()
        while waiting:
            begun, oldest, future = waiting.popleft()
            yield begun, oldest, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _count(
    tally: Tally, found: Verdicts, judge: Judge, shard: Shard, start: int, batch: pa.RecordBatch, pictures: bool
) -> None:
    tally.rows += len(found.keep_n)
    rejected = np.flatnonzero(~found.keep_n)
    tally.rejected += len(rejected)
    tally.reasons.update(reason.split(":")[0] for reason in found.reason_n[rejected])
    spared = found.keep_n & (found.reason_n != KEPT)
    tally.unjudged.update(reason.split(":")[0] for reason in found.reason_n[spared])
    known = found.label_n >= 0
    rows_C = np.bincount(found.label_n[known], minlength=len(judge.labels))
    dropped_C = np.bincount(found.label_n[known & ~found.keep_n], minlength=len(judge.labels))
    for place in np.flatnonzero(rows_C):
        rows, dropped = tally.classes[judge.labels[place]]
        tally.classes[judge.labels[place]] = (rows + int(rows_C[place]), dropped + int(dropped_C[place]))
    least = tally.worst[0][0] if len(tally.worst) == WORST else -1.0
    candidates = [row for row in rejected if found.suspicion_n[row] > least]  # NaN is not
    for row in sorted(candidates, key=lambda row: -found.suspicion_n[row])[:WORST]:
        picture = judge.picture(batch, int(row)) if pictures else None
        label = judge.labels[found.label_n[row]]
        number = start + int(row)
        entry = (float(found.suspicion_n[row]), -tally.rows - int(row), shard.name, number, label, found.reason_n[row])
        push = heapq.heappush if len(tally.worst) < WORST else heapq.heappushpop
        push(tally.worst, (*entry, _Uncompared(picture)))


@dataclass(frozen=True)
class _Uncompared:
    """A picture among values that a heap compares; no two entries are equal before it."""

    picture: Any


class _ManifestSink:
    """The manifest's parquet file, written in row groups of one size."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pending: list[pa.RecordBatch] = []
        self.rows = 0
        with _writable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.writer = pq.ParquetWriter(path, MANIFEST)

    def add(self, file: str, start: int, found: Verdicts, classes: Sequence[str]) -> None:
        """Take in the verdicts on rows `start` and on of a file."""
        rows = len(found.keep_n)
        judged = pa.array(found.vote_n < 0)
        votes = pa.array([*classes, None], pa.string()).take(
            pa.array(np.where(found.vote_n < 0, len(classes), found.vote_n))
        )
        columns = [
            pa.array(np.arange(start, start + rows)),
            pa.array(found.keep_n),
            pa.array(found.reason_n, pa.string()),
            pa.array(found.suspicion_n, from_pandas=True),
            pa.array([file], pa.string()).take(pa.array(np.zeros(rows, np.int64))),
            votes,
            pa.array(np.full(rows, found.voters, np.int32), mask=judged.to_numpy(zero_copy_only=False)),
            pa.array(found.support_n.astype(np.int32), mask=found.support_n < 0),
            pa.array(found.agreement_n.astype(np.int32), mask=found.agreement_n < 0),
        ]
        self.pending.append(pa.RecordBatch.from_arrays(columns, schema=MANIFEST))
        self.rows += rows
        while self.rows >= MANIFEST_GROUP:
            self._flush(MANIFEST_GROUP)

    def _flush(self, rows: int) -> None:
        table = pa.Table.from_batches(self.pending, MANIFEST)
        self.writer.write_table(table.slice(0, rows).combine_chunks(), row_group_size=max(1, rows))
        self.pending = table.slice(rows).to_batches()
        self.rows -= rows

    def __enter__(self) -> _ManifestSink:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with _writable(self.path):
            try:
                if kind is None and self.rows:
                    self._flush(self.rows)
            finally:
                self.writer.close()


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Turns what writing can raise into BadInput; what reading raises has become one before."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path.parent}: cannot be written ({error}); free or name another place") from error
