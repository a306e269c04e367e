"""Labels as numbers and back: one file, several files of one data set, and files of another day."""

import json
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sanitize.data.labels import (
    NONE,
    UNLABELLED,
    LabelEncoder,
    Reading,
    count_labels,
    declared_names,
    decode_labels,
    encode_labels,
    reading_of,
)
from sanitize.errors import BadInput


def declared(values: list[int], names: list[str]) -> pa.Table:
    features = {"y": {"names": names, "_type": "ClassLabel"}}
    return pa.table({"y": values}).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )


def _features(names: str) -> str:
    return f'{{"info": {{"features": {{"y": {{"_type": "ClassLabel", "names": {names}}}}}}}}}'


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
        (pa.array([3.0, -2.0, 3.0]), [1, 0, 1], ("-2", "3")),
        (pa.array([2.0, 1.0], pa.float16()), [1, 0], ("1", "2")),
        (pa.array([Decimal("2.00"), Decimal("10.00")]), [0, 1], ("2", "10")),
        (pa.array([Decimal(2), Decimal(10)], pa.decimal32(5, 0)), [0, 1], ("2", "10")),
        (pa.DictionaryArray.from_arrays([1, 0], pa.array([4.0, 3.0])), [0, 1], ("3", "4")),
        (pa.array([2**53 + 1, 2**53]), [1, 0], (str(2**53), str(2**53 + 1))),
        (pa.array([-1, 1, -1]), [0, 1, 0], ("-1", "1")),
        (pa.array(["-1", "0", "1"]), [0, 1, 2], ("-1", "0", "1")),
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


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"info": {"features": {"y": {"_type": "ClassLabel", "names": []}}}}',
        '{"info": {"features": {"y": {"_type": "Value", "dtype": "int64"}}}}',
        "[]",
    ],
)
def test_other_metadata_declare_nothing(text: str) -> None:
    table = pa.table({"y": [5, 6]}).replace_schema_metadata({"huggingface": text})
    assert declared_names(table.schema, "y") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        (b"\xff", "is no JSON"),
        ("[" * 100_000, "nested too deeply"),
        (_features("5"), "the names of column 'y' are 5; must be a list of texts"),
        (_features('{"0": "a"}'), "the names of column 'y' are {.*; must be a list of texts"),
        (_features('"ab"'), "are 'ab'; must be a list of texts"),
        (_features('["a", null]'), "name 1 of column 'y' is None; must be text"),
        (_features('["a", ["b"]]'), "name 1 of column 'y' is"),
        (_features('["a", "\\ud800"]'), "name 1 of column 'y' is .*ud800'; must be text"),
        (_features('["a", "b", "a"]'), "names 0 and 2 of column 'y' are both 'a'"),
    ],
)
def test_metadata_that_cannot_be_used_are_refused(text: str | bytes, message: str) -> None:
    table = pa.table({"y": [0, 1]}).replace_schema_metadata({"huggingface": text})
    with pytest.raises(BadInput, match=message):
        encode_labels(table, "y")


def test_another_table_gets_the_numbers_of_the_training_table() -> None:
    train_names = ("10", "20", "30")
    numbers, names = encode_labels(pa.table({"y": [30, 30]}), "y", class_names=train_names)
    assert (numbers.tolist(), names) == ([2, 2], train_names)
    numbers, _ = encode_labels(pa.table({"y": pa.array([], pa.int64())}), "y", class_names=train_names)
    assert (numbers.tolist(), numbers.dtype) == ([], np.int64)
    numbers, _ = encode_labels(declared([0, 1], ["20", "10"]), "y", class_names=train_names)
    assert numbers.tolist() == [1, 0]
    with pytest.raises(BadInput, match=r"is 40 in row 1 \(1 such rows\); must be one of the classes '10', '20', '30'"):
        encode_labels(pa.table({"y": [30, 40]}), "y", class_names=train_names)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1, None, 2, None]), r"f: label column 'y' is null in 2 of 4 rows \(rows 1, 3\); fill or drop"),
        (pa.array(["a", None] * 7), r"null in 7 of 14 rows \(rows 1, 3, 5, 7, 9, …\)"),
        (pa.array(["a", "a"]), "has one class only, 'a'; must have at least 2; add rows of other classes"),
        (pa.array([1.0, 0.5]), "is 0.5 in row 1; labels that are numbers must be whole"),
        (pa.array([1.0, float("inf")]), "is inf in row 1; labels that are numbers must be whole"),
        (pa.array([1.0, float("nan")]), r"is null in 1 of 2 rows \(rows 1\)"),
        (pa.array([2.0**53 + 2, 0.0]), f"in row 0; beyond {2**53} a double cannot be told from the next whole number"),
        (pa.array([Decimal("0.5"), Decimal("1.0")]), "is 0.5 in row 0; labels that are numbers must be whole"),
        (pa.array([b"a", b"b"]), "has type binary; must be integers, .*; convert it, or name another column"),
        (pa.array([[1], [2]]), "has type list<.*; a row must have one label"),
        (pa.array([{"a": 1}, {"a": 2}]), "has type struct<.*; a row must have one label"),
        (pa.array([0, 1], pa.date32()), "has type date32.*; write the dates as text"),
        (pa.nulls(2), "has type null; .* it is null in all rows"),
        (pa.array(range(100)), "another value in every one of 100 rows, as an identifier has"),
        (pa.array([-1, 0, 1, 2]), r"is -1 in row 0 \(1 such rows\); .* -1 without a name stands for no label"),
        (pa.array(["caf\u00e9", "cafe\u0301"]), "look the same"),
        (pa.array(["cat", "cat "]), r"classes 'cat' \(1 rows\) and 'cat ' \(1 rows\), which look the same"),
        (pa.array(["cat", "cat\u200b"]), r"'cat\\u200b' \(1 rows\), which look the same"),
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


TEXT, NUMBER, BOOLEAN = Reading("text"), Reading("number"), Reading("boolean")
ABC, CBA = Reading("number", ("ant", "bee", "cat")), Reading("number", ("cat", "bee", "ant"))


def counted(*files: tuple[Reading, pa.Array]) -> dict[Any, Any]:
    return count_labels(files, "y", "f")


def names_of(encoder: LabelEncoder, reading: Reading, column: pa.Array) -> list[str | int]:
    """The classes that the rows get, or their code where they get none."""
    codes, wrong = encoder.encode(column, reading, "y", "f")
    assert set(wrong) == set(np.flatnonzero(codes == NONE).tolist())
    return [encoder.names[code] if code >= 0 else int(code) for code in codes]


@pytest.mark.parametrize(
    ("files", "classes", "rows", "said"),
    [
        (
            [(ABC, [0, 1, 2]), (CBA, [0, 1, 1])],
            ["ant", "bee", "cat"],
            [["ant", "bee", "cat"], ["cat", "bee", "bee"]],
            "",
        ),
        (
            [(ABC, [0, 2, -1, 7, None])],
            ["ant", "bee", "cat"],
            [["ant", "cat", UNLABELLED, NONE, NONE]],
            "-1 in 1 rows, which no name stands for: they are unlabelled",
        ),
        ([(ABC, [0, 1]), (TEXT, ["cat", "dog"])], ["ant", "bee", "cat", "dog"], [["ant", "bee"], ["cat", "dog"]], ""),
        (
            [(ABC, [0, 1]), (NUMBER, [2, 1, -1])],
            ["ant", "bee", "cat"],
            [["ant", "bee"], ["cat", "bee", UNLABELLED]],
            "numbers alone in others: these are taken as the numbers of 'ant', 'bee', 'cat'",
        ),
        ([(NUMBER, [3, 4]), (TEXT, ["4", "10"])], ["3", "4", "10"], [["3", "4"], ["4", "10"]], "the same as texts"),
        ([(NUMBER, [0, 1, 2, -1])], ["0", "1", "2"], [["0", "1", "2", UNLABELLED]], "unlabelled"),
        ([(NUMBER, [-1, 1, 1])], ["-1", "1"], [["-1", "1", "1"]], ""),
        ([(NUMBER, [-2, -1, 0, 1])], ["-2", "-1", "0", "1"], [["-2", "-1", "0", "1"]], ""),
        (
            [(BOOLEAN, [True, False]), (TEXT, ["True", "True"])],
            ["False", "True"],
            [["True", "False"], ["True"] * 2],
            "",
        ),
        ([(NUMBER, [None, None]), (ABC, [0, 1])], ["ant", "bee", "cat"], [[NONE, NONE], ["ant", "bee"]], ""),
        ([(TEXT, ["nan", "a"])], ["a", "nan"], [["nan", "a"]], "'nan' (1 rows) is taken as a class"),
        ([(TEXT, ["A", "a"])], ["A", "a"], [["A", "a"]], "differ in upper and lower case"),
    ],
)
def test_files_of_one_data_set(files: Any, classes: list[str], rows: Any, said: str) -> None:
    columns = [(reading, pa.array(values)) for reading, values in files]
    encoder = LabelEncoder.fit(counted(*columns), "y", "f")
    assert sorted(encoder.names) == sorted(classes)
    assert [names_of(encoder, *column) for column in columns] == rows
    assert said in " ".join(encoder.notes)
    assert bool(encoder.notes) == bool(said)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([(NUMBER, [0, 1]), (TEXT, ["ant", "bee"])], "numbers such as 0 in some files and texts such as 'ant'"),
        ([(NUMBER, [0, 1]), (TEXT, ["00", "1"])], "texts such as '00'"),
        ([(BOOLEAN, [True]), (NUMBER, [0, 1])], "booleans in some files and numbers in others"),
        ([(BOOLEAN, [True]), (TEXT, ["true", "false"])], "booleans in some files and texts in others"),
        ([(BOOLEAN, [True]), (ABC, [0, 1])], "booleans in some files and ClassLabel numbers in others"),
        ([(ABC, [0, 1]), (TEXT, ["0", "1"])], "texts such as '0' .* none of them is one of the ClassLabel names 'ant'"),
        ([(ABC, [0, 1]), (NUMBER, [1, 3])], "such as 3, and ClassLabel numbers .* cannot be told"),
        ([(ABC, [0]), (CBA, [0]), (NUMBER, [1])], "which class a number stands for cannot be told"),
        ([(Reading("number", ("1", "2", "0")), [0, 1]), (NUMBER, [1, 2])], "cannot be told"),
        ([(TEXT, ["a"] * 3), (TEXT, [" a"] * 3)], "look the same"),
    ],
)
def test_files_that_do_not_fit_together(files: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        LabelEncoder.fit(counted(*((reading, pa.array(values)) for reading, values in files)), "y", "f")


ANTS = ("ant", "bee", "cat")


@pytest.mark.parametrize(
    ("names", "numbers", "file", "rows"),
    [
        (ANTS, ANTS, (CBA, [0, 2, -1]), ["cat", "ant", UNLABELLED]),
        (ANTS, ANTS, (NUMBER, [0, 2, -1, None]), ["ant", "cat", UNLABELLED, NONE]),
        (ANTS, ANTS, (TEXT, ["bee", "dog"]), ["bee", NONE]),
        (("ant", "cat"), ANTS, (NUMBER, [0, 1, 2]), ["ant", NONE, "cat"]),  # bees were too few to be judged
        (("1", "2", "3"), (), (NUMBER, [1, 2, 0]), ["1", "2", NONE]),
        (("1", "2", "3"), None, (NUMBER, [1, 2]), ["1", "2"]),
        (("1", "2", "3"), (), (TEXT, ["1", "2"]), ["1", "2"]),
        (("1", "2", "3"), ("1", "2", "3"), (NUMBER, [3, 2]), ["3", "2"]),
        (("0", "1"), ("0", "1"), (NUMBER, [1, 0]), ["1", "0"]),
        (("0", "2"), ("0", "1", "2"), (NUMBER, [0, 1, 2]), ["0", NONE, "2"]),
        (("-1", "1"), (), (NUMBER, [-1, 1]), ["-1", "1"]),
        (("False", "True"), (), (BOOLEAN, [True, False]), ["True", "False"]),
    ],
)
def test_files_of_another_day(names: Any, numbers: Any, file: Any, rows: Any) -> None:
    reading, column = file[0], pa.array(file[1])
    encoder = LabelEncoder.known(names, numbers, counted((reading, column)), "y", "f", "the voters")
    assert names_of(encoder, reading, column) == rows


@pytest.mark.parametrize(
    ("names", "numbers", "file", "message"),
    [
        (
            ANTS,
            (),
            (NUMBER, [0, 1]),
            "has none of the classes of the voters in any of 2 rows: it holds 0, 1, the classes",
        ),
        (ANTS, None, (NUMBER, [0, 1]), "saved by a version that did not tell .* save them again"),
        (ANTS, ANTS, (NUMBER, [1, 3]), "none of the classes"),
        (ANTS, ANTS, (TEXT, ["0", "1"]), "none of the classes"),
        (ANTS, ANTS, (NUMBER, [-1, None]), "none of the classes"),
        (ANTS, ANTS, (Reading("number", ("x", "y")), [0, 1]), "none of the classes"),
        (
            ("1", "2", "3"),
            ("1", "2", "3"),
            (NUMBER, [1, 2]),
            "names of classes and, as numbers of the voters, other classes",
        ),
    ],
)
def test_labels_that_nobody_knows_are_refused(names: Any, numbers: Any, file: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        LabelEncoder.known(names, numbers, counted((file[0], pa.array(file[1]))), "y", "f", "the voters")


def test_a_test_file_without_names_takes_the_training_files_numbers() -> None:
    numbers, names = encode_labels(pa.table({"y": [2, 0]}), "y", class_names=ANTS, numbered=True)
    assert (numbers.tolist(), names) == ([2, 0], ANTS)
    with pytest.raises(BadInput, match="none of the classes"):
        encode_labels(pa.table({"y": [2, 0]}), "y", class_names=ANTS)


def test_how_files_hold_labels() -> None:
    table = declared([0, 1], ["a", "b"])
    assert reading_of(table.schema, "y") == Reading("number", ("a", "b"))
    floats = table.set_column(0, "y", pa.array([0.0, None])).replace_schema_metadata(table.schema.metadata)
    assert reading_of(floats.schema, "y") == Reading("number", ("a", "b"))
    assert reading_of(table.schema, "folder") == TEXT
    assert reading_of(pa.schema([("y", pa.dictionary(pa.int8(), pa.large_string()))]), "y") == TEXT


def test_ten_thousand_names_and_too_many_values() -> None:
    reading = Reading("number", tuple(f"n{number}" for number in range(10_000)))
    encoder = LabelEncoder.fit(counted((reading, pa.array([0, 9_999]))), "y", "f")
    assert sum(encoder.rows(counted((reading, pa.array([0, 9_999])))).values()) == 2
    with pytest.raises(BadInput, match="more than 10000 values"):
        counted((NUMBER, pa.array([*range(10_001), 0])))
