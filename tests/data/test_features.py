"""Vectors and numeric columns."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sanitize.data.features import decode_numeric, decode_vectors, encode_numbers, encode_vectors
from sanitize.errors import BadInput

KINDS = [
    pa.list_(pa.float32()),
    pa.list_(pa.float64()),
    pa.large_list(pa.float32()),
    pa.list_(pa.float32(), 2),
    pa.list_(pa.float16()),
    pa.list_(pa.int16()),
    pa.fixed_shape_tensor(pa.float32(), (2,)),
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_vectors_there_and_back(kind: pa.DataType) -> None:
    vectors = np.array([[1, 2], [3, 4], [-5, 6]], np.float32)
    column = encode_vectors(vectors, kind, name="v")
    assert column.type == kind
    parts = pa.chunked_array([column.slice(0, 1), column.slice(1, 0), column.slice(1)])
    decoded = decode_vectors(parts, name="v", origin="f")
    assert decoded.dtype == np.float32
    assert np.array_equal(decoded, vectors)


def test_vectors_without_rows() -> None:
    assert decode_vectors(pa.chunked_array([], pa.list_(pa.float32(), 3)), name="v", origin="f").shape == (0, 3)
    assert decode_vectors(pa.chunked_array([], pa.list_(pa.float32())), name="v", origin="f").shape == (0, 0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0, 2.0], None], "f: row 1, column 'v' is null; fill or drop"),
        ([[1.0, 2.0], [3.0, None]], "f: row 1, column 'v' has a null; fill or drop"),
        ([[1.0, 2.0], [3.0]], "f: row 1, column 'v': vector has 1 values, but row 0 has 2; all must have one length"),
        ([[1.0, 2.0], [3.0, float("nan")]], "f: row 1, column 'v' is nan; must be finite"),
        ([[1.0, 2.0], [3.0, 4.0], [float("-inf"), 1.0]], "f: row 2, column 'v' is -inf; must be finite"),
        ([[1.0, 2.0], [3.0, 1e300]], r"f: row 1, column 'v' is 1e\+300; must lie within float32"),
    ],
)
def test_bad_vectors(rows: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        decode_vectors(pa.chunked_array([pa.array(rows, pa.list_(pa.float64()))]), name="v", origin="f")


def test_numeric_columns_side_by_side() -> None:
    table = pa.table({"a": pa.array([1, 2], pa.int8()), "b": [True, False], "c": [0.5, 1.5]})
    features = decode_numeric(table, ["c", "a", "b"], origin="f")
    assert features.dtype == np.float32
    assert features.tolist() == [[0.5, 1, 1], [1.5, 2, 0]]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1.0, None], "f: row 1, column 'b' has a null"),
        ([float("nan"), 1.0], "f: row 0, column 'b' is nan; must be finite"),
        ([1.0, -1e39], r"f: row 1, column 'b' is -1e\+39; must lie within float32"),
    ],
)
def test_bad_numeric_columns(column: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        decode_numeric(pa.table({"a": [1, 2], "b": column}), ["a", "b"], origin="f")


def test_numbers_in_a_columns_own_type() -> None:
    numbers = np.array([0, 3], np.float32)
    for kind in (pa.uint8(), pa.int64(), pa.float16(), pa.float64()):
        column = encode_numbers(numbers, kind, name="a")
        assert (column.type, column.to_pylist()) == (kind, [0, 3])
    assert encode_numbers(numbers, pa.bool_(), name="a").to_pylist() == [False, True]
    with pytest.raises(BadInput, match="column 'a' has type uint8, which cannot hold a new value"):
        encode_numbers(np.array([0.5], np.float32), pa.uint8(), name="a")
    with pytest.raises(BadInput, match="make it float32"):
        encode_numbers(np.array([-1], np.float32), pa.uint8(), name="a")
