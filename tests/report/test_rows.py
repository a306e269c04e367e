"""Rows: labels of all, inputs of some."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize.data.parquet import image_table, read_table, vector_table, write_arrow
from sanitize.errors import BadInput
from sanitize.report.rows import open_rows
from tests.report.runs import LABELS, pictures, tabular_table, vectors


def test_rows_come_in_the_order_asked_for_across_row_groups(tmp_path):
    path = tmp_path / "train.parquet"
    pq.write_table(image_table(pictures(), LABELS, ("a", "b", "c")), path, row_group_size=2)
    rows = open_rows(path)
    assert rows.labels.tolist() == LABELS.tolist() and rows.columns.class_names == ("a", "b", "c")
    taken = rows.take(np.array([5, 0, 3]))
    assert taken.ids.tolist() == [5, 0, 3] and taken.labels.tolist() == [2, 0, 1]
    assert [int(image[0, 0, 0]) for image in taken.inputs] == [50, 0, 30]


@pytest.mark.parametrize(
    "table", [vector_table(vectors(), LABELS, ("a", "b", "c")), tabular_table(("x", "z")),
              tabular_table(("x",)).set_column(1, "label", tabular_table(("x",))["label"].dictionary_encode())],
)  # fmt: skip
def test_all_rows_are_what_read_table_reads(tmp_path, table):
    path = tmp_path / "train.parquet"
    write_arrow(table, path)
    whole, _ = read_table(path)
    taken = open_rows(path).take(np.arange(6))
    assert np.array_equal(taken.inputs, whole.inputs) and np.array_equal(taken.labels, whole.labels)
    assert taken.class_names == whole.class_names and taken.modality == whole.modality


def test_no_rows(tmp_path):
    path = tmp_path / "train.parquet"
    write_arrow(vector_table(vectors(), LABELS, ("a", "b", "c")), path)
    assert len(open_rows(path).take(np.array([], np.int64))) == 0


def test_only_the_images_asked_for_are_decoded(tmp_path):
    table = image_table(pictures(), LABELS, ("a", "b", "c"))
    images = table["image"].to_pylist()
    images[4] = {"bytes": b"no image", "path": None}
    table = table.set_column(0, table.schema.field(0), pa.array(images, table.schema.field(0).type))
    path = tmp_path / "train.parquet"
    write_arrow(table, path)
    assert len(open_rows(path).take(np.array([0, 1, 2, 3, 5]))) == 5
    with pytest.raises(BadInput, match="image is corrupt"):
        open_rows(path).take(np.array([4]))


def test_images_of_several_sizes_take_the_size_given(tmp_path):
    first = image_table(pictures(3), LABELS[:3], ("a", "b", "c"))
    second = image_table(np.zeros((3, 8, 8, 1), np.uint8), LABELS[3:], ("a", "b", "c"))
    path = tmp_path / "train.parquet"
    write_arrow(pa.concat_tables([first, second]), path)
    assert open_rows(path).take(np.array([0, 5]), 4).inputs.shape == (2, 4, 4, 1)


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        open_rows(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(BadInput, match=r"bad.parquet: cannot be read as parquet"):
        open_rows(tmp_path / "bad.parquet")
