"""split_rows: kept and rejected together are the input, and look like it."""

import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanitize.data.parquet import split_rows
from sanitize.errors import BadInput, BadParams
from sanitize.io import sizes, writer
from tests.data.pictures import encoded, image_column

ROWS = 23
ARROW = {b"ARROW:schema": b"compared above, decoded"}


def rich_table(rows: int = ROWS) -> pa.Table:
    """All kinds of columns, nulls among them."""
    numbers = range(rows)
    columns: dict[str, Any] = {
        "image": image_column([encoded(color=row) for row in numbers], [f"{row}.png" for row in numbers]),
        "label": pa.array([row % 3 for row in numbers]),
        "kind": pa.array([None if row == 4 else "abc"[row % 3] for row in numbers]).dictionary_encode(),
        "nested": pa.array(
            [None if row == 2 else [{"x": row, "tags": ["t"] * (row % 3)}, None] for row in numbers],
            pa.list_(pa.struct([("x", pa.int16()), ("tags", pa.list_(pa.string()))])),
        ),
        "when": pa.array(
            [datetime(2024, 1, 1 + row, tzinfo=UTC) for row in numbers], pa.timestamp("ns", "Europe/Oslo")
        ),
        "day": pa.array(list(numbers), pa.int32()).cast(pa.date32()),
        "price": pa.array([Decimal(row) / 100 for row in numbers], pa.decimal128(12, 2)),
        "vector": pa.array([[row, -row, 0.5] for row in numbers], pa.list_(pa.float16(), 3)),
        "tensor": pa.ExtensionArray.from_storage(
            pa.fixed_shape_tensor(pa.int8(), (2, 1)), pa.array([[row, 1] for row in numbers], pa.list_(pa.int8(), 2))
        ),
        "pairs": pa.array([[("k", row)] for row in numbers], pa.map_(pa.string(), pa.int64())),
        "view": pa.array([f"a text that is longer than twelve bytes {row}" for row in numbers], pa.string_view()),
        "nothing": pa.nulls(rows),
        "a.b": pa.array([row / 7 for row in numbers]),
    }
    fields = [
        pa.field(name, column.type, nullable=name != "label", metadata={"unit": name} if name == "a.b" else None)
        for name, column in columns.items()
    ]
    metadata = {"huggingface": '{"info": {"features": {"label": {"names": ["a", "b", "c"], "_type": "ClassLabel"}}}}'}
    return pa.table(list(columns.values()), schema=pa.schema(fields, {**metadata, "other": "kept"}))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.parquet"
    pq.write_table(rich_table(), path, row_group_size=5)
    return path


def merged(kept: pa.Table, rejected: pa.Table, keep: np.ndarray) -> list[dict[str, Any]]:
    """The rows of both in the order of the mask."""
    sides = {True: iter(kept.to_pylist()), False: iter(rejected.to_pylist())}
    return [next(sides[bool(kept_row)]) for kept_row in keep]


def check(source: Path, kept: Path, rejected: Path, keep: np.ndarray) -> None:
    before = pq.ParquetFile(source)
    tables = [pq.ParquetFile(path) for path in (kept, rejected)]
    for table in tables:
        assert table.schema_arrow.equals(before.schema_arrow, check_metadata=True)
        assert table.schema.equals(before.schema)
        assert {**table.metadata.metadata, **ARROW} == {**before.metadata.metadata, **ARROW}
    assert merged(tables[0].read(), tables[1].read(), keep) == before.read().to_pylist()
    assert tables[0].metadata.num_rows == keep.sum()
    assert tables[1].metadata.num_rows == len(keep) - keep.sum()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keep=st.lists(st.booleans(), min_size=ROWS, max_size=ROWS))
def test_together_they_are_the_input(source: Path, keep: list[bool]) -> None:
    kept, rejected = source.with_name("kept"), source.with_name("rejected")
    mask = np.array(keep)
    split_rows(source, mask, kept, rejected)
    check(source, kept, rejected, mask)


@pytest.mark.parametrize("all_kept", [True, False])
def test_a_side_without_rows_is_a_valid_file(source: Path, tmp_path: Path, all_kept: bool) -> None:
    mask = np.full(ROWS, all_kept)
    split_rows(source, mask, tmp_path / "kept", tmp_path / "rejected")
    check(source, tmp_path / "kept", tmp_path / "rejected", mask)


def test_batches_smaller_than_row_groups(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "BATCH_BYTES", 1)
    mask = np.arange(ROWS) % 4 != 0
    split_rows(source, mask, tmp_path / "kept", tmp_path / "rejected")
    check(source, tmp_path / "kept", tmp_path / "rejected", mask)
    footer = pq.read_metadata(tmp_path / "kept")  # 17 rows kept, row groups of 5 in the source
    assert [footer.row_group(group).num_rows for group in range(footer.num_row_groups)] == [5, 5, 5, 2]


def test_large_row_groups_are_cut(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "BATCH_BYTES", 1)
    monkeypatch.setattr(writer, "PENDING_BYTES", 1)
    split_rows(source, np.ones(ROWS, bool), tmp_path / "kept")
    assert pq.read_metadata(tmp_path / "kept").num_row_groups == ROWS
    assert pq.read_table(tmp_path / "kept").to_pylist() == pq.read_table(source).to_pylist()


def test_the_footers_settings_are_kept(tmp_path: Path) -> None:
    table = pa.table({"a": np.arange(20), "b": [f"text {row % 3}" for row in range(20)], "v": [[1.0]] * 20})
    pq.write_table(
        table,
        tmp_path / "source",
        row_group_size=8,
        compression={"a": "none", "b": "gzip", "v.list.element": "lz4"},
        use_dictionary=["b"],
        sorting_columns=[pq.SortingColumn(0)],
        write_page_index=True,
    )
    split_rows(tmp_path / "source", np.arange(20) >= 4, tmp_path / "kept", tmp_path / "rejected")
    for name, rows in (("kept", [8, 8]), ("rejected", [4])):
        footer = pq.read_metadata(tmp_path / name)
        assert [footer.row_group(group).num_rows for group in range(footer.num_row_groups)] == rows
        group = footer.row_group(0)
        columns = [group.column(number) for number in range(3)]
        assert [column.compression for column in columns] == ["UNCOMPRESSED", "GZIP", "LZ4"]
        assert [column.has_dictionary_page for column in columns] == [False, True, False]
        assert all(column.has_offset_index for column in columns)
        assert group.sorting_columns == (pq.SortingColumn(0),)


def test_names_inside_lists_are_kept(tmp_path: Path) -> None:
    table = pa.table({"v": pa.array([[1.0], [2.0]], pa.list_(pa.field("item", pa.float64()))), "a": [1, 2]})
    codecs = {"v.list.item": "zstd", "a": "gzip"}
    pq.write_table(table, tmp_path / "source", use_compliant_nested_type=False, compression=codecs)
    split_rows(tmp_path / "source", np.array([True, False]), tmp_path / "kept")
    columns = [pq.read_metadata(tmp_path / "kept").row_group(0).column(number) for number in (0, 1)]
    assert [(c.path_in_schema, c.compression) for c in columns] == [("v.list.item", "ZSTD"), ("a", "GZIP")]


def test_int96_timestamps_stay(tmp_path: Path) -> None:
    table = pa.table({"t": pa.array(range(4), pa.timestamp("ns"))})
    pq.write_table(table, tmp_path / "source", use_deprecated_int96_timestamps=True)
    split_rows(tmp_path / "source", np.array([True, False, True, True]), tmp_path / "kept")
    assert pq.ParquetFile(tmp_path / "kept").schema.column(0).physical_type == "INT96"
    assert pq.read_table(tmp_path / "kept").equals(pq.read_table(tmp_path / "source").take([0, 2, 3]))


def test_the_same_bytes_again(source: Path, tmp_path: Path) -> None:
    mask = np.arange(ROWS) % 3 > 0
    for name in ("a", "b"):
        split_rows(source, mask, tmp_path / f"{name}1", tmp_path / f"{name}2")
    assert (tmp_path / "a1").read_bytes() == (tmp_path / "b1").read_bytes()
    assert (tmp_path / "a2").read_bytes() == (tmp_path / "b2").read_bytes()


def test_without_a_place_for_the_rejected(source: Path, tmp_path: Path) -> None:
    split_rows(source, np.arange(ROWS) < 2, tmp_path / "kept")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "source.parquet"]
    assert pq.read_table(tmp_path / "kept").to_pylist() == rich_table().slice(0, 2).to_pylist()


def test_the_input_is_never_overwritten(source: Path, tmp_path: Path) -> None:
    before = source.read_bytes()
    (tmp_path / "symlink").symlink_to(source)
    os.link(source, tmp_path / "hardlink")
    mask = np.ones(ROWS, bool)
    for name in ("source.parquet", "symlink", "hardlink"):
        with pytest.raises(BadParams, match="is the input"):
            split_rows(source, mask, tmp_path / name)
        with pytest.raises(BadParams, match="is the input"):
            split_rows(source, mask, tmp_path / "kept", tmp_path / name)
    with pytest.raises(BadParams, match="both go to"):
        split_rows(source, mask, tmp_path / "kept", tmp_path / "." / "kept")
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hardlink", "source.parquet", "symlink"]


def test_a_mask_for_another_file(source: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has 23 rows, but there are 3 verdicts; filter it again"):
        split_rows(source, np.ones(3, bool), tmp_path / "kept")
    with pytest.raises(BadInput, match="no such file"):
        split_rows(tmp_path / "missing", np.ones(3, bool), tmp_path / "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["source.parquet"]


def test_damage_half_way_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "source"
    pq.write_table(pa.table({"a": np.random.default_rng(0).random(40_000)}), path, row_group_size=10_000)
    last = pq.read_metadata(path).row_group(3).column(0)
    content = bytearray(path.read_bytes())
    start = last.dictionary_page_offset or last.data_page_offset
    content[start : start + 60] = b"\xff" * 60
    path.write_bytes(content)
    (tmp_path / "kept").write_text("old")
    with pytest.raises(BadInput, match="source: cannot be read as parquet"):
        split_rows(path, np.ones(40_000, bool), tmp_path / "kept", tmp_path / "rejected")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "source"]
    assert (tmp_path / "kept").read_text() == "old"
