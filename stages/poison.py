"""Stage poison: ingested tables -> the training set with an attack in it, the triggered test rows, the truth."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa

from sanitize.attacks.base import find
from sanitize.data.parquet import (
    decode_table,
    find_inputs,
    image_table,
    read_arrow,
    replace_rows,
    vector_table,
    write_arrow,
)
from sanitize.data.table import IntArray, Table
from sanitize.data.truth import write_truth
from sanitize.errors import BadInput
from sanitize.io.atomic import atomic_write
from sanitize.io.digests import placed
from sanitize.params import AttackParams, Params, load_params
from stages.common import stage_app

app = stage_app("poison")


@app.command()
def main(
    params: Path = Path("params.yaml"),
    train: Path = Path("data/ingested/train.parquet"),
    test: Path = Path("data/ingested/test.parquet"),
    poisoned: Path = Path("data/poisoned/train.parquet"),
    triggered: Path = Path("data/poisoned/test_triggered.parquet"),
    truth: Path = Path("data/truth.parquet"),
) -> None:
    """Poison the training set as the section `attack` says; attack none copies it byte for byte."""
    given = load_params(params)
    if given.attack.name == "none":
        find(given.attack)
        _copy(train, poisoned)
        arrow = read_arrow(test, allow_empty=True).slice(0, 0)
        columns = find_inputs(train, label=given.data.label, inputs=given.data.inputs)
        nothing, _ = decode_table(arrow, like=columns, image_size=given.data.image_size, origin=str(test))
        write_arrow(_triggered_table(nothing, nothing.labels), triggered)
        write_truth(truth, None)
    else:
        _attack(given, train, test, poisoned, triggered, truth)


def _attack(given: Params, train: Path, test: Path, poisoned: Path, triggered: Path, truth: Path) -> None:
    attack = find(AttackParams.model_validate(placed(given.attack.model_dump(), "attack")))
    label, inputs, size = given.data.label, given.data.inputs, given.data.image_size
    before = read_arrow(train)
    rows, columns = decode_table(before, label=label, inputs=inputs, image_size=size, origin=str(train))
    test_rows, _ = decode_table(
        read_arrow(test, allow_empty=True),
        like=columns,
        image_size=size,
        class_names=rows.class_names,
        origin=str(test),
    )
    done = attack(rows, test_rows, given.seed)
    is_poison = np.zeros(len(rows), bool)
    is_poison[done.positions] = True
    write_arrow(replace_rows(before, columns, done.positions, done.inputs, done.labels), poisoned)
    write_arrow(_triggered_table(done.triggered, done.targets), triggered)
    write_truth(truth, is_poison, rows.labels)


def _triggered_table(rows: Table, targets: IntArray) -> pa.Table:
    """Inputs, `label` (the true one), `row` (in the test file) and `target` (what the attacker wants)."""
    if rows.modality == "image":
        arrow = image_table(rows.inputs, rows.labels, rows.class_names)
    else:
        arrow = vector_table(rows.inputs, rows.labels, rows.class_names)
    for name, values in (("row", rows.ids), ("target", targets)):
        arrow = arrow.append_column(name, pa.array(values, pa.int64()))
    return arrow


def _copy(source: Path, place: Path) -> None:
    if not source.is_file():
        raise BadInput(f"{source}: no such file; run the ingest stage first")
    with atomic_write(place) as (draft,):
        shutil.copyfile(source, draft)


if __name__ == "__main__":
    app()
