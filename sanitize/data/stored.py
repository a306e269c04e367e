"""How columns store what they hold, and how it is read: nested lists, tensors, Spark's vectors, arrays as bytes.

`arrays` reads numbers of one shape, `plain` all else. Both say of each row that they cannot read what is wrong with it.
"""

# n rows of a column, D numbers per row
from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sanitize.data import written
from sanitize.data.features import storage

How = Literal["", "nested", "npy", "spark", "struct", "json", "base64", "hex", "path", "number", "date"]
ARRAYS = ("nested", "npy", "spark", "struct", "json")  # what `arrays` reads, beside plain lists
AS_TEXT = ("json", "base64", "hex", "path", "number", "date")
NPY = b"\x93NUMPY"
Bad = dict[int, str]  # position -> what is wrong with the row
Shape = tuple[int, ...]
CHANNELS = (1, 3)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type below an extension type."""
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def is_binary(kind: pa.DataType) -> bool:
    """Whether it is one of Arrow's types of bytes of any length."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether it is one of Arrow's string types."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether it is a list, a large list or a list of one length."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether it is an integer or a floating point type."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def innermost(kind: pa.DataType) -> pa.DataType:
    """What lists, or lists of lists, hold at last."""
    while is_list(kind):
        kind = plain_type(kind.value_type)
    return kind


def holds_pictures(kind: pa.DataType) -> bool:
    """Whether it is a struct as Hugging Face stores pictures: `bytes`, or `path` with nothing else but null bytes."""
    if not pa.types.is_struct(kind):
        return False
    fields = {field.name: field.type for field in kind}
    if "bytes" in fields and is_binary(fields["bytes"]):
        return True
    return "path" in fields and is_text(fields["path"]) and pa.types.is_null(fields.pop("bytes", pa.null()))


def texts(column: pa.ChunkedArray | pa.Array) -> list[str | None]:
    """The column's texts; bytes that are no UTF-8 become U+FFFD."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    values = column.cast(pa.large_binary()).to_pylist()
    return [None if value is None else value.decode("utf-8", "replace") for value in values]


def values_of(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """The column's values as Python has them, others as texts: a date in the year 300000, a time in an unknown zone."""
    try:
        return list(column.to_pylist())
    except (pa.ArrowException, ValueError, OverflowError):
        return [_value(column.slice(row, 1)) for row in range(len(column))]  # none depends on its neighbours


def _value(one: pa.ChunkedArray | pa.Array) -> Any:
    try:
        return one.to_pylist()[0]
    except (pa.ArrowException, ValueError, OverflowError):
        if pa.types.is_timestamp(one.type) and one.type.tz is not None:
            one = one.cast(pa.timestamp(one.type.unit, "UTC"))  # as it is stored, whatever the zone
        return texts(one.cast(pa.string()))[0]


def bytes_and_paths(column: pa.ChunkedArray) -> Iterator[tuple[bytes | None, str | None]]:
    """Each row's bytes and path, of a binary column or a struct."""
    for chunk in column.chunks:
        if not pa.types.is_struct(chunk.type):
            for blob in chunk:
                yield blob.as_py(), None
            continue
        has = {name: chunk.type.get_field_index(name) >= 0 for name in ("bytes", "path")}
        blobs = pc.struct_field(chunk, "bytes") if has["bytes"] else pa.nulls(len(chunk))
        paths = pc.struct_field(chunk, "path") if has["path"] else None
        for row in range(len(chunk)):
            blob = blobs[row].as_py()
            yield blob, None if blob is not None or paths is None else _path(paths[row])


def _path(value: pa.Scalar) -> str | None:
    try:
        path = value.as_py()
    except UnicodeDecodeError:
        return "\ufffd"
    return path if isinstance(path, str) else None


def sides(shape: Shape) -> tuple[int, int] | None:
    """Height and width of an array that may be a picture: [H, W], [H, W, 1 or 3] or [1 or 3, H, W]; None = none."""
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) == 3 and (shape[2] in CHANNELS or shape[0] in CHANNELS):
        return (shape[0], shape[1]) if shape[2] in CHANNELS else (shape[1], shape[2])
    return None


def channels_last(values: NDArray[Any]) -> NDArray[Any]:
    """Arrays [n, *shape] of pictures as [n, H, W, K]."""
    if values.ndim == 3:
        return values[..., np.newaxis]
    return values if values.shape[3] in CHANNELS else np.moveaxis(values, 1, 3)


def shapes(column: pa.ChunkedArray, how: How) -> list[Shape | None]:
    """The shape of each row's array; None where it is null, () where it is none."""
    if how == "json":
        return [None if text is None else written.shape(text) or () for text in texts(column)]
    if how == "npy":
        return [None if value is None else _unpacked(value).shape for value in column.to_pylist()]
    if how == "spark":
        return [None if row is None else (_width(row),) for row in column.to_pylist()]
    fixed = _tensor(column)
    column = storage(column)
    if fixed is not None:
        return [fixed if valid else None for valid in column.is_valid().to_pylist()]
    dimensions = [_per_row(chunk) for chunk in column.chunks]
    return [shape for chunk in dimensions for shape in chunk]


def _tensor(column: pa.ChunkedArray) -> Shape | None:
    """The shape of an Arrow tensor that is stored flat."""
    shape = tuple(getattr(column.type, "shape", None) or ())
    flat = isinstance(column.type, pa.BaseExtensionType) and not is_list(getattr(storage(column).type, "value_type", 0))
    order = getattr(column.type, "permutation", None)
    if not flat or not shape or None in shape or (order is not None and list(order) != sorted(order)):
        return None
    return shape


def _per_row(array: pa.Array) -> list[Shape | None]:
    """Each row's shape; a row of lists of several lengths has -1 where they differ."""
    rows = len(array)
    owner = np.arange(rows)
    lengths = pc.fill_null(pc.list_value_length(array), -1).to_numpy(zero_copy_only=False)
    found = [lengths.copy()]
    while True:
        array = array.flatten()
        owner = np.repeat(owner, np.maximum(lengths, 0))
        if not is_list(array.type):
            break
        lengths = pc.fill_null(pc.list_value_length(array), -1).to_numpy(zero_copy_only=False)
        low, high = np.full(rows, np.iinfo(np.int64).max), np.full(rows, -1)
        np.minimum.at(low, owner, lengths)
        np.maximum.at(high, owner, lengths)
        found.append(np.where(low == high, high, -1))
    return [None if shape[0] < 0 else tuple(int(side) for side in shape) for shape in zip(*found, strict=True)]


def _width(row: dict[str, Any]) -> int:
    return int(row["size"]) if row["type"] == 0 and row["size"] is not None else len(row["values"] or ())


def _unpacked(value: bytes) -> NDArray[Any]:
    """An array from the bytes that NumPy saves; an empty one where they are damaged, or would have to be unpickled."""
    try:
        found = np.load(io.BytesIO(value), allow_pickle=False, max_header_size=4096)
    except (ValueError, EOFError, OSError, SyntaxError, TypeError, MemoryError):
        return np.empty(0)
    return found if isinstance(found, np.ndarray) and found.dtype.kind in "biuf" else np.empty(0)


def common_shape(column: pa.ChunkedArray, how: How) -> Shape:
    """The shape that most rows have; (0,) where none has any."""
    counted = Counter(shape for shape in shapes(column, how) if shape is not None)
    return max(counted, key=lambda shape: (counted[shape], shape), default=(0,))


def arrays(column: pa.ChunkedArray, how: How, shape: Shape) -> tuple[NDArray[Any], Bad]:
    """Arrays of numbers of one shape.

    Returns  [n, *shape], NaN where a number is null, zeros in rows that cannot be read; and what is wrong with these
    """
    if how == "struct":
        return _fields(column)
    if how in ("json", "npy", "spark"):
        return _one_by_one(column, how, shape)
    bad: Bad = {}
    for row, own in enumerate(shapes(column, how)):
        if own != shape:
            bad[row] = "is null" if own is None else f"has {_sized(own)} numbers, others have {_sized(shape)}"
    flat = storage(column)
    good = np.ones(len(column), bool)
    good[list(bad)] = False
    if bad:
        flat = flat.filter(pa.array(good))
    parts = []
    for chunk in flat.chunks:
        while is_list(chunk.type):
            chunk = chunk.flatten()
        parts.append(chunk.to_numpy(zero_copy_only=False))
    values = np.concatenate(parts) if parts else np.empty(0, np.float32)
    values = values.reshape(int(good.sum()), *shape)
    if not bad:
        return values, bad
    whole = np.zeros((len(column), *shape), values.dtype)
    whole[good] = values
    return whole, bad


def _sized(shape: Shape) -> str:
    return " x ".join("several" if side < 0 else str(side) for side in shape) or "no"


def _fields(column: pa.ChunkedArray) -> tuple[NDArray[np.float64], Bad]:
    """The fields of a struct of numbers side by side."""
    parts = []
    for place in range(column.type.num_fields):
        field = pa.chunked_array([pc.struct_field(chunk, place) for chunk in column.chunks], column.type[place].type)
        parts.append(pc.fill_null(field.cast(pa.float64(), safe=False), np.nan).to_numpy())
    return np.stack(parts, axis=1), dict.fromkeys(np.flatnonzero(column.is_null().to_numpy()).tolist(), "is null")


def _one_by_one(column: pa.ChunkedArray, how: How, shape: Shape) -> tuple[NDArray[np.float64], Bad]:
    values = np.zeros((len(column), *shape))
    bad: Bad = {}
    rows: Sequence[Any] = texts(column) if how == "json" else column.to_pylist()
    for place, row in enumerate(rows):
        if row is None:
            bad[place] = "is null"
            continue
        found = written.numbers(row) if how == "json" else _unpacked(row) if how == "npy" else _dense(row, prod(shape))
        if found is None or found.size != prod(shape) or (how == "npy" and found.shape != shape):
            what = f"{found.size} numbers" if found is not None and found.size else "what is no array of numbers"
            bad[place] = f"holds {what}, others {_sized(shape)} numbers"
        else:
            values[place] = found.reshape(shape)
    return values, bad


def _dense(row: dict[str, Any], width: int) -> NDArray[np.float64] | None:
    """A vector of Spark: type 1 = dense, 0 = sparse with places and values."""
    given = np.array(row["values"] or [], np.float64)
    if row["type"] != 0:
        return given
    places = np.array(row["indices"] or [], np.int64)
    if (
        _width(row) != width
        or len(places) != len(given)
        or (len(places) and not 0 <= places.min() <= places.max() < width)
    ):
        return None
    found = np.zeros(width)
    found[places] = given
    return found


def plain(column: pa.ChunkedArray, how: How, form: str = "") -> tuple[pa.ChunkedArray, Bad]:
    """A column as one that stores its values plainly: text as bytes, as paths, as numbers or as dates.

    form     how numbers and dates are written, one of `written.FORMS`
    Returns  the column, null in rows that cannot be read, and what is wrong with these
    """
    if how not in AS_TEXT or how == "json":
        return storage(column), {}
    values = texts(column)
    if how == "path":
        paths = pa.StructArray.from_arrays(
            [pa.nulls(len(values), pa.binary()), pa.array(values, pa.string())], ["bytes", "path"]
        )
        return pa.chunked_array([paths]), {}
    if how in ("base64", "hex"):
        blobs = [None if value is None else written.unpacked(value, how) for value in values]
        return pa.chunked_array([pa.array(blobs, pa.large_binary())]), {}
    found, bad = written.scalars(values, form)
    return pa.chunked_array([found]), bad
