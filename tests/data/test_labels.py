"""Labels as numbers and back."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sanitize.data.labels import declared_names, decode_labels, encode_labels
from sanitize.errors import BadInput


def declared(values: list[int], names: list[str]) -> pa.Table:
    features = {"y": {"names": names, "_type": "ClassLabel"}}
    return pa.table({"y": values}).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )


@pytest.mark.parametrize(
    ("values", "codes", "names"),
    [
        (pa.array([30, -4, 30, 7]), [2, 0, 2, 1], ("-4", "7", "30")),
        (pa.array([2**64 - 1, 0], pa.uint64()), [1, 0], ("0", "18446744073709551615")),
        (pa.array([5, 3], pa.int8()), [1, 0], ("3", "5")),
        (pa.array(["dog", "cat", "dog"]), [1, 0, 1], ("cat", "dog")),
        (pa.array(["b", "a"], pa.large_string()), [1, 0], ("a", "b")),
        (pa.array(["b", "a"], pa.string_view()), [1, 0], ("a", "b")),
        (pa.array([True, False, True]), [1, 0, 1], ("False", "True")),
        (pa.DictionaryArray.from_arrays([0, 2, 0], ["z", "unused", "a"]), [1, 0, 1], ("a", "z")),
        (pa.DictionaryArray.from_arrays([0, 1], pa.array([9, 2])), [1, 0], ("2", "9")),
    ],
)
def test_values_become_sorted_numbers_and_come_back(values: pa.Array, codes: list[int], names: tuple[str, ...]) -> None:
    table = pa.table({"y": values})
    numbers, found = encode_labels(table, "y")
    assert numbers.dtype == np.int64
    assert numbers.tolist() == codes
    assert found == names
    back = decode_labels(numbers, found, table.schema, "y")
    assert back.type == values.type
    assert back.to_pylist() == values.to_pylist()


def test_declared_names_keep_the_numbers_and_absent_classes() -> None:
    table = declared([2, 0, 2], ["a", "b", "c"])
    numbers, names = encode_labels(table, "y")
    assert (numbers.tolist(), names) == ([2, 0, 2], ("a", "b", "c"))
    assert decode_labels(np.array([1]), names, table.schema, "y").to_pylist() == [1]


@pytest.mark.parametrize("text", ["{}", '{"info": {"features": {"y": {"_type": "Value", "dtype": "int64"}}}}', "[]"])
def test_other_metadata_declare_nothing(text: str) -> None:
    table = pa.table({"y": [5, 6]}).replace_schema_metadata({"huggingface": text})
    assert declared_names(table.schema, "y") is None


def test_metadata_that_are_no_json_are_refused() -> None:
    table = pa.table({"y": [5, 6]}).replace_schema_metadata({"huggingface": "{"})
    with pytest.raises(BadInput, match="'huggingface' is no JSON"):
        encode_labels(table, "y")


def test_another_table_gets_the_numbers_of_the_training_table() -> None:
    train_names = ("10", "20", "30")
    numbers, names = encode_labels(pa.table({"y": [30, 30]}), "y", class_names=train_names)
    assert (numbers.tolist(), names) == ([2, 2], train_names)
    numbers, _ = encode_labels(pa.table({"y": pa.array([], pa.int64())}), "y", class_names=train_names)
    assert (numbers.tolist(), numbers.dtype) == ([], np.int64)
    numbers, _ = encode_labels(declared([0, 1], ["20", "10"]), "y", class_names=train_names)
    assert numbers.tolist() == [1, 0]
    with pytest.raises(BadInput, match=r"is 40 in row 1 \(1 such rows\); must be one of the classes 10, 20, 30"):
        encode_labels(pa.table({"y": [30, 40]}), "y", class_names=train_names)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1, None, 2, None]), r"f: label column 'y' is null in 2 of 4 rows \(rows 1, 3\); fill or drop"),
        (pa.array(["a", None] * 7), r"null in 7 of 14 rows \(rows 1, 3, 5, 7, 9, …\)"),
        (pa.array(["a", "a"]), "has one class only, 'a'; must have at least 2; add rows of other classes"),
        (pa.array([1.0, 2.0]), "has type double; must be integers, .*; cast it to int64"),
        (pa.array([b"a", b"b"]), "has type binary; must be integers, .*; convert it, or name another column"),
        (pa.array([[1], [2]]), "has type list<"),
    ],
)
def test_bad_labels(column: pa.Array, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        encode_labels(pa.table({"y": column}), "y", origin="f")


def test_values_outside_the_declared_names() -> None:
    with pytest.raises(BadInput, match=r"is -1 in row 1 \(2 such rows\); must be 0..1, as its names"):
        encode_labels(declared([0, -1, 2], ["a", "b"]), "y")
    with pytest.raises(BadInput, match="one class only, 'b'"):
        encode_labels(declared([1, 1], ["a", "b"]), "y")


def test_no_rows_are_fine_here() -> None:
    empty: Any = pa.array([], pa.string())
    assert encode_labels(pa.table({"y": empty}), "y")[1] == ()
