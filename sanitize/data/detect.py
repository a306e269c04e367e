"""What each column of a file is used for: schema and some rows -> label, inputs and their kinds, in words.

Left out, and named: identifiers, inputs from which the label can be read off, what most rows do not agree on. Columns
that the user names are used as they are.
"""

# n rows of the sample
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from sanitize.data import stored
from sanitize.data.columns import ROW_INDEX, SHOWN, choose_label, listed
from sanitize.data.features import exact_numbers
from sanitize.data.identifiers import names_rows
from sanitize.data.label_copies import codes_of, copies, rows_as_codes, told_by_words
from sanitize.data.label_values import Reading, label_names, reading_of
from sanitize.data.looks import TABULAR, Kind, Look, insisted, look_at
from sanitize.data.sample import Sample, sample_of
from sanitize.data.stored import is_text, plain_type, texts
from sanitize.data.table import IntArray
from sanitize.errors import BadInput

PLAIN = ("image", "vector", "number", "boolean")  # what is read without values of other rows
NEEDED = (
    "needed is a column of images (binary, struct with bytes, arrays of [H, W] or [H, W, 3], paths with --image-root, "
    "base64), of vectors (lists of numbers), of text, or numbers, booleans, categories or dates"
)


@dataclass(frozen=True)
class Choice:
    """Which columns the filter looks at, and as what.

    label     the label column's name
    looks     (column, what it is) of every input, in the order in which they become features
    modality  "image", "vector", "text", "tabular", or several of them joined by " + "
    found     how, in words
    left_out  columns that could be used, but name the rows or repeat the label
    """

    label: str
    looks: tuple[tuple[str, Look], ...]
    modality: str
    found: str
    left_out: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The input columns' names."""
        return tuple(name for name, _ in self.looks)

    @property
    def kinds(self) -> tuple[tuple[str, Kind], ...]:
        """(column, kind) of every input."""
        return tuple((name, _kind(look)) for name, look in self.looks)


def _kind(look: Look) -> Kind:
    assert look.kind is not None
    return look.kind


def choose(
    schema: pa.Schema,
    sample: Sample | pa.Table,
    *,
    label: str | None = None,
    inputs: Sequence[str] | None = None,
    origin: str = "the table",
    root: Path | None = None,
    plain: bool = False,
) -> Choice:
    """Choose the label column by its name and the inputs by their types and some values.

    schema   of the file
    sample   some rows of it, or all; labels may be given as the names of classes
    label    the label column's name; None = the one column called one of LABEL_NAMES
    inputs   the input columns' names; None = the one image column, else the one vector column, else all text columns,
             else all numbers, booleans, categories and dates; without identifiers and without what repeats the label
    origin   the file's name, for messages
    root     the folder below which images may be opened by their path; None = nowhere
    plain    whether only images, vectors, numbers and booleans will do, and of several kinds only one
    Raises   BadInput: no such column, none or several that could be meant, a type that cannot be used
             BadParams: `inputs` empty, or with the label or a name twice among them
    """
    sample = sample_of(sample) if isinstance(sample, pa.Table) else sample
    label, how = choose_label(schema.names, label, inputs, origin)
    fields = [field for field in schema if field.name != label]
    looks = {field.name: look_at(field.type, sample.columns.get(field.name), root) for field in fields}
    out: dict[str, str] = {}
    unfit: dict[str, str] = {}
    if inputs is not None:
        types = {name: schema.field(name).type for name in inputs}
        chosen = tuple(
            (name, _usable(insisted(looks[name], kind), name, kind, origin, plain)) for name, kind in types.items()
        )
        if plain:
            _refuse_mixed(chosen, origin)
        by = "as named"
    else:
        looks = {name: look for name, look in looks.items() if not ROW_INDEX.fullmatch(name)}
        out = {name: look.words for name, look in looks.items() if look.kind is None}
        if plain:
            others = {
                name: look.kind for name, look in looks.items() if look.kind is not None and look.kind not in PLAIN
            }
            out |= {name: f"{kind} columns are not read here" for name, kind in others.items()}
        usable = {name: look for name, look in looks.items() if name not in out}
        unfit = _unfit(usable, sample, schema, label, origin)
        out |= unfit
        chosen = _found({name: look for name, look in usable.items() if name not in out}, schema, label, out, origin)
        by = "by type"
    kinds = [look.kind for _, look in chosen]
    modality = " + ".join(dict.fromkeys("tabular" if kind in TABULAR else str(kind) for kind in kinds))
    of_kind = {kind: [name for name, look in chosen if look.kind == kind] for kind in dict.fromkeys(kinds)}
    if " + " in modality or (modality == "tabular" and len(of_kind) > 1 and not plain):
        described = "; ".join(f"{kind} columns {listed(of)}" for kind, of in of_kind.items())
    else:
        described = f"{modality} columns {listed([name for name, _ in chosen])}"
    found = f"label column {label!r} {how}; {described} {by}"
    told = [f"{name!r}: {look.words}" for name, look in chosen if look.words]
    found += f" ({_few(told)})" if told else ""
    rest = [name for name in looks if name not in dict(chosen)]
    if rest:
        found += (
            f"; not looked at: {_few([f'{name!r} ({out[name]})' if out.get(name) else repr(name) for name in rest])}"
        )
    return Choice(label, chosen, modality, found, tuple(unfit))


def _few(parts: Sequence[str]) -> str:
    more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return ", ".join(parts[:SHOWN]) + more


def _unfit(usable: dict[str, Look], sample: Sample, schema: pa.Schema, label: str, origin: str) -> dict[str, str]:
    """The columns that name the rows, or repeat the label, and why."""
    out: dict[str, str] = {}
    if not len(sample.places):
        return out
    label_n, names = _labels(sample, schema, label, origin)
    codes: dict[str, IntArray] = {}
    for name, look in usable.items():
        column = sample.aligned(name)
        if look.kind == "image":
            continue
        if column is None:
            column = sample.columns.get(name)
            if column is None or look.kind != "vector" or len(column) != len(label_n):
                continue  # other rows than the labels'

        if look.kind == "vector":
            codes[name] = rows_as_codes(stored.arrays(column, look.how, look.shape)[0])
            continue
        if look.kind in ("category", "text"):
            values = texts(column) if _is_written(column.type) else column.to_pylist()
            codes[name] = codes_of(values)
            told = told_by_words(texts(column), label_n, names) if look.kind == "text" else None
            if told is not None:
                out[name] = told
            continue
        numbers, _ = stored.plain(column, look.how, look.form)
        whole = pa.types.is_integer(numbers.type)
        values = exact_numbers(numbers, date=look.kind == "date")
        codes[name] = codes_of(values.tolist())
        told = names_rows(name, values, sample.places, sample.rows, whole=whole, date=look.kind == "date")
        if told is not None and look.kind != "boolean":
            out[name] = told
    if len(label_n):
        out |= {name: words for name, words in copies(codes, label_n, out).items() if name not in out}
    return out


def _is_written(kind: pa.DataType) -> bool:
    plain = plain_type(kind.value_type if pa.types.is_dictionary(kind) else kind)
    return is_text(plain) or stored.is_binary(plain)


def _labels(sample: Sample, schema: pa.Schema, label: str, origin: str) -> tuple[IntArray, tuple[str, ...]]:
    """The labels of the sample's rows as int64 [n], -1 = null; and the classes' names. Nothing if they are unknown."""
    column = sample.aligned(label)
    if column is None:
        return np.empty(0, np.int64), ()
    named = label_names(
        column, Reading("text") if is_text(column.type) else reading_of(schema, label, origin), label, origin
    )
    order = sorted({name for name in named if name is not None})
    place = {name: number for number, name in enumerate(order)}
    return np.array([-1 if name is None else place[name] for name in named], np.int64), tuple(order)


def _found(
    usable: dict[str, Look], schema: pa.Schema, label: str, out: dict[str, str], origin: str
) -> tuple[tuple[str, Look], ...]:
    for one in ("image", "vector"):
        candidates = [name for name, look in usable.items() if look.kind == one and look.how != "struct"]
        if len(candidates) > 1:
            raise BadInput(
                f"{origin}: several {one} columns: {listed(candidates)}; "
                f"name the one to use with data.inputs (--inputs NAME)"
            )
        if candidates:
            return ((candidates[0], usable[candidates[0]]),)
    written = tuple((name, look) for name, look in usable.items() if look.kind == "text")
    if written:
        return written
    tabular = tuple((name, look) for name, look in usable.items() if look.kind in TABULAR or look.how == "struct")
    if tabular:
        return tabular
    types = ", ".join(f"{field.name}: {field.type}" for field in list(schema)[:SHOWN] if field.name != label)
    why = _few([f"{name!r}: {words}" for name, words in out.items() if words])
    raise BadInput(
        f"{origin}: no input columns beside label {label!r} ({types or 'no other column'}); {NEEDED}"
        + (f"; not used are {why}; if one of them says something about the rows, name it with --inputs" if why else "")
    )


def _usable(look: Look, name: str, kind: pa.DataType, origin: str, plain: bool) -> Look:
    if look.kind is None or (plain and look.kind not in PLAIN):
        what = (
            "a list of numbers, or a number"
            if plain
            else "a list of numbers, text, a number, a boolean, a category or a date"
        )
        raise BadInput(
            f"{origin}: column {name!r} has type {kind}; an input must be an image (binary, or struct with "
            f"bytes), {what}; convert it, or leave it out of data.inputs" + (f" ({look.words})" if look.words else "")
        )
    return look


def _refuse_mixed(chosen: Sequence[tuple[str, Look]], origin: str) -> None:
    kinds = {name: "tabular" if look.kind in TABULAR else str(look.kind) for name, look in chosen}
    if len(set(kinds.values())) > 1 or ("tabular" not in kinds.values() and len(kinds) > 1):
        shown = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        raise BadInput(
            f"{origin}: input columns are {shown}; must be one image column, one vector column, or numeric columns "
            f"only; name fewer in data.inputs (--inputs)"
        )
