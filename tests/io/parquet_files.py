"""Parquet files as other programs write them and pyarrow does not: plain values, another footer."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sanitize.io.layout import FIXED, elements, leaves
from sanitize.io.thrift import BINARY, I32, LIST, MAGIC, STRUCT, TRUE, Items, Struct, dump, parse, read_footer

TYPE, LENGTH, REPETITION, NAME, CHILDREN, CONVERTED, SCALE, PRECISION, FIELD_ID, LOGICAL = range(1, 11)


def logical(number: int, **inner: Any) -> tuple[int, Struct]:
    """An annotation of a schema's element that is a logical type without values."""
    return STRUCT, Struct({number: (STRUCT, Struct(dict(inner)))})


def utc_time(kind: int, unit: int) -> tuple[int, Struct]:
    """TIME (7) or TIMESTAMP (8) in UTC; unit 1 ms, 2 us, 3 ns."""
    its = Struct({1: (TRUE, True), 2: (STRUCT, Struct({unit: (STRUCT, Struct())}))})
    return STRUCT, Struct({kind: (STRUCT, its)})


def int96(day: int, nanoseconds: int) -> bytes:
    """A time as Spark and Impala write it; day 2440588 is 1970-01-01."""
    return struct.pack("<qi", nanoseconds, day)


def rewrite(
    path: Path,
    table: pa.Table,
    changes: Mapping[str, Mapping[int, Any]] | None = None,
    tree: Sequence[Mapping[int, Any]] | None = None,
    metadata: Mapping[str, str] | None = None,
    **settings: Any,
) -> Path:
    """Write a table, then change its footer as another program would have written it.

    changes   path of a column or group, with dots -> field number of its element -> (type, value), None = none
    tree      elements below the root in place of those that pyarrow wrote; columns must have the same repetitions
    metadata  pairs in place of pyarrow's
    """
    file = io.BytesIO()
    pq.write_table(table, file, store_schema=False, **settings)
    start, content = read_footer(file)
    footer = parse(content)
    schema = elements(footer)
    if tree is not None:
        schema[1:] = [Struct(dict(element)) for element in tree]
        schema[0].put(NAME, BINARY, b"spark_schema")
    for name, fields in (changes or {}).items():
        element = _named(schema, name)
        for number, given in fields.items():
            element.put(number, *(given or (I32, None)))
    found = leaves(schema)
    for group in footer.get(4).values if footer.get(4) else []:
        for leaf, chunk in zip(found, group.get(1).values, strict=True):
            chunk.get(3).put(1, I32, leaf.kind)
            chunk.get(3).put(3, LIST, Items(BINARY, list(leaf.path)))
            if leaf.kind == 3:
                chunk.get(3).put(12, STRUCT, None)
    if metadata is not None:
        values = [Struct({1: (BINARY, k.encode()), 2: (BINARY, v.encode())}) for k, v in metadata.items()]
        footer.put(5, LIST, Items(STRUCT, values))
    content = dump(footer)
    path.write_bytes(file.getvalue()[:start] + content + len(content).to_bytes(4, "little") + MAGIC)
    return path


def _named(schema: Sequence[Struct], name: str) -> Struct:
    """The element at a path."""
    above: list[tuple[int, str]] = [(schema[0].get(CHILDREN), "")]
    for element in schema[1:]:
        while above[-1][0] == 0:
            above.pop()
        left, prefix = above[-1]
        above[-1] = (left - 1, prefix)
        path = f"{prefix}{element.get(NAME).decode()}"
        if path == name:
            return element
        if element.get(CHILDREN):
            above.append((element.get(CHILDREN), f"{path}."))
    raise KeyError(name)


def as_int96(path: str) -> dict[str, dict[int, Any]]:
    """The changes that make a column of 12 bytes one of INT96."""
    return {path: {TYPE: (I32, 3), LENGTH: None, CONVERTED: None, LOGICAL: None}}


def schema_of(path: str | Path) -> list[dict[int, Any]]:
    """Every element of a file's schema as plain values, for comparison."""
    with open(path, "rb") as file:
        return [_values(element) for element in elements(parse(read_footer(file)[1]))]


def _values(found: Struct) -> dict[int, Any]:
    return {
        number: _values(value) if isinstance(value, Struct) else value for number, (_, value) in found.fields.items()
    }


__all__ = ["FIXED", "as_int96", "int96", "logical", "rewrite", "schema_of", "utc_time"]
