"""Which column is which."""

import pyarrow as pa
import pytest

from sanitize.data.looks import look_at
from sanitize.data.plain_columns import find_columns
from sanitize.data.plain_columns import pick_columns as pick
from sanitize.data.sample import no_sample
from sanitize.errors import BadInput, BadParams

NUMBERS = pa.list_(pa.float32())


def pick_columns(types: pa.Schema, **options: object):
    return pick(types, no_sample(), **options)  # type: ignore[arg-type]


def schema(**types: pa.DataType) -> pa.Schema:
    return pa.schema(list(types.items()))


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        (pa.struct([("bytes", pa.binary()), ("path", pa.string())]), "image"),
        (pa.struct([("bytes", pa.large_binary())]), "image"),
        (pa.struct([("bytes", pa.string())]), None),
        (pa.struct([("path", pa.string())]), "image"),
        (pa.binary(), "image"),
        (pa.binary(16), None),
        (pa.large_binary(), "image"),
        (pa.list_(pa.float64()), "vector"),
        (pa.list_(pa.int8(), 3), "vector"),
        (pa.large_list(pa.float16()), "vector"),
        (pa.fixed_shape_tensor(pa.float32(), (2, 2)), "vector"),
        (pa.list_(pa.string()), None),
        (pa.list_(pa.list_(pa.float32())), "vector"),
        (pa.uint8(), "number"),
        (pa.float16(), "number"),
        (pa.bool_(), "boolean"),
        (pa.string(), "text"),
        (pa.timestamp("ns"), "date"),
        (pa.decimal128(5, 2), "number"),
        (pa.month_day_nano_interval(), None),
        (pa.map_(pa.string(), pa.int8()), None),
    ],
)
def test_what_a_type_alone_says(kind: pa.DataType, seen: str | None) -> None:
    assert look_at(kind, None).kind == seen


def test_images_come_before_vectors_and_vectors_before_numbers() -> None:
    types = {"a": pa.int64(), "v": NUMBERS, "i": pa.binary(), "y": pa.string()}
    assert pick_columns(schema(**types)).inputs == ("i",)
    del types["i"]
    picked = pick_columns(schema(**types))
    assert (picked.label, picked.inputs, picked.modality) == ("y", ("v",), "vector")
    assert picked.found == "label column 'y' by its name; vector columns 'v' by type; not looked at: 'a'"
    del types["v"]
    types |= {"b": pa.bool_(), "text": pa.string(), "__index_level_0__": pa.int64()}
    assert pick_columns(schema(**types)).inputs == ("a", "b")


def test_named_columns_win() -> None:
    types = schema(i=pa.binary(), j=pa.binary(), a=pa.int64(), b=pa.float32(), label=pa.int64(), other=pa.int64())
    picked = pick_columns(types, label="other", inputs=["b", "a"])
    assert (picked.label, picked.inputs, picked.modality) == ("other", ("b", "a"), "tabular")
    assert pick_columns(types, inputs=["j"]).inputs == ("j",)
    assert pick_columns(schema(y=pa.int64(), label=pa.int64()), inputs=["y"]).label == "label"


@pytest.mark.parametrize(
    ("types", "options", "message"),
    [
        ({"a": pa.int64()}, {}, r"f: no label column found; columns are 'a'; name it with data.label \(--label NAME\)"),
        ({"y": pa.int64(), "label": pa.int64()}, {}, "several columns could be the label: 'label', 'y'"),
        ({"a": pa.int64()}, {"label": "z"}, "no column 'z'; columns are 'a'; name one of them as data.label"),
        ({"y": pa.int64()}, {"inputs": ["q"]}, "no column 'q'; .* data.inputs"),
        ({"i": pa.binary(), "j": pa.binary(), "y": pa.int64()}, {}, "several image columns: 'i', 'j'; name the one"),
        ({"i": NUMBERS, "j": NUMBERS, "y": pa.int64()}, {}, "several vector columns: 'i', 'j'; name the one"),
        ({"y": pa.int64(), "s": pa.string()}, {}, r"no input columns beside label 'y' \(s: string\)"),
        ({"y": pa.int64()}, {}, r"no input columns beside label 'y' \(no other column\)"),
        ({"y": pa.int64(), "s": pa.string()}, {"inputs": ["s"]}, "column 's' has type string; an input must be"),
        ({"y": pa.int64(), "v": NUMBERS, "a": pa.int8()}, {"inputs": ["a", "v"]}, r"a \(tabular\), v \(vector\)"),
        ({"y": pa.int64(), "i": NUMBERS, "j": NUMBERS}, {"inputs": ["i", "j"]}, r"must be one image column, one vec"),
    ],
)
def test_bad_columns(types: dict[str, pa.DataType], options: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        pick_columns(schema(**types), origin="f", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("inputs", "message"), [([], "is empty"), (["a", "a"], "each column once"), (["y"], "must not hold the label")]
)
def test_bad_inputs_parameter(inputs: list[str], message: str) -> None:
    with pytest.raises(BadParams, match=message):
        pick_columns(schema(a=pa.int64(), y=pa.int64()), label="y", inputs=inputs)


def test_a_name_twice_is_refused() -> None:
    twice = pa.schema([("a", pa.int64()), ("a", pa.int64()), ("y", pa.int64())])
    with pytest.raises(BadInput, match="column 'a' occurs 2 times"):
        pick_columns(twice)


def test_find_columns_adds_class_names() -> None:
    table = pa.table({"a": [1.0, 2.0, 3.0], "y": [30, 4, 30]})
    assert find_columns(table).class_names == ("4", "30")
    assert find_columns(table, class_names=["4", "5", "30"]).class_names == ("4", "5", "30")
