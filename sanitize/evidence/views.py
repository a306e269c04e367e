"""The views of a table: which of its columns are compared in which way."""

# N rows
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sanitize.data.features import storage
from sanitize.data.recipe import Feature, Recipe
from sanitize.data.stored import texts, values_of
from sanitize.data.table import FloatArray, IntArray, Table
from sanitize.evidence.base import View
from sanitize.evidence.phrases import Phrases
from sanitize.evidence.pixels import Pixels
from sanitize.evidence.values import Column, Values
from sanitize.evidence.vectors import Coordinates, Direction

ORDERED = ("number", "date")
SINGLE = (*ORDERED, "boolean", "category")


def shown_columns(recipe: Recipe) -> list[str]:
    """The columns whose own values are compared, as they stand in the file."""
    return [feature.name for feature in recipe.features if feature.kind in (*SINGLE, "text")]


def views_of(table: Table, recipe: Recipe, rows: pa.Table) -> list[View]:
    """The views of a table that a recipe has decoded.

    rows  its N rows, with `shown_columns`
    """
    if recipe.modality == "image":
        return [Pixels(table.inputs)]
    columns, views = [], list[View]()
    place = 0
    for feature in recipe.features:
        part_ND: FloatArray = table.inputs[:, place : place + feature.width]
        place += feature.width
        if feature.kind == "text":
            views.append(Phrases(texts(storage(rows.column(feature.name)))))
        elif feature.kind == "image":
            assert feature.shape is not None
            levels = np.rint(part_ND * 255).astype(np.uint8)
            views.append(Pixels(levels.reshape(len(table), *feature.shape)))
        elif feature.kind == "vector":
            views += [Coordinates(part_ND), Direction(part_ND)]
        else:
            columns.append(_column(feature, rows.column(feature.name), part_ND))
    return [Values(columns), *views] if columns else views


def plain_views(table: Table, names: Sequence[str] = ()) -> list[View]:
    """The views of a table of which nothing but the inputs is known, and perhaps the names of its columns."""
    if table.modality == "image":
        return [Pixels(table.inputs)]
    if table.modality == "vector":
        return [Coordinates(table.inputs), Direction(table.inputs)]
    if len(names) != table.inputs.shape[1]:
        names = [f"column {number}" for number in range(table.inputs.shape[1])]
    return [Values([_numbers(name, values_N) for name, values_N in zip(names, table.inputs.T, strict=True)])]


def _column(feature: Feature, column: pa.ChunkedArray, part_ND: FloatArray) -> Column:
    plain = storage(column)
    if pa.types.is_dictionary(plain.type):
        plain = plain.cast(plain.type.value_type)
    coded = plain.combine_chunks().dictionary_encode()
    coded = pa.concat_arrays(coded.chunks) if isinstance(coded, pa.ChunkedArray) else coded
    code_N: IntArray = pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy().astype(np.int64)
    names = [_text(value) for value in values_of(coded.dictionary)]
    return Column(feature.name, code_N, [*names, None], part_ND[:, 0] if feature.kind in ORDERED else None)


def _text(value: object) -> str:
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.7g}"  # as many digits as float32 holds
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _numbers(name: str, values_N: FloatArray) -> Column:
    values, code_N = np.unique(values_N, return_inverse=True)
    return Column(name, code_N.astype(np.int64), [f"{value:.7g}" for value in values], values_N)
