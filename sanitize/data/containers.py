"""Tables in memory of other libraries: Arrow tables, Hugging Face datasets, pandas frames -> labels and inputs."""

# N rows, C classes
from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sanitize.data.columns import find_label
from sanitize.data.detect import choose
from sanitize.data.labels import declared_names, encode_labels
from sanitize.data.recipe import fit_recipe
from sanitize.data.table import IntArray, Modality
from sanitize.errors import BadInput
from sanitize.params import Params

ORIGIN = "X"
LABEL = "label"  # what labels given apart are called, if no column is called so
Labels = Callable[[Any], tuple[IntArray, NDArray[Any]]]


def as_arrow(rows: Any) -> pa.Table | None:
    """The rows as an Arrow table, nothing decoded; None for arrays.

    rows     an Arrow table or record batch, a Hugging Face dataset, a pandas frame, or whatever offers its rows as an
             Arrow stream, as frames of polars do
    Raises   BadInput: a frame with a column that Arrow does not know; a sparse matrix
    """
    if hasattr(rows, "toarray") and hasattr(rows, "nnz"):
        shape = " x ".join(str(side) for side in rows.shape)
        raise BadInput(f"X: is a sparse matrix, {type(rows).__name__} of {shape}; pass X.toarray()")
    if getattr(rows, "is_sparse", False) is True:
        raise BadInput(f"X: is a sparse tensor of shape {list(rows.shape)}; pass X.to_dense()")
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    if hasattr(rows, "with_format") and hasattr(rows, "features"):  # a datasets.Dataset, its selection applied
        plain = rows.with_format("arrow")[:]
        return plain if isinstance(plain, pa.Table) else None
    is_pandas = type(rows).__module__.partition(".")[0] == "pandas" and hasattr(rows, "columns")
    if not is_pandas and not hasattr(rows, "__arrow_c_stream__"):
        if hasattr(rows, "collect") and hasattr(rows, "columns"):
            raise BadInput(f"X: is a {type(rows).__name__}, whose rows are not there yet; pass X.collect()")
        return None
    try:
        return pa.Table.from_pandas(rows, preserve_index=False) if is_pandas else pa.table(rows)
    except (pa.ArrowException, TypeError, ValueError) as error:
        names = ", ".join(str(name) for name in list(getattr(rows, "columns", ()))[:5])
        raise BadInput(f"X: columns {names} cannot be read ({error}); give each column one type") from error


def read_columns(
    rows: pa.Table, y: Any, params: Params, labels: Labels
) -> tuple[IntArray, NDArray[Any], NDArray[Any], Modality]:
    """Labels and inputs of a table, with the recipe that the command would use.

    y        labels, the label column's name, or None: found by its name
    params   `data.label`, `data.inputs` and `data.image_size`
    labels   labels as an array -> int64 [N], 0..C-1, and the C values that they stand for
    Returns  labels int64 [N], the values, inputs as Table.inputs, their modality
    Raises   BadInput: columns that cannot be used, or a row that cannot be read; BadParams: as `choose`
    """
    name = y if isinstance(y, str) else params.data.label
    if y is not None and not isinstance(y, str):
        name = next(f"{LABEL}{'_' * count}" for count in range(99) if f"{LABEL}{'_' * count}" not in rows.column_names)
        code_N, values = labels(y)
        if len(code_N) != rows.num_rows:
            raise BadInput(f"X has {rows.num_rows} rows, but y has {len(code_N)}; must have one label per row")
        rows = rows.append_column(name, pa.array(code_N))
    else:
        name = name or find_label(rows.column_names, rows.column_names, ORIGIN)
        if name not in rows.column_names:
            raise BadInput(f"X: no column {name!r}; columns are {', '.join(rows.column_names)}; name one of them as y")
        encode_labels(rows, name, origin=ORIGIN)  # refuses what the command does not take, by its names
        column = rows.column(name)
        column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        code_N, values = labels(column)
        names = declared_names(rows.schema, name, ORIGIN)
        if names is not None:
            values = np.array([names[int(value)] if 0 <= value < len(names) else str(value) for value in values])
    choice = choose(rows.schema, rows, label=name, inputs=params.data.inputs, origin=ORIGIN)
    if choice.left_out:
        warnings.warn(f"Sanitizer: {choice.found}; name columns in params data.inputs to use them", stacklevel=4)
    recipe = fit_recipe(rows, choice, tuple(str(value) for value in values), params.data.image_size)
    inputs, bad = recipe.decode(rows)
    if bad:
        row = min(bad)
        raise BadInput(
            f"X: row {row}, {bad[row]} ({len(bad)} such rows); drop such rows first, or use `sanitize filter`"
        )
    return code_N, values, inputs, recipe.modality
