"""DPA or bagging on one data set: base learners on HOG features -> certified accuracy as CSV.

Poisoning sizes are counted as kNN's, max(rows removed, rows added), so that all curves of figure 2 have one threat: a
DPA certificate of size s, which counts insertions plus deletions, is good for floor(s / 2).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments.certified.settings import HERE, Line, curve, read_settings, vectors, write_lines
from sanitize.certify.ensembles import Certificates, bagging, changed_rows, count_votes, dpa, run_off
from sanitize.certify.individual import certified_accuracy
from sanitize.certify.partitions import bag_shares, partition_shares, predicted, train_members
from sanitize.data.table import Table
from sanitize.errors import BadParams
from sanitize.execution import inline
from sanitize.params import resolve
from stages.common import stage_app

app = stage_app("certified-ensembles", pipeline=False)


@app.command()
def main(dataset: str, ensemble: str, out: Path, params: Path = HERE / "params.yaml") -> None:
    """Certify ENSEMBLE on DATASET and write OUT: dpa-500 (parts; with a run-off, too) or bagging-50 (rows of a bag)."""
    settings, chosen = read_settings(params, dataset)
    kind, _, number = ensemble.partition("-")
    if kind not in ("dpa", "bagging") or not number.isdigit() or not int(number):
        raise BadParams(f"ENSEMBLE is {ensemble!r}; must be dpa-PARTS or bagging-ROWS, such as dpa-1000")
    rows, value, seed = vectors(settings, chosen, settings.ensemble_test_rows), int(number), settings.seed
    train, test = (part.astype(np.float32) / np.float32(255) for part in (rows.train, rows.test))
    names = tuple(map(str, range(len(rows.class_names))))  # of the labels' hashes: the split does not hang on words
    table = Table(np.arange(len(train)), train, rows.labels, names, "vector")
    shares = partition_shares(table, value, 1, seed) if kind == "dpa" else bag_shares(
        len(table), value, settings.bags, seed
    )  # fmt: skip
    if kind not in chosen.learners:
        raise BadParams(f"{params}: {dataset}.learners has no {kind}; name a scikit-learn model for it")
    model = chosen.learners[kind]
    learner = resolve({"learner": {"name": "sklearn", "model": model, "threads": 1}}).learner
    scores = np.stack(list(train_members(table, test, shares, learner, epochs=1, seed=seed, map=inline)))
    votes = count_votes(predicted(scores), table.classes)
    found: dict[str, Certificates] = {}
    if kind == "dpa":
        found = {"dpa": dpa(votes), "run_off": run_off(scores)}
        setting = f"{value} parts, {model.rpartition(':')[2]}"
    else:
        found = {"bagging": bagging(votes, rows=len(table), bag=value, alpha=settings.alpha)}
        setting = f"{settings.bags} bags of {value}, {model.rpartition(':')[2]}"
    lines: list[Line] = []
    for method, certificates in found.items():
        right = round(float(np.mean(certificates.prediction == rows.truth)), 6)
        accuracy = certified_accuracy(
            certificates.prediction, rows.truth, changed_rows(certificates), settings.poisoning_sizes
        )
        lines += curve((dataset, method, setting, len(test), right), "individual", settings.poisoning_sizes, accuracy)
    write_lines(out, lines)


if __name__ == "__main__":
    app()
