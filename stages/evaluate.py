"""Stage evaluate: truth, manifest, votes, components, predictions -> reports/metrics.json and plots.

The one place where the truth meets a manifest. Without truth (attack none) it reports what can be known.
"""

# N training rows, M test rows, T triggered test rows
from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sanitize import metrics
from sanitize.data.columns import choose_label
from sanitize.data.labels import encode_labels
from sanitize.data.parquet import read_arrow
from sanitize.data.table import BoolArray, IntArray
from sanitize.data.truth import read_truth
from sanitize.errors import BadInput
from sanitize.io.atomic import atomic_write
from sanitize.params import load_params
from stages.common import stage_app

app = stage_app("evaluate")

MODELS = ("oracle", "undefended", "sanitized")
DROPPED = ("0.01", "0.05", "0.10")  # keys of recall_at_dropped
BINS = 40  # of the suspicion histogram
POINTS = 100  # of the recall curve
SUSPECTS = 100  # kept rows that are listed


@app.command()
def main(
    params: Path = Path("params.yaml"),
    train: Path = Path("data/poisoned/train.parquet"),
    triggered: Path = Path("data/poisoned/test_triggered.parquet"),
    truth: Path = Path("data/truth.parquet"),
    manifest: Path = Path("data/manifest.parquet"),
    partition: Path = Path("data/partition.parquet"),
    components: Path = Path("data/components.parquet"),
    predictions: Path = Path("data/predictions"),
    seconds: Path = Path(".scratch/seconds"),
    report: Path = Path("reports/metrics.json"),
    plots: Path = Path("reports/plots"),
) -> None:
    """Measure the filter and the three models."""
    given = load_params(params)
    verdicts = read_arrow(manifest)
    labels, class_names = _labels(train, given.data.label, given.data.inputs)
    keep, suspicion = _verdicts(verdicts, len(labels), manifest)
    is_poison = read_truth(truth)
    aim = read_arrow(triggered, allow_empty=True)
    said = {model: read_arrow(predictions / f"{model}.parquet", allow_empty=True) for model in MODELS}
    figures: dict[str, Any] = {model: _model_scores(said[model], aim, predictions / model) for model in MODELS}
    figures["filter"] = _filter_scores(keep, suspicion, is_poison)
    figures["seconds"] = _seconds(seconds)

    tables = {
        "confusion.csv": _confusion(said["sanitized"], class_names),
        "dropped_by_class.csv": _dropped_by_class(keep, labels, class_names, is_poison),
        "dropped_rows.csv": _listed(_dropped_rows(keep, suspicion), verdicts, labels, class_names, is_poison),
        "kept_rows.csv": _listed(_kept_rows(keep, suspicion, is_poison), verdicts, labels, class_names, is_poison),
        "components.csv": _components(read_arrow(components), read_arrow(partition), is_poison),
        "suspicion.csv": _suspicion(suspicion, is_poison),
        "recall.csv": _recall(suspicion, is_poison),
    }
    with atomic_write(report, *(plots / name for name in tables)) as (draft, *csv_drafts):
        draft.write_text(json.dumps(figures, indent=1, sort_keys=True, allow_nan=False) + "\n")
        for place, lines in zip(csv_drafts, tables.values(), strict=True):
            with place.open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(lines)


def _labels(train: Path, label: str | None, inputs: Sequence[str] | None) -> tuple[IntArray, tuple[str, ...]]:
    """The given labels int64 [N], and the class names."""
    arrow = read_arrow(train)
    name, _ = choose_label(arrow.schema.names, label, inputs, str(train))
    return encode_labels(arrow, name, origin=str(train))


def _verdicts(arrow: pa.Table, rows: int, path: Path) -> tuple[BoolArray, NDArray[np.float64]]:
    """keep bool [N] and suspicion float64 [N], by row."""
    if arrow.column("row").to_pylist() != list(range(rows)):
        raise BadInput(
            f"{path}: has {arrow.num_rows} verdicts; must have one for each of the training set's rows 0..{rows - 1}, "
            "in order; run the selftrain stage again"
        )
    suspicion = arrow.column("suspicion").to_numpy().astype(np.float64)
    if not np.isfinite(suspicion).all():
        row = int(np.flatnonzero(~np.isfinite(suspicion))[0])
        raise BadInput(
            f"{path}: row {row} has suspicion {suspicion[row]}; must be finite; run the selftrain stage again"
        )
    return arrow.column("keep").to_numpy(), suspicion


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _model_scores(said: pa.Table, aim: pa.Table, origin: Path) -> dict[str, float | None]:
    """Clean accuracy and TMR of one model; null where it predicted no such rows."""
    kind = np.array(said.column("set").to_pylist(), dtype=str)
    row, label, prediction = (said.column(name).to_numpy() for name in ("row", "label", "prediction"))
    clean, hit = kind == "test", kind == "triggered"
    accuracy = metrics.clean_accuracy(prediction[clean], label[clean])
    if not hit.any():
        return {"clean_accuracy": _rounded(accuracy), "tmr": None}
    asked = aim.column("row").to_pylist()  # in order; a row that two triggers use stands there twice
    plain = dict(zip(row[clean].tolist(), prediction[clean].tolist(), strict=True))
    missing = [r for r in asked if r not in plain]
    if asked != row[hit].tolist() or missing:
        raise BadInput(
            f"{origin}.parquet: has {np.count_nonzero(hit)} triggered predictions for {len(asked)} triggered rows, "
            f"{f'and row {missing[0]} lacks its clean prediction' if missing else 'or not in their order'}; "
            "run the train stage again"
        )
    rate = metrics.tmr(
        np.array([plain[r] for r in asked]), prediction[hit], label[hit], aim.column("target").to_numpy()
    )
    return {"clean_accuracy": _rounded(accuracy), "tmr": _rounded(rate)}


def _filter_scores(keep: BoolArray, suspicion: NDArray[np.float64], is_poison: BoolArray | None) -> dict[str, Any]:
    kept = int(np.count_nonzero(keep))
    scores: dict[str, Any] = {"rows": len(keep), "kept": kept, "dropped": len(keep) - kept}
    if is_poison is None:
        unknown = dict.fromkeys(("fp", "fn", "poisoned", "suspicion_auc"))
        return {**scores, **unknown, "recall_at_dropped": dict.fromkeys(DROPPED)}
    recall = metrics.recall_at_dropped(suspicion, is_poison, [float(share) for share in DROPPED])
    return {
        **scores,
        "fp": metrics.false_positives(keep, is_poison),
        "fn": metrics.false_negatives(keep, is_poison),
        "poisoned": int(np.count_nonzero(is_poison)),
        "suspicion_auc": _rounded(metrics.suspicion_auc(suspicion, is_poison)),
        "recall_at_dropped": {key: _rounded(value) for key, value in zip(DROPPED, recall, strict=True)},
    }


def _seconds(folder: Path) -> dict[str, float]:
    """What each stage took when it last ran; its own time is not known yet, and an older one would mislead."""
    taken = {}
    for file in sorted(folder.glob("*.json")):
        if file.stem == "evaluate":
            continue
        try:
            taken[file.stem] = round(float(json.loads(file.read_text())["seconds"]), 6)
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f'{file}: must hold {{"seconds": number}} ({error}); delete it') from error
    return taken


def _confusion(said: pa.Table, class_names: Sequence[str]) -> Iterable[Sequence[Any]]:
    yield "actual", "predicted"
    for line in said.select(["set", "label", "prediction"]).to_pylist():
        if line["set"] == "test":
            yield class_names[line["label"]], class_names[line["prediction"]]


def _dropped_by_class(
    keep: BoolArray, labels: IntArray, class_names: Sequence[str], is_poison: BoolArray | None
) -> Iterable[Sequence[Any]]:
    """Empty cells where there is no truth."""
    yield "class", "rows", "poisoned", "dropped", "fp", "fn"
    for count in metrics.class_counts(keep, labels, len(class_names), is_poison):
        yield class_names[count.label], count.rows, count.poisoned, count.dropped, count.fp, count.fn


def _dropped_rows(keep: BoolArray, suspicion: NDArray[np.float64]) -> IntArray:
    """All dropped rows, the most suspicious first; of equals the earlier row."""
    order = np.argsort(-suspicion, kind="stable")
    return order[~keep[order]]


def _kept_rows(keep: BoolArray, suspicion: NDArray[np.float64], is_poison: BoolArray | None) -> IntArray:
    """The SUSPECTS most suspicious kept rows, and all poisoned ones; the most suspicious first."""
    order = np.argsort(-suspicion, kind="stable")
    kept = order[keep[order]]
    chosen = np.arange(len(kept)) < SUSPECTS
    if is_poison is not None:
        chosen |= is_poison[kept]
    return kept[chosen]


def _listed(
    rows: IntArray, verdicts: pa.Table, labels: IntArray, class_names: Sequence[str], is_poison: BoolArray | None
) -> Iterable[Sequence[Any]]:
    """One line a row; `poisoned` is true, false, or empty where there is no truth."""
    yield "row", "label", "reason", "suspicion", "poisoned"
    chosen = verdicts.select(["row", "reason", "suspicion"]).take(pa.array(rows))
    for line in chosen.to_pylist():
        row = line["row"]
        poisoned = None if is_poison is None else str(bool(is_poison[row])).lower()
        yield row, class_names[labels[row]], line["reason"], _rounded(line["suspicion"]), poisoned


def _components(components: pa.Table, partition: pa.Table, is_poison: BoolArray | None) -> Iterable[Sequence[Any]]:
    yield "run", "component", "rows", "poisoned", "clean", "votes_for", "votes_needed", "self_error"
    row, run, component = (partition.column(name).to_numpy() for name in ("row", "run", "component"))
    for line in components.to_pylist():
        members = row[(run == line["run"]) & (component == line["component"])]
        yield (
            line["run"],
            line["component"],
            line["rows"],
            None if is_poison is None else int(np.count_nonzero(is_poison[members])),
            "clean" if line["clean"] else "poisoned",
            line["votes_for"],
            _rounded(line["votes_needed"]),
            _rounded(line["self_error"]),
        )


def _suspicion(suspicion: NDArray[np.float64], is_poison: BoolArray | None) -> Iterable[Sequence[Any]]:
    """A histogram; `bin` is a bin's lower edge. One bin where all rows are equally suspicious."""
    low, high = float(suspicion.min()), float(suspicion.max())
    edges = np.linspace(low, high, BINS + 1) if low < high else np.array([low, low])

    def counts(values: NDArray[np.float64]) -> list[int]:
        return [int(n) for n in np.histogram(values, edges)[0]]

    starts = [round(float(edge), 6) for edge in edges[:-1]]
    if is_poison is None:
        yield "bin", "all"
        yield from zip(starts, counts(suspicion), strict=True)
    else:
        yield "bin", "clean", "poisoned"
        yield from zip(starts, counts(suspicion[~is_poison]), counts(suspicion[is_poison]), strict=True)


def _recall(suspicion: NDArray[np.float64], is_poison: BoolArray | None) -> Iterable[Sequence[Any]]:
    yield "dropped", "recall"
    if is_poison is not None and is_poison.any():
        shares = [point / POINTS for point in range(POINTS + 1)]
        recall = metrics.recall_at_dropped(suspicion, is_poison, shares)
        yield from zip(shares, map(_rounded, recall), strict=True)


if __name__ == "__main__":
    app()
