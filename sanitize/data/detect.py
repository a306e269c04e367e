"""What each column of a file can be used for: schema and some rows -> label, inputs and their kinds, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sanitize.data.columns import ROW_INDEX, SHOWN, choose_label, kind_of, listed
from sanitize.errors import BadInput

Kind = Literal["image", "vector", "number", "boolean", "category", "date", "text"]
TABULAR = ("number", "boolean", "category", "date")
MOST_VALUES = 64  # distinct texts that a category has at most
LEAST_WORDS = 2.0  # words that a text has at least, on average; below that it is a name or an identifier


@dataclass(frozen=True)
class Choice:
    """Which columns the filter looks at, and as what.

    label     the label column's name
    kinds     (column, kind) of every input, in the order in which they become features
    modality  "image", "vector", "text", "tabular", or several of them joined by " + "
    found     how, in words
    """

    label: str
    kinds: tuple[tuple[str, Kind], ...]
    modality: str
    found: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """The input columns' names."""
        return tuple(name for name, _ in self.kinds)


def choose(
    schema: pa.Schema,
    sample: pa.Table,
    *,
    label: str | None = None,
    inputs: Sequence[str] | None = None,
    origin: str = "the table",
) -> Choice:
    """Choose the label column by its name and the inputs by their types and, for text, by some values.

    schema   of the file
    sample   some rows of it, with its text columns
    label    the label column's name; None = the one column called one of LABEL_NAMES
    inputs   the input columns' names; None = the one image column, else the one vector column, else all text columns,
             else all numbers, booleans, categories and dates
    origin   the file's name, for messages
    Raises   BadInput: no such column, none or several that could be meant, a type that cannot be used
             BadParams: `inputs` empty, or with the label or a name twice among them
    """
    label, how = choose_label(schema.names, label, inputs, origin)
    kinds = {field.name: kind_in(field, sample) for field in schema if field.name != label}
    if inputs is not None:
        chosen = tuple((name, _usable(kinds[name], schema.field(name), origin)) for name in inputs)
        by = "as named"
    else:
        chosen, by = _found(kinds, schema, label, origin), "by type"
    modality = " + ".join(dict.fromkeys("tabular" if kind in TABULAR else kind for _, kind in chosen))
    of_kind = {kind: [name for name, k in chosen if k == kind] for kind in dict.fromkeys(k for _, k in chosen)}
    if " + " in modality or (modality == "tabular" and len(of_kind) > 1):
        described = "; ".join(f"{kind} columns {listed(of)}" for kind, of in of_kind.items())
    else:
        described = f"{modality} columns {listed([name for name, _ in chosen])}"
    found = f"label column {label!r} {how}; {described} {by}"
    rest = [name for name in kinds if name not in dict(chosen)]
    if rest:
        found += f"; not looked at: {listed(rest)}"
    return Choice(label, chosen, modality, found)


def kind_in(field: pa.Field, sample: pa.Table) -> Kind | None:
    """What a column can be; None = nothing: an identifier, a list of texts, or nothing but nulls."""
    kind = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
    by_type = kind_of(kind)
    if by_type in ("image", "vector"):
        return by_type
    if pa.types.is_boolean(kind):
        return "boolean"
    if by_type == "tabular" or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_temporal(kind):
        return "date"
    if pa.types.is_dictionary(kind):
        return "category" if not pa.types.is_nested(kind.value_type) else None
    if is_text(kind):
        return _text_kind(sample.column(field.name)) if field.name in sample.column_names else "text"
    return None


def is_text(kind: pa.DataType) -> bool:
    """Whether it is one of Arrow's string types."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def texts(column: pa.ChunkedArray | pa.Array) -> list[str | None]:
    """The column's texts; bytes that are no UTF-8 become U+FFFD."""
    values = column.cast(pa.large_binary()).to_pylist()
    return [None if value is None else value.decode("utf-8", "replace") for value in values]


def _text_kind(column: pa.ChunkedArray) -> Kind | None:
    values = [value for value in texts(column) if value is not None]
    distinct = len(set(values))
    if not values:
        return None
    if distinct <= MOST_VALUES and 2 * distinct <= len(values):
        return "category"
    words = float(np.mean([len(value.split()) for value in values]))
    numbered = float(np.mean([any(c.isdigit() for c in value) for value in values]))
    return "text" if words > LEAST_WORDS or (words >= LEAST_WORDS and numbered < 0.5) else None


def _found(kinds: dict[str, Kind | None], schema: pa.Schema, label: str, origin: str) -> tuple[tuple[str, Kind], ...]:
    usable = {name: kind for name, kind in kinds.items() if kind is not None and not ROW_INDEX.fullmatch(name)}
    for one in ("image", "vector"):
        candidates = [name for name, kind in usable.items() if kind == one]
        if len(candidates) > 1:
            raise BadInput(
                f"{origin}: several {one} columns: {listed(candidates)}; "
                f"name the one to use with data.inputs (--inputs NAME)"
            )
        if candidates:
            return ((candidates[0], usable[candidates[0]]),)
    written = tuple((name, kind) for name, kind in usable.items() if kind == "text")
    if written:
        return written
    tabular = tuple((name, kind) for name, kind in usable.items() if kind in TABULAR)
    if not tabular:
        types = ", ".join(f"{field.name}: {field.type}" for field in list(schema)[:SHOWN] if field.name != label)
        raise BadInput(
            f"{origin}: no input columns beside label {label!r} ({types or 'no other column'}); needed is a column of "
            f"images (binary, or struct with bytes), of vectors (list of numbers), of text, or numbers, booleans, "
            f"categories or dates"
        )
    return tabular


def _usable(kind: Kind | None, field: pa.Field, origin: str) -> Kind:
    if kind is None and is_text(field.type):
        return "text"  # named by the user, so it is no identifier
    if kind is None:
        raise BadInput(
            f"{origin}: column {field.name!r} has type {field.type}; an input must be an image (binary, or struct with "
            f"bytes), a list of numbers, text, a number, a boolean, a category or a date; convert it, or leave it out "
            f"of data.inputs"
        )
    return kind


def distinct_values(column: pa.ChunkedArray) -> list[str]:
    """A category's values as text, the most frequent first, at most MOST_VALUES."""
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    if not is_text(plain.type):
        plain = plain.cast(pa.string())
    counted = pc.value_counts(plain)
    names = texts(counted.field("values"))
    pairs = [(name, count) for name, count in zip(names, counted.field("counts").to_pylist(), strict=True) if name]
    return [name for name, _ in sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:MOST_VALUES]]
