"""Stage selftrain: poisoned/train, votes -> manifest, clean, rejected. Wins clean rows back, then draws the line.

People's decisions (data.overrides) are put over the verdicts.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sanitize.artifacts import read_votes, write_manifest
from sanitize.data.parquet import split_rows
from sanitize.data.shards import find_shards
from sanitize.filtering import Manifest, settle
from sanitize.io.atomic import atomic_write
from sanitize.io.digests import review_paths, whereabouts
from sanitize.overrides import Overrides, read_overrides
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
    reviews = [Path(whereabouts(path)) for path in review_paths(given.data.overrides)]
    decided = read_overrides(reviews, find_shards(train)) if reviews else None  # before the work, not after it
    with resumable("selftrain", given, manifest, clean, rejected, soon=True) as map:
        table = read_training(train, given)
        counted = read_votes(votes, table.ids)
        verdict, _, _ = settle(table, counted, given, map=map, steps=step)
        if decided is not None:
            verdict = _overruled(verdict, decided)
        with atomic_write(manifest, clean, rejected) as (manifest_draft, clean_draft, rejected_draft):
            write_manifest(manifest_draft, table.ids, verdict)
            split_rows(train, verdict.keep_N, clean_draft, rejected_draft)


def _overruled(manifest: Manifest, decided: Overrides) -> Manifest:
    """The manifest with people's decisions put over it."""
    keep_N, reason_N = manifest.keep_N.copy(), list(manifest.reason_N)
    keep_N[decided.position_D] = decided.keep_D
    for position, reason in zip(decided.position_D.tolist(), decided.reason_D, strict=True):
        reason_N[position] = reason
    return replace(manifest, keep_N=keep_N, reason_N=reason_N)


if __name__ == "__main__":
    app()
