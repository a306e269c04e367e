"""Stage partition: poisoned/train -> partition. Algorithm 1, several runs."""

from __future__ import annotations

from pathlib import Path

from sanitize.artifacts import write_partition
from sanitize.ispl import partition
from sanitize.params import load_params
from sanitize.progress import step
from sanitize.resume import resumable
from stages.common import read_training, stage_app

app = stage_app("partition")


@app.command()
def main(
    params: Path = Path("params.yaml"),
    train: Path = Path("data/poisoned/train.parquet"),
    out: Path = Path("data/partition.parquet"),
) -> None:
    """Split the training rows into components that learn together."""
    given = load_params(params)
    with resumable("partition", given, out, soon=True) as map:
        table = read_training(train, given)
        with step("ISPL runs", given.ispl.runs) as advance:
            found = partition(table, given.learner, given.ispl, given.seed, map=map, advance=advance)
        write_partition(out, table.ids, found)


if __name__ == "__main__":
    app()
