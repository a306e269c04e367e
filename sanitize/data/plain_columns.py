"""Columns that are read without values of other rows: images, vectors or numbers -> Columns, and their values.

Stages and certificates read with these: nothing that is fitted to the rows of a file decides how another row is read.
"""

# N rows, C classes
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from sanitize.data import stored
from sanitize.data.detect import choose
from sanitize.data.features import decode_numeric, decode_vectors, storage
from sanitize.data.images import decode_images, resize_images
from sanitize.data.labels import declared_names, encode_labels
from sanitize.data.looks import Look
from sanitize.data.pictures import array_pictures, array_shape
from sanitize.data.recipe import read_arrays
from sanitize.data.sample import Sample
from sanitize.data.table import FloatArray, Modality
from sanitize.errors import BadInput


@dataclass(frozen=True)
class Columns:
    """Which columns of a file the algorithms see, and as what.

    label        the label column's name
    inputs       the input columns' names: one for images and vectors, one or more for numeric columns
    modality     "image", "vector" or "tabular"
    class_names  C strings, the name of label 0..C-1; empty if only the columns have been looked at
    found        how, in words
    looks        what each input is
    numbered     whether the class names are ClassLabel names, of the numbers 0..C-1
    """

    label: str
    inputs: tuple[str, ...]
    modality: Modality
    class_names: tuple[str, ...]
    found: str
    looks: tuple[Look, ...]
    numbered: bool = False


def pick_columns(
    schema: pa.Schema,
    sample: Sample | pa.Table,
    *,
    label: str | None = None,
    inputs: Sequence[str] | None = None,
    origin: str = "the table",
) -> Columns:
    """Choose the label and input columns, the inputs among images, vectors and numbers.

    sample   some rows, or all
    label    the label column's name; None = the one column called one of LABEL_NAMES
    inputs   the input columns' names; None = the one image column, else the one vector column, else all numeric ones
    origin   the file's name, for messages
    Returns  Columns without class names
    Raises   BadInput, BadParams: as `detect.choose`
    """
    choice = choose(schema, sample, label=label, inputs=inputs, origin=origin, plain=True)
    modality: Modality = "vector" if choice.modality.startswith("vector") else choice.modality  # type: ignore[assignment]
    return Columns(choice.label, choice.inputs, modality, (), choice.found, tuple(look for _, look in choice.looks))


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
    columns = pick_columns(table.schema, table, label=label, inputs=inputs, origin=origin)
    _, names = encode_labels(table, columns.label, class_names=class_names, numbered=numbered, origin=origin)
    return replace(columns, class_names=names, numbered=declared_names(table.schema, columns.label, origin) is not None)


def read_inputs(table: pa.Table, columns: Columns, image_size: int | None, origin: str) -> NDArray[Any]:
    """The inputs of all rows, laid out as Table.inputs. BadInput: a row that cannot be read."""
    name, look = columns.inputs[0], columns.looks[0]
    if columns.modality == "tabular":
        plain = [
            _sound(stored.plain(table.column(one), one_look.how, one_look.form), one, origin)
            for one, one_look in zip(columns.inputs, columns.looks, strict=True)
        ]
        return decode_numeric(pa.table(plain, list(columns.inputs)), columns.inputs, origin=origin)
    column = table.column(name)
    if columns.modality == "vector":
        if not look.how:
            return decode_vectors(column, name=name, origin=origin)
        vectors: FloatArray = _sound(
            read_arrays(column, look.how, look.shape or stored.common_shape(column, look.how)), name, origin
        )
        return vectors
    if look.how in stored.ARRAYS:
        values = _sound(stored.arrays(column, look.how, look.shape), name, origin)
        own, _ = array_shape(look.shape, None)
        height, width = stored.sides(look.shape) or own[:2]
        return resize_images(
            _sound(array_pictures(values, look.scale, (height, width, own[2])), name, origin), image_size
        )
    blobs = _sound(stored.plain(storage(column), look.how), name, origin)
    return decode_images(blobs, name=name, origin=origin, size=image_size)


def _sound(read: tuple[Any, stored.Bad], name: str, origin: str) -> Any:
    values, bad = read
    if bad:
        row = min(bad)
        raise BadInput(
            f"{origin}: row {row}, column {name!r} {bad[row]} ({len(bad)} such rows); mend or drop them first"
        )
    return values
