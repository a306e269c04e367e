"""Training files that somebody changed between two runs of `sanitize certify`: what was certain must have stayed.

Each trial certifies train.parquet, then changed.parquet with the same test file and options.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.inputs.trial import Check, Outcome, Trial, refused, vector_column

BOTH = '"$@" >/dev/null && "${@:1:4}" changed.parquet "${@:6}" --out out/changed.parquet'
NAMES = ("cat", "dog", "eel")
QUICK = {
    "learner": {"name": "torch", "net": "linear", "device": "cpu", "precision": "float32"},
    "ensemble": {"members": 9, "degree": 2, "bag": 4, "epochs": 3, "alpha": 0.05},
    "certify": {"k": 7, "poisoning_sizes": [0, 1, 2, 3]},
}
SKLEARN = {**QUICK, "learner": {"name": "sklearn", "model": "sklearn.naive_bayes:GaussianNB"}}
Rows = list[tuple[np.ndarray, str]]
Change = Callable[[Rows], Rows]


def rows(count: int, seed: int, spread: float = 2.0, width: int = 3) -> Rows:
    """Points of three classes that overlap, on a grid, so that there are ties."""
    draw = np.random.default_rng(seed)
    label = np.arange(count) % 3
    at = np.round(3 * np.eye(3, width)[label] + draw.normal(0, spread, (count, width))).astype(np.float32)
    return [(place, NAMES[y]) for place, y in zip(at, label, strict=True)]


TEST = rows(40, 1)


def written(path: Path, given: Rows, names: Sequence[str] | None = None, numbers: pa.DataType | None = None) -> None:
    """A file of vectors: labels in words, or numbers with ClassLabel names."""
    table = pa.table({"emb": vector_column(np.array([place for place, _ in given], np.float32))})
    label = pa.array([y for _, y in given])
    if names is not None:
        label = pa.array([names.index(y) for _, y in given], numbers or pa.int64())
    table = table.append_column("label", label)
    if names is not None:
        feature = {"label": {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": feature}})})
    pq.write_table(table, path)


def options(method: str, *more: str) -> list[str]:
    """The command's arguments."""
    given = [
        "--method",
        method,
        "--params",
        "p.yaml",
        "--engine",
        "inline",
        "--out",
        "out.parquet",
        "--json",
        "--quiet",
    ]
    return ["certify", "train.parquet", "test.parquet", *given, *more]


def changed(
    method: str,
    change: Change,
    *more: str,
    params: object = QUICK,
    train: Rows | None = None,
    spread: float = 2.0,
    lonely: bool = False,
) -> Callable[[Path], list[str]]:
    """Makes both training files, the second one from the first one's rows.

    lonely  the first one has a class "zebra" of one row
    """

    def make(folder: Path) -> list[str]:
        (folder / "p.yaml").write_text(json.dumps(params))
        own = rows(90, 0, spread) if train is None else train
        own = [*own, (np.zeros(3, np.float32), "zebra")] if lonely else own
        written(folder / "train.parquet", own)
        written(folder / "changed.parquet", change(list(own)))
        written(folder / "test.parquet", rows(40, 1, spread))
        return options(method, *more)

    return make


def stays(size: int, least: int = 5, *words: str) -> Check:
    """Both runs end well, `least` predictions or more are certain at this size, and none of them changed.

    size   as the method counts
    words  that the answer's `covers` has
    """

    def check(found: Outcome) -> str | None:
        if found.code:
            return f"exit code {found.code}: {found.said.strip()[-200:]}"
        before, after = (pq.read_table(found.folder / name) for name in ("out.parquet", "out/changed.parquet"))
        old, new = (table["prediction"].to_pylist() for table in (before, after))
        sure = [row for row, radius in enumerate(before["radius"].to_pylist()) if radius >= size]
        moved = [row for row in sure if old[row] != new[row]]
        if moved:
            return f"{len(moved)} of {len(sure)} certain predictions changed"
        if len(sure) < least:
            return f"{len(sure)} predictions are certain at size {size}, at least {least} expected"
        missing = [word for word in words if word not in found.answer["covers"]]
        return f"covers lacks {missing[0]!r}" if missing else None

    return check


def added(label: str, at: Sequence[float] = (0, 0, 0), times: int = 1, front: bool = False) -> Change:
    """Rows of one label at one place."""
    new = [(np.array(at, np.float32), label)] * times
    return lambda old: [*new, *old] if front else [*old, *new]


def without(label: str) -> Change:
    """All rows of a label deleted."""
    return lambda old: [row for row in old if row[1] != label]


def shuffled(old: Rows) -> Rows:
    """The same rows in another order."""
    return [old[place] for place in np.random.default_rng(5).permutation(len(old))]


def updated(old: Rows) -> Rows:
    """Two rows have another label."""
    return [(place, "newt") if row in (3, 40) else (place, y) for row, (place, y) in enumerate(old)]


def _named(folder: Path, names: Sequence[str], lost: bool = False, numbers: pa.DataType | None = None) -> list[str]:
    """ClassLabel names; the changed file has others, or has lost them, and one more row."""
    (folder / "p.yaml").write_text(json.dumps(QUICK))
    own = rows(90, 0)
    written(folder / "train.parquet", own, NAMES)
    written(folder / "changed.parquet", added(names[0] if "ant" in names else "cat")(own), names, numbers)
    if lost:
        table = pq.read_table(folder / "changed.parquet").replace_schema_metadata(None)
        pq.write_table(table, folder / "changed.parquet")
    written(folder / "test.parquet", TEST, NAMES)
    return options("knn")


def _table(folder: Path, change: Callable[[pa.Table], pa.Table]) -> list[str]:
    """Numeric columns; the changed file is another table of the same rows."""
    (folder / "p.yaml").write_text(json.dumps(QUICK))
    for name, given in (("train", rows(90, 0)), ("test", TEST)):
        at = np.array([place for place, _ in given])
        table = pa.table({"x": at[:, 0], "w": at[:, 1] * 9, "z": at[:, 2], "label": [y for _, y in given]})
        pq.write_table(table, folder / f"{name}.parquet")
        if name == "train":
            pq.write_table(change(table), folder / "changed.parquet")
    return options("rnn", "--radius", "9")


def _categories(folder: Path) -> list[str]:
    """A dictionary column with categories that no row has."""
    arguments = changed("knn", added("cat"))(folder)
    table = pq.read_table(folder / "changed.parquet")
    index = pa.array([("ape", *NAMES).index(y) for y in table["label"].to_pylist()], pa.int8())
    label = pa.DictionaryArray.from_arrays(index, ["ape", *NAMES])
    pq.write_table(table.set_column(1, "label", label), folder / "changed.parquet")
    return arguments


def _floats(folder: Path) -> list[str]:
    """Numbers as labels, and the same as floats in the changed file."""
    arguments = changed("knn", added("cat"))(folder)
    for name, kind in (("train", pa.int64()), ("changed", pa.float64()), ("test", pa.int8())):
        table = pq.read_table(folder / f"{name}.parquet")
        number = pa.array([NAMES.index(y) + 3 for y in table["label"].to_pylist()], kind)
        pq.write_table(table.set_column(1, "label", number), folder / f"{name}.parquet")
    return arguments


def _second_vector(folder: Path) -> list[str]:
    """The changed file has another column of vectors."""
    arguments = changed("knn", added("cat"))(folder)
    table = pq.read_table(folder / "changed.parquet")
    pq.write_table(table.append_column("text_emb", table["emb"]), folder / "changed.parquet")
    return arguments


def _ragged(folder: Path) -> list[str]:
    """One vector of the changed file is shorter than the others."""
    arguments = changed("knn", added("cat"))(folder)
    table = pq.read_table(folder / "changed.parquet")
    emb = pa.array([*table["emb"].to_pylist()[:-1], [1.0, 2.0]], pa.list_(pa.float32()))
    pq.write_table(table.set_column(0, "emb", emb), folder / "changed.parquet")
    return arguments


def _fixed(found: Outcome) -> str | None:
    covers = found.answer.get("covers", "")
    return None if found.code == 0 and "labels_fixed: the user vouches" in covers else f"covers says {covers[:200]!r}"


FAR = 3e38
NULL = [1.0, None] + [0.0] * 88
TRIALS = [
    Trial(
        f"{method}: a row of a new class that sorts {where}",
        origin,
        changed(method, added(label, at, front=front), *more, params=params, spread=0.4 if params is SKLEARN else 2.0),
        stays(1),
        shell=BOTH,
    )
    for method, where, label, at, front, more, params, origin in [
        ("knn", "first", "!new", (0, 0, 0), True, (), QUICK, "INSERT of a crawler"),
        ("knn", "last", "zebra", (1, 1, 1), False, (), QUICK, "pandas concat"),
        ("rnn", "first", "ant", (0, 0, 0), False, ("--radius", "3"), QUICK, "polars vstack"),
        ("rnn", "between", "cow", (50, 0, 0), True, (), QUICK, "pandas concat, radius not given"),
        ("dpa", "first", "ant", (0, 0, 0), True, (), QUICK, "Spark append"),
        ("finite_aggregation", "last", "zebra", (9, 9, 9), False, (), QUICK, "Spark append"),
        ("run_off", "between", "cow", (0, 0, 0), True, (), QUICK, "Hive insert"),
        ("bagging", "first", "ant", (0, 0, 0), False, ("--members", "80"), SKLEARN, "a labelling service"),
        ("knn", "as the empty text", "", (0, 0, 0), True, (), QUICK, "an optional field of a form"),
        ("dpa", "as a number", "10", (0, 0, 0), True, (), QUICK, "an export that mixes codes and names"),
    ]
]
TRIALS += [
    Trial(
        f"{method}: the one row of a class is deleted",
        "DELETE WHERE, DuckDB",
        changed(method, without("zebra"), *more, lonely=True, params=params, spread=0.4 if params is SKLEARN else 2.0),
        stays(1, 3),
        shell=BOTH,
    )
    for method, more, params in [
        ("knn", (), QUICK),
        ("rnn", (), QUICK),
        ("dpa", (), QUICK),
        ("finite_aggregation", (), QUICK),
        ("run_off", (), QUICK),
        ("bagging", ("--members", "80"), SKLEARN),
    ]
]
TRIALS += [
    Trial(
        "rnn without a radius: five rows more",
        "a table that grows over night",
        changed("rnn", added("eel", (40, 0, 0), times=5), train=rows(400, 0)),
        stays(5, 1),
        shell=BOTH,
    ),
    Trial(
        "rnn without a radius: a tenth of the rows, all far off, is gone",
        "a retention policy",
        changed("rnn", lambda old: old[:90], train=[*rows(90, 0), *added("dog", (90, 0, 0), 10)([])], params=QUICK),
        stays(0),
        shell=BOTH,
    ),
    Trial(
        "rows in another order",
        "ORDER BY random(), DuckDB",
        changed("dpa", shuffled),
        stays(0),
        shell=BOTH,
    ),
    Trial("rows in another order, with ties", "Spark repartition", changed("knn", shuffled), stays(0, 40), shell=BOTH),
    Trial(
        "copies of one row",
        "a scraper that ran twice",
        changed("knn", lambda old: [*old[:1] * 2, *old]),
        stays(2, 1),
        shell=BOTH,
    ),
    Trial("two rows relabelled as a new class", "UPDATE, SQLite", changed("knn", updated), stays(2, 1), shell=BOTH),
    Trial(
        "a row at the end of float32",
        "an overflow in C",
        changed("dpa", added("cat", (FAR, -FAR, FAR))),
        stays(1),
        shell=BOTH,
    ),
    Trial(
        "run_off: a row that makes a learner's scores NaN",
        "an overflow in C",
        changed("run_off", added("cat", (FAR, -FAR, FAR)), params=SKLEARN),
        stays(1),
        shell=BOTH,
    ),
    Trial(
        "shards and a row at the end of float32",
        "a sentinel value",
        changed("knn", added("ant", (FAR, 0, 0)), "--shards", "4"),
        stays(1),
        shell=BOTH,
    ),
    Trial(
        "fewer rows than k",
        "a filter before",
        changed("knn", lambda old: old[:-1], "--k", "110", train=[*rows(90, 0), *added("cat", times=20)([])]),
        stays(1),
        shell=BOTH,
    ),
    Trial(
        "all rows of a class of the test file are deleted",
        "a takedown request",
        changed("knn", without("eel"), train=[*rows(60, 0)[:2] * 30, (np.full(3, 9, np.float32), "eel")]),
        stays(1),
        shell=BOTH,
    ),
    Trial(
        "ClassLabel names with a new one in front",
        "datasets.concatenate_datasets",
        partial(_named, names=("ant", *NAMES)),
        stays(1),
        shell=BOTH,
    ),
    Trial(
        "ClassLabel names in another order",
        "datasets, folders listed otherwise",
        partial(_named, names=("eel", "dog", "cat")),
        stays(1),
        shell=BOTH,
    ),
    Trial(
        "ClassLabel names lost on the way",
        "pandas",
        partial(_named, names=NAMES, lost=True),
        stays(1),
        shell=BOTH,
    ),
    Trial(
        "ClassLabel numbers in another type",
        "R, arrow",
        partial(_named, names=NAMES, numbers=pa.int16()),
        stays(1),
        shell=BOTH,
    ),
    Trial("labels as a category with unused values", "pandas Categorical", _categories, stays(1), shell=BOTH),
    Trial("whole numbers as floats", "pandas after a join", _floats, stays(1), shell=BOTH),
    Trial("another column of vectors in the training file", "an embedding job", _second_vector, stays(1), shell=BOTH),
    Trial(
        "numeric columns in another order",
        "dplyr select",
        partial(_table, change=lambda table: table.select(["z", "label", "w", "x"])),
        stays(0, 40),
        shell=BOTH,
    ),
    Trial(
        "a null in a new row: refused, in words",
        "an outer join",
        partial(_table, change=lambda table: table.set_column(0, "x", pa.array(NULL))),
        refused("has a null", "changed.parquet"),
        shell='"${@:1:4}" changed.parquet "${@:6}"',
    ),
    Trial(
        "a vector of another length: refused, in words",
        "two versions of a model",
        _ragged,
        refused("all must have one length", "changed.parquet"),
        shell='"${@:1:4}" changed.parquet "${@:6}"',
    ),
    Trial(
        "--labels-fixed is said in covers",
        "a user who knows his classes",
        changed("knn", added("cat"), "--labels-fixed"),
        _fixed,
        shell=BOTH,
    ),
]
FAILS = {
    "knn: a row of a new class that sorts first": "26 of 26 certain changed",
    "rnn: a row of a new class that sorts first": "20 of 20 certain changed",
    "rnn: a row of a new class that sorts between": "12 of 20 certain changed",
    "dpa: a row of a new class that sorts first": "20 of 26 certain changed",
    "finite_aggregation: a row of a new class that sorts last": "1 of 12 certain changed",
    "run_off: a row of a new class that sorts between": "11 of 11 certain changed",
    "bagging: a row of a new class that sorts first": "40 of 40 certain changed",
    "knn: a row of a new class that sorts as the empty text": "26 of 26 certain changed",
    "dpa: a row of a new class that sorts as a number": "20 of 26 certain changed",
    "run_off: a row that makes a learner's scores NaN": "exit 3: a score is NaN or infinite",
    "shards and a row at the end of float32": "26 of 26 certain changed",
    "fewer rows than k": "exit 2: k over the rows",
    "all rows of a class of the test file are deleted": "exit 3: the test rows of the class are refused",
    "ClassLabel names with a new one in front": "26 of 26 certain changed",
    "ClassLabel names in another order": "18 of 26 certain changed",
    "ClassLabel names lost on the way": "exit 3: names and numbers do not match",
    "whole numbers as floats": "exit 3: labels of type double",
    "another column of vectors in the training file": "exit 3: which column is not known",
    "--labels-fixed is said in covers": "no such option; covers names no labels",
}
QUICKLY = {"knn: a row of a new class that sorts first"}
TRIALS = [replace(trial, fails=FAILS.get(trial.name, ""), quick=trial.name in QUICKLY) for trial in TRIALS]
