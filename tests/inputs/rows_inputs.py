"""Files whose rows must all come out, or be refused: layouts, types and listings of other writers."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sanitize.io.thrift import BINARY, I32
from tests.inputs.trial import ROWS, Check, Outcome, Trial, command, judged, plain_table, refused
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
    utc_time,
)

EPOCH = 2440588  # 1970-01-01 as INT96 has it
LATE = int96(EPOCH + 2_932_896, 86_399_999_999_999)  # the last day of 9999
OLD = int96(EPOCH - 719_162, 1)  # the first of January of the year 1
DAYS = [datetime(9999, 12, 31), datetime(1, 1, 1), datetime(2024, 2, 29, 12), None, datetime(1600, 1, 1)]
Write = Callable[[Path], object]
NUMBERED = ",".join(f"v{place}" for place in range(16))  # vectors as columns of numbers
TRIALS: list[Trial] = []


def again(values: list[Any], kind: pa.DataType | None = None) -> pa.Array:
    """The values over and over, ROWS of them."""
    return pa.array([values[row % len(values)] for row in range(ROWS)], kind)


def beside(*columns: pa.Array | list[Any], names: str = "xzw") -> pa.Table:
    """The plain table with further columns."""
    table = plain_table()
    for name, column in zip(names, columns, strict=False):
        table = table.append_column(name, column)
    return table


def file(
    name: str,
    origin: str,
    write: Write,
    check: Check | None = None,
    quick: bool = False,
    inputs: str = "emb",
) -> None:
    """An input of one file."""

    def make(folder: Path) -> list[str]:
        write(folder / "in.parquet")
        return command("in.parquet", "--label", "label", *(["--inputs", inputs] if inputs else []))

    TRIALS.append(Trial(name, origin, make, check or judged(5), quick=quick))


def folder(name: str, origin: str, write: Write, check: Check | None = None, given: str = "in", more: str = "") -> None:
    """An input of several files."""

    def make(place: Path) -> list[str]:
        (place / "in").mkdir()
        write(place / "in")
        return command(given, *more.split(), out="out")

    TRIALS.append(Trial(name, origin, make, check or rows_of(ROWS)))


def rows_of(rows: int, *words: str) -> Check:
    """Judged, and so many rows in all."""

    def check(found: Outcome) -> str | None:
        problem = judged(5, *words)(found)
        if problem is None and found.answer.get("rows") != rows:
            return f"{found.answer.get('rows')} rows of {rows}"
        return problem

    return check


def pyarrow(*columns: pa.Array | list[Any], **settings: Any) -> Write:
    return lambda path: pq.write_table(beside(*columns), path, **settings)


def other(column: pa.Array, changes: dict[str, Any] | None = None, **more: Any) -> Write:
    return lambda path: rewrite(path, beside(column), changes, **more)


def split(place: Path, *names: str, table: pa.Table | None = None, **settings: Any) -> None:
    """The rows in as many files of these names, every class in each."""
    table = plain_table() if table is None else table
    for number, name in enumerate(names):
        first, last = (ROWS * edge // len(names) for edge in (number, number + 1))
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        with open(place / name, "wb") as out:
            pq.write_table(table.slice(first, last - first), out, **settings)


def duckdb(query: str, options: str = "") -> Write:
    def write(path: Path) -> None:
        import duckdb as db

        pq.write_table(plain_table(), path.with_name("plain"))
        options_ = f", {options}" if options else ""
        source = f"(select *, row_number() over () as i from read_parquet('{path.with_name('plain')}'))"
        with db.connect() as connection:
            connection.execute(
                f"copy (select emb, label, {query} from {source}) to '{path}' (format parquet{options_})"
            )
        path.with_name("plain").unlink()

    return write


def polars(**settings: Any) -> Write:
    def write(path: Path) -> None:
        import polars as pl

        n = ROWS // 2
        pl.DataFrame(
            {
                "emb": pl.Series(plain_table()["emb"].to_pylist(), dtype=pl.Array(pl.Float32, 16)),
                "label": plain_table()["label"].to_pylist(),
                "cat": pl.Series(["x", "y"] * n, dtype=pl.Categorical),
                "enum": pl.Series(["x", None] * n, dtype=pl.Enum(["x", "y"])),
                "decimal": pl.Series([Decimal("1.10"), None] * n, dtype=pl.Decimal(10, 2)),
                "time": [time(1, 2, 3), None] * n,
                "duration": [timedelta(1), None] * n,
                "day": [datetime(9999, 1, 1), None] * n,
                "inner": pl.Series([[[1], []], None] * n, dtype=pl.List(pl.List(pl.Int16))),
                "struct": [{"a": 1, "b": "c"}, None] * n,
                "bytes": [b"\xff", None] * n,
                "u8": pl.Series([255, None] * n, dtype=pl.UInt8),
            }
        ).write_parquet(path, **settings)

    return write


def pandas_frame(path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {
            "label": plain_table()["label"].to_pylist(),
            "size": pd.Categorical(["s", "m", "l"] * (ROWS // 3), ["s", "m", "l"], ordered=True),
            "when": pd.date_range("1700-01-01", periods=ROWS, tz="Europe/Berlin"),
            "maybe": pd.array([1, None, 3] * (ROWS // 3), "Int64"),
        },
        index=pd.Index(range(7, 7 + ROWS), name="id"),
    )
    for place in range(16):
        frame[f"v{place}"] = plain_table()["emb"].combine_chunks().flatten().to_numpy()[place::16]
    frame.to_parquet(path)


def group(name: bytes, repetition: int, children: int, converted: int | None = None) -> dict[int, Any]:
    found: dict[int, Any] = {REPETITION: (I32, repetition), NAME: (BINARY, name), CHILDREN: (I32, children)}
    return found if converted is None else {**found, CONVERTED: (I32, converted)}


def leaf(name: bytes, repetition: int, kind: int, **more: Any) -> dict[int, Any]:
    return {TYPE: (I32, kind), REPETITION: (I32, repetition), NAME: (BINARY, name), **more}


def with_tree(column: pa.Array, *tree: dict[int, Any]) -> Write:
    """The column beside vectors as numbers, with these elements of the schema for it."""
    numbers = {
        f"v{place}": plain_table()["emb"].combine_chunks().flatten().to_numpy()[place::16] for place in range(16)
    }
    table = pa.table({"x": column, "label": plain_table()["label"], **numbers})
    rest = [leaf(b"label", 1, 2), *(leaf(name.encode(), 1, 4) for name in numbers)]
    return lambda path: rewrite(path, table, tree=[*tree, *rest])


IN_DAYS = again(DAYS, pa.timestamp("us"))
LISTS = again([[1, 2], None, [], [3], [None]], pa.list_(pa.int32()))
BARE = again([[1, 2], None, [], [3]], pa.list_(pa.field("e", pa.int32(), False)))
MAPS = again([[("a", 1)], None, [], [("b", None)]], pa.map_(pa.string(), pa.int32()))
PLACES = again([struct.pack("<BIdd", 1, 1, n, -n) for n in range(5)], pa.binary())
NUMBERS = again([1, -2, None, 300])
DECIMAL = {CONVERTED: (I32, 5), SCALE: (I32, 2), PRECISION: (I32, 7)}
VARIANT = pa.struct([pa.field("metadata", pa.binary(), False), pa.field("value", pa.binary(), False)])

file("a plain file of vectors", "pyarrow", pyarrow())
file(
    "INT96, 9999-12-31 as the open end",
    "Spark",
    pyarrow(IN_DAYS, use_deprecated_int96_timestamps=True, store_schema=False),
    quick=True,
)
file("INT96 with a schema of Arrow", "pyarrow for Impala", pyarrow(IN_DAYS, use_deprecated_int96_timestamps=True))
file("INT96 of far years with nanoseconds", "Impala", other(again([LATE, OLD, None], pa.binary(12)), as_int96("x")))
file(
    "INT96 of the year 5 million",
    "a damaged clock",
    other(again([int96(2**31 - 1, 7), int96(-5, 0)], pa.binary(12)), as_int96("x")),
)
file(
    "INT96 within lists of structs",
    "Spark",
    other(again([[{"t": LATE}], None, []], pa.list_(pa.struct({"t": pa.binary(12)}))), as_int96("x.list.element.t")),
)
file(
    "all types of DuckDB",
    "DuckDB",
    duckdb(
        "interval (i) day iv, '12:00:00+02'::timetz tz, uuid() u, i::decimal(4,1) d4, i::decimal(18,2) d18, "
        "i::decimal(38,2) d38, '{}'::json j, i::utinyint ut, i::usmallint us, i::uinteger ui, i::ubigint ub, "
        "i::hugeint hg, timestamp '9999-01-01' ts, timestamptz '2020-01-01' tz2, timestamp_ns '2020-01-01' tn, "
        "timestamp_s '2020-01-01' t3, time '12:00' t, 'a'::enum('a', 'b') e, [1, 2] l, {'x': 1} s, map {'k': 1} m, "
        "'101'::bit b, 'x'::blob bl, date '1500-01-01' dt, true bo"
    ),
)
file("INTERVAL", "DuckDB", duckdb("interval '1 year 2 days 3 seconds' x"))
file("TIMETZ", "DuckDB", duckdb("'23:59:59.5+00'::timetz x"))
file("decimals in integers", "DuckDB", duckdb("i::decimal(4,1) x, i::decimal(18,2) z"))
file(
    "zstd, small row groups, field numbers", "DuckDB", duckdb("i x", "codec zstd, row_group_size 50, field_ids 'auto'")
)
file("all types of polars", "polars", polars())
file("row groups of 20, no statistics", "polars", polars(row_group_size=20, statistics=False, compression="lz4"))
file("an index, categories in order, times of Berlin", "pandas", pandas_frame, inputs=NUMBERED)
file(
    "TIMESTAMP_MICROS of the old words alone",
    "Hive",
    other(again([1, -(2**50), None], pa.int64()), {"x": {CONVERTED: (I32, 10)}}),
)
file(
    "TIMESTAMP_MILLIS of the old words alone",
    "parquet-mr 1.8",
    other(again([1, -(2**50), None], pa.int64()), {"x": {CONVERTED: (I32, 9)}}),
)
file("DECIMAL in INT32", "Spark", other(NUMBERS.cast(pa.int32()), {"x": DECIMAL}))
file(
    "DECIMAL in INT64",
    "Spark",
    pyarrow(again([Decimal("1.10"), None], pa.decimal128(15, 2)), store_decimal_as_integer=True),
)
file(
    "DECIMAL in bytes of any length",
    "parquet-mr, Avro",
    other(again([b"\xff", b"\0\1", None], pa.binary()), {"x": DECIMAL}),
)
file("DECIMAL in more bytes than it needs", "Hive", other(again([bytes(15) + b"\7"], pa.binary(16)), {"x": DECIMAL}))
file("DECIMAL of 76 digits", "pyarrow", pyarrow(again([Decimal(10) ** 70, None], pa.decimal256(76, 2))))
file(
    "UUID without a schema of Arrow",
    "Iceberg",
    other(again([bytes(range(16))], pa.binary(16)), {"x": {LOGICAL: logical(14)}}),
)
file("UUID and JSON of Arrow", "pyarrow", pyarrow(again([bytes(16)], pa.uuid()), again(["{}"], pa.json_())))
file("JSON", "Snowflake", other(again(['{"a": 1}', None]), {"x": {CONVERTED: (I32, 19), LOGICAL: logical(12)}}))
file("BSON", "MongoDB", other(again([b"\5\0\0\0\0"], pa.binary()), {"x": {CONVERTED: (I32, 20), LOGICAL: logical(13)}}))
file("ENUM", "parquet-avro", other(again(["RED", "BLUE"]), {"x": {CONVERTED: (I32, 4), LOGICAL: logical(4)}}))
file(
    "ENUM of the old words alone",
    "parquet-protobuf",
    other(again(["RED", None]), {"x": {CONVERTED: (I32, 4), LOGICAL: None}}),
)
file("GEOMETRY", "GDAL", other(PLACES, {"x": {LOGICAL: logical(17)}}))
file("GEOGRAPHY", "Snowflake", other(PLACES, {"x": {LOGICAL: logical(18)}}))
file("metadata of places", "GeoPandas", other(PLACES, metadata={"geo": '{"version": "1.0.0", "primary_column": "x"}'}))
file(
    "VARIANT",
    "Spark 4",
    other(again([{"metadata": b"\1\0\0", "value": b"\0"}, None], VARIANT), {"x": {LOGICAL: logical(16)}}),
)
file("a logical type that is not known yet", "the future", other(PLACES, {"x": {LOGICAL: logical(25)}}))
file("FLOAT16", "polars, NumPy", pyarrow(again([np.float16(1.5), None], pa.float16())))
file("unsigned numbers", "Arrow C++", pyarrow(*(again([0, 2**bits - 1, None], f"uint{bits}") for bits in (8, 32, 64))))
file(
    "unsigned numbers of the old words alone",
    "parquet-cpp 1.0",
    other(again([0, 2**32 - 1], pa.uint32()), {"x": {LOGICAL: None}}),
)
file(
    "TIME in UTC beside TIME of a place",
    "ClickHouse",
    lambda path: rewrite(
        path,
        beside(again([1, None], pa.time64("us")), again([1], pa.time64("us"))),
        {"x": {CONVERTED: (I32, 8), LOGICAL: utc_time(7, 2)}},
    ),
)
file(
    "nanoseconds, durations, dates in milliseconds",
    "Arrow C++",
    pyarrow(
        again([1, None], pa.timestamp("ns")), again([1], pa.duration("ns")), again([date(1500, 1, 1)], pa.date64())
    ),
)
file(
    "times of zones",
    "pandas",
    pyarrow(
        again([datetime(2024, 1, 1, tzinfo=UTC)], pa.timestamp("us", "Asia/Kathmandu")),
        again([1], pa.timestamp("s", "+05:30")),
    ),
)
file(
    "lists of two levels", "parquet-avro", with_tree(BARE, group(b"x", 1, 1, 3), leaf(b"array", 2, 1)), inputs=NUMBERED
)
file(
    "lists of Hive",
    "Hive",
    with_tree(LISTS, group(b"x", 1, 1, 3), group(b"bag", 2, 1), leaf(b"array_element", 1, 1)),
    inputs=NUMBERED,
)
file(
    "maps of Hive",
    "Hive",
    with_tree(MAPS, group(b"x", 1, 1, 1), group(b"map", 2, 2, 2), leaf(b"key", 0, 6), leaf(b"value", 1, 1)),
    inputs=NUMBERED,
)
file("maps with nulls", "pyarrow", pyarrow(MAPS))
file(
    "field numbers",
    "Iceberg",
    other(LISTS, {"x": {9: (I32, 7)}, "x.list.element": {9: (I32, 8)}, "label": {9: (I32, 1)}}),
)
file(
    "five deep, nulls at every depth",
    "pyarrow",
    pyarrow(
        again(
            [{"b": [{"c": {"d": [[1], None, []]}}, None]}, None, {"b": []}, {"b": None}],
            pa.struct({"b": pa.list_(pa.struct({"c": pa.struct({"d": pa.list_(pa.list_(pa.int8()))})}))}),
        )
    ),
)
file(
    "large strings, large lists, views",
    "Arrow C++, polars",
    pyarrow(
        again(["a", None], pa.large_string()),
        again([[1], None], pa.large_list(pa.int8())),
        again(["a view", None], pa.string_view()),
    ),
)
file(
    "dictionaries of texts and numbers",
    "Arrow C++",
    pyarrow(
        again(["a", None]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(again([0, 1, None], pa.int8()), pa.array([10, 20])),
    ),
)
file(
    "tensors",
    "Arrow C++",
    pyarrow(
        pa.ExtensionArray.from_storage(
            pa.fixed_shape_tensor(pa.float32(), [2, 2]),
            pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(4 * ROWS, np.float32)), 4),
        )
    ),
)
file("a column of nothing but null", "pandas", pyarrow(pa.nulls(ROWS)))
file(
    "required columns",
    "SQL exports",
    lambda path: pq.write_table(
        pa.Table.from_arrays(
            beside(pa.array(range(ROWS))).columns,
            schema=pa.schema([pa.field(f.name, f.type, nullable=False) for f in beside(pa.array(range(ROWS))).schema]),
        ),
        path,
    ),
)
for codec in ("brotli", "lz4", "gzip", "none"):
    file(f"compressed by {codec}", "pyarrow", pyarrow(NUMBERS, compression=codec))
file(
    "a codec for each column",
    "pyarrow",
    pyarrow(
        NUMBERS,
        LISTS,
        compression={"label": "zstd", "x": "gzip", "emb.list.element": "none", "z.list.element": "brotli"},
    ),
)
file(
    "page index, checksums, pages of format 2.0",
    "parquet-rs",
    pyarrow(NUMBERS, write_page_index=True, write_page_checksum=True, data_page_version="2.0"),
)
file(
    "deltas and split bytes",
    "parquet-rs",
    pyarrow(
        again(["a", "ab"]),
        use_dictionary=False,
        column_encoding={
            "x": "DELTA_BYTE_ARRAY",
            "label": "DELTA_BINARY_PACKED",
            "emb.list.element": "BYTE_STREAM_SPLIT",
        },
    ),
)
file("format 1.0", "parquet-cpp", pyarrow(again([1, 2**32 - 1], pa.uint32()), IN_DAYS, version="1.0"))
file("row groups of one row", "a stream", pyarrow(NUMBERS, row_group_size=1))
file(
    "sorted by label",
    "Iceberg, DuckDB",
    lambda path: pq.write_table(beside(NUMBERS).sort_by("label"), path, sorting_columns=[pq.SortingColumn(1)]),
)
file(
    "1,500 columns",
    "gene expression",
    lambda path: pq.write_table(
        pa.table(
            {"emb": plain_table()["emb"], **{f"g{n}": [n] * ROWS for n in range(1500)}, "label": plain_table()["label"]}
        ),
        path,
    ),
    check=judged(5),
)
file(
    "names with dots, quotes, newlines and nothing",
    "spreadsheets",
    lambda path: pq.write_table(
        plain_table()
        .append_column("a.b", NUMBERS)
        .append_column("\"'\n", NUMBERS)
        .append_column("", NUMBERS)
        .append_column("a", LISTS),
        path,
    ),
)
file(
    "such names beside INT96",
    "Spark",
    lambda path: rewrite(
        path,
        plain_table().append_column("a.b", again([LATE], pa.binary(12))).append_column("emb.label", NUMBERS),
        as_int96("a.b"),
    ),
)
file(
    "two columns of one name",
    "SQL joins",
    lambda path: pq.write_table(
        pa.table([*plain_table().columns, NUMBERS, NUMBERS], names=["emb", "label", "x", "x"]), path
    ),
    check=refused("column 'x' occurs 2 times"),
)
file(
    "metadata of Spark",
    "Spark",
    other(
        NUMBERS,
        metadata={
            "org.apache.spark.version": "3.5.0",
            "org.apache.spark.sql.parquet.row.metadata": '{"type": "struct", "fields": []}',
        },
    ),
)
file("strings of the old words alone", "fastparquet, Pig", other(again(["ä", None]), {"x": {LOGICAL: None}}))
file(
    "no parquet",
    "a CSV by another name",
    lambda path: path.write_text("emb,label\n"),
    check=refused("cannot be read as parquet"),
)
file(
    "cut off",
    "a full disk",
    lambda path: (pyarrow()(path), os.truncate(path, path.stat().st_size // 2)),
    check=refused("cannot be read as parquet"),
)
file("a named pipe", "shells", os.mkfifo, check=refused("in.parquet: is a named pipe"))
file("a link to a device", "shells", lambda path: path.symlink_to("/dev/zero"), check=refused("is a device"))
file(
    "2.4 GB of zeros",
    "an attacker",
    lambda path: pq.write_table(
        beside(pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(ROWS * 4000, np.float32)), 4000)), path
    ),
)


def unreadable(rows: int) -> Write:
    vectors = [[1.0] * 3 if row < rows else vector for row, vector in enumerate(plain_table()["emb"].to_pylist())]
    return lambda path: pq.write_table(
        pa.table({"emb": pa.array(vectors, pa.list_(pa.float32())), "label": plain_table()["label"]}), path
    )


EXCEEDED = refused(
    "of 150 rows cannot be read, more than --max-unreadable 0.05",
    "row 0: ",
    "expected: label column 'label' one of '0'",
    code=1,
)
file("7 of 150 vectors of another length", "two versions of a model", unreadable(7), check=judged(12))
file("60 of 150 vectors of another length", "two versions of a model", unreadable(60), check=EXCEEDED)

PARTS = ("part-0.parquet", "part-1.parquet", "part-2.parquet")
folder("three shards", "Spark", lambda place: split(place, *PARTS))
folder(
    "a file that says it is done, checksums beside",
    "Spark",
    lambda place: (
        split(place, *PARTS),
        (place / "_SUCCESS").touch(),
        [(place / f".{name}.crc").write_bytes(b"crc") for name in PARTS],
    ),
)
folder(
    "a log of changes beside",
    "Delta Lake",
    lambda place: (
        split(place, *PARTS),
        (place / "_delta_log").mkdir(),
        split(place / "_delta_log", "0.checkpoint.parquet"),
    ),
)
folder(
    "data and metadata",
    "Iceberg",
    lambda place: (
        split(place / "data", *PARTS),
        (place / "metadata").mkdir(),
        (place / "metadata/v1.json").write_text("{}"),
    ),
)
folder(
    "folders of a year and a country",
    "Hive",
    lambda place: split(
        place, "year=2023/country=de/0.parquet", "year=2024/country=__HIVE_DEFAULT_PARTITION__/0.parquet"
    ),
)
folder(
    "a shard without rows, a row group without rows",
    "Spark",
    lambda place: (split(place, *PARTS), pq.write_table(plain_table().slice(0, 0), place / "part-3.parquet")),
)
folder(
    "columns in another order",
    "Spark",
    lambda place: (
        split(place, *PARTS[:2]),
        pq.write_table(pq.read_table(place / PARTS[1]).select(["label", "emb"]), place / PARTS[1]),
    ),
)
folder(
    "further columns in one shard",
    "Delta Lake",
    lambda place: (
        split(place, *PARTS[:2]),
        pq.write_table(pq.read_table(place / PARTS[1]).append_column("x", pa.array([LISTS[0]] * 75)), place / PARTS[1]),
    ),
)
folder(
    "one shard of INT96, one of INT64",
    "Spark 2 and 3",
    lambda place: (
        split(place, PARTS[0], PARTS[1], table=beside(IN_DAYS)),
        pq.write_table(pq.read_table(place / PARTS[1]), place / PARTS[1], use_deprecated_int96_timestamps=True),
    ),
)
folder(
    "links to blobs",
    "the cache of Hugging Face",
    lambda place: (
        split(place.parent / "blobs", "0", "1"),
        [(place / f"{name}.parquet").symlink_to(f"../blobs/{name}") for name in "01"],
    ),
)
folder(
    "a linked folder",
    "HPC scratch",
    lambda place: (split(place.parent / "far", *PARTS), (place / "linked").symlink_to("../far")),
)
folder("a loop of links", "HPC scratch", lambda place: (split(place, *PARTS), (place / "loop").symlink_to(".")))
folder(
    "a loop of links by a pattern",
    "shells",
    lambda place: (split(place, *PARTS), (place / "loop").symlink_to(".")),
    given="in/**/*.parquet",
)
folder(
    "** twice",
    "shells",
    lambda place: split(place, "a.parquet", "b/c.parquet", "b/d/e.parquet"),
    given="in/**/**/*.parquet",
)
folder(
    "hard links",
    "rsync, ccache",
    lambda place: (split(place, *PARTS), os.link(place / PARTS[0], place / "z.parquet")),
    check=rows_of(ROWS, "is the same file as"),
)
folder(
    "a pattern that leaves the folder",
    "an attacker",
    lambda place: (split(place, "a/x.parquet"), split(place.parent, "victim.parquet")),
    given="in/*/../../victim.parquet",
    check=refused("'..' behind a wildcard"),
)
folder(
    "a pattern of Spark's folders",
    "Spark",
    lambda place: split(place, "day=1.parquet/part-0.parquet", "day=2.parquet/part-0.parquet"),
    given="in/*.parquet",
)
folder(
    "a link to nothing",
    "HPC scratch",
    lambda place: (split(place, *PARTS), (place / "x.parquet").symlink_to("gone")),
    check=refused("x.parquet: is a link to 'gone'"),
)
folder(
    "a named pipe among the shards",
    "an attacker",
    lambda place: (split(place, *PARTS), os.mkfifo(place / "x.parquet")),
    check=refused("x.parquet: is a named pipe"),
)
folder("endings in capitals", "Windows", lambda place: split(place, "A.PARQUET", "b.Parq", "c.PQ"))
folder(
    "a name that is no UTF-8",
    "Latin-1 file systems",
    lambda place: split(place, "a.parquet", os.fsdecode(b"caf\xe9.parquet")),
)
folder(
    "train and test",
    "Hugging Face",
    lambda place: split(place, "train-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
    check=refused("the names tell several splits", "--split NAME"),
)
folder(
    "train, by --split",
    "Hugging Face",
    lambda place: split(place, "train-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
    more="--split train",
    check=rows_of(75, "1 are left out"),
)
folder(
    "folders of splits",
    "the converter of Hugging Face",
    lambda place: split(place, "default/train/0000.parquet", "default/validation/0000.parquet"),
    check=refused("the names tell several splits"),
)
folder(
    "split=… as partitions",
    "Hive",
    lambda place: split(place, "split=train/0.parquet", "split=dev/0.parquet"),
    more="--split dev",
    check=rows_of(75),
)
folder(
    "train alone",
    "Hugging Face",
    lambda place: split(place, "data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"),
)
folder(
    "other files only",
    "a dump",
    lambda place: (place / "README.md").write_text("x"),
    check=refused("holds no parquet files"),
)


def piped(option: str, name: str) -> Callable[[Path], list[str]]:
    def make(place: Path) -> list[str]:
        pq.write_table(plain_table(), place / "in.parquet")
        os.mkfifo(place / name)
        return command("in.parquet", option, name)

    return make


TRIALS += [
    Trial("a named pipe of voters", "an attacker", piped("--voters", "v.safetensors"), refused("is a named pipe")),
    Trial("a named pipe of parameters", "an attacker", piped("--params", "p.yaml"), refused("pipe", code=2)),
    Trial("a named pipe of predictions", "an attacker", piped("--pred-probs", "p.npy"), refused("is a named pipe")),
]

BEFORE = {  # what the version before these inputs did with them
    **dict.fromkeys(
        ("INT96, 9999-12-31 as the open end", "INT96 with a schema of Arrow", "INT96 of far years with nanoseconds"),
        "other dates, exit 0",
    ),
    **dict.fromkeys(
        ("INT96 of the year 5 million", "INT96 within lists of structs", "such names beside INT96"),
        "other dates, exit 0",
    ),
    "one shard of INT96, one of INT64": "other dates, exit 0",
    "all types of DuckDB": "INTERVAL became bytes, TIMETZ a TIME of no zone, decimals another storage, exit 0",
    "INTERVAL": "became bytes, exit 0",
    "TIMETZ": "became a TIME of no zone, exit 0",
    "TIME in UTC beside TIME of a place": "both of no zone, exit 0",
    **dict.fromkeys(
        (
            *("decimals in integers", "all types of polars", "row groups of 20, no statistics", "DECIMAL in INT32"),
            *("DECIMAL in INT64", "DECIMAL in bytes of any length", "DECIMAL in more bytes than it needs"),
        ),
        "decimals stored otherwise, exit 0",
    ),
    **dict.fromkeys(
        (
            *("BSON", "ENUM", "ENUM of the old words alone", "GEOMETRY", "GEOGRAPHY"),
            "a logical type that is not known yet",
        ),
        "became plain bytes, exit 0",
    ),
    **dict.fromkeys(("lists of two levels", "lists of Hive", "maps of Hive"), "another tree with other names, exit 0"),
    "60 of 150 vectors of another length": "60 rows thrown away, exit 0",
    "a linked folder": "not followed",
    "a loop of links by a pattern": "6,150 rows of 150, exit 0",
    "** twice": "rows twice, exit 0",
    "hard links": "rows twice, exit 0",
    "a pattern that leaves the folder": "the input overwritten, exit 0",
    "a pattern of Spark's folders": "found nothing",
    "endings in capitals": "found nothing",
    "a name that is no UTF-8": "a traceback after all the work",
    **dict.fromkeys(("train and test", "folders of splits"), "judged as one set, exit 0"),
    **dict.fromkeys(("train, by --split", "split=… as partitions"), "no such option"),
    **dict.fromkeys(
        (
            *("a named pipe among the shards", "a named pipe of voters", "a named pipe of parameters"),
            "a named pipe of predictions",
        ),
        "waits for ever",
    ),
}
assert BEFORE.keys() <= {trial.name for trial in TRIALS}
TRIALS = [replace(trial, fails=BEFORE.get(trial.name, "")) for trial in TRIALS]
