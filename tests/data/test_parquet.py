"""Reading and writing parquet files, and what is said about bad ones."""

import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize.data.parquet import image_table, read_arrow, read_table, vector_table, write_arrow
from sanitize.errors import BadInput
from tests.data.pictures import encoded, gradient, image_file

NAMES = ("cat", "dog", "eel")


@pytest.mark.parametrize("channels", [1, 3])
def test_images_there_and_back(tmp_path: Path, channels: int) -> None:
    images, labels = gradient(7, channels=channels), np.array([0, 2, 1, 1, 2, 0, 0])
    write_arrow(image_table(images, labels, NAMES), tmp_path / "new/images.parquet")
    table, columns = read_table(tmp_path / "new/images.parquet")
    assert np.array_equal(table.inputs, images)
    assert np.array_equal(table.labels, labels)
    assert table.ids.tolist() == list(range(7))
    assert (table.class_names, table.modality, columns.inputs) == (NAMES, "image", ("image",))


def test_vectors_and_numbers_there_and_back(tmp_path: Path) -> None:
    vectors, labels = np.arange(12, dtype=np.float32).reshape(4, 3), np.array([0, 1, 2, 0])
    write_arrow(vector_table(vectors, labels, NAMES), tmp_path / "v")
    assert np.array_equal(read_table(tmp_path / "v")[0].inputs, vectors)
    write_arrow(pa.table({"a.b": vectors[:, 0], "a": vectors[:, 1], "s": list("wxyz"), "y": labels}), tmp_path / "t")
    table, columns = read_table(tmp_path / "t")
    assert columns.inputs == ("a.b", "a")
    assert np.array_equal(table.inputs, vectors[:, :2])
    assert np.array_equal(read_table(tmp_path / "t", inputs=["a"], label="y")[0].inputs, vectors[:, 1:2])


def test_resizing_while_reading(tmp_path: Path) -> None:
    path = image_file(tmp_path / "f", [encoded(size=(4, 3)), encoded(size=(9, 9))])
    assert read_table(path, image_size=6)[0].inputs.shape == (2, 6, 6, 1)


def test_another_table_with_the_training_tables_classes(tmp_path: Path) -> None:
    write_arrow(pa.table({"a": [1.0, 2.0], "y": ["dog", "dog"]}), tmp_path / "f")
    table, columns = read_table(tmp_path / "f", class_names=NAMES)
    assert table.labels.tolist() == [1, 1]
    assert table.class_names == columns.class_names == NAMES
    write_arrow(image_table(gradient(0), np.array([], np.int64), NAMES), tmp_path / "empty")
    table, _ = read_table(tmp_path / "empty", class_names=NAMES, allow_empty=True)
    assert (len(table), table.class_names) == (0, NAMES)


def test_the_same_bytes_however_the_table_is_chunked(tmp_path: Path) -> None:
    table = image_table(gradient(9), np.arange(9) % 3, NAMES)
    write_arrow(table, tmp_path / "one")
    write_arrow(pa.concat_tables([table.slice(0, 4), table.slice(4, 0), table.slice(4)]), tmp_path / "many")
    write_arrow(read_arrow(tmp_path / "one"), tmp_path / "again")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "many").read_bytes() == (tmp_path / "again").read_bytes()


def test_metadata_are_added(tmp_path: Path) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({"old": "1", "both": "old"})
    write_arrow(table, tmp_path / "f", {"new": "2", "both": "new"})
    assert read_arrow(tmp_path / "f").schema.metadata == {b"old": b"1", b"both": b"new", b"new": b"2"}


def test_wide_rows_come_in_small_row_groups(tmp_path: Path) -> None:
    write_arrow(pa.table({"v": [[1.0]] * 2500}), tmp_path / "wide")
    write_arrow(pa.table({"v": [1.0] * 2500}), tmp_path / "narrow")
    wide = pq.read_metadata(tmp_path / "wide")
    assert [wide.row_group(group).num_rows for group in range(wide.num_row_groups)] == [1024, 1024, 452]
    assert pq.read_metadata(tmp_path / "narrow").num_row_groups == 1


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"missing.parquet: no such file; check the path"):
        read_table(tmp_path / "missing.parquet")
    with pytest.raises(BadInput, match="is a folder; name one parquet file"):
        read_table(tmp_path)
    (tmp_path / "text.parquet").write_text("a,b\n1,2\n" * 9)
    with pytest.raises(BadInput, match=r"text.parquet: cannot be read as parquet \(.*; write it again as a parquet"):
        read_table(tmp_path / "text.parquet")
    (tmp_path / "empty.parquet").write_bytes(b"")
    with pytest.raises(BadInput, match=r"empty.parquet: cannot be read as parquet"):
        read_arrow(tmp_path / "empty.parquet")


def test_damaged_pages(tmp_path: Path) -> None:
    path = tmp_path / "f"
    pq.write_table(pa.table({"a": np.arange(5000.0), "y": np.arange(5000) % 2}), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[50:2000] = bytes(1950)
    path.write_bytes(content)
    with pytest.raises(BadInput, match="f: cannot be read as parquet"):
        read_table(path)


def test_zero_rows(tmp_path: Path) -> None:
    write_arrow(pa.table({"a": [1.0], "y": [1]}).slice(1), tmp_path / "f")
    for read in (read_arrow, read_table):
        with pytest.raises(BadInput, match="f: has no rows; must have at least 1"):
            read(tmp_path / "f")
    assert read_arrow(tmp_path / "f", allow_empty=True).num_rows == 0


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"a": [1.0, 2.0], "b": [1, 2]}, {}, "no label column found; columns are 'a', 'b'; name it with data.label"),
        ({"a": [1.0, 2.0], "b": [1, 2]}, {"label": "c"}, "no column 'c'; columns are 'a', 'b'; name one of them"),
        ({"a": [1.0, 2.0, 3.0], "y": [1, None, 2]}, {}, r"'y' is null in 1 of 3 rows \(rows 1\); fill or drop"),
        ({"a": [1.0, 2.0], "y": [4, 4]}, {}, "'y' has one class only, '4'; must have at least 2"),
        ({"a": [1.0, float("nan")], "y": [4, 5]}, {}, "row 1, column 'a' is nan; must be finite"),
        ({"a": [1.0, None], "y": [4, 5]}, {}, "row 1, column 'a' has a null; fill or drop"),
        ({"a": [[1.0], [float("inf")]], "y": [4, 5]}, {}, "row 1, column 'a' is inf; must be finite"),
        ({"a": [[1.0], [1.0, 2.0]], "y": [4, 5]}, {}, "numbers of 2 shapes, the commonest: 1 of 2 rows"),
        (
            {"a": [[1.0], [1.0, 2.0]], "y": [4, 5]},
            {"inputs": ["a"]},
            "row 1, column 'a': vector has 2 values, but row 0 has 1",
        ),
        ({"a": [1.0, 2.0], "y": [0.5, 1.0]}, {}, "'y' is 0.5 in row 0; labels that are numbers must be whole"),
    ],
)
def test_bad_tables(tmp_path: Path, columns: dict[str, object], options: dict[str, str], message: str) -> None:
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(BadInput, match=f"f.parquet: .*{message}"):
        read_table(path, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("blobs", "paths", "message"),
    [
        (
            [encoded(), encoded(size=(9, 9))],
            None,
            "row 1, .* 9 x 9 pixels, but row 0 has 4 x 3; .* set data.image_size",
        ),
        ([encoded(), encoded("RGB")], None, "row 1, .* mode RGB, but row 0 has mode L"),
        ([encoded(), encoded()[:30]], None, "row 1, column 'image': image is corrupt"),
        ([encoded(), None], [None, "x.png"], "row 1, column 'image': bytes is null and path is 'x.png'"),
    ],
)
def test_bad_image_files(tmp_path: Path, blobs: list[bytes], paths: list[str] | None, message: str) -> None:
    with pytest.raises(BadInput, match=f"f.parquet: {message}"):
        read_table(image_file(tmp_path / "f.parquet", blobs, paths))


def test_writing_where_one_cannot(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a folder; name a file"):
        write_arrow(pa.table({"a": [1]}), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="folder cannot be made"):
        write_arrow(pa.table({"a": [1]}), tmp_path / "file" / "f")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_type_that_parquet_lacks_leaves_nothing(tmp_path: Path) -> None:
    months = pa.array([(1, 2, 3)], pa.month_day_nano_interval())
    (tmp_path / "f").write_text("old")
    with pytest.raises(BadInput, match="f: cannot be written"):
        write_arrow(pa.table({"a": months}), tmp_path / "f")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_text() == "old"


def test_timestamps_of_spark_keep_their_dates(tmp_path):
    """INT96 reaches further than nanoseconds do: 9999-12-31 stands for an open end."""
    days = [datetime.datetime(9999, 12, 31), datetime.datetime(1500, 1, 1), datetime.datetime(2024, 1, 1)]
    table = pa.table({"until": pa.array(days, pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "t.parquet", use_deprecated_int96_timestamps=True, store_schema=False)
    assert read_arrow(tmp_path / "t.parquet")["until"].to_pylist() == days
