"""Batches of any sizes as a stream of rows, of which so many are taken as are wanted."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa


class Rows:
    """A stream of rows."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self.batches = batches
        self.left: pa.RecordBatch | None = None

    def take(self, rows: int) -> pa.RecordBatch:
        """The next `rows` rows in one batch, fewer at the end; none when nothing was ever there is an assertion."""
        parts: list[pa.RecordBatch] = []
        wanted = rows
        while wanted:
            batch = self.left if self.left is not None and self.left.num_rows else next(self.batches, None)
            if batch is None:
                break
            parts.append(batch.slice(0, wanted))
            self.left = batch.slice(wanted)
            wanted -= parts[-1].num_rows
        if len(parts) == 1:
            return parts[0]
        assert parts, "no rows are left"
        return pa.concat_batches(parts)

    def ended(self) -> bool:
        """Whether no row is left."""
        while self.left is None or not self.left.num_rows:
            self.left = next(self.batches, None)
            if self.left is None:
                return True
        return False


def same(one: pa.Array, other: pa.Array) -> bool:
    """Whether two columns hold the same values; NaN is itself."""
    return bool(one.equals(other)) or (len(one) == len(other) and repr(one.to_pylist()) == repr(other.to_pylist()))
