"""Stage certify: training set before and after the filter, test rows -> nearest-neighbour certificates of both.

Jia et al. 2020, and the joint bounds beyond it. What they cover, and in which unit, stands in reports/certificates.json
beside the figures.
"""

# N training rows, M test rows, B poisoning sizes
from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sanitize.certify.assumptions import assumed
from sanitize.certify.budgets import Method
from sanitize.certify.classes import tokens
from sanitize.certify.curves import neighbor_curves
from sanitize.certify.features import compute
from sanitize.certify.individual import UNIT, certified_sizes
from sanitize.certify.neighbors import predict, vote_tables
from sanitize.certify.pair import read_pair
from sanitize.certify.radius import choose_radius, unit
from sanitize.data.parquet import read_arrow, write_arrow
from sanitize.data.table import BoolArray
from sanitize.errors import BadInput
from sanitize.io.atomic import atomic_write
from sanitize.params import load_params
from stages.common import stage_app

app = stage_app("certify")

COVERS = {
    "raw": (
        "Every training set within the poisoning size of the one that came in, forwards (changes still to come) and "
        "backwards (the set before an attack of that size): the certified predictions are the same on all of them."
    ),
    "sanitized": (
        "Changes to the kept rows made after the filter. The filter itself saw the poison and may have been misled by "
        "it: this certificate does not cover the original poisoning; the raw set's does."
    ),
}
CURVE = ("training", "method", "certificate", "poisoning_size", "certified_accuracy")
METHODS: tuple[Method, ...] = ("knn", "rnn")
Line = tuple[str, str, str, int, float]
RADII = pa.schema(
    [
        ("training", pa.string()),
        ("method", pa.string()),
        ("row", pa.int64()),
        ("label", pa.string()),
        ("prediction", pa.string()),
        ("radius", pa.int32()),
    ]
)


@app.command()
def main(
    params: Path = Path("params.yaml"),
    train: Path = Path("data/poisoned/train.parquet"),
    manifest: Path = Path("data/manifest.parquet"),
    test: Path = Path("data/ingested/test.parquet"),
    certificates: Path = Path("reports/certificates.json"),
    curve: Path = Path("reports/plots/certified_accuracy.csv"),
    radii: Path = Path("data/certified_radii.parquet"),
) -> None:
    """Certify kNN and rNN on the raw and on the sanitized training set."""
    given = load_params(params)
    settings = given.certify
    pair = read_pair(train, test, given.data, unseen=0 if settings.labels_fixed else 1)
    rows, trusted = pair.train, pair.test
    keep = _keep(manifest, len(rows))
    if not len(trusted):
        reason = "there are no test rows: a certificate is about the predictions for given rows; add them as data.test"
        _write({"certificates": None, "reason": reason}, [], RADII.empty_table(), certificates, curve, radii)
        return
    train_features = compute(rows, settings.features, quantise=settings.quantise)
    test_features = compute(trusted, settings.features, quantise=settings.quantise)
    radius = choose_radius(settings, test_features, trusted.labels)
    sets: dict[str, BoolArray] = {"raw": np.ones(len(rows), bool), "sanitized": keep}
    votes = vote_tables(
        test_features.values,
        train_features.values,
        rows.labels,
        rows.classes,
        k=settings.k,
        radius=radius.value * unit(test_features, settings.distance),
        subsets=list(sets.values()),
        content=tokens(rows.class_names)[rows.labels],
        distance=settings.distance,
        device=settings.device,
    )
    chosen: dict[str, dict[str, Any]] = {
        "knn": {"k": settings.k},
        "rnn": {"radius": radius.value, "radius_from": radius.origin},
    }
    found: dict[str, Any] = {}
    lines: list[Line] = []
    tables = []
    names = np.array(pair.classes.names, object)
    for (name, mask), tally in zip(sets.items(), votes, strict=True):
        found[name] = {"covers": COVERS[name], "rows": int(np.count_nonzero(mask))}
        for method in METHODS:
            table = getattr(tally, method)
            prediction = predict(table)
            sizes = settings.poisoning_sizes
            curves = neighbor_curves(
                table, trusted.labels, sizes, method=method, seed=given.seed, most_nodes=settings.most_nodes
            )
            points = {
                certificate: [(e, round(float(a), 6)) for e, a in zip(sizes, accuracy, strict=True)]
                for certificate, accuracy in curves.accuracy.items()
            }
            found[name][method] = {
                **chosen[method],
                "clean_accuracy": round(float(np.mean(prediction == trusted.labels)), 6),
                "certified_accuracy": {c: {str(e): a for e, a in own} for c, own in points.items()},
                "label_budgets_unproven": [e for e, proven in zip(sizes, curves.proven, strict=True) if not proven],
            }
            lines += [(name, method, certificate, e, a) for certificate, own in points.items() for e, a in own]
            said = (names[trusted.labels], names[prediction], certified_sizes(table))
            tables.append(_radii_table(name, method, trusted.ids, *said))
    distance = {"l1": "L1", "l2": "Euclidean", "cosine": "cosine"}[settings.distance]
    bits = f"{train_features.values.dtype.itemsize * 8} bits"
    summary = {
        "certificates": found,
        "distance": f"{distance} between {train_features.kind} features, {train_features.values.shape[1]} values of "
        f"{bits} a row",
        "poisoning_size": UNIT,
        "assumed": assumed("neighbors", settings.labels_fixed),
        "notes": pair.notes,
        "test_rows": len(trusted),
    }
    _write(summary, lines, pa.concat_tables(tables), certificates, curve, radii)


def _keep(path: Path, rows: int) -> BoolArray:
    """The manifest's verdicts, bool [N]."""
    arrow = read_arrow(path)
    if arrow.column("row").to_pylist() != list(range(rows)):
        raise BadInput(
            f"{path}: has {arrow.num_rows} verdicts; must have one for each of the training set's rows 0..{rows - 1}, "
            "in order; run the selftrain stage again"
        )
    keep: BoolArray = arrow.column("keep").to_numpy()
    return keep


def _radii_table(
    training: str, method: str, row: np.ndarray, label: np.ndarray, prediction: np.ndarray, radius: np.ndarray
) -> pa.Table:
    columns = [pa.array([training] * len(row)), pa.array([method] * len(row)), row, label, prediction, radius]
    return pa.table(
        [pa.array(column).cast(field.type) for column, field in zip(columns, RADII, strict=True)], schema=RADII
    )


def _write(
    summary: dict[str, Any],
    lines: list[Line],
    table: pa.Table,
    certificates: Path,
    curve: Path,
    radii: Path,
) -> None:
    write_arrow(table, radii)
    with atomic_write(certificates, curve) as (json_draft, csv_draft):
        json_draft.write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n")
        with csv_draft.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([CURVE, *lines])


if __name__ == "__main__":
    app()
