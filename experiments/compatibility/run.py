"""Are clean and poisoned rows incompatible? params.yaml -> points and curves as CSV. Sec. 4.1, Jin et al. 2023.

Run as `python -m experiments.compatibility.run`; README.md says what the columns mean.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sanitize.attacks.base import find
from sanitize.attacks.select import class_index
from sanitize.compatibility import Point, RatioMean, incompatibility_experiment, mean_by_ratio
from sanitize.data.ingest import load_source
from sanitize.data.parquet import decode_table
from sanitize.data.table import Table
from sanitize.errors import BadParams
from sanitize.io.atomic import atomic_write
from sanitize.learners.base import make_learner
from sanitize.params import Params, load_params
from stages.common import stage_app

HERE = Path("experiments/compatibility")
app = stage_app("compatibility", pipeline=False)


def measure(params: Params, draws: int) -> list[Point]:
    """The experiment on the training rows of `params.data`, poisoned as `params.attack` says.

    draws    of C, and of P' for every C
    Returns  see sanitize.compatibility.incompatibility_experiment; each learner trains for `train.epochs`
    Raises   BadParams: an attack without a source class; otherwise as its parts do
    """
    if "source" not in params.attack.options:
        raise BadParams(
            f"attack.name is {params.attack.name!r} without attack.source; the experiment needs the one class that the "
            "poison is made of; add it"
        )
    origin = f"data.source {params.data.source}"
    arrow = load_source(params.data, params.seed).train
    clean, _ = decode_table(arrow, label=params.data.label, inputs=params.data.inputs, origin=origin)
    poisoned = find(params.attack)(clean, clean.take(np.zeros(0, np.int64)), params.seed)
    both = Table(
        np.arange(len(clean) + len(poisoned.positions)),
        np.concatenate([clean.inputs, poisoned.inputs]),
        np.concatenate([clean.labels, poisoned.labels]),
        clean.class_names,
        clean.modality,
    )
    return incompatibility_experiment(
        make_learner(params.learner, both, params.seed),
        both,
        clean=np.arange(len(clean)),
        poison=np.arange(len(clean), len(both)),
        origin=poisoned.positions,
        source=class_index(clean, params.attack.options["source"], "attack.source"),
        epochs=params.train.epochs,
        seed=params.seed,
        clean_draws=draws,
        poison_draws=draws,
    )


@app.command()
def main(
    params: Path = HERE / "params.yaml",
    points: Path = Path("reports/compatibility/points.csv"),
    means: Path = Path("reports/compatibility/means.csv"),
    draws: int = 5,
) -> None:
    """Write every draw's errors to `points`, and their means by poison ratio to `means`."""
    found = measure(load_params(params), draws)
    with atomic_write(points, means) as drafts:
        _write(drafts[0], Point, found)
        _write(drafts[1], RatioMean, mean_by_ratio(found))


def _write(path: Path, kind: type[NamedTuple], lines: Sequence[tuple[float, ...]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(kind._fields)
        writer.writerows([round(value, 6) for value in line] for line in lines)


if __name__ == "__main__":
    app()
