"""Rows keep their values and the file its schema, whatever program wrote it; what cannot be kept is refused by name."""

import io
import os
import re
import struct
from contextlib import ExitStack
from datetime import date, datetime, time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize.data.parquet import split_rows
from sanitize.errors import BadInput
from sanitize.io.layout import elements, leaves, mirror_of, parquet, plain_metadata
from sanitize.io.thrift import BINARY, I32, dump, parse, read_footer
from tests.io.parquet_files import (
    CHILDREN,
    CONVERTED,
    LOGICAL,
    NAME,
    PRECISION,
    REPETITION,
    SCALE,
    TYPE,
    as_int96,
    int96,
    logical,
    rewrite,
    schema_of,
    utc_time,
)

EPOCH = 2440588
ROWS = 6
SPARK = {"org.apache.spark.version": "3.5.0", "org.apache.spark.sql.parquet.row.metadata": '{"type":"struct"}'}
OLD, LATE = int96(EPOCH - 700_000, 123), int96(EPOCH + 2_932_896, 86_399_999_999_999)  # about 53 and 9999-12-31
TIMES = pa.array([OLD, LATE, None, int96(EPOCH, 1), int96(-5, 0), int96(2**31 - 1, 7)], pa.binary(12))
NONE = {CONVERTED: None, LOGICAL: None}
MASKS = [[True] * ROWS, [False] * ROWS, [True, False] * (ROWS // 2)]
DECIMAL = {CONVERTED: (I32, 5), SCALE: (I32, 2), PRECISION: (I32, 7)}


def optional(kind, name, **more):
    return {TYPE: (I32, kind), REPETITION: (I32, 1), NAME: (BINARY, name), **more}


def group(name, repetition, children, converted=None):
    found = {REPETITION: (I32, repetition), NAME: (BINARY, name), CHILDREN: (I32, children)}
    return found if converted is None else {**found, CONVERTED: (I32, converted)}


def column(values, kind):
    return pa.table({"x": pa.array(values, kind), "n": pa.array([0.5, np.nan, None, 1, 2, 3])})


LISTS = column([[1, 2], None, [], [3], [None, 4], [5]], pa.list_(pa.int32()))
BARE_LISTS = pa.table({"x": pa.array([[1, 2], None, [], [3], [4], [5]], pa.list_(pa.field("e", pa.int32(), False)))})
MAPS = column([[("a", 1)], None, [], [("b", None)], [("c", 3), ("d", 4)], []], pa.map_(pa.string(), pa.int32()))
PACKED = [struct.pack("<iii", n, -n, 2**31 - 1) for n in range(ROWS)]
FILES = {
    "INT96": lambda path: rewrite(path, column(TIMES, pa.binary(12)), as_int96("x")),
    "INT96 with a dictionary, two row groups": lambda path: rewrite(
        path, pa.table({"x": TIMES}), as_int96("x"), row_group_size=4, compression="zstd"
    ),
    "INT96 in a list in a struct": lambda path: rewrite(
        path,
        pa.table({"s": pa.array([{"t": [OLD, LATE]}, None] * 3, pa.struct({"t": pa.list_(pa.binary(12))}))}),
        as_int96("s.t.list.element"),
    ),
    "INT96 beside INT64 timestamps": lambda path: rewrite(
        path,
        column(TIMES, pa.binary(12)).append_column("t", pa.array([datetime(2020, 1, 1)] * ROWS, pa.timestamp("us"))),
        as_int96("x"),
    ),
    "INTERVAL": lambda path: rewrite(path, column(PACKED, pa.binary(12)), {"x": {CONVERTED: (I32, 21)}}),
    "TIME in UTC": lambda path: rewrite(
        path, column(range(ROWS), pa.time64("us")), {"x": {CONVERTED: (I32, 8), LOGICAL: utc_time(7, 2)}}
    ),
    "TIME of both kinds": lambda path: rewrite(
        path,
        column(range(ROWS), pa.time64("us")).append_column("y", pa.array(range(ROWS), pa.time64("us"))),
        {"x": {CONVERTED: (I32, 8), LOGICAL: utc_time(7, 2)}},
    ),
    "TIMESTAMP_MICROS of the old kind": lambda path: rewrite(
        path, column(range(ROWS), pa.int64()), {"x": {CONVERTED: (I32, 10), LOGICAL: None}}
    ),
    "DECIMAL in INT32": lambda path: rewrite(path, column([-1, 2, None, 3, 4, 5], pa.int32()), {"x": DECIMAL}),
    "DECIMAL in INT64": lambda path: rewrite(path, column([-1, 2, None, 3, 4, 5], pa.int64()), {"x": DECIMAL}),
    "DECIMAL in bytes of any length": lambda path: rewrite(
        path, column([b"\xff", b"\0\0\1", None, b"\x7f", b"\0", b"\1\0"], pa.binary()), {"x": DECIMAL}
    ),
    "DECIMAL in more bytes than it needs": lambda path: rewrite(
        path, column([bytes(9) + bytes([n]) for n in range(ROWS)], pa.binary(10)), {"x": DECIMAL}
    ),
    "UUID": lambda path: rewrite(
        path, column([bytes([n] * 16) for n in range(ROWS)], pa.binary(16)), {"x": {LOGICAL: logical(14)}}
    ),
    "FLOAT16": lambda path: rewrite(path, column(np.arange(ROWS, dtype=np.float16), pa.float16())),
    "ENUM": lambda path: rewrite(
        path, column(list("abcabc"), pa.string()), {"x": {CONVERTED: (I32, 4), LOGICAL: logical(4)}}
    ),
    "JSON": lambda path: rewrite(
        path, column(["{}"] * ROWS, pa.string()), {"x": {CONVERTED: (I32, 19), LOGICAL: logical(12)}}
    ),
    "BSON": lambda path: rewrite(
        path, column([b"\5\0\0\0\0"] * ROWS, pa.binary()), {"x": {CONVERTED: (I32, 20), LOGICAL: logical(13)}}
    ),
    "UTF8 of the old kind": lambda path: rewrite(
        path, column(["ä"] * ROWS, pa.string()), {"x": {CONVERTED: (I32, 0), LOGICAL: None}}
    ),
    "GEOMETRY": lambda path: rewrite(path, column([bytes(21)] * ROWS, pa.binary()), {"x": {LOGICAL: logical(17)}}),
    "GEOGRAPHY": lambda path: rewrite(path, column([bytes(21)] * ROWS, pa.binary()), {"x": {LOGICAL: logical(18)}}),
    "a logical type of the future": lambda path: rewrite(
        path, column([bytes(21)] * ROWS, pa.binary()), {"x": {LOGICAL: logical(25)}}
    ),
    "VARIANT": lambda path: rewrite(
        path,
        pa.table(
            {
                "v": pa.array(
                    [{"metadata": b"\1\0\0", "value": b"\0"}, None] * 3,
                    pa.struct([pa.field("metadata", pa.binary(), False), pa.field("value", pa.binary(), False)]),
                )
            }
        ),
        {"v": {LOGICAL: logical(16)}},
    ),
    "UINT_8 to UINT_64 of the old kind": lambda path: rewrite(
        path,
        pa.table({f"u{bits}": pa.array([0, 2**bits - 1] * 3, f"uint{bits}") for bits in (8, 16, 32, 64)}),
        {f"u{bits}": {LOGICAL: None} for bits in (8, 16, 32, 64)},
    ),
    "DATE and TIME_MILLIS": lambda path: rewrite(
        path, pa.table({"d": pa.array([date(1500, 1, 1)] * ROWS), "t": pa.array([time(1)] * ROWS, pa.time32("ms"))})
    ),
    "nanoseconds": lambda path: rewrite(path, column(range(ROWS), pa.timestamp("ns", "UTC"))),
    "format 1.0": lambda path: rewrite(
        path,
        pa.table({"u": pa.array([2**32 - 1] * ROWS, pa.uint32()), "t": pa.array(range(ROWS), pa.timestamp("us"))}),
        version="1.0",
    ),
    "a list of two levels": lambda path: rewrite(
        path, BARE_LISTS, tree=[group(b"x", 1, 1, 3), {TYPE: (I32, 1), REPETITION: (I32, 2), NAME: (BINARY, b"array")}]
    ),
    "a repeated column without a group": lambda path: rewrite(
        path,
        pa.table(
            {"x": pa.array([[1, 2], [], [3]] * 2, pa.list_(pa.field("e", pa.int32(), False)))},
            pa.schema([pa.field("x", pa.list_(pa.field("e", pa.int32(), False)), False)]),
        ),
        tree=[{TYPE: (I32, 1), REPETITION: (I32, 2), NAME: (BINARY, b"x")}],
    ),
    "Hive's bag and array_element": lambda path: rewrite(
        path, LISTS.select(["x"]), tree=[group(b"x", 1, 1, 3), group(b"bag", 2, 1), optional(1, b"array_element")]
    ),
    "Hive's map": lambda path: rewrite(
        path,
        MAPS.select(["x"]),
        tree=[
            group(b"x", 1, 1, 1),
            group(b"map", 2, 2, 2),
            {TYPE: (I32, 6), REPETITION: (I32, 0), NAME: (BINARY, b"key"), CONVERTED: (I32, 0)},
            optional(1, b"value"),
        ],
    ),
    "field numbers": lambda path: rewrite(
        path, LISTS, {"x": {9: (I32, 7)}, "x.list.element": {9: (I32, 8)}, "n": {9: (I32, 9)}}
    ),
    "required and optional, five deep": lambda path: rewrite(
        path,
        pa.table(
            {
                "a": pa.array(
                    [{"b": [{"c": {"d": [[1], None, []]}}, None]}, None, {"b": []}] * 2,
                    pa.struct({"b": pa.list_(pa.struct({"c": pa.struct({"d": pa.list_(pa.list_(pa.int8()))})}))}),
                )
            }
        ),
    ),
    "Spark's metadata": lambda path: rewrite(path, LISTS, metadata=SPARK),
    "no rows": lambda path: rewrite(path, column(TIMES, pa.binary(12)).slice(0, 0), as_int96("x")),
    "names with dots, quotes, newlines and nothing": lambda path: rewrite(
        path, pa.table([TIMES, [1] * ROWS, [2] * ROWS, ["ü"] * ROWS], ["a.b", "\"'", "x\ny", ""]), as_int96("a.b")
    ),
}


def plainly(path, like):
    """The rows as the file holds them, whatever they mean."""
    with open(like, "rb") as raw, parquet(raw) as file:
        mirror = mirror_of(raw, file, "x")
    with ExitStack() as stack:
        raw = stack.enter_context(open(path, "rb"))
        plain = None if mirror is None else plain_metadata(raw, mirror)
        file = stack.enter_context(parquet(raw, metadata=plain))
        return [repr(row) for row in zip(*(column.to_pylist() for column in file.read().columns), strict=True)]


@pytest.mark.parametrize("mask", MASKS, ids=["all kept", "none kept", "every second"])
@pytest.mark.parametrize("name", FILES)
def test_rows_and_schema_survive(name, mask, tmp_path):
    source = FILES[name](tmp_path / "in")
    rows = pq.read_metadata(source).num_rows
    keep = np.array(mask[:rows], bool)
    split_rows(source, keep, tmp_path / "kept", tmp_path / "rejected")
    given = plainly(source, source)
    assert len(given) == rows
    for wanted, path in ((True, tmp_path / "kept"), (False, tmp_path / "rejected")):
        assert plainly(path, source) == [row for row, kept in zip(given, keep, strict=True) if kept == wanted]
        assert _meanings(path) == _meanings(source)
        own, its = pq.ParquetFile(source), pq.ParquetFile(path)
        assert its.schema_arrow == own.schema_arrow
        left = {key: value for key, value in (own.metadata.metadata or {}).items() if key != b"ARROW:schema"}
        assert left.items() <= (its.metadata.metadata or {}).items()
        its.read()


def _meanings(path):
    """A schema, the old words and the new ones for one thing made equal by pyarrow's understanding of columns."""
    schema = pq.ParquetFile(path).schema
    columns = [schema.column(number) for number in range(len(schema.names))]
    found = [
        (
            c.path,
            c.physical_type,
            c.length,
            re.sub("is_from.*", "", str(c.logical_type)),
            c.max_definition_level,
            c.max_repetition_level,
        )
        for c in columns
    ]
    return found, [(e.get(NAME), e.get(REPETITION), e.get(9), e.get(CHILDREN)) for e in schema_of(path)[1:]]


def test_annotations_come_back_to_the_letter(tmp_path):
    source = FILES["TIME of both kinds"](tmp_path / "in")
    split_rows(source, np.ones(ROWS, bool), tmp_path / "kept")
    assert schema_of(tmp_path / "kept") == schema_of(source)


def test_what_can_be_kept_in_neither_way_is_refused_by_name_before_any_work(tmp_path, monkeypatch):
    source = FILES["INT96 in a list in a struct"](tmp_path / "in")

    def unwritable(schema, compliant):
        raise pa.ArrowNotImplementedError("of another version")

    monkeypatch.setattr("sanitize.io.layout._written", unwritable)
    with pytest.raises(
        BadInput, match=r"in: column 's\.t\.list\.element' is INT96, which cannot be written as it is; cast"
    ):
        split_rows(source, np.ones(ROWS, bool), tmp_path / "kept")
    assert os.listdir(tmp_path) == ["in"]


def test_a_footer_is_what_it_was_after_reading_and_writing():
    file = io.BytesIO()
    pq.write_table(LISTS, file, row_group_size=1)
    start, content = read_footer(file)
    assert dump(parse(content)) == content
    assert start + len(content) + 8 == len(file.getvalue())
    assert [leaf.levels for leaf in leaves(elements(parse(content)))] == [(1, 2, 1), (1,)]


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_half_a_footer_is_damaged(cut):
    file = io.BytesIO()
    pq.write_table(LISTS, file)
    content = read_footer(file)[1]
    with pytest.raises(BadInput, match="damaged footer"):
        parse(content[:cut])


def test_dates_are_read_by_everybody_else_as_before(tmp_path):
    """By pyarrow's reader of INT96, in a unit that reaches as far."""
    times = [
        datetime(1, 1, 1),
        datetime(9999, 12, 31, 23, 59),
        None,
        datetime(1600, 2, 29),
        datetime(1970, 1, 1),
        datetime(2024, 1, 1),
    ]
    pq.write_table(
        pa.table({"t": pa.array(times, pa.timestamp("us"))}), tmp_path / "in", use_deprecated_int96_timestamps=True
    )
    split_rows(
        tmp_path / "in", np.array([True, True, True, False, False, False]), tmp_path / "kept", tmp_path / "rejected"
    )
    read = [
        pq.ParquetFile(tmp_path / name, coerce_int96_timestamp_unit="us").read()["t"].to_pylist()
        for name in ("kept", "rejected")
    ]
    before = pq.ParquetFile(tmp_path / "in", coerce_int96_timestamp_unit="us").read()["t"].to_pylist()
    assert read[0] + read[1] == before
    assert before[1] == times[1]
    assert pq.ParquetFile(tmp_path / "kept").schema.column(0).physical_type == "INT96"
