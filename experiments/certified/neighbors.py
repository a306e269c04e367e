"""kNN and rNN on one data set, every k and radius: certified accuracy by every certificate -> CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments.certified.settings import HERE, Line, curve, read_settings, vectors, write_lines
from sanitize.certify.budgets import Method
from sanitize.certify.curves import neighbor_curves
from sanitize.certify.individual import certified_accuracy, certified_sizes
from sanitize.certify.neighbors import count_votes, predict
from stages.common import stage_app

app = stage_app("certified-neighbors", pipeline=False)


@app.command()
def main(dataset: str, out: Path, params: Path = HERE / "params.yaml") -> None:
    """Certify kNN and rNN on DATASET; write OUT.

    Every setting has its individual certificates. The settings of figure 3 have all of them, on all test rows; the one
    whose clean accuracy, which is CA(0), is nearest to figure 2's has them on that figure's test rows.
    """
    settings, chosen = read_settings(params, dataset)
    rows = vectors(settings, chosen, settings.test_rows)
    found = count_votes(
        rows.test,
        rows.train,
        rows.labels,
        len(rows.class_names),
        ks=chosen.ks,
        radii=[radius * 255 for radius in chosen.radii],
        subsets=[np.ones(len(rows.train), bool)],
    )
    sizes, few = settings.poisoning_sizes, slice(settings.ensemble_test_rows)
    methods: list[tuple[Method, str, list[float], float]] = [
        ("knn", "k", [float(k) for k in chosen.ks], chosen.k),
        ("rnn", "r", chosen.radii, chosen.radius),
    ]
    lines: list[Line] = []
    for (method, letter, values, main_value), tables in zip(methods, (found.knn[0], found.rnn[0]), strict=True):
        clean = [float(np.mean(predict(table[few]) == rows.truth[few])) for table in tables]
        nearest = int(np.argmin([abs(accuracy - chosen.match) for accuracy in clean]))
        for number, (value, table) in enumerate(zip(values, tables, strict=True)):
            whole = {len(rows.test)} if value == main_value else set()
            whole |= {len(rows.test[few])} if number == nearest else set()  # tests for which all certificates count
            for tests in sorted({len(rows.test), len(rows.test[few])}, reverse=True):
                votes, truth = table[:tests], rows.truth[:tests]
                said = predict(votes)
                head = (dataset, method, f"{letter} = {value:g}", tests, round(float(np.mean(said == truth)), 6))
                if tests in whole:
                    found_here = neighbor_curves(
                        votes, truth, sizes, method=method, seed=settings.seed, most_nodes=settings.most_nodes
                    )
                    for name, shares in found_here.accuracy.items():
                        lines += curve(head, name, sizes, shares)
                else:
                    alone = certified_accuracy(said, truth, certified_sizes(votes), sizes)
                    lines += curve(head, "individual", sizes, alone)
    write_lines(out, lines)


if __name__ == "__main__":
    app()
