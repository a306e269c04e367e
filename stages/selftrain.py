"""Stage selftrain: poisoned/train, votes -> manifest, clean, rejected. Wins clean rows back, then draws the line.

People's decisions (data.overrides) are put over the verdicts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sanitize.artifacts import read_votes
from sanitize.data.parquet import split_rows
from sanitize.data.plain_columns import Columns
from sanitize.data.shards import find_shards
from sanitize.data.table import Table
from sanitize.evidence.groups import Groups
from sanitize.evidence.views import plain_views
from sanitize.filter_judges import laid_out
from sanitize.filter_manifest import ManifestSink, manifest_rows
from sanitize.filter_pass import provenance
from sanitize.filtering import KEPT, settle
from sanitize.io.atomic import atomic_write
from sanitize.io.digests import review_paths, whereabouts
from sanitize.overrides import read_overrides
from sanitize.params import Params, load_params
from sanitize.progress import step
from sanitize.resume import resumable
from stages.common import read_training_columns, stage_app

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
    source = find_shards(train)
    reviews = [Path(whereabouts(path)) for path in review_paths(given.data.overrides)]
    decided = read_overrides(reviews, source) if reviews else None  # before the work, not after it
    with resumable("selftrain", given, manifest, clean, rejected, soon=True) as map:
        table, columns = read_training_columns(train, given)
        counted = read_votes(votes, table.ids)
        views = plain_views(table, columns.inputs)
        verdict, _, groups = settle(table, counted, given, views=views, map=map, steps=step)
        kept_N, keep_N = np.full(len(table), KEPT, object), np.ones(len(table), np.bool_)
        verdicts = laid_out(len(table), table.ids, verdict, counted, kept_N, keep_N, table.labels)
        if decided is not None:
            verdicts = decided.applied(verdicts, 0)
        about = _about(given, table, columns, groups)
        metadata = provenance(source, given.sha256(), source.sha256(), about)("manifest")
        with atomic_write(manifest, clean, rejected) as (manifest_draft, clean_draft, rejected_draft):
            with ManifestSink(manifest_draft, metadata) as sink:
                sink.add(manifest_rows(source.shards[0].name, 0, verdicts, table.class_names, table.class_names))
            split_rows(train, verdicts.keep_n, clean_draft, rejected_draft)


def _about(given: Params, table: Table, columns: Columns, groups: Groups) -> dict[str, Any]:
    """What the manifest says of the run, as `filter_fit.Found.about` does."""
    return {
        "preset": given.preset,
        "seed": given.seed,
        "columns": {
            "label": columns.label,
            "inputs": list(columns.inputs),
            "modality": columns.modality,
            "found": columns.found,
        },
        "image_shape": list(table.inputs.shape[1:]) if table.modality == "image" else None,
        "groups": [group.as_json() for group in groups.known],
    }


if __name__ == "__main__":
    app()
