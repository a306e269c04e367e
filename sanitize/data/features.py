"""Features: a list column or numeric columns <-> one float32 array. Nulls, NaN, infinities and ragged lists refused."""

# N rows, D features
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sanitize.data.table import FloatArray
from sanitize.errors import BadInput

DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def storage(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The plain column below an extension type (a fixed-shape tensor is a fixed-size list)."""
    if not isinstance(column.type, pa.BaseExtensionType):
        return column
    return pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)


def decode_vectors(column: pa.ChunkedArray, *, name: str, origin: str) -> FloatArray:
    """A column of equally long lists of numbers.

    column   list, large list or fixed-size list of numbers, or an extension type that is stored as one
    name     the column's name, for messages
    origin   the file's name, for messages
    Returns  float32 [N, D]
    Raises   BadInput: null, lists of several lengths, NaN or infinite, too large for float32
    """
    column = storage(column)
    _refuse_nulls(column, f"column {name!r}", origin)
    lengths = pc.list_value_length(column).to_numpy()
    width = int(lengths[0]) if len(lengths) else max(getattr(column.type, "list_size", 0), 0)
    other = np.flatnonzero(lengths != width)
    if len(other):
        raise BadInput(
            f"{origin}: row {other[0]}, column {name!r}: vector has {lengths[other[0]]} values, but row 0 has {width}; "
            f"all must have one length"
        )
    values = pa.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type)
    flat = _numbers(values, width, f"column {name!r}", origin)
    return flat.reshape(len(column), width)


def decode_numeric(table: pa.Table, names: Sequence[str], *, origin: str) -> FloatArray:
    """Numeric columns side by side.

    table    with the columns `names`: integers, floating point or booleans
    names    D column names
    origin   the file's name, for messages
    Returns  float32 [N, D], columns in the order of `names`; a boolean is 0 or 1
    Raises   BadInput: null, NaN or infinite, too large for float32
    """
    features = np.empty((table.num_rows, len(names)), np.float32)
    for position, name in enumerate(names):
        features[:, position] = _numbers(storage(table.column(name)), 1, f"column {name!r}", origin)
    return features


def _numbers(values: pa.ChunkedArray, width: int, where: str, origin: str) -> FloatArray:
    """float32 of a numeric column that holds `width` values per row."""
    if values.null_count:
        row = int(np.flatnonzero(pc.is_null(values).to_numpy())[0]) // width
        raise BadInput(f"{origin}: row {row}, {where} has a null; fill or drop such rows first")
    exact = values.to_numpy()
    with np.errstate(over="ignore"):
        numbers: FloatArray = exact.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        value = exact[wrong[0]]
        bound = "must lie within float32, +-3.4e38; scale it" if np.isfinite(value) else "must be finite"
        raise BadInput(f"{origin}: row {wrong[0] // width}, {where} is {value}; {bound}, or drop such rows first")
    return numbers


def _refuse_nulls(column: pa.ChunkedArray, where: str, origin: str) -> None:
    if column.null_count:
        row = int(np.flatnonzero(pc.is_null(column).to_numpy())[0])
        raise BadInput(f"{origin}: row {row}, {where} is null; fill or drop such rows first")


def exact_numbers(column: pa.ChunkedArray, *, date: bool = False) -> NDArray[np.float64]:
    """A column of numbers, booleans or dates as float64 [n]: NaN where a value is missing, dates in days."""
    kind = column.type
    if date and pa.types.is_temporal(kind):
        per_day = 1 if pa.types.is_date32(kind) else DAY["ms"] if pa.types.is_date64(kind) else DAY[kind.unit]
        whole = column.cast(pa.int32()).cast(pa.int64()) if kind.bit_width == 32 else column.cast(pa.int64())
        days: NDArray[np.float64] = pc.fill_null(whole.cast(pa.float64(), safe=False), np.nan).to_numpy() / per_day
        return days
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    if column.null_count:
        column = pc.fill_null(column.cast(pa.float64(), safe=False), np.nan)
    exact: NDArray[np.float64] = column.to_numpy().astype(np.float64)
    return exact


def encode_vectors(vectors: FloatArray, kind: pa.DataType, *, name: str) -> pa.Array:
    """Vectors as an array of a list type: the reverse of `decode_vectors`.

    vectors  float32 [n, D]
    kind     list, large list or fixed-size list of numbers, or an extension type that is stored as one
    Returns  an Arrow array [n] of type `kind`
    Raises   BadInput: a value that the type cannot hold (0.5 among integers)
    """
    plain = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    values = encode_numbers(vectors.reshape(-1), plain.value_type, name=name)
    if pa.types.is_fixed_size_list(plain):
        lists = pa.FixedSizeListArray.from_arrays(values, type=plain)
    else:
        rows, width = vectors.shape
        large = pa.types.is_large_list(plain)
        offsets = pa.array(np.arange(rows + 1) * width, pa.int64() if large else pa.int32())
        lists = (pa.LargeListArray if large else pa.ListArray).from_arrays(offsets, values, type=plain)
    return pa.ExtensionArray.from_storage(kind, lists) if isinstance(kind, pa.BaseExtensionType) else lists


def encode_numbers(numbers: FloatArray, kind: pa.DataType, *, name: str) -> pa.Array:
    """Numbers as an array of a numeric type: the reverse of `decode_numeric` for one column.

    numbers  float32 [n]
    kind     integer, floating point or boolean type; boolean: anything but 0 is true
    Returns  an Arrow array [n] of type `kind`
    Raises   BadInput: a value that the type cannot hold (0.5 among integers)
    """
    wide: NDArray[np.float64] = numbers.astype(np.float64)
    if pa.types.is_boolean(kind):
        return pa.array(wide != 0)
    if pa.types.is_float16(kind):
        return pa.array(wide.astype(np.float16), kind)
    try:
        return pa.array(wide).cast(kind)
    except pa.ArrowInvalid as error:
        raise BadInput(
            f"column {name!r} has type {kind}, which cannot hold a new value ({error}); make it float32"
        ) from error
