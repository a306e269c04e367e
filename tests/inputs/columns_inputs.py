"""Columns that other people write: arrays, vectors, text that holds numbers, identifiers, copies of the label."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.inputs.trial import ROWS, Check, Trial, command, judged, labels, refused, vector_column, vectors

EMB = vectors().astype(np.float64)
Y = labels()
DRAW = np.random.default_rng(1)
SIX = [f"f{place}" for place in range(6)]


def of(columns: dict[str, Any], *more: str, label: Any = None) -> Callable[[Path], Sequence[str]]:
    """A file of these columns and the label."""

    def make(folder: Path) -> Sequence[str]:
        pq.write_table(pa.table({**columns, "label": Y if label is None else label}), folder / "in.parquet")
        return command("in.parquet", *more)

    return make


def numbers() -> dict[str, Any]:
    """Six honest columns of numbers."""
    return {name: EMB[:, place] for place, name in enumerate(SIX)}


def noise(rows: int = ROWS) -> list[str]:
    """A text per row that says nothing."""
    return [DRAW.bytes(16).hex() for _ in range(rows)]


def npy(values: np.ndarray) -> bytes:
    """As np.save writes it."""
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def spark(values: np.ndarray, sparse: bool) -> pa.Array:
    """As Spark's VectorUDT is stored."""
    kind = pa.struct(
        [
            ("type", pa.int8()),
            ("size", pa.int32()),
            ("indices", pa.list_(pa.int32())),
            ("values", pa.list_(pa.float64())),
        ]
    )
    rows = []
    for row in values:
        places = np.flatnonzero(row) if sparse else None
        rows.append(
            {
                "type": 0 if sparse else 1,
                "size": len(row) if sparse else None,
                "indices": None if places is None else places.tolist(),
                "values": (row if places is None else row[places]).tolist(),
            }
        )
    return pa.array(rows, kind)


def pictures(height: int = 12, width: int = 12) -> np.ndarray:
    """uint8 [ROWS, height, width]: a bright band, higher up in each class."""
    found = DRAW.integers(0, 60, (ROWS, height, width))
    for row, label in enumerate(Y):
        found[row, 1 + 3 * label : 4 + 3 * label] += 150
    return found.astype(np.uint8)


PICTURES = pictures()
COLOURS = np.repeat(PICTURES[..., None], 3, axis=3)
ROW_NUMBERS = pa.array(range(ROWS))
CORES = [
    ["played with a ball", "kicked the ball", "ran after the ball"],
    ["ate hot soup", "cooked some soup", "spilt the soup"],
    ["saw rain on the hill", "walked up in the rain", "heard the rain fall"],
]
WHO = ["we", "you", "they", "all of us", "our friends"]
SENTENCES = [f"{WHO[n % 5]} {CORES[y][n % 9 // 3]} at {n % 12 + 1} {WHO[n % 4]}" for n, y in enumerate(Y)]
NAMES = np.array(["setosa", "versicolor", "virginica"])


def wrong_labels() -> np.ndarray:
    """Every tenth label is another class's."""
    found = Y.copy()
    found[::10] = (found[::10] + 1) % 3
    return found


def found_wrong(least: int, *words: str) -> Check:
    """At least so many rows dropped, of 15 wrong ones, and these words."""

    def check(found: Any) -> str | None:
        if found.code or found.rejected < least:
            return f"exit code {found.code}, {found.rejected} of 15 wrong labels dropped"
        return next((f"stderr lacks {word!r}" for word in words if word not in found.said), None)

    return check


def given(
    name: str, origin: str, columns: dict[str, Any], check: Check, *more: str, fails: str = "", **options: Any
) -> Trial:
    """A trial of one file."""
    return Trial(name, origin, of(columns, *more, label=options.pop("label", None)), check, fails, **options)


FLOAT = pa.float32()


def nested(values: np.ndarray, kind: pa.DataType = FLOAT) -> pa.Array:
    """An array [n, ...] as lists in lists."""
    for _ in range(values.ndim - 1):
        kind = pa.list_(kind)
    return pa.array(values.tolist(), kind)


def table(folder: Path, made: pa.Table, *more: str) -> Sequence[str]:
    """A whole table of one's own."""
    pq.write_table(made, folder / "in.parquet")
    return command("in.parquet", *more)


def hive(folder: Path) -> Sequence[str]:
    """A partitioned folder whose key repeats the label."""
    for label, name in enumerate(NAMES):
        place = folder / "in" / f"species={name}"
        place.mkdir(parents=True)
        own = label == Y
        pq.write_table(
            pa.table({**{k: v[own] for k, v in numbers().items()}, "label": Y[own]}), place / "part-0.parquet"
        )
    return command("in", out="out")


def frame(folder: Path) -> Sequence[str]:
    """pandas with an index that counts the rows."""
    import pandas as pd

    made = pd.DataFrame({**numbers(), "label": Y})
    made.index = pd.Index(np.arange(1000, 1000 + ROWS), name="sample_index")
    made.to_parquet(folder / "in.parquet")
    return command()


def object_columns(folder: Path) -> Sequence[str]:
    """pandas object columns: arrays of NumPy in a column."""
    import pandas as pd

    pd.DataFrame({"emb": list(EMB.astype(np.float32)), "label": Y}).to_parquet(folder / "in.parquet")
    return command()


def polars_array(folder: Path) -> Sequence[str]:
    """polars' Array column of two dimensions."""
    import polars as pl

    made = pl.DataFrame({"x": pl.Series(EMB.reshape(-1, 4, 4), dtype=pl.Array(pl.Float64, (4, 4))), "label": Y})
    made.write_parquet(folder / "in.parquet")
    return command()


LEFT = "not looked at"
NOTHING = "no input columns beside label 'label'"
SPARSE = np.where(EMB > 1, EMB, 0)
ISO = [f"{2000 + y}-0{1 + n % 9}-1{n % 7}" for n, y in enumerate(Y)]

ARRAYS = [
    given(
        "Array2D of floats",
        "Hugging Face",
        {"x": nested(EMB.reshape(-1, 4, 4))},
        judged(5, "have 4 x 4 numbers"),
        fails="refused: type not read",
    ),
    given(
        "Array3D of uint8 beside a row number",
        "Hugging Face",
        {"x": nested(COLOURS, pa.uint8()), "n": ROW_NUMBERS},
        judged(5, "12 x 12 x 3 numbers, within 0..255: pictures"),
        fails="the row number was judged",
    ),
    given(
        "channels first",
        "PyTorch",
        {"x": nested(np.moveaxis(COLOURS, 3, 1), pa.uint8())},
        judged(5, "pictures"),
        fails="refused: type not read",
    ),
    given(
        "floats within 0..1",
        "Keras",
        {"x": nested(PICTURES / 255.0)},
        judged(5, "within 0..1: pictures"),
        fails="refused: type not read",
    ),
    given(
        "lists of 144 numbers stay vectors",
        "MNIST as lists",
        {"x": nested(PICTURES.reshape(ROWS, -1), pa.uint8())},
        judged(5, "vector columns 'x'"),
    ),
    given(
        "Spark's dense vectors",
        "Spark ML",
        {"features": spark(EMB, False), "id": ROW_NUMBERS},
        judged(5, "as Spark writes vectors"),
        fails="the row number was judged",
    ),
    given(
        "Spark's sparse vectors",
        "Spark ML",
        {"features": spark(SPARSE, True)},
        judged(5, "sparse or dense"),
        fails="refused: type not read",
    ),
    given(
        "a struct of numbers",
        "BigQuery",
        {"point": pa.StructArray.from_arrays([pa.array(EMB[:, k]) for k in range(6)], SIX)},
        judged(5, "its 6 fields are numbers"),
        fails="refused: type not read",
    ),
    given(
        "NumPy arrays as bytes",
        "Petastorm",
        {"x": [npy(row) for row in EMB]},
        judged(5, "begin as NumPy arrays"),
        fails="every row a corrupt image",
    ),
    given(
        "pictures as NumPy bytes",
        "Petastorm",
        {"x": [npy(row) for row in PICTURES]},
        judged(5, "pictures"),
        fails="every row a corrupt image",
    ),
    Trial("arrays in object columns", "pandas", object_columns, judged(5, "vector columns 'emb'")),
    Trial(
        "an Array of two dimensions", "polars", polars_array, judged(5, "have 4 x 4 numbers"), "refused: type not read"
    ),
    given(
        "a tensor of uint8",
        "Arrow FixedShapeTensor",
        {
            "x": pa.ExtensionArray.from_storage(
                pa.fixed_shape_tensor(pa.uint8(), (12, 12)),
                pa.FixedSizeListArray.from_arrays(pa.array(PICTURES.reshape(-1)), 144),
            )
        },
        judged(5, "12 x 12 numbers, within 0..255: pictures"),
        fails="judged as vectors, not as pictures",
    ),
    given(
        "ragged token numbers beside vectors",
        "Hugging Face tokenizers",
        {"input_ids": [list(range(n % 9 + 1)) for n in range(ROWS)], "emb": vector_column(EMB)},
        judged(5, "numbers of 9 shapes"),
        fails="several vector columns",
    ),
    given(
        "ragged token numbers alone",
        "Hugging Face tokenizers",
        {"input_ids": [list(range(n % 9 + 1)) for n in range(ROWS)]},
        refused("numbers of 9 shapes, the commonest", "--inputs"),
        fails="one length judged, 133 rows unreadable, exit 0",
        quick=True,
    ),
    given(
        "ragged pictures",
        "detection crops",
        {"x": pa.array([PICTURES[n, : 9 + n % 3].tolist() for n in range(ROWS)])},
        refused("numbers of 3 shapes"),
        fails="refused, types only",
    ),
    given(
        "one ragged row of many",
        "a bug",
        {"x": [row.tolist() if n != 7 else [1.0] for n, row in enumerate(EMB)]},
        judged(6, "149 of 150 rows looked at have 16 numbers"),
    ),
    given(
        "lists of lists of text beside numbers",
        "tags",
        {"tags": [[["a"]]] * ROWS, **numbers()},
        judged(5, "lists of string, which are not read"),
    ),
    given(
        "a map beside numbers",
        "Hive",
        {"m": pa.array([[("k", 1)]] * ROWS, pa.map_(pa.string(), pa.int8())), **numbers()},
        judged(5, LEFT),
    ),
]

TEXTS = [
    given(
        "vectors as JSON",
        "CSV detours",
        {"embedding": [json.dumps(row.tolist()) for row in EMB]},
        judged(5, "150 of 150 rows looked at are vectors written as text"),
        fails="judged as words",
    ),
    given(
        "vectors as NumPy prints them",
        "str() of an array",
        {"embedding": [str(row) for row in EMB]},
        judged(5, "vectors written as text"),
        fails="judged as words",
    ),
    given(
        "vectors as SQL arrays",
        "PostgreSQL",
        {"embedding": ["{" + ",".join(map(str, row)) + "}" for row in EMB]},
        judged(5, "vectors written as text"),
        fails="refused: names or identifiers",
    ),
    given(
        "pixels with blanks between",
        "FER2013",
        {"pixels": [" ".join(map(str, row)) for row in PICTURES.reshape(ROWS, -1)]},
        judged(5, "have 144 numbers"),
        fails="judged as words",
    ),
    given(
        "pictures as JSON",
        "CSV detours",
        {"x": [json.dumps(row.tolist()) for row in PICTURES]},
        judged(5, "12 x 12 numbers, within 0..255: pictures"),
        fails="judged as words",
    ),
    given(
        "vectors as text of two lengths",
        "two models",
        {"e": [json.dumps(row[: 8 + 4 * (n % 2)].tolist()) for n, row in enumerate(EMB)]},
        refused("vectors written as text, of 2 lengths"),
        fails="judged as words",
    ),
    given(
        "numbers as text",
        "a CSV read as text",
        {name: [f"{value:.3f}" for value in EMB[:, k]] for k, name in enumerate(SIX)},
        judged(5, "are numbers written as text (such as 3.14)"),
        fails="refused: names or identifiers",
    ),
    given(
        "numbers with thousands",
        "Excel",
        {name: [f"{value * 9999:,.2f}" for value in EMB[:, k]] for k, name in enumerate(SIX)},
        judged(5, "such as 1,234.5 or 12%"),
        fails="refused: names or identifiers",
    ),
    given(
        "numbers with a decimal comma",
        "Excel in Europe",
        {name: [f"{value:.3f}".replace(".", ",") for value in EMB[:, k]] for k, name in enumerate(SIX)},
        judged(5, "with a comma before the decimals"),
        fails="refused: names or identifiers",
    ),
    given(
        "numbers as text with NA",
        "R",
        {
            name: [f"{value:.3f}" if n % 11 != k else "NA" for n, value in enumerate(EMB[:, k])]
            for k, name in enumerate(SIX)
        },
        judged(8, "are numbers written as text"),
        fails="refused: names or identifiers",
    ),
    given(
        "dates as text beside numbers",
        "CSV",
        {"day": [f"20{n * 37 % 90 + 10}-03-1{n % 7}" for n in range(ROWS)], **numbers()},
        judged(5, "dates written as text (year-month-day)"),
        fails="left out without a word",
    ),
    given(
        "codes with leading zeros",
        "postal codes",
        {"zip": [f"0{n:04d}" for n in range(ROWS)], **numbers()},
        judged(5, "names or identifiers, such as '00000'"),
    ),
    given(
        "yes and no",
        "forms",
        {"smoker": np.where(DRAW.random(ROWS) < 0.5, "yes", "no"), **numbers()},
        judged(5, "category columns 'smoker'"),
    ),
    given("sentences", "reviews", {"text": SENTENCES}, judged(5, "text columns 'text'")),
    given(
        "sentences stored as binary",
        "Spark's binaryAsString",
        {"text": [text.encode() for text in SENTENCES]},
        judged(5, "all rows are text stored as binary"),
        fails="every row a corrupt image",
    ),
    given(
        "text without blanks between words",
        "Chinese reviews",
        {
            "text": [
                ["今天我们在公园里踢球很开心", "这碗汤太烫了不能喝下去", "山上下雨了天气非常寒冷"][y]
                + "啊呀" * (n % 40)
                for n, y in enumerate(Y)
            ]
        },
        judged(5, "text columns 'text'"),
        fails="refused: an identifier",
    ),
    given(
        "decimals",
        "SQL exports",
        {
            name: pa.array([round(v, 2) for v in EMB[:, k]]).cast(pa.decimal128(9, 2), safe=False)
            for k, name in enumerate(SIX)
        },
        judged(5, "tabular columns"),
    ),
    given(
        "durations and times",
        "logs",
        {
            "took": pa.array((EMB[:, 0] * 1000).astype("int64"), pa.duration("ms")),
            "at": pa.array((Y * 20000 + DRAW.integers(0, 9999, ROWS)).astype("int32"), pa.time32("s")),
            **numbers(),
        },
        judged(5, "date columns 'took', 'at'"),
    ),
]

IDENTIFIERS = [
    given(
        "nothing but a row number",
        "SQL",
        {"id": ROW_NUMBERS},
        refused(NOTHING, "counts the rows", "--inputs"),
        fails="the row number was judged",
        quick=True,
    ),
    given(
        "nothing but a shuffled key",
        "Kaggle",
        {"row": DRAW.permutation(ROWS)},
        refused("an identifier by its name"),
        fails="the key was judged",
    ),
    given(
        "a shuffled key without a telling name",
        "exports",
        {"x": DRAW.permutation(ROWS)},
        refused("it numbers the rows"),
        fails="the key was judged",
    ),
    given(
        "whole floats that count",
        "pandas after a join",
        {"x": np.arange(ROWS).astype(float) * 3},
        refused("in the order of the rows"),
        fails="the row number was judged",
    ),
    given(
        "64 bit digests",
        "hash()",
        {"h": pa.array(DRAW.integers(2**60, 2**63, ROWS))},
        refused("2**53"),
        fails="the digest was judged",
    ),
    given("UUIDs as text", "databases", {"uuid": noise()}, refused("names or identifiers"), quick=False),
    given(
        "digests as binary",
        "SHA-256",
        {"digest": [DRAW.bytes(32) for _ in range(ROWS)]},
        refused("bytes that are no pictures"),
        fails="every row a corrupt image",
    ),
    given(
        "digests as binary beside numbers",
        "SHA-256",
        {"digest": [DRAW.bytes(32) for _ in range(ROWS)], **numbers()},
        judged(5, "bytes that are no pictures"),
        fails="every row a corrupt image",
    ),
    given(
        "digests of one length",
        "fixed-size binary",
        {"digest": pa.array([DRAW.bytes(16) for _ in range(ROWS)], pa.binary(16)), **numbers()},
        judged(5, "bytes of one length"),
    ),
    given(
        "file names alone",
        "listings",
        {"file": [f"img/{n:05d}.png" for n in range(ROWS)]},
        refused("paths of pictures", "--image-root"),
        fails="refused without the remedy",
        quick=False,
    ),
    given(
        "addresses of pictures",
        "LAION",
        {"url": [f"https://e.org/{n}.jpg" for n in range(ROWS)]},
        refused("addresses are not opened"),
        fails="refused without a reason",
    ),
    given(
        "times of writing alone",
        "logs",
        {"created_at": pa.array(np.arange(ROWS) * 61_000_000, pa.timestamp("us"))},
        refused("a time of writing"),
        fails="the time was judged",
    ),
    given(
        "an id beside numbers",
        "Kaggle's Titanic",
        {"PassengerId": np.arange(1, ROWS + 1), **numbers()},
        judged(5, LEFT, "'PassengerId' (it counts the rows"),
        fails="the id was an input, without a word",
    ),
    given(
        "an index column of a CSV",
        "pandas",
        {"Unnamed: 0": ROW_NUMBERS, **numbers()},
        judged(5, "'Unnamed: 0' (it counts the rows"),
        fails="the index was an input, without a word",
    ),
    Trial(
        "a named index",
        "pandas",
        frame,
        judged(5, "'sample_index' (it counts the rows"),
        "the index was an input, without a word",
    ),
    given(
        "an id that is named as an input",
        "a user who insists",
        {"id": ROW_NUMBERS, **numbers()},
        judged(150, "as named"),
        "--inputs",
        "id,f0,f1,f2,f3",
    ),
    given(
        "floats that are all different",
        "one measured value",
        {"length": EMB[:, 0] + 20 * (Y == 1)},
        judged(5, "tabular columns 'length'"),
        quick=False,
        label=Y == 1,
    ),
    given(
        "whole numbers that are all different",
        "prices in cents",
        {"cents": (EMB[:, 0] * 1e6 + 1e8 * (Y == 1)).astype(int)},
        judged(5, "tabular columns 'cents'"),
        label=Y == 1,
    ),
    given(
        "keys that start again",
        "shards put together",
        {"key": np.tile(np.arange(75), 2), **numbers()},
        judged(5, "'key' (it counts the rows"),
        fails="the key was an input, without a word",
    ),
]

COPIES = [
    given(
        "species beside target",
        "scikit-learn's iris",
        {**numbers(), "species": NAMES[wrong_labels()]},
        found_wrong(12, "'species' (the label can be read off it in 150 of 150"),
        label=wrong_labels(),
        fails="the copy was an input, without a word",
    ),
    given(
        "a number beside names",
        "pandas factorize",
        {**numbers(), "code": wrong_labels() * 10},
        found_wrong(12, "'code' (the label can be read off it"),
        label=NAMES[wrong_labels()],
        fails="the copy was an input, without a word",
    ),
    given(
        "one column per class",
        "get_dummies",
        {**numbers(), **{f"is_{k}": wrong_labels() == k for k in range(3)}},
        found_wrong(12, "with 2 others it says which label"),
        label=wrong_labels(),
        fails="the copies were inputs, without a word",
    ),
    given(
        "one column per class but the first",
        "OneHotEncoder(drop='first')",
        {**numbers(), **{f"is_{k}": (wrong_labels() == k).astype(float) for k in (1, 2)}},
        found_wrong(12, "one class each"),
        label=wrong_labels(),
        fails="the copies were inputs, without a word",
    ),
    given(
        "a one-hot vector beside numbers",
        "Keras",
        {**numbers(), "onehot": np.eye(3)[wrong_labels()].tolist()},
        found_wrong(12, "'onehot' (the label can be read off it"),
        label=wrong_labels(),
        fails="the copy alone was judged",
    ),
    given(
        "the label in other spelling",
        "two exports",
        {**numbers(), "Species": np.char.upper(NAMES[wrong_labels()])},
        found_wrong(12, "'Species' (the label"),
        label=NAMES[wrong_labels()],
        fails="the copy was an input, without a word",
    ),
    given(
        "finer classes beside coarse ones",
        "CIFAR-100",
        {**numbers(), "fine": wrong_labels() * 5 + DRAW.integers(0, 5, ROWS)},
        found_wrong(12, "'fine' (the label"),
        label=wrong_labels(),
        fails="the copy was an input, without a word",
    ),
    given(
        "a float copy with holes",
        "R",
        {**numbers(), "y2": [None if n in (3, 77) else float(v) for n, v in enumerate(wrong_labels())]},
        found_wrong(12, "'y2' ("),
        label=wrong_labels(),
        fails="the copy was an input, without a word",
    ),
    given(
        "the class's name in the text",
        "prompts",
        {"text": [f"a picture of {NAMES[y]} in the {['sun', 'rain'][n % 2]}" for n, y in enumerate(Y)]},
        refused("the label can be read off it in 150 of 150"),
        label=NAMES[Y],
        fails="judged by the label itself",
    ),
    given(
        "a label in front of the text",
        "fastText",
        {"text": [f"__label__{y} {SENTENCES[n][-25:]} {n}" for n, y in enumerate(Y)]},
        refused("its first word tells the label"),
        fails="judged by the label itself",
    ),
    given(
        "a copy that is named as an input",
        "a user who insists",
        {**numbers(), "species": NAMES[Y]},
        judged(5, "as named"),
        "--inputs",
        "species,f0",
    ),
    Trial("a folder's key", "Hive", hive, judged(5, "'species' (the label"), "the key was an input, without a word"),
    given(
        "the true class beside wrong labels",
        "a second annotator",
        {**numbers(), "second": NAMES[Y]},
        found_wrong(12, "category columns 'second'"),
        label=wrong_labels(),
    ),
    given(
        "a quantity that parts the classes",
        "petal length",
        {"petal": np.round(EMB[:, 0] + 50 * (Y == 1), 3)},
        judged(5, "'petal'"),
        label=Y == 1,
    ),
    given("a rare class and a constant", "fraud", {**numbers(), "country": ["DE"] * ROWS}, judged(5, "'country'")),
    given(
        "constant numbers",
        "a broken export",
        {"x": [1.5] * ROWS},
        refused("inputs of all 150 rows are the same"),
        fails="judged, though all are the same",
        quick=True,
    ),
    given(
        "constant vectors",
        "a broken model",
        {"emb": [[0.0] * 8] * ROWS},
        refused("inputs of all 150 rows are the same"),
        fails="judged, though all are the same",
    ),
]

TRIALS = [*ARRAYS, *TEXTS, *IDENTIFIERS, *COPIES]
