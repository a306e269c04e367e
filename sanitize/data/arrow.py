"""Arrow tables <-> Table: decode what the algorithms see, build tables of images and vectors, replace single rows."""

# N rows, H x W pixels, K channels, D features
from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sanitize.data.features import encode_numbers, encode_vectors, storage
from sanitize.data.images import Pixels, encode_images
from sanitize.data.labels import HUGGING_FACE, declared_names, decode_labels, encode_labels
from sanitize.data.plain_columns import Columns, pick_columns, read_inputs
from sanitize.data.table import FloatArray, IntArray, Table
from sanitize.errors import BadInput

IMAGE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])  # the Hugging Face convention


def decode_table(
    arrow: pa.Table,
    *,
    label: str | None = None,
    inputs: Sequence[str] | None = None,
    like: Columns | None = None,
    image_size: int | None = None,
    class_names: Sequence[str] | None = None,
    numbered: bool = False,
    least_classes: int = 2,
    origin: str = "the table",
) -> tuple[Table, Columns]:
    """Decode an Arrow table into a Table whose ids are 0..N-1.

    label        label column; None = found
    inputs       input columns; None = found
    like         the columns of another table of the same data, in place of both: they are read as there
    image_size   resize images to this many pixels square; None = all must have one size
    class_names  the classes of the training table, for another table of the same data; None = this table's own
    numbered     of the training table's Columns: whether numbers without names are places of `class_names`
    least_classes  classes that the rows must have; not asked if `class_names` is given
    origin       the file's name, for messages
    Returns      the Table, and which columns it was made from
    Raises       BadInput, BadParams: as `pick_columns`, `labels.encode_labels` and `read_inputs`
    """
    columns = like or pick_columns(arrow.schema, arrow, label=label, inputs=inputs, origin=origin)
    labels, names = encode_labels(
        arrow, columns.label, class_names=class_names, numbered=numbered, least_classes=least_classes, origin=origin
    )
    own = declared_names(arrow.schema, columns.label, origin) is not None
    values = read_inputs(arrow, columns, image_size, origin)
    ids = np.arange(arrow.num_rows, dtype=np.int64)
    return Table(ids, values, labels, names, columns.modality), replace(columns, class_names=names, numbered=own)


def image_table(images: Pixels, labels: IntArray, class_names: Sequence[str]) -> pa.Table:
    """Images as PNG in the Hugging Face schema: `image` struct<bytes: binary, path: string>, `label` int64.

    images       uint8 [N, H, W, 1 or 3]
    labels       int64 [N], 0..C-1
    class_names  C strings, kept as ClassLabel in the schema metadata
    Returns      N rows, path null
    """
    return encoded_image_table(pa.chunked_array([encode_images(images)]), labels, class_names)


def encoded_image_table(blobs: pa.ChunkedArray, labels: IntArray, class_names: Sequence[str]) -> pa.Table:
    """`image_table` for images that are encoded already: `blobs` binary [N], PNG or JPEG."""
    images = [pa.StructArray.from_arrays([c, pa.nulls(len(c), pa.string())], type=IMAGE) for c in blobs.chunks]
    features = {"image": {"_type": "Image"}, "label": {"names": list(class_names), "_type": "ClassLabel"}}
    return _labelled("image", pa.chunked_array(images, IMAGE), labels, features)


def vector_table(inputs: FloatArray, labels: IntArray, class_names: Sequence[str]) -> pa.Table:
    """Vectors as `features` fixed_size_list<float32>[D], `label` int64.

    inputs       float32 [N, D]
    labels       int64 [N], 0..C-1
    class_names  C strings, kept as ClassLabel in the schema metadata
    """
    width = inputs.shape[1]
    column = encode_vectors(inputs, pa.list_(pa.float32(), width), name="features")
    features = {
        "features": {"feature": {"dtype": "float32", "_type": "Value"}, "length": width, "_type": "Sequence"},
        "label": {"names": list(class_names), "_type": "ClassLabel"},
    }
    return _labelled("features", pa.chunked_array([column]), labels, features)


def _labelled(name: str, inputs: pa.ChunkedArray, labels: IntArray, features: dict[str, Any]) -> pa.Table:
    metadata = {HUGGING_FACE: json.dumps({"info": {"features": features}}).encode()}
    schema = pa.schema([pa.field(name, inputs.type), pa.field("label", pa.int64())], metadata)
    return pa.table([inputs, pa.array(labels, pa.int64())], schema=schema)


def replace_rows(
    table: pa.Table, columns: Columns, positions: IntArray, inputs: NDArray[Any], labels: IntArray
) -> pa.Table:
    """The table with other inputs and labels in some rows; all other rows and columns stay as they are.

    columns    of this table, with class names, as `decode_table` gave them
    positions  int64 [n], each row at most once
    inputs     the new inputs of those rows, laid out as Table.inputs; images are stored as PNG, their path becomes null
    labels     int64 [n], the new labels 0..C-1, stored as the column's own value of that class
    Returns    a table of the same schema (metadata too) and number of rows
    Raises     BadInput: a column's type cannot hold a new value
    """
    assert len(positions) == len(inputs) == len(labels)
    assert len(np.unique(positions)) == len(positions)
    if not len(positions):
        return table
    odd = [name for name, look in zip(columns.inputs, columns.looks, strict=True) if look.how]
    if odd:
        raise BadInput(
            f"column {odd[0]!r} has type {table.schema.field(odd[0]).type}, into which no attack can write; store "
            f"images as bytes and vectors as lists of numbers, or set attack: none"
        )
    new = {columns.label: decode_labels(labels, columns.class_names, table.schema, columns.label)}
    for place, name in enumerate(columns.inputs):
        kind = table.schema.field(name).type
        if columns.modality == "image":
            new[name] = _new_images(table.column(name), positions, inputs)
        elif columns.modality == "vector":
            new[name] = encode_vectors(inputs, kind, name=name)
        else:
            new[name] = encode_numbers(inputs[:, place], kind, name=name)
    for name, values in new.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), _with_rows(table.column(name), positions, values))
    return table


def _new_images(column: pa.ChunkedArray, positions: IntArray, images: Pixels) -> pa.Array:
    """The images as an array of the column's type; a struct's fields other than bytes and path stay the row's own."""
    blobs = encode_images(images)
    plain = storage(column)
    if pa.types.is_struct(plain.type):
        own = pa.concat_arrays([plain.slice(int(position), 1).combine_chunks() for position in positions])
        parts = []
        for field in plain.type:
            if field.name == "bytes":
                parts.append(blobs.cast(field.type))
            elif field.name == "path" and field.nullable:
                parts.append(pa.nulls(len(positions), field.type))
            else:
                parts.append(own.field(field.name))
        values = pa.StructArray.from_arrays(parts, fields=list(plain.type))
    else:
        values = blobs.cast(plain.type)
    return pa.ExtensionArray.from_storage(column.type, values) if plain is not column else values


def _with_rows(column: pa.ChunkedArray, positions: IntArray, values: pa.Array) -> pa.ChunkedArray:
    """`column` with values[i] in row positions[i]: slices of the old and the new, in order, so that any type works."""
    pieces: list[pa.Array] = []
    start = 0
    for place in np.argsort(positions):
        pieces += column.slice(start, int(positions[place]) - start).chunks
        pieces.append(values.slice(int(place), 1))
        start = int(positions[place]) + 1
    pieces += column.slice(start).chunks
    # a table's combine_chunks, unlike a column's, leaves several chunks where one would pass 2 GiB
    return pa.table([pa.chunked_array(pieces, column.type)], names=["column"]).combine_chunks().column(0)
