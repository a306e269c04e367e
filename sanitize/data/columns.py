"""Which column is the label and which are the inputs: Arrow schema -> Columns. Named by the user, or found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from sanitize.data.labels import declared_names, encode_labels
from sanitize.data.table import Modality
from sanitize.errors import BadInput, BadParams

LABEL_NAMES = ("label", "labels", "y", "target", "class", "fine_label")
SHOWN = 20  # column names that a message lists
ROW_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls a saved row index: no feature


@dataclass(frozen=True)
class Columns:
    """Which columns of a file the algorithms see, and as what.

    label        the label column's name
    inputs       the input columns' names: one for images and vectors, one or more for numeric columns
    modality     "image", "vector" or "tabular"
    class_names  C strings, the name of label 0..C-1; empty if only the schema has been looked at
    found        how, in words
    numbered     whether the class names are ClassLabel names, of the numbers 0..C-1
    """

    label: str
    inputs: tuple[str, ...]
    modality: Modality
    class_names: tuple[str, ...]
    found: str
    numbered: bool = False


def kind_of(kind: pa.DataType) -> Modality | None:
    """What a column of this Arrow type can be: an image, a vector, one number of a tabular row, or None of them.

    image    binary, or struct with a binary field `bytes`
    vector   list, large list or fixed-size list of numbers
    tabular  integer, floating point, boolean
    """
    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    if pa.types.is_struct(kind):
        position = kind.get_field_index("bytes")
        return "image" if position >= 0 and _is_binary(kind.field(position).type) else None
    if _is_binary(kind):
        return "image"
    if _is_list(kind):
        return "vector" if _is_number(kind.value_type) else None
    return "tabular" if _is_number(kind) or pa.types.is_boolean(kind) else None


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def pick_columns(
    schema: pa.Schema, *, label: str | None = None, inputs: Sequence[str] | None = None, origin: str = "the table"
) -> Columns:
    """Choose the label and input columns by name and type; no value is looked at.

    label    the label column's name; None = the one column called one of LABEL_NAMES
    inputs   the input columns' names; None = the one image column, else the one vector column, else all numeric ones
    origin   the file's name, for messages
    Returns  Columns without class names
    Raises   BadInput: no such column, none or several that could be meant, a type that cannot be used
             BadParams: `inputs` empty, or with the label or a name twice among them
    """
    label, how = choose_label(schema.names, label, inputs, origin)
    if inputs is None:
        chosen, modality = _find_inputs(schema, label, origin)
        kind = "by type"
    else:
        chosen, modality = tuple(inputs), _modality_of(schema, inputs, origin)
        kind = "as named"
    found = f"label column {label!r} {how}; {modality} columns {listed(chosen)} {kind}"
    return Columns(label, chosen, modality, (), found)


def refuse_names(names: Sequence[str], label: str | None, inputs: Sequence[str] | None, origin: str) -> None:
    """Refuse a file's columns, or what the user named of them.

    Raises   BadInput: two columns of one name, or no column that is named; BadParams: `inputs` empty, or with the label
             or a name twice among them
    """
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise BadInput(f"{origin}: column {twice[0]!r} occurs {names.count(twice[0])} times; rename all but one")
    if inputs is not None and not inputs:
        raise BadParams("data.inputs is empty; name at least one column, or leave it out")
    if inputs is not None and len(set(inputs)) < len(inputs):
        raise BadParams(f"data.inputs is {list(inputs)}; must name each column once")
    for name in [*([] if label is None else [label]), *(inputs or [])]:
        if name not in names:
            remedy = "data.label (--label)" if name == label else "data.inputs (--inputs)"
            raise BadInput(f"{origin}: no column {name!r}; columns are {listed(names)}; name one of them as {remedy}")
    if label is not None and label in (inputs or []):
        raise BadParams(f"data.inputs is {list(inputs or [])}; must not hold the label column {label!r}")


def choose_label(names: Sequence[str], label: str | None, inputs: Sequence[str] | None, origin: str) -> tuple[str, str]:
    """The label column, as named or else found among those that are no inputs, and which of the two in words.

    Raises  as `refuse_names` and `find_label`
    """
    refuse_names(names, label, inputs, origin)
    if label is not None:
        return label, "as named"
    return find_label([name for name in names if name not in (inputs or [])], names, origin), "by its name"


def find_label(free: Sequence[str], names: Sequence[str], origin: str) -> str:
    """The one column of `free` that is called as labels are. BadInput: none, or several."""
    candidates = [name for name in LABEL_NAMES if name in free]
    if len(candidates) == 1:
        return candidates[0]
    problem = f"several columns could be the label: {listed(candidates)}" if candidates else "no label column found"
    raise BadInput(
        f"{origin}: {problem}; columns are {listed(names)}; name it with data.label (--label NAME); "
        f"found by themselves are {', '.join(LABEL_NAMES)}"
    )


def _find_inputs(schema: pa.Schema, label: str, origin: str) -> tuple[tuple[str, ...], Modality]:
    kinds = {f.name: kind_of(f.type) for f in schema if f.name != label and not ROW_INDEX.fullmatch(f.name)}
    modality: Modality
    for modality in ("image", "vector"):
        candidates = [name for name, kind in kinds.items() if kind == modality]
        if len(candidates) > 1:
            raise BadInput(
                f"{origin}: several {modality} columns: {listed(candidates)}; "
                f"name the one to use with data.inputs (--inputs NAME)"
            )
        if candidates:
            return (candidates[0],), modality
    numeric = tuple(name for name, kind in kinds.items() if kind == "tabular")
    if not numeric:
        types = ", ".join(f"{field.name}: {field.type}" for field in schema if field.name != label)
        raise BadInput(
            f"{origin}: no input columns beside label {label!r} ({types or 'no other column'}); needed is a column of "
            f"images (binary, or struct with bytes), of vectors (list of numbers), or numeric columns"
        )
    return numeric, "tabular"


def _modality_of(schema: pa.Schema, inputs: Sequence[str], origin: str) -> Modality:
    kinds = {name: kind_of(schema.field(name).type) for name in inputs}
    for name, kind in kinds.items():
        if kind is None:
            raise BadInput(
                f"{origin}: column {name!r} has type {schema.field(name).type}; an input must be an image (binary, or "
                f"struct with bytes), a list of numbers, or a number; convert it, or leave it out of data.inputs"
            )
    first = kinds[inputs[0]]
    assert first is not None
    if (first != "tabular" and len(inputs) > 1) or set(kinds.values()) != {first}:
        listed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        raise BadInput(
            f"{origin}: input columns are {listed}; must be one image column, one vector column, or numeric columns "
            f"only; name fewer in data.inputs (--inputs)"
        )
    return first


def listed(names: Sequence[str]) -> str:
    """Names in quotes, the first SHOWN of them."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(name) for name in names[:SHOWN]) + more


def find_columns(
    table: pa.Table,
    *,
    label: str | None = None,
    inputs: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    numbered: bool = False,
    origin: str = "the table",
) -> Columns:
    """`pick_columns`, and the class names from the labels' values or the schema's ClassLabel.

    class_names  the classes of the training table, if this is another table of the same data; None = this table's own
    numbered     of the training table's Columns
    Raises       as `pick_columns` and `labels.encode_labels`
    """
    columns = pick_columns(table.schema, label=label, inputs=inputs, origin=origin)
    _, names = encode_labels(table, columns.label, class_names=class_names, numbered=numbered, origin=origin)
    return replace(columns, class_names=names, numbered=declared_names(table.schema, columns.label, origin) is not None)
