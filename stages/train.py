"""Stage train: one of three models -> weights, and predictions on the test rows with and without trigger.

oracle      trained on the rows that were not poisoned: the one model that needs the truth
undefended  trained on all rows
sanitized   trained on the rows that the filter kept
"""

# N training rows, M test rows
from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import numpy as np
import pyarrow as pa

from sanitize.data.parquet import Columns, decode_table, find_inputs, read_arrow, read_table, write_arrow
from sanitize.data.table import BoolArray, Table
from sanitize.data.truth import read_truth
from sanitize.errors import BadInput
from sanitize.learners.base import Learner
from sanitize.params import Params, load_params
from sanitize.progress import step
from sanitize.train import train_model
from sanitize.weights import write_weights
from stages.common import stage_app


class Model(StrEnum):
    """Which rows a model is trained on."""

    oracle = "oracle"
    undefended = "undefended"
    sanitized = "sanitized"


app = stage_app("train")


@app.command()
def main(
    model: Model,
    rows: Path,
    params: Path = Path("params.yaml"),
    train: Path = Path("data/poisoned/train.parquet"),
    test: Path = Path("data/ingested/test.parquet"),
    triggered: Path = Path("data/poisoned/test_triggered.parquet"),
    weights: Path = Path("data/models"),
    predictions: Path = Path("data/predictions"),
) -> None:
    """Train one model; without truth there is no oracle, and its two files are empty.

    ROWS is where the rows to train on stand: the truth, the training table or the manifest.
    """
    given = load_params(params)
    columns = find_inputs(train, label=given.data.label, inputs=given.data.inputs)
    table, _ = read_table(train, like=columns, image_size=given.data.image_size)
    keep_N = _rows_of(model, rows, table)
    asked = {"test": _test_rows(test, table, columns, given), "triggered": _triggered_rows(triggered, table, given)}
    if keep_N is None:
        write_weights(weights / f"{model}.safetensors", {str(model): None}, given.learner)
        write_arrow(_predictions(None, {}), predictions / f"{model}.parquet")
        return
    with step(f"training {model}", given.train.epochs) as advance:
        learner = train_model(table, keep_N, given, advance=advance)
    write_weights(weights / f"{model}.safetensors", {str(model): learner.state()}, given.learner)
    write_arrow(_predictions(learner, asked), predictions / f"{model}.parquet")


def _rows_of(model: Model, rows: Path, table: Table) -> BoolArray | None:
    """bool [N], the rows to train on; None where nobody knows them."""
    if model is Model.undefended:
        return np.ones(len(table), dtype=np.bool_)
    if model is Model.oracle:
        is_poison = read_truth(rows)
        found = None if is_poison is None else ~is_poison
    else:
        found = read_arrow(rows)["keep"].to_numpy()
    if found is not None and len(found) != len(table):
        raise BadInput(f"{rows}: is about {len(found)} rows, the training table has {len(table)}; run its stage again")
    return found


def _test_rows(path: Path, table: Table, columns: Columns, params: Params) -> Table:
    """The test rows, with the training table's columns and classes."""
    return read_table(
        path,
        like=columns,
        image_size=params.data.image_size,
        class_names=table.class_names,
        allow_empty=True,
    )[0]


def _triggered_rows(path: Path, table: Table, params: Params) -> Table:
    """The triggered test rows, as stage poison writes them; ids = row in the test file."""
    arrow = read_arrow(path, allow_empty=True)
    found = decode_table(
        arrow,
        label="label",
        inputs=params.data.inputs if table.modality == "image" else ["features"],
        image_size=params.data.image_size,
        class_names=table.class_names,
        origin=str(path),
    )[0]
    return Table(arrow["row"].to_numpy(), found.inputs, found.labels, found.class_names, found.modality)


def _predictions(learner: Learner | None, asked: dict[str, Table]) -> pa.Table:
    """set, row, label, prediction, probability of the prediction: one line per test row and triggered test row."""
    columns: dict[str, list[pa.Array]] = {name: [] for name in ("set", "row", "label", "prediction", "probability")}
    for name, table in asked.items():
        if learner is None or not len(table):
            continue
        said_MC = learner.probabilities(table.inputs)
        columns["set"].append(pa.array([name] * len(table), pa.string()))
        columns["row"].append(pa.array(table.ids, pa.int64()))
        columns["label"].append(pa.array(table.labels, pa.int64()))
        columns["prediction"].append(pa.array(said_MC.argmax(axis=1), pa.int32()))
        columns["probability"].append(pa.array(said_MC.max(axis=1), pa.float32()))
    kinds = (pa.string(), pa.int64(), pa.int64(), pa.int32(), pa.float32())
    chunks = [pa.chunked_array(parts, kind) for parts, kind in zip(columns.values(), kinds, strict=True)]
    return pa.table(chunks, names=list(columns))


if __name__ == "__main__":
    app()
