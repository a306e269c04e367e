"""Label columns as other programs write them: names in another order, other types, no values, names that deceive."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.inputs.trial import (
    FILTER,
    ROWS,
    Check,
    Outcome,
    Trial,
    command,
    judged,
    labels,
    refused,
    vector_column,
    vectors,
)

ABC = ("ant", "bee", "cat")
CBA = ("cat", "bee", "ant")
HALF = ROWS // 2
Y = labels()
NAMES = np.array(ABC)[Y]
ESC = "\x1b[2J\x1b[31m"
VOTERS = (
    'V=$(mktemp -d); "$1" -m sanitize filter monday.parquet --dry-run --save-voters $V/voters '
    f'{" ".join(FILTER)} >/dev/null 2>&1 || exit 77; "$@" --voters $V/voters; C=$?; rm -rf $V; exit $C'
)


def _table(column: Any, kind: pa.DataType | None = None, rows: slice = slice(0, ROWS), name: str = "label") -> pa.Table:
    """Vectors of these rows with a label column."""
    values = column if isinstance(column, pa.Array) else pa.array(column, kind)
    return pa.table({"emb": vector_column(vectors()[rows]), name: values})


def _named(table: pa.Table, names: Any) -> pa.Table:
    """With the ClassLabel names as `datasets` writes them."""
    features = {"label": {"names": list(names) if isinstance(names, tuple) else names, "_type": "ClassLabel"}}
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _one(table: pa.Table, *more: str) -> Callable[[Path], Sequence[str]]:
    """One file, filtered."""

    def make(folder: Path) -> Sequence[str]:
        pq.write_table(table, folder / "in.parquet")
        return command("in.parquet", *more)

    return make


def _shards(
    *tables: pa.Table, places: Sequence[str] = ("a.parquet", "b.parquet", "c.parquet")
) -> Callable[[Path], Any]:
    """A folder of files, filtered."""

    def make(folder: Path) -> Sequence[str]:
        for table, place in zip(tables, places, strict=False):
            (folder / "in" / place).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, folder / "in" / place)
        return command("in", out="out")

    return make


def _halves(first: Any, second: Any) -> tuple[pa.Table, pa.Table]:
    """The first and the last half of the rows with these label columns."""
    return _table(first, rows=slice(0, HALF)), _table(second, rows=slice(HALF, ROWS))


def _days(monday: pa.Table, tuesday: pa.Table) -> Callable[[Path], Sequence[str]]:
    """Voters of monday's file for tuesday's."""

    def make(folder: Path) -> Sequence[str]:
        pq.write_table(monday, folder / "monday.parquet")
        pq.write_table(tuesday, folder / "in.parquet")
        return command()

    return make


def _pair(train: pa.Table, test: pa.Table, *more: str) -> Callable[[Path], Sequence[str]]:
    """`certify` of two files."""

    def make(folder: Path) -> Sequence[str]:
        pq.write_table(train, folder / "train.parquet")
        pq.write_table(test, folder / "test.parquet")
        return ["certify", "train.parquet", "test.parquet", "--k", "5", "--poisoning-size", "1", "--json", *more]

    return make


def _right(found: Outcome) -> str | None:
    """Certified, and nearly all predicted as labelled."""
    if found.code:
        return f"exit code {found.code}: {found.said[-200:]}"
    share = found.answer["clean_accuracy"]
    return None if share > 0.95 else f"clean accuracy {share}: labels are mixed up"


def _unlabelled(rows: int, most: int = 5) -> Check:
    """So many rows kept as unlabelled, said so; at most `most` dropped."""

    def check(found: Outcome) -> str | None:
        wrong = judged(most, "unlabelled")(found)
        told = found.answer.get("kept_unjudged")
        return wrong or (None if told == {"unlabelled": rows} else f"kept unjudged: {told}")

    return check


def _unread(rows: int) -> Check:
    """So many rows unreadable, all others kept."""

    def check(found: Outcome) -> str | None:
        if found.code:
            return f"exit code {found.code}: {found.said[-200:]}"
        told = found.answer.get("reasons")
        return None if told == {"unreadable": rows} else f"reasons: {told}"

    return check


def _clean(check: Check) -> Check:
    """And nothing on stderr that a terminal would obey, no line beyond 10,000 signs."""

    def checked(found: Outcome) -> str | None:
        odd = [sign for sign in found.said if not sign.isprintable() and sign != "\n"]
        long = max(map(len, found.said.splitlines()), default=0)
        if odd or long > 10_000:
            return f"stderr holds {odd[0]!r}" if odd else f"a line of {long} signs"
        return check(found)

    return checked


def _with(values: Any, at: slice, value: Any) -> list[Any]:
    found = list(values)
    found[at] = [value] * len(found[at])
    return found


FIVE = slice(0, 5)
ONE_HOT = pa.array(np.eye(3, dtype=np.int64)[Y].tolist(), pa.list_(pa.int64()))
SWAPPED = 2 - Y
CATEGORIES = pa.DictionaryArray.from_arrays(pa.array(Y, pa.int32()), list(ABC))


def _strange_name(folder: Path) -> Sequence[str]:
    """A file whose name would clear the screen, among good ones."""
    given = _shards(_table(Y))(folder)
    (folder / "in" / f"{ESC}.parquet").write_bytes(b"nothing of the kind")
    return given


_INPUTS = [
    # shards
    Trial(
        "ClassLabel names in another order",
        "datasets, two exports",
        _shards(
            _named(_table(Y[:HALF], rows=slice(0, HALF)), ABC),
            _named(_table(SWAPPED[HALF:], rows=slice(HALF, ROWS)), CBA),
        ),
        judged(0),
        quick=True,
    ),
    Trial(
        "ClassLabel in one shard, names as text in the other",
        "datasets and pandas",
        _shards(_named(_halves(Y[:HALF], NAMES[HALF:])[0], ABC), _halves(Y[:HALF], NAMES[HALF:])[1]),
        judged(0),
    ),
    Trial(
        "ClassLabel in one shard, numbers without names in the other",
        "datasets and Spark",
        _shards(_named(_halves(Y[:HALF], Y[HALF:])[0], ABC), _halves(Y[:HALF], Y[HALF:])[1]),
        judged(0, "numbers alone in others"),
    ),
    Trial(
        "two orders of names and a shard without names",
        "datasets and Spark",
        _shards(
            _named(_table(Y[:50], rows=slice(0, 50)), ABC),
            _named(_table(SWAPPED[50:100], rows=slice(50, 100)), CBA),
            _table(Y[100:], rows=slice(100, 150)),
        ),
        refused("which class a number stands for cannot be told"),
    ),
    Trial(
        "a shard with a further name",
        "datasets, a later export",
        _shards(
            _named(_halves(Y[:HALF], Y[HALF:])[0], ABC), _named(_halves(Y[:HALF], Y[HALF:] + 1)[1], ("aardvark", *ABC))
        ),
        judged(0),
    ),
    Trial(
        "int8 and int64 shards",
        "pandas downcast",
        _shards(*_halves(pa.array(Y[:HALF], pa.int8()), Y[HALF:])),
        judged(0),
    ),
    Trial(
        "uint64 and int32 shards",
        "polars and Arrow C++",
        _shards(*_halves(pa.array(Y[:HALF], pa.uint64()), pa.array(Y[HALF:], pa.int32()))),
        judged(0),
    ),
    Trial(
        "float shard (a null came by) and int shard",
        "pandas",
        _shards(*_halves(Y[:HALF].astype(float), Y[HALF:])),
        judged(0),
    ),
    Trial(
        "string and dictionary shards",
        "pandas object and category",
        _shards(*_halves(NAMES[:HALF], CATEGORIES[HALF:])),
        judged(0),
    ),
    Trial(
        "large_string and string shards",
        "polars and pyarrow",
        _shards(*_halves(pa.array(NAMES[:HALF], pa.large_string()), NAMES[HALF:])),
        judged(0),
    ),
    Trial(
        "string_view and string shards",
        "polars 1",
        _shards(*_halves(pa.array(NAMES[:HALF], pa.string_view()), NAMES[HALF:])),
        judged(0),
    ),
    Trial(
        "dictionaries with another order in each shard",
        "pandas category",
        _shards(*_halves(CATEGORIES[:HALF], pa.DictionaryArray.from_arrays(pa.array(SWAPPED[HALF:]), list(CBA)))),
        judged(0),
    ),
    Trial(
        "numbers as text in one shard",
        "CSV read without types",
        _shards(*_halves(Y[:HALF], Y[HALF:].astype(str))),
        judged(0, "the same as texts"),
    ),
    Trial(
        "numbers in one shard, words in the other",
        "two teams",
        _shards(*_halves(Y[:HALF], NAMES[HALF:])),
        refused("numbers such as", "texts such as"),
    ),
    Trial(
        "ClassLabel in one shard, numbers as text in the other",
        "datasets and CSV",
        _shards(_named(_halves(Y[:HALF], Y[HALF:].astype(str))[0], ABC), _halves(Y[:HALF], Y[HALF:].astype(str))[1]),
        refused("none of them is one of the ClassLabel names"),
    ),
    Trial(
        "booleans and 0/1",
        "SQL exports",
        _shards(*_halves(Y[:HALF] > 0, (Y[HALF:] > 0).astype(int))),
        refused("booleans in some files"),
    ),
    Trial(
        "booleans and t/f",
        "PostgreSQL COPY",
        _shards(*_halves(Y[:HALF] > 0, np.array(["f", "t"])[(Y[HALF:] > 0).astype(int)])),
        refused("booleans in some files"),
    ),
    Trial(
        "decimal(3,0) and decimal(5,2)",
        "SQL NUMERIC",
        _shards(
            *_halves(
                [Decimal(int(y)) for y in Y[:HALF]], pa.array([Decimal(int(y)) for y in Y[HALF:]], pa.decimal128(5, 2))
            )
        ),
        judged(0),
    ),
    Trial(
        "a shard whose labels are all null",
        "a failed join",
        _shards(
            *_halves(NAMES[:HALF].tolist(), NAMES[HALF:].tolist()),
            _table(pa.nulls(3, pa.string()), rows=slice(0, 3)),
        ),
        _unread(3),
    ),
    Trial(
        "label=NAME folders",
        "Hive, Spark partitionBy",
        _shards(
            *(pa.table({"emb": vector_column(vectors()[c == Y])}) for c in range(3)),
            places=[f"label={n}/a.parquet" for n in ABC],
        ),
        judged(0),
    ),
    Trial(
        "label=NUMBER folders and a file with numbers",
        "Hive and pandas",
        _shards(
            pa.table({"emb": vector_column(vectors()[Y == 0])}),
            _table(Y[Y != 0], rows=np.flatnonzero(Y != 0)),  # type: ignore[arg-type]
            places=["label=0/a.parquet", "rest/b.parquet"],
        ),
        judged(0),
    ),
    Trial(
        "one class in each shard",
        "class by class exports",
        _shards(*(_named(_table(Y[c == Y], rows=np.flatnonzero(c == Y)), ABC) for c in range(3))),
        judged(0),
    ),  # type: ignore[arg-type]
    # voters
    Trial(
        "voters with names, a file without",
        "datasets, then pandas",
        _days(_named(_table(Y), ABC), _table(Y)),
        judged(0, "taken as the numbers"),
        shell=VOTERS,
        quick=True,
    ),
    Trial(
        "voters with names, names in another order",
        "datasets, two exports",
        _days(_named(_table(Y), ABC), _named(_table(SWAPPED), CBA)),
        judged(0),
        shell=VOTERS,
    ),
    Trial(
        "voters with names, names as text",
        "datasets, then SQL",
        _days(_named(_table(Y), ABC), _table(NAMES)),
        judged(0),
        shell=VOTERS,
    ),
    Trial(
        "voters with names, whole floats",
        "datasets, then pandas with nulls",
        _days(_named(_table(Y), ABC), _table(_with(Y.astype(float), FIVE, None))),
        _unread(5),
        shell=VOTERS,
    ),
    Trial(
        "voters with names, numbers from 1",
        "datasets, then R",
        _days(_named(_table(Y), ABC), _table(Y + 1)),
        refused("none of the classes"),
        shell=VOTERS,
    ),
    Trial(
        "voters of text, numbers",
        "pandas, then label encoding",
        _days(_table(NAMES), _table(Y)),
        refused("none of the classes"),
        shell=VOTERS,
    ),
    Trial(
        "voters of numbers, text of them",
        "pandas, then CSV",
        _days(_table(Y), _table(Y.astype(str))),
        judged(0),
        shell=VOTERS,
    ),
    Trial(
        "voters of numbers from 1, a file without class 3",
        "R factors",
        _days(_table(Y + 1), _table(np.minimum(Y + 1, 3))),
        judged(0),
        shell=VOTERS,
    ),
    Trial(
        "voters of ants, a file of other things",
        "the wrong file",
        _days(_table(NAMES), _table(np.array(["x", "y", "z"])[Y])),
        refused("none of the classes", "'x'"),
        shell=VOTERS,
    ),
    Trial(
        "voters, all labels null",
        "a test set without labels",
        _days(_table(NAMES), _table(pa.nulls(ROWS, pa.string()))),
        refused("none of the classes"),
        shell=VOTERS,
    ),
    Trial(
        "voters, all labels -1",
        "GLUE test splits",
        _days(_named(_table(Y), ABC), _named(_table(np.full(ROWS, -1)), ABC)),
        refused("none of the classes"),
        shell=VOTERS,
    ),
    Trial(
        "voters, some labels -1",
        "GLUE, joined splits",
        _days(_named(_table(Y), ABC), _named(_table(_with(Y, FIVE, -1)), ABC)),
        _unlabelled(5),
        shell=VOTERS,
    ),
    Trial(
        "voters of booleans, 0 and 1",
        "pandas, then SQLite",
        _days(_table(Y > 0), _table((Y > 0).astype(int))),
        refused("none of the classes"),
        shell=VOTERS,
    ),
    # -1, missing values, numbers
    Trial(
        "ClassLabel with -1",
        "datasets, unlabelled rows",
        _one(_named(_table(_with(Y, FIVE, -1)), ABC)),
        _unlabelled(5),
        quick=True,
    ),
    Trial(
        "many -1 among ClassLabel numbers",
        "datasets, half labelled",
        _one(_named(_table(_with(Y, slice(0, 60), -1)), ABC)),
        _unlabelled(60),
    ),
    Trial(
        "-1 among 0, 1, 2 without names",
        "scikit-learn, semi-supervised",
        _one(_table(_with(Y, slice(0, 60), -1))),
        _unlabelled(60),
    ),
    Trial("-1 and 1", "LIBSVM", _one(_table(np.where(Y > 0, 1, -1))), judged(0)),
    Trial("text -1, 0, 1", "a survey", _one(_table((Y - 1).astype(str))), judged(0)),
    Trial("whole floats", "pandas", _one(_table(Y.astype(float))), judged(0)),
    Trial(
        "whole floats with NaN", "pandas, NumPy", _one(_table(_with(Y.astype(float), FIVE, float("nan")))), _unread(5)
    ),
    Trial("float16", "a tensor's dump", _one(_table(pa.array(Y.astype(np.float16)))), judged(0)),
    Trial("fractions", "a regression target", _one(_table(Y + 0.5)), refused("must be whole", "0.5")),
    Trial(
        "infinite floats",
        "a division",
        _one(_table(_with(Y.astype(float), FIVE, float("inf")))),
        refused("must be whole", "inf"),
    ),
    Trial(
        "decimal(10,2), whole",
        "SQL NUMERIC",
        _one(_table(pa.array([Decimal(int(y)) for y in Y], pa.decimal128(10, 2)))),
        judged(0),
    ),
    Trial("labels beyond 2**53 as int64", "hashes of names", _one(_table(Y + 2**53)), judged(0)),
    Trial(
        "labels beyond 2**53 as double",
        "JavaScript numbers",
        _one(_table((2.0**53) + 2.0 * Y)),
        refused("cannot be told from the next whole number"),
    ),
    Trial(
        "ClassLabel beyond its names", "datasets, names cut", _one(_named(_table(_with(Y, FIVE, 7)), ABC)), _unread(5)
    ),
    Trial("R factors from 1", "R arrow", _one(_table(Y + 1)), judged(0)),
    Trial("DuckDB ENUM", "DuckDB", _one(_table(CATEGORIES)), judged(0)),
    Trial(
        "bool8",
        "Arrow extension",
        _one(_table(pa.ExtensionArray.from_storage(pa.bool8(), pa.array((Y > 0).astype(np.int8))))),
        judged(0),
    ),
    Trial(
        "ClassLabel with -1, voters of a sample",
        "datasets, unlabelled rows",
        _one(_named(_table(_with(Y, FIVE, -1)), ABC), "--fit-rows", "100"),
        _unlabelled(5),
    ),
    # what is no label, or only looks like one
    Trial("dates", "SQL", _one(_table(pa.array(Y.astype(np.int32), pa.date32()))), refused("dates")),
    Trial(
        "lists of one label",
        "multi-label exports",
        _one(_table([[int(y)] for y in Y])),
        refused("a row must have one label"),
    ),
    Trial("one-hot lists", "Keras", _one(_table(ONE_HOT)), refused("a row must have one label")),
    Trial("structs", "BigQuery", _one(_table([{"id": int(y)} for y in Y])), refused("a row must have one label")),
    Trial("binary text", "Impala", _one(_table([name.encode() for name in NAMES])), refused("has type binary")),
    Trial(
        "another value in every row",
        "an id column called label",
        _one(_table([f"id-{row}" for row in range(ROWS)])),
        refused("as an identifier has"),
    ),
    Trial(
        "names that differ in a trailing space",
        "typed by hand",
        _one(_table(np.where(np.arange(ROWS) < HALF, NAMES, np.char.add(NAMES, " ")))),
        refused("look the same"),
    ),
    Trial(
        "composed and decomposed accents",
        "macOS and Linux folder names",
        _one(
            _table(["café" if y == 0 and row < HALF else "cafe\u0301" if y == 0 else "tea" for row, y in enumerate(Y)])
        ),
        refused("look the same"),
    ),
    Trial(
        "zero-width space in a name",
        "a web form",
        _one(_table(["ant\u200b" if y == 0 and row < HALF else ABC[y] for row, y in enumerate(Y)])),
        refused("look the same"),
    ),
    Trial(
        "upper and lower case letters",
        "EMNIST byclass",
        _one(_table(np.array(["A", "a", "b"])[Y])),
        judged(0, "upper and lower case"),
    ),
    Trial(
        "classes nan and None as text",
        "pandas astype(str)",
        _one(_table(np.array(["nan", "None", "cat"])[Y])),
        judged(0, "'nan' (50 rows) is taken as a class", "'None'"),
    ),
    Trial(
        "an empty text as class", "CSV", _one(_table(np.array(["", "bee", "cat"])[Y])), judged(0, "is taken as a class")
    ),
    # metadata
    Trial(
        "10,000 declared names, three used",
        "datasets, a large vocabulary",
        _one(_named(_table(Y), tuple(f"n{n}" for n in range(10_000)))),
        judged(0),
    ),
    Trial("names: 5", "a broken export", _one(_named(_table(Y), 5)), refused("are 5; must be a list"), quick=True),
    Trial(
        "names as a dictionary",
        "dataset cards",
        _one(_named(_table(Y), {"0": "ant", "1": "bee"})),
        refused("must be a list"),
    ),
    Trial(
        "a name that is null",
        "a broken export",
        _one(_named(_table(Y), ["ant", None, "cat"])),
        refused("name 1 of column 'label' is None"),
    ),
    Trial("a name twice", "folders merged", _one(_named(_table(Y), ["ant", "bee", "ant"])), refused("names 0 and 2")),
    Trial(
        "a lone surrogate in a name",
        "JavaScript",
        _one(_named(_table(Y), ["ant", "b\ud800", "cat"])),
        refused("must be text"),
    ),
    Trial(
        "metadata nested 100,000 deep",
        "an attack",
        _one(_table(Y).replace_schema_metadata({"huggingface": "[" * 100_000})),
        refused("nested too deeply"),
    ),
    Trial(
        "metadata that are no JSON",
        "cut off",
        _one(_table(Y).replace_schema_metadata({"huggingface": '{"info"'})),
        refused("is no JSON"),
    ),
    Trial(
        "num_classes without names",
        "old datasets",
        _one(
            _table(Y).replace_schema_metadata(
                {"huggingface": '{"info": {"features": {"label": {"_type": "ClassLabel", "num_classes": 3}}}}'}
            )
        ),
        judged(0),
    ),
    # names that deceive a terminal
    Trial(
        "terminal commands as class names",
        "an attack",
        _one(_table(np.array([f"{ESC}ok", "b\nsanitize: fine", "c"])[_with(Y, FIVE, 0)])),
        _clean(judged(5)),
    ),
    Trial(
        "terminal commands as column names",
        "an attack",
        _one(_table(NAMES, name=f"{ESC}label")),
        _clean(refused("no label column")),
    ),
    Trial(
        "terminal commands in ClassLabel numbers' names",
        "an attack",
        _one(_named(_table(np.where(Y == 2, 0, Y)), (f"{ESC}a", "\u202egnp", "unused")), "--label", "lable"),
        _clean(refused("no column 'lable'")),
    ),
    Trial(
        "a class name of a megabyte",
        "a text column as label",
        _one(_table([("x" * 1_000_000 if y == 0 else ABC[y]) for y in _with(Y, FIVE, 0)])),
        _clean(judged(5)),
    ),
    Trial(
        "a column name of a megabyte",
        "an attack",
        _one(pa.table({"emb": vector_column(vectors()), "y" * 1_000_000: Y})),
        _clean(refused("no label column")),
    ),
    Trial(
        "terminal commands as shard names, no parquet inside",
        "an attack",
        _strange_name,
        _clean(refused("cannot be read as parquet")),
    ),
    # certify
    Trial("certify: TEST without names", "datasets, then pandas", _pair(_named(_table(Y), ABC), _table(Y)), _right),
    Trial(
        "certify: TEST with names in another order",
        "datasets",
        _pair(_named(_table(Y), ABC), _named(_table(SWAPPED), CBA)),
        _right,
    ),
    Trial(
        "certify: TEST with names as text", "datasets, then SQL", _pair(_named(_table(Y), ABC), _table(NAMES)), _right
    ),
    Trial("certify: whole floats and integers", "pandas", _pair(_table(Y.astype(float)), _table(Y)), _right),
    Trial("certify: text of numbers in TEST", "CSV", _pair(_table(Y), _table(Y.astype(str))), _right),
    Trial(
        "certify: numbers for a TRAIN of words",
        "label encoding",
        _pair(_table(NAMES), _table(Y)),
        refused("no row has a label of train.parquet"),
    ),
    Trial(
        "certify: -1 in TEST",
        "GLUE",
        _pair(_named(_table(Y), ABC), _named(_table(_with(Y, FIVE, -1)), ABC)),
        refused("-1", "stands for no label"),
    ),
    Trial(
        "certify: an identifier as label",
        "a wrong column",
        _pair(_table([f"i{n}" for n in range(ROWS)]), _table(NAMES)),
        refused("as an identifier has"),
    ),
]

BEFORE = {
    "ClassLabel with -1, voters of a sample": "dropped as unreadable",
    "terminal commands as class names": "the terminal obeys",
    "terminal commands as shard names, no parquet inside": "the terminal obeys",
    "ClassLabel names in another order": "19 of 150 rows dropped",
    "ClassLabel in one shard, names as text in the other": "refused: the types differ",
    "ClassLabel in one shard, numbers without names in the other": "judged without a word",
    "two orders of names and a shard without names": "exit code 0, 34 rows dropped",
    "a shard with a further name": "52 of 150 rows dropped",
    "int8 and int64 shards": "refused: the types differ",
    "uint64 and int32 shards": "refused: the types differ",
    "float shard (a null came by) and int shard": "refused: the types differ",
    "string and dictionary shards": "refused: the types differ",
    "large_string and string shards": "refused: the types differ",
    "string_view and string shards": "refused: the types differ",
    "dictionaries with another order in each shard": "refused: the types differ",
    "numbers as text in one shard": "refused: the types differ",
    "numbers in one shard, words in the other": "refused, for another reason or without the remedy",
    "ClassLabel in one shard, numbers as text in the other": "refused, for another reason or without the remedy",
    "booleans and 0/1": "refused, for another reason or without the remedy",
    "booleans and t/f": "refused, for another reason or without the remedy",
    "decimal(3,0) and decimal(5,2)": "refused: the types differ",
    "label=NUMBER folders and a file with numbers": "refused: the types differ",
    "voters with names, a file without": "150 of 150 rows dropped",
    "voters with names, whole floats": "refused: type double",
    "voters with names, numbers from 1": "exit code 0, 150 rows dropped",
    "voters of text, numbers": "exit code 0, 150 rows dropped",
    "voters of ants, a file of other things": "exit code 0, 150 rows dropped",
    "voters, all labels null": "exit code 0, 150 rows dropped",
    "voters, all labels -1": "exit code 0, 150 rows dropped",
    "voters, some labels -1": "judged without a word",
    "voters of booleans, 0 and 1": "exit code 0, 150 rows dropped",
    "ClassLabel with -1": "judged without a word",
    "many -1 among ClassLabel numbers": "60 of 150 rows dropped",
    "-1 among 0, 1, 2 without names": "34 of 150 rows dropped",
    "whole floats": "refused: type double",
    "whole floats with NaN": "refused: type double",
    "float16": "refused: type halffloat",
    "fractions": "refused, for another reason or without the remedy",
    "infinite floats": "refused, for another reason or without the remedy",
    "decimal(10,2), whole": "refused: type decimal128",
    "labels beyond 2**53 as double": "refused, for another reason or without the remedy",
    "bool8": "refused: type extension<arrow.bool8>",
    "dates": "refused, for another reason or without the remedy",
    "lists of one label": "refused, for another reason or without the remedy",
    "one-hot lists": "refused, for another reason or without the remedy",
    "structs": "refused, for another reason or without the remedy",
    "another value in every row": "refused, for another reason or without the remedy",
    "names that differ in a trailing space": "exit code 0, 1 rows dropped",
    "composed and decomposed accents": "exit code 0, 0 rows dropped",
    "zero-width space in a name": "exit code 0, 0 rows dropped",
    "upper and lower case letters": "judged without a word",
    "classes nan and None as text": "judged without a word",
    "an empty text as class": "judged without a word",
    "names: 5": "a traceback, TypeError",
    "names as a dictionary": "exit code 0, 50 rows dropped",
    "a name that is null": "exit code 0, 0 rows dropped",
    "a name twice": "exit code 0, 0 rows dropped",
    "a lone surrogate in a name": "a traceback, UnicodeEncodeError",
    "metadata nested 100,000 deep": "a traceback, RecursionError",
    "a class name of a megabyte": "a line of 1000027 signs",
    "a column name of a megabyte": "a line of 1000175 signs",
    "certify: TEST without names": "refused: none of the classes",
    "certify: whole floats and integers": "refused: type double",
    "certify: numbers for a TRAIN of words": "refused, for another reason or without the remedy",
    "certify: -1 in TEST": "refused, for another reason or without the remedy",
    "certify: an identifier as label": "refused, for another reason or without the remedy",
}
TRIALS = [replace(trial, fails=BEFORE.get(trial.name, "")) for trial in _INPUTS]
