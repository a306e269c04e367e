"""Stage selftrain: poisoned/train, votes -> manifest, clean, rejected. Wins clean rows back, then draws the line."""

from __future__ import annotations

from pathlib import Path

from sanitize.artifacts import read_votes, write_manifest
from sanitize.data.parquet import split_rows
from sanitize.filtering import settle
from sanitize.io.atomic import atomic_write
from sanitize.params import load_params
from sanitize.progress import step
from sanitize.resume import resumable
from stages.common import read_training, stage_app

app = stage_app("selftrain")


@app.command()
def main(
    params: Path = Path("params.yaml"),
    train: Path = Path("data/poisoned/train.parquet"),
    votes: Path = Path("data/votes.parquet"),
    manifest: Path = Path("data/manifest.parquet"),
    clean: Path = Path("data/clean.parquet"),
    rejected: Path = Path("data/rejected.parquet"),
) -> None:
    """Decide on every row, and part the training file into clean and rejected rows."""
    given = load_params(params)
    with resumable("selftrain", given, manifest, clean, rejected, soon=True) as map:
        table = read_training(train, given)
        counted = read_votes(votes, table.ids)
        verdict, _, _ = settle(table, counted, given, map=map, steps=step)
        with atomic_write(manifest, clean, rejected) as (manifest_draft, clean_draft, rejected_draft):
            write_manifest(manifest_draft, table.ids, verdict)
            split_rows(train, verdict.keep_N, clean_draft, rejected_draft)


if __name__ == "__main__":
    app()
