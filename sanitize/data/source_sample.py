"""A sample of the rows of all shards, for `detect.choose`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import pyarrow as pa

from sanitize.data.label_values import label_names, reading_of
from sanitize.data.sample import LARGE_ROWS, Sample, draw_rows
from sanitize.data.shards import Source
from sanitize.data.stored import is_text

HEADS = 8  # shards whose first images and arrays are looked at


def sample_source(source: Source, label: str, inputs: Sequence[str] | None = None) -> Sample:
    """A sample of the columns that all shards have, in types that can be cast to the first shard's; labels by name.

    inputs  the columns that the user names; others are then not looked at
    """
    types = [
        {**{field.name: field.type for field in shard.schema}, **dict.fromkeys(dict(shard.keys), pa.string())}
        for shard in source.shards
    ]
    alike = [
        field
        for field in source.schema
        if field.name != label
        and (inputs is None or field.name in inputs)
        and all(_castable(own.get(field.name), field.type) for own in types)
    ]

    def heads(names: list[str]) -> Iterator[pa.RecordBatch]:
        chosen = source.shards[:: -(-len(source.shards) // HEADS)]
        for shard in chosen:
            with shard.opened() as file:
                for batch in islice(shard.batches(file, names), 1):
                    yield batch.slice(0, -(-LARGE_ROWS // len(chosen)))

    def rows(names: list[str]) -> Iterator[pa.RecordBatch]:
        for shard, first, batch in source.batches(names):
            column = pa.chunked_array([batch.column(label)])
            said = label_names(column, reading_of(shard.schema, label, shard.name), label, shard.name, first)
            arrays = [pa.array(said, pa.string()) if name == label else batch.column(name) for name in names]
            yield pa.RecordBatch.from_arrays(arrays, names)

    return draw_rows([*alike, pa.field(label, pa.string())], source.rows, rows, heads)


def _castable(kind: pa.DataType | None, wanted: pa.DataType) -> bool:
    return kind is not None and (kind == wanted or (is_text(kind) and is_text(wanted)))
