"""A run of the pipeline that is small enough to be written by hand: 6 rows, 2 voters, rows 1 and 3 dropped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from sanitize.data.parquet import image_table, vector_table, write_arrow
from sanitize.data.shards import find_shards
from sanitize.evidence.groups import UNGROUPED
from sanitize.filter_manifest import ManifestSink, manifest_rows
from sanitize.filter_pass import provenance
from sanitize.filter_tally import Verdicts
from sanitize.params import load_params

HOSTILE = "<script>alert(1)</script>"
LABELS = np.array([0, 0, 1, 1, 1, 2])
KEEP = np.array([True, False, True, False, True, True])
POISON = np.array([False, False, False, True, True, False])
SUSPICION = np.array([0.0, 0.4, 0.1, 0.9, 0.5, 0.0])
SUPPORT = np.array([2, 0, 2, 1, 2, 2])
REASONS = ["kept", "outvoted: 2 of 2 voters, most say <i>b</i>", "kept", "outvoted: 1 of 2 voters", "kept", "kept"]
TEXTS = {
    "suspicion": "bin,clean,poisoned\n0.0,3,0\n0.45,1,2\n",
    "recall": "dropped,recall\n0.0,0.0\n0.5,1.0\n1.0,1.0\n",
    "certified_accuracy": "training,method,certificate,poisoning_size,certified_accuracy\n"
    "raw,knn,individual,0,0.75\nraw,knn,individual,5,0.5\nraw,knn,label_budgets,5,0.625\n",
}


def pictures(rows: int = 6) -> np.ndarray:
    """uint8 [rows, 5, 4, 1]; every pixel of image r is 10 r."""
    return np.broadcast_to((np.arange(rows, dtype=np.uint8) * 10)[:, None, None, None], (rows, 5, 4, 1)).copy()


def vectors(rows: int = 6) -> np.ndarray:
    """float32 [rows, 3]: the row's number in every place."""
    return np.broadcast_to(np.arange(rows, dtype=np.float32)[:, None], (rows, 3)).copy()


def tabular_table(names: Sequence[str]) -> pa.Table:
    """Numeric columns and a string label; column c of row r is r."""
    label = pa.array([("a", "b", "c")[number] for number in LABELS])
    return pa.table({**{name: np.arange(6.0) for name in names}, "label": label})


def write_run(folder: Path, table: pa.Table, names: Sequence[str], *, truth: bool = True) -> None:
    """All files that the report reads."""
    write_arrow(table, folder / "data/poisoned/train.parquet")
    _write_manifest(folder, names, "seed: 5" if truth else "{seed: 5, attack: none}")
    parts = {
        "run": np.zeros(2, np.int32),
        "component": np.arange(2, dtype=np.int32),
        "rows": np.array([3, 2], np.int32),
        "votes_for": np.array([5, 2]),
        "votes_needed": [2.5, 2.5],
        "clean": [True, False],
        "self_error": [0.1, 0.25],
        "weight": np.array([3, 2]),
    }
    write_arrow(pa.table(parts), folder / "data/components.parquet")
    found = {"rows": 6, "kept": 4, "dropped": 2}
    known = {"fp": 1, "fn": 1, "poisoned": 2, "suspicion_auc": 1.0}
    scores = {"clean_accuracy": 0.75, "tmr": 0.5 if truth else None}
    metrics = {
        "filter": {**found, **(known if truth else dict.fromkeys(known))},
        "oracle": {"clean_accuracy": 0.8 if truth else None, "tmr": 0.0 if truth else None},
        "undefended": scores,
        "sanitized": {**scores, "tmr": 0.0 if truth else None},
        "seconds": {"vote": 123.456},
    }
    (folder / "reports/plots").mkdir(parents=True)
    (folder / "reports/metrics.json").write_text(json.dumps(metrics))
    raw = {"covers": "What <b>raw</b> covers.", "rows": 6, "knn": {"k": 3, "certified_accuracy": {"0": 0.75}}}
    about = {"certificates": {"raw": raw}, "poisoning_size": "rows added or removed"}
    (folder / "reports/certificates.json").write_text(json.dumps(about))
    marks = [str(bool(p)).lower() if truth else "" for p in POISON]
    texts = {**TEXTS}
    if not truth:
        texts |= {"suspicion": "bin,all\n0.0,3\n0.45,3\n", "recall": "dropped,recall\n"}
    texts["dropped_rows"] = "row,poisoned\n" + "".join(f"{row},{marks[row]}\n" for row in (3, 1))
    texts["kept_rows"] = "row,poisoned\n" + "".join(f"{row},{marks[row]}\n" for row in (4, 2, 0, 5))
    by_class = [(2, 0, 1, 1, 0), (3, 2, 1, 0, 1), (1, 0, 0, 0, 0)]
    lines = [
        f'"{name}",{rows},{poisoned if truth else ""},{dropped},{fp if truth else ""},{fn if truth else ""}\n'
        for name, (rows, poisoned, dropped, fp, fn) in zip(names, by_class, strict=True)
    ]
    texts["dropped_by_class"] = "class,rows,poisoned,dropped,fp,fn\n" + "".join(lines)
    texts["components"] = "run,component,poisoned\n" + ("0,0,0\n0,1,2\n" if truth else "0,0,\n0,1,\n")
    for name, text in texts.items():
        (folder / f"reports/plots/{name}.csv").write_text(text)


def _write_manifest(folder: Path, names: Sequence[str], params: str) -> None:
    """As the selftrain stage does."""
    (folder / "params.yaml").write_text(params)
    shards = find_shards(folder / "data/poisoned/train.parquet")
    two_N, none_N = np.full(6, 2), np.full(6, UNGROUPED)
    counts = (LABELS, SUPPORT, SUPPORT, two_N, LABELS, LABELS, none_N, np.ones(6, np.int64))
    found = Verdicts(KEEP, np.array(REASONS, object), SUSPICION, *counts)
    digest = load_params(folder / "params.yaml").sha256()
    with ManifestSink(
        folder / "data/manifest.parquet", provenance(shards, digest, shards.sha256())("manifest")
    ) as sink:
        sink.add(manifest_rows(shards.shards[0].name, 0, found, names, names))


def image_run(folder: Path, *, truth: bool = True) -> None:
    """A run on images whose second class has a hostile name."""
    names = ("a", HOSTILE, "c")
    write_run(folder, image_table(pictures(), LABELS, names), names, truth=truth)


def vector_run(folder: Path, *, truth: bool = True) -> None:
    """A run on vectors."""
    names = ("a", "b", "c")
    write_run(folder, vector_table(vectors(), LABELS, names), names, truth=truth)
