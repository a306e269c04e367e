"""How a file holds its labels: the column's type and the metadata's ClassLabel names -> plain values of Python.

Nothing in a file's metadata is believed before it is looked at: names may be no list, twice the same, or no text.
"""

# n rows of a batch
from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from sanitize.data.table import IntArray
from sanitize.errors import BadInput

HUGGING_FACE = b"huggingface"  # the schema metadata's key for the Features JSON
Family = Literal["text", "number", "boolean"]
EXACT = {16: 2**11, 32: 2**24, 64: 2**53}  # up to where a float of so many bits tells whole numbers apart
_REMEDIES = (
    (pa.types.is_nested, "a row must have one label; make one column of classes, or name another with data.label"),
    (pa.types.is_temporal, "write the dates as text if each is a class, or name another column with data.label"),
    (pa.types.is_null, "it is null in all rows; name another column with data.label"),
)


@dataclass(frozen=True)
class Reading:
    """How one file holds labels.

    family  texts, whole numbers or booleans
    names   the ClassLabel names of numbers; None = none are declared
    """

    family: Family
    names: tuple[str, ...] | None = None


def value_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values, without extension and dictionary."""
    if isinstance(kind, pa.BaseExtensionType):
        return value_type(kind.storage_type)
    return value_type(kind.value_type) if pa.types.is_dictionary(kind) else kind


def reading_of(schema: pa.Schema, label: str, origin: str = "the table") -> Reading:
    """How a file with this schema holds its labels; a column that it has not is one of its folders' names, text.

    Raises   BadInput: a type that is none of labels; metadata that cannot be read
    """
    if label not in schema.names:
        return Reading("text")
    kind = schema.field(label).type
    plain = value_type(kind)
    if pa.types.is_boolean(plain):
        return Reading("boolean")
    if pa.types.is_integer(plain) or pa.types.is_floating(plain) or pa.types.is_decimal(plain):
        return Reading("number", declared_names(schema, label, origin))
    if pa.types.is_string(plain) or pa.types.is_large_string(plain) or pa.types.is_string_view(plain):
        return Reading("text")
    remedy = next((words for of_kind, words in _REMEDIES if of_kind(plain)), "convert it, or name another column")
    raise BadInput(
        f"{origin}: label column {label!r} has type {_cut(str(kind))}; must be integers, strings, a dictionary of "
        f"them, booleans, or whole floats or decimals; {remedy}"
    )


def label_names(column: pa.ChunkedArray, reading: Reading, label: str, origin: str, first: int = 0) -> list[str | None]:
    """Each row's class by its name, or, where it has none, its own text; None = null. Otherwise as `distinct`."""
    found: list[str | None] = []
    for chunk in column.chunks:
        values, places_n = distinct(chunk, label, origin, first + len(found))
        names = reading.names or ()
        told = [names[value] if isinstance(value, int) and 0 <= value < len(names) else str(value) for value in values]
        found += [None if place < 0 else told[place] for place in places_n]
    return found


def declared_names(schema: pa.Schema, label: str, origin: str = "the table") -> tuple[str, ...] | None:
    """The ClassLabel names that the schema metadata declare for `label`, a column of numbers; None = they declare none.

    Raises   BadInput: metadata under the key `huggingface` that are no JSON; names that are no list of different texts
    """
    text = (schema.metadata or {}).get(HUGGING_FACE)
    plain = value_type(schema.field(label).type)
    numeric = pa.types.is_integer(plain) or pa.types.is_floating(plain) or pa.types.is_decimal(plain)
    if text is None or not numeric:
        return None
    try:
        return _names_in(text, label)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else _cut(str(error))
        raise BadInput(
            f"{origin}: the schema metadata's key 'huggingface' cannot be used ({why}); mend or remove it"
        ) from error


@lru_cache(maxsize=64)
def _names_in(text: bytes, label: str) -> tuple[str, ...] | None:
    """The names in the metadata's JSON; ValueError: they cannot be used."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"is no JSON: {error}") from error
    try:
        feature = found["info"]["features"][label]
        names = feature["names"] if feature["_type"] == "ClassLabel" else None
    except (KeyError, TypeError, IndexError):  # other features, or none for this column
        return None
    if names is None or names == []:
        return None
    if not isinstance(names, list):
        raise ValueError(f"the names of column {label!r} are {_cut(repr(names))}; must be a list of texts")
    seen: dict[str, int] = {}
    for number, name in enumerate(names):
        if isinstance(name, int) and not isinstance(name, bool):
            name = str(name)
        if not isinstance(name, str) or re.search("[\ud800-\udfff]", name):
            raise ValueError(f"name {number} of column {label!r} is {_cut(repr(name))}; must be text")
        if name in seen:
            raise ValueError(f"names {seen[name]} and {number} of column {label!r} are both {_cut(repr(name))}")
        seen[name] = number
    return tuple(seen)


def _cut(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"


def is_whole(text: str) -> bool:
    """Whether a text is a whole number as labels that are numbers are named."""
    return re.fullmatch(r"0|-?[1-9][0-9]*", text) is not None


def distinct(column: pa.Array, label: str, origin: str, first: int = 0) -> tuple[list[Any], IntArray]:
    """The different values of a label column, and each row's place among them.

    column   [n], of a type that `reading_of` takes
    first    row number of the first one, for messages
    Returns  values: str, int or bool, in the order in which they come; int64 [n], -1 = null or NaN
    Raises   BadInput: text that is no UTF-8, a number that is not whole or too large to be told from its neighbours
    """
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if isinstance(column, pa.DictionaryArray):
        return distinct(column.dictionary.take(column.indices), label, origin, first)
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    elif pa.types.is_decimal(column.type) and column.type.bit_width < 128:  # which Arrow does not tell apart itself
        column = column.cast(pa.decimal128(column.type.precision, column.type.scale))
    encoded = column.dictionary_encode()
    places_n = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    try:
        own = encoded.dictionary.to_pylist()
    except UnicodeDecodeError as error:
        raise BadInput(f"{origin}: label column {label!r} holds text that is no UTF-8; mend it") from error
    if not (pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
        return own, places_n
    values: dict[int, int] = {}
    to_whole = np.full(len(own) + 1, -1, np.int64)
    for place, value in enumerate(own):
        if value != value:  # NaN
            continue
        row = first + int(np.flatnonzero(places_n == place)[0])
        whole = _whole(value, column.type, f"{origin}: label column {label!r} is {value} in row {row}")
        to_whole[place] = values.setdefault(whole, len(values))
    return list(values), to_whole[places_n]


def _whole(value: Any, kind: pa.DataType, where: str) -> int:
    """A float or decimal as the integer that it is. BadInput: it is none."""
    if value in (float("inf"), float("-inf")) or int(value) != value:
        raise BadInput(
            f"{where}; labels that are numbers must be whole; name a column of classes with data.label (--label), or "
            f"write the classes as text"
        )
    if pa.types.is_floating(kind) and abs(value) > EXACT[kind.bit_width]:
        raise BadInput(
            f"{where}; beyond {EXACT[kind.bit_width]} a {kind} cannot be told from the next whole number; write the "
            f"labels as integers or text"
        )
    return int(value)
