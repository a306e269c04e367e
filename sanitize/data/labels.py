"""Labels: a column's own values <-> 0..C-1 and class names. A class is its name, whatever file a row stands in.

Texts, whole numbers (integers, whole floats and decimals), booleans, and dictionaries of them. Numbers whose names the
schema declares (ClassLabel) are those names; other values are their own text. Files of one data set may number their
classes in another order, hold them in other types, or hold names where others hold numbers.
"""

# N rows, n rows of a batch, C classes
from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from sanitize.data.label_files import Value, agreed, listed, same_places, short
from sanitize.data.label_values import HUGGING_FACE, Reading, declared_names, distinct, reading_of, value_type
from sanitize.data.label_words import notes_on, refuse_variants
from sanitize.data.table import IntArray
from sanitize.errors import BadInput

__all__ = ["HUGGING_FACE", "NONE", "UNLABELLED", "LabelEncoder", "Reading", "count_labels", "declared_names"]
__all__ += ["decode_labels", "encode_labels", "reading_of", "with_names"]

MOST_CLASSES = 10_000
IDENTIFIER = 100  # rows from which on a label that is another one in every row is an identifier
SHOWN = 5  # rows or values that a message names
NONE = -1  # the code of a label that is null, or no class
UNLABELLED = -2  # the code of the number -1 where it has no name
Counted = Mapping[Reading, Counter[Value]]


@dataclass(frozen=True)
class LabelEncoder:
    """The number of every class, for any file of a data set.

    names       all classes; a label's code is its place here
    numbers     what numbers without names are places of: the one list of ClassLabel names that all files with names
                have; () = such numbers are classes by their own text
    unlabelled  whether the number -1, where nothing names it, stands for "no label"
    notes       what a person should know about how the labels were taken
    """

    names: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    unlabelled: bool = False
    notes: tuple[str, ...] = ()

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def code(self, value: Value, reading: Reading) -> int:
        """The place of one value, NONE or UNLABELLED."""
        if value is None:
            return NONE
        names = reading.names or (self.numbers if reading.family == "number" else ())
        if names:
            assert isinstance(value, int)
            if 0 <= value < len(names):
                return self._places.get(names[value], NONE)
            return UNLABELLED if value == -1 else NONE
        if reading.family == "number" and value == -1 and self.unlabelled:
            return UNLABELLED
        return self._places.get(str(value), NONE)

    def encode(
        self, column: pa.Array | pa.ChunkedArray, reading: Reading, label: str, origin: str
    ) -> tuple[IntArray, dict[int, str]]:
        """A label column, or a batch of it, as numbers.

        column   [n], of the file that `reading` is about
        Returns  int64 [n], places in `names`, NONE for null and for values that are no class, UNLABELLED; and what is
                 wrong with the rows that are NONE, by position
        Raises   BadInput: values that are no labels (see `distinct`)
        """
        codes, wrong, start = [], {}, 0
        for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
            values, places_n = distinct(chunk, label, origin)
            known = np.array([*(self.code(value, reading) for value in values), NONE], np.int64)
            code_n = known[places_n]
            for row in np.flatnonzero(code_n == NONE).tolist():
                value = None if places_n[row] < 0 else values[places_n[row]]
                what = "is null" if value is None else f"is {short(value)}, which is none of the classes"
                wrong[start + row] = f"label column {label!r}: {what}"
            codes.append(code_n)
            start += len(chunk)
        return (np.concatenate(codes) if codes else np.empty(0, np.int64)), wrong

    def rows(self, counted: Counted) -> dict[str, int]:
        """Rows of every class, in the order of `names`."""
        rows_C = np.zeros(len(self.names), np.int64)
        for reading, values in counted.items():
            for value, count in values.items():
                code = self.code(value, reading)
                if code >= 0:
                    rows_C[code] += count
        return dict(zip(self.names, rows_C.tolist(), strict=True))

    @classmethod
    def fit(cls, counted: Counted, label: str, origin: str, least: int = 1) -> LabelEncoder:
        """The classes of a data set.

        counted  of `count_labels`
        least    rows that a class has at least to be judged: classes of so many must not differ in spaces alone
        Returns  classes in the order of the ClassLabel names, or of the sorted values
        Raises   BadInput: files whose labels have nothing to do with each other, classes that are one by all likelihood
        """
        used = {reading: values for reading, values in counted.items() if set(values) - {None}}
        named = [reading for reading in used if reading.names]
        plain: dict[str, set[Value]] = {
            reading.family: set(values) - {None} for reading, values in used.items() if not reading.names
        }
        said = agreed(named, plain, label, origin)
        orders = {reading.names for reading in named}
        numbers = (orders.pop() or ()) if len(orders) == 1 else ()
        whole = {value for value in plain.get("number", set()) if isinstance(value, int)}
        unlabelled = -1 in whole and min(whole) == -1 and len(whole) > 2
        names: dict[str, None] = {}
        for reading in named:
            names |= dict.fromkeys(reading.names or ())
        if not numbers:
            names |= dict.fromkeys(str(value) for value in sorted(whole) if not (unlabelled and value == -1))
        for family in ("text", "boolean"):
            names |= dict.fromkeys(str(value) for value in sorted(plain.get(family, set()), key=str))
        encoder = cls(tuple(names), numbers, unlabelled)
        return encoder._noted(counted, label, origin, said, least)

    @classmethod
    def known(
        cls,
        names: Sequence[str],
        numbers: Sequence[str] | None,
        counted: Counted,
        label: str,
        origin: str,
        whose: str = "the training file",
    ) -> LabelEncoder:
        """The classes of before, for other files.

        names    all classes
        numbers  the ClassLabel names that the numbers 0..C-1 had; () = labels were values; None = that is not known
        counted  of the other files, `count_labels`
        whose    where the classes come from, for messages
        Raises   BadInput: no label is one of the classes; numbers without names that could be meant in two ways
        """
        plain = counted.get(Reading("number"), Counter())
        whole = sorted(value for value in plain if isinstance(value, int) and value != -1)
        by_value = [str(value) in set(names) for value in whole]
        places: tuple[str, ...] = ()
        said = []
        if numbers and whole and not same_places(whole, numbers):
            inside = whole[0] >= 0 and whole[-1] < len(numbers)
            if inside and any(by_value):
                raise BadInput(
                    f"{origin}: label column {label!r} holds numbers without names, such as {whole[0]}, which are "
                    f"names of classes and, as numbers of {whose}, other classes ({short(numbers[whole[0]])}); "
                    f"write the names as text, or declare them (ClassLabel)"
                )
            if inside:
                places = tuple(numbers)
                pairs = [f"{value} is {short(numbers[value])}" for value in whole[:SHOWN]]
                more = ", …" if len(whole) > SHOWN else ""
                said.append(
                    f"label column {label!r} holds numbers without names; they are taken as the numbers of {whose}: "
                    f"{', '.join(pairs)}{more}"
                )
        encoder = cls(tuple(names), places, "-1" not in names)
        total = sum(sum(values.values()) for values in counted.values())
        if total and not any(encoder.rows(counted).values()):
            seen = [short(value) for values in counted.values() for value in list(values)[:SHOWN]][:SHOWN]
            older = (
                "; these voters were saved by a version that did not tell which numbers classes had: save them again"
                if numbers is None and whole
                else ""
            )
            raise BadInput(
                f"{origin}: label column {label!r} has none of the classes of {whose} in any of {total} rows: it holds "
                f"{', '.join(seen)}, the classes are {listed(names)}; write the same names in both{older}"
            )
        return encoder._noted(counted, label, origin, said, total + 1)

    def _noted(self, counted: Counted, label: str, origin: str, said: Sequence[str], least: int) -> LabelEncoder:
        """With its notes. BadInput: as `refuse_variants`."""
        rows = self.rows(counted)
        refuse_variants({name: count for name, count in rows.items() if count >= least}, label, origin)
        without = sum(
            count
            for reading, values in counted.items()
            for value, count in values.items()
            if self.code(value, reading) == UNLABELLED
        )
        notes = [*said, *notes_on(rows, without, label)]
        return LabelEncoder(self.names, self.numbers, self.unlabelled, tuple(f"{origin}: {note}" for note in notes))


def count_labels(columns: Iterable[tuple[Reading, pa.Array]], label: str, origin: str) -> dict[Reading, Counter[Value]]:
    """Rows of every value, for each way in which files hold them.

    columns  the label column batch by batch, each with how its file holds labels
    Raises   BadInput: values that are no labels, more than MOST_CLASSES of them, another one in every row
    """
    counted: dict[Reading, Counter[Value]] = {}
    rows = 0
    for reading, column in columns:
        values, places_n = distinct(column, label, origin, rows)
        rows += len(column)
        found = counted.setdefault(reading, Counter())
        times = np.bincount(places_n + 1, minlength=len(values) + 1).tolist()
        for value, count in zip([None, *values], times, strict=True):
            if count:
                found[value] += count
        if sum(map(len, counted.values())) > MOST_CLASSES:
            raise BadInput(
                f"{origin}: label column {label!r} has more than {MOST_CLASSES} values; name another with data.label "
                f"(--label)"
            )
    if rows >= IDENTIFIER and sum(map(len, counted.values())) == rows:
        raise BadInput(
            f"{origin}: label column {label!r} has another value in every one of {rows} rows, as an identifier has; "
            f"name the column of the classes with data.label (--label)"
        )
    return counted


def encode_labels(
    table: pa.Table,
    label: str,
    *,
    class_names: Sequence[str] | None = None,
    numbered: bool = False,
    least_classes: int = 2,
    origin: str = "the table",
) -> tuple[IntArray, tuple[str, ...]]:
    """A label column as numbers.

    table        with the column `label`: see the module
    class_names  the classes of the training table, for another table of the same data: the same name gets the same
                 number. None = the schema's ClassLabel names, or else the column's own values, sorted
    numbered     whether `class_names` are ClassLabel names, so that numbers without names are places of them
    least_classes  classes that a table with rows must have, if `class_names` is not given
    origin       the file's name, for messages
    Returns      labels int64 [N], 0..C-1, and the C class names
    Raises       BadInput: another type, nulls, a value that is no class; fewer than `least_classes` classes
    """
    column = table.column(label)
    reading = reading_of(table.schema, label, origin)
    counted = count_labels(((reading, chunk) for chunk in column.chunks), label, origin)
    empty = sum(values[None] for values in counted.values())
    if empty:
        rows = _rows_of(column, label, origin)
        raise BadInput(
            f"{origin}: label column {label!r} is null in {empty} of {len(column)} rows ({rows}); "
            f"fill or drop such rows first"
        )
    if class_names is None:
        encoder = LabelEncoder.fit(counted, label, origin)
        bound = f"0..{len(encoder.names) - 1}, as its names"
    else:
        encoder = LabelEncoder.known(class_names, class_names if numbered else (), counted, label, origin)
        bound = f"one of the classes {listed(class_names)}"
    codes, _ = encoder.encode(column, reading, label, origin)
    wrong = np.flatnonzero(codes < 0)
    if len(wrong):
        row = int(wrong[0])
        value = distinct(column.slice(row, 1).chunk(0), label, origin)[0][0]
        remedy = "drop such rows first"
        if codes[row] == UNLABELLED:
            remedy = "-1 without a name stands for no label: drop such rows first, or write the classes as text"
        raise BadInput(
            f"{origin}: label column {label!r} is {_plain(value)} in row {row} ({len(wrong)} such rows); must be "
            f"{bound}; {remedy}"
        )
    present = np.unique(codes)
    if class_names is None and 0 < len(present) < least_classes:
        raise BadInput(
            f"{origin}: label column {label!r} has one class only, {short(encoder.names[present[0]])}; must have at "
            f"least 2; add rows of other classes, or name another label column"
        )
    return codes, encoder.names


def _plain(value: Value) -> str:
    return short(value).strip("'\"") if isinstance(value, str) else str(value)


def _rows_of(column: pa.ChunkedArray, label: str, origin: str) -> str:
    """Which rows are null, the first of them in words."""
    rows, start = [], 0
    for chunk in column.chunks:
        rows += (np.flatnonzero(distinct(chunk, label, origin)[1] < 0) + start).tolist()
        start += len(chunk)
        if len(rows) > SHOWN:
            break
    return f"rows {', '.join(str(row) for row in rows[:SHOWN])}{', …' if len(rows) > SHOWN else ''}"


def with_names(table: pa.Table, label: str, names: Sequence[str]) -> pa.Table:
    """The table, with ClassLabel names for the numbers in column `label` in its metadata; one of texts as it is."""
    if reading_of(table.schema, label).family != "number":
        return table
    metadata = dict(table.schema.metadata or {})
    found: Any = json.loads(metadata.get(HUGGING_FACE, b"{}"))
    for key in ("info", "features"):  # which may be anything
        found = found.get(key) if isinstance(found, dict) else None
    features = {**(found if isinstance(found, dict) else {}), label: {"_type": "ClassLabel", "names": list(names)}}
    found = {"info": {"features": features}}
    return table.replace_schema_metadata({**metadata, HUGGING_FACE: json.dumps(found).encode()})


def decode_labels(labels: IntArray, class_names: Sequence[str], schema: pa.Schema, label: str) -> pa.Array:
    """Numbers as the column's own values: the reverse of `encode_labels`.

    labels       int64 [n], 0..C-1
    class_names  C strings, as `encode_labels` gave them
    schema       the schema of the table whose column `label` they are to stand in
    Returns      an Arrow array [n] of the column's type (a dictionary's own type for a dictionary column)
    """
    kind = schema.field(label).type
    inner = value_type(kind)
    family = reading_of(schema, label).family
    if family == "number":
        declared = declared_names(schema, label) is not None
        numbers = list(range(len(class_names))) if declared else [int(name) for name in class_names]
        if pa.types.is_floating(inner):
            own = pa.array(numbers, pa.int64()).cast(inner)
        else:
            own = pa.array([Decimal(n) for n in numbers] if pa.types.is_decimal(inner) else numbers, inner)
    elif family == "boolean":
        own = pa.array([name == "True" for name in class_names], inner)
    else:
        own = pa.array(class_names, pa.string())
    if pa.types.is_dictionary(kind):
        indices = pa.array(labels).cast(kind.index_type)
        return pa.DictionaryArray.from_arrays(indices, own.cast(inner), ordered=kind.ordered)
    return own.take(pa.array(labels)).cast(kind)
