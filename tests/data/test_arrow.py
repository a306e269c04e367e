"""Arrow tables and Tables."""

import json

import numpy as np
import pyarrow as pa
import pytest

from sanitize.data.arrow import decode_table, image_table, replace_rows, vector_table
from sanitize.data.images import encode_images
from tests.data.pictures import encoded, gradient, image_column

NAMES = ("cat", "dog", "eel")
LABELS = np.array([0, 2, 1, 0, 2], np.int64)
ROWS = np.array([3, 1], np.int64)


def test_image_table_is_the_hugging_face_schema() -> None:
    images = gradient(5, channels=3)
    arrow = image_table(images, LABELS, NAMES)
    assert arrow.schema.field("image").type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    assert arrow.schema.field("label").type == pa.int64()
    assert json.loads(arrow.schema.metadata[b"huggingface"]) == {
        "info": {"features": {"image": {"_type": "Image"}, "label": {"names": list(NAMES), "_type": "ClassLabel"}}}
    }
    assert [row["path"] for row in arrow.column("image").to_pylist()] == [None] * 5
    table, columns = decode_table(arrow)
    assert np.array_equal(table.inputs, images)
    assert np.array_equal(table.labels, LABELS)
    assert table.ids.tolist() == [0, 1, 2, 3, 4]
    assert (table.class_names, table.modality) == (NAMES, "image")
    assert (columns.label, columns.inputs, columns.class_names) == ("label", ("image",), NAMES)


def test_vector_table() -> None:
    vectors = np.arange(15, dtype=np.float32).reshape(5, 3)
    arrow = vector_table(vectors, LABELS, NAMES)
    assert arrow.schema.field("features").type == pa.list_(pa.float32(), 3)
    table, columns = decode_table(arrow)
    assert np.array_equal(table.inputs, vectors)
    assert (table.class_names, columns.inputs, columns.modality) == (NAMES, ("features",), "vector")


def same_elsewhere(before: pa.Table, after: pa.Table, changed: list[str]) -> None:
    """All columns but `changed` are equal, these are equal outside ROWS, and the schema is the same."""
    assert after.schema.equals(before.schema, check_metadata=True)
    for name in before.column_names:
        old, new = before.column(name).to_pylist(), after.column(name).to_pylist()
        for row in range(before.num_rows):
            if row not in ROWS or name not in changed:
                assert new[row] == old[row]


def test_replace_images_keeps_all_else() -> None:
    blobs = [encoded("RGB", form="JPEG", color=10 * row) for row in range(5)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string()), ("author", pa.string())])
    images = [{"bytes": blob, "path": f"{row}.jpg", "author": f"a{row}"} for row, blob in enumerate(blobs)]
    labels = pa.DictionaryArray.from_arrays(pa.array(LABELS, pa.int8()), ["z", "y", "x"])
    parts = [
        pa.table({"id": [row], "image": pa.array([images[row]], kind), "label": labels.slice(row, 1)})
        for row in range(5)
    ]
    arrow = pa.concat_tables(parts).replace_schema_metadata({"note": "kept"})
    table, columns = decode_table(arrow)
    assert columns.class_names == ("x", "y", "z")
    new = 255 - table.inputs[ROWS]
    after = replace_rows(arrow, columns, ROWS, new, np.array([0, 1]))
    same_elsewhere(arrow, after, ["image", "label"])
    assert after.column("label").to_pylist() == ["z", "y", "y", "x", "x"]
    row = after.column("image")[3].as_py()
    assert (row["path"], row["author"]) == (None, "a3")
    assert row["bytes"] == encode_images(new)[0].as_py()
    again, _ = decode_table(after)
    assert np.array_equal(again.inputs[ROWS], new)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_replace_images_in_a_binary_column(kind: pa.DataType) -> None:
    arrow = pa.table({"picture": encode_images(gradient(5)).cast(kind), "y": [5, 7, 6, 5, 7]})
    _, columns = decode_table(arrow)
    new = np.full((2, 5, 4, 1), 99, np.uint8)
    after = replace_rows(arrow, columns, ROWS, new, np.array([2, 1]))
    same_elsewhere(arrow, after, ["picture", "y"])
    assert after.column("y").to_pylist() == [5, 6, 6, 7, 7]
    assert (decode_table(after)[0].inputs[ROWS] == 99).all()


@pytest.mark.parametrize("labels", [["a", "b", "a", "b", "a"], [True, False, True, True, False]])
def test_replace_vectors(labels: list[object]) -> None:
    vectors = pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 10.0]], pa.list_(pa.float64(), 2))
    arrow = pa.table({"v": vectors, "text": list("pqrst"), "y": labels})
    _, columns = decode_table(arrow)
    after = replace_rows(arrow, columns, ROWS, np.array([[70, 80], [30, 40]], np.float32), np.array([0, 1]))
    same_elsewhere(arrow, after, ["v", "y"])
    assert [after.column("v")[row].as_py() for row in (1, 3)] == [[30, 40], [70, 80]]
    low, high = sorted(set(labels), key=str)
    assert [after.column("y")[row].as_py() for row in (1, 3)] == [high, low]


def test_replace_numeric_columns() -> None:
    arrow = pa.table({"a": pa.array([1, 2, 3, 4, 5], pa.int16()), "s": list("abcde"), "b": [0.5] * 5, "y": LABELS})
    _, columns = decode_table(arrow)
    after = replace_rows(arrow, columns, ROWS, np.array([[40, 4.5], [20, 2.5]], np.float32), LABELS[ROWS])
    same_elsewhere(arrow, after, ["a", "b"])
    assert after.column("a").to_pylist() == [1, 20, 3, 40, 5]
    assert after.column("b").to_pylist() == [0.5, 2.5, 0.5, 4.5, 0.5]


def test_replace_string_view_labels_and_struct_fields() -> None:
    kind = pa.struct([("bytes", pa.binary()), ("note", pa.string_view())])
    images = pa.array([{"bytes": encoded(), "note": f"n{row}"} for row in range(5)], kind)
    arrow = pa.table({"image": images, "label": pa.array(list("abcab"), pa.string_view())})
    _, columns = decode_table(arrow)
    after = replace_rows(arrow, columns, ROWS, np.zeros((2, 3, 4, 1), np.uint8), np.array([2, 2]))
    same_elsewhere(arrow, after, ["image", "label"])
    assert after.column("label").to_pylist() == ["a", "c", "c", "c", "b"]
    assert after.column("image")[3].as_py()["note"] == "n3"


def test_replace_nothing_is_the_same_table() -> None:
    arrow = pa.table({"image": image_column([encoded()] * 2), "label": [0, 1]})
    _, columns = decode_table(arrow)
    none = np.array([], np.int64)
    assert replace_rows(arrow, columns, none, np.zeros((0, 3, 4, 1), np.uint8), none) is arrow
