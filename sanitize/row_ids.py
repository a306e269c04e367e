"""The user's own keys of rows: a column -> texts, by which a manifest and a review name rows."""

# N rows
from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from sanitize.data.features import storage
from sanitize.data.shards import Source
from sanitize.data.stored import is_text, values_of
from sanitize.errors import BadInput, BadParams

OPTION = "--id-column"
TWICE = -1


def refuse_id_column(source: Source, name: str, label: str, inputs: Sequence[str]) -> None:
    """BadInput: the input has no such column, or several. BadParams: it is the label, or an input of the voters."""
    count = source.schema.names.count(name)
    if count != 1:
        raise BadInput(f"{source.address}: has {count} columns {name!r}; {OPTION} must name one that it has once")
    if name == label or name in inputs:
        what = "label" if name == label else "input"
        raise BadParams(f"{OPTION} is {name!r}, which is the {what} column; name a column of keys, or leave it out")


def as_texts(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Keys as texts, with an escape for bytes that are no UTF-8; null stays null."""
    chunked = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    plain = storage(chunked)
    if pa.types.is_dictionary(plain.type):
        plain = plain.cast(plain.type.value_type)
    if is_text(plain.type) and not _is_utf8(plain):
        plain = plain.cast(pa.large_binary())
    if pa.types.is_integer(plain.type) or pa.types.is_string(plain.type) or pa.types.is_large_string(plain.type):
        return pa.concat_arrays(plain.cast(pa.string()).chunks) if plain.num_chunks else pa.array([], pa.string())
    return pa.array([_text(value) for value in values_of(plain)], pa.string())


def _is_utf8(column: pa.ChunkedArray) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return None if value is None else str(value)


class RowIds:
    """Where the row with a key stands.

    keys    the keys of all rows, in order, batch by batch; null = none
    origin  where they come from, for messages
    """

    def __init__(self, keys: Iterable[pa.Array], origin: str) -> None:
        self.origin = origin
        self.place: dict[str, int] = {}
        first = 0
        for batch in keys:
            for row, key in enumerate(batch.to_pylist(), first):
                if key is not None:
                    self.place[key] = TWICE if key in self.place else row
            first += len(batch)

    def position(self, key: str, where: str) -> int:
        """The row's position in the whole input. BadInput: no such key, or several rows with it; `where`: who asks."""
        place = self.place.get(key)
        if place is None:
            raise BadInput(f"{where}: id is {key!r}; no row of {self.origin} has it")
        if place == TWICE:
            raise BadInput(f"{where}: id is {key!r}, which several rows of {self.origin} have; name file and row")
        return place


def input_ids(source: Source, name: str) -> RowIds:
    """The keys that a column of the input holds."""
    return RowIds((as_texts(batch.column(0)) for _, _, batch in source.batches([name])), f"column {name!r}")
