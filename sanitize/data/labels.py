"""Labels: a column's own values <-> 0..C-1 and class names. Integers, strings, dictionaries of them, booleans."""

# N rows, C classes
from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sanitize.data.table import IntArray
from sanitize.errors import BadInput

Column = TypeVar("Column", pa.Array, pa.ChunkedArray)
HUGGING_FACE = b"huggingface"  # the schema metadata's key for the Features JSON


def declared_names(schema: pa.Schema, label: str, origin: str = "the table") -> tuple[str, ...] | None:
    """The ClassLabel names that the schema metadata declare for integer column `label`; None if they declare none.

    Raises   BadInput: the metadata under the key `huggingface` are no JSON
    """
    text = (schema.metadata or {}).get(HUGGING_FACE)
    if text is None or not pa.types.is_integer(schema.field(label).type):
        return None
    try:
        feature = json.loads(text)["info"]["features"][label]
        names = feature["names"] if feature["_type"] == "ClassLabel" else None
    except (KeyError, TypeError):  # other features, or none for this column
        return None
    except ValueError as error:
        raise BadInput(f"{origin}: schema metadata 'huggingface' is no JSON ({error}); mend or remove it") from error
    return tuple(str(name) for name in names) if names else None


def encode_labels(
    table: pa.Table, label: str, *, class_names: Sequence[str] | None = None, origin: str = "the table"
) -> tuple[IntArray, tuple[str, ...]]:
    """A label column as numbers.

    table        with the column `label`: integers, strings, a dictionary of them, or booleans
    class_names  the classes of the training table, for another table of the same data: the same name gets the same
                 number. None = the schema's ClassLabel names, or else the column's own values, sorted
    origin       the file's name, for messages
    Returns      labels int64 [N], 0..C-1, and the C class names
    Raises       BadInput: another type, nulls, a value that is no class; fewer than two classes in a table with rows
                 (not asked if `class_names` is given)
    """
    column = plain_labels(table.column(label), label, origin)
    if column.null_count:
        rows = np.flatnonzero(pc.is_null(column).to_numpy())
        raise BadInput(
            f"{origin}: label column {label!r} is null in {len(rows)} of {len(column)} rows ({_rows(rows)}); "
            f"fill or drop such rows first"
        )
    declared = declared_names(table.schema, label, origin)
    if declared is not None:
        codes = column.to_numpy().astype(np.int64)
        _refuse(codes, (codes < 0) | (codes >= len(declared)), label, origin, f"0..{len(declared) - 1}, as its names")
        values: list[str] = list(declared)
    else:
        unique, codes = np.unique(column.to_numpy(), return_inverse=True)
        codes = codes.astype(np.int64)
        values = [str(value) for value in unique]
    if class_names is None:
        present = np.unique(codes)
        if len(codes) and len(present) < 2:
            raise BadInput(
                f"{origin}: label column {label!r} has one class only, {values[present[0]]!r}; must have at least 2; "
                f"add rows of other classes, or name another label column"
            )
        return codes, tuple(values)
    wanted = {name: number for number, name in enumerate(class_names)}
    to_wanted = np.array([wanted.get(value, -1) for value in values], np.int64)
    known = to_wanted[codes] if len(codes) else codes
    _refuse([values[c] for c in codes], known < 0, label, origin, f"one of the classes {', '.join(class_names)}")
    return known, tuple(class_names)


def plain_labels(column: Column, label: str, origin: str) -> Column:
    """A label column, or a batch of it, without a dictionary: integers, strings or booleans. BadInput: another type."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.string())
    if pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_boolean(kind):
        return column
    remedy = "cast it to int64" if pa.types.is_floating(kind) else "convert it, or name another column with data.label"
    raise BadInput(
        f"{origin}: label column {label!r} has type {column.type}; must be integers, strings, a dictionary of them, "
        f"or booleans; {remedy}"
    )


def _refuse(values: Sequence[str] | IntArray, wrong: np.ndarray, label: str, origin: str, bound: str) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise BadInput(
            f"{origin}: label column {label!r} is {values[rows[0]]} in row {rows[0]} ({len(rows)} such rows); "
            f"must be {bound}; drop such rows first"
        )


def _rows(rows: np.ndarray) -> str:
    return f"rows {', '.join(str(row) for row in rows[:5])}{', …' if len(rows) > 5 else ''}"


def decode_labels(labels: IntArray, class_names: Sequence[str], schema: pa.Schema, label: str) -> pa.Array:
    """Numbers as the column's own values: the reverse of `encode_labels`.

    labels       int64 [n], 0..C-1
    class_names  C strings, as `encode_labels` gave them
    schema       the schema of the table whose column `label` they are to stand in
    Returns      an Arrow array [n] of the column's type (a dictionary's own type for a dictionary column)
    """
    kind = schema.field(label).type
    if declared_names(schema, label) is not None:
        return pa.array(labels, pa.int64()).cast(kind)
    value_type = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_integer(value_type):
        own = pa.array([int(name) for name in class_names], value_type)
    elif pa.types.is_boolean(value_type):
        own = pa.array([name == "True" for name in class_names], value_type)
    else:
        own = pa.array(class_names, pa.string())
    if pa.types.is_dictionary(kind):
        indices = pa.array(labels).cast(kind.index_type)
        return pa.DictionaryArray.from_arrays(indices, own.cast(value_type), ordered=kind.ordered)
    return own.take(pa.array(labels)).cast(kind)
