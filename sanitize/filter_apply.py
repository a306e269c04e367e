"""Write the rows that a manifest keeps, people's decisions put over it: nothing is fitted."""

# N rows
from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sanitize.data.shards import Shard, find_shards
from sanitize.data.table import IntArray
from sanitize.errors import BadInput, BadParams
from sanitize.evidence.groups import UNGROUPED, number_of
from sanitize.filter_memory import Memory
from sanitize.filter_pass import Drafts, provenance, run_pass
from sanitize.filter_tally import BY_HAND, UNJUDGED, Verdicts
from sanitize.io.destinations import local_path, refuse_outputs, refuse_suffix
from sanitize.io.digests import digest as digest_of
from sanitize.io.transaction import Transaction
from sanitize.manifest_file import GROUP, ManifestFile, ids_of, read_manifest
from sanitize.overrides import read_overrides

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Applied:
    """What became of the rows.

    rows, kept, rejected  numbers of rows; rows = kept + rejected
    reasons               rows rejected for each cause
    by_hand               kept and dropped by hand
    """

    rows: int
    kept: int
    rejected: int
    reasons: dict[str, int]
    by_hand: tuple[int, int]
    input_sha256: str
    parameters_sha256: str

    def as_json(self) -> dict[str, Any]:
        """The document that `sanitize apply --json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "rows": self.rows,
            "kept": self.kept,
            "rejected": self.rejected,
            "reasons": self.reasons,
            "kept_by_hand": self.by_hand[0],
            "dropped_by_hand": self.by_hand[1],
            "input_sha256": self.input_sha256,
            "parameters_sha256": self.parameters_sha256,
        }


class Recorded:
    """A judge that looks verdicts up: see `filter_pass.Judge`."""

    columns: tuple[str, ...] = ()
    threads = 1

    def __init__(self, verdicts: Verdicts, classes: tuple[str, ...], labels: tuple[str, ...]) -> None:
        self.verdicts, self.classes, self.labels = verdicts, classes, labels

    def __call__(self, shard: Shard, start: int, first: int, batch: pa.RecordBatch) -> Verdicts:
        """See `filter_pass.Judge`."""
        return self.verdicts.part(first, batch.num_rows)


def apply_manifest(
    source: str | Path,
    kept: str | Path,
    manifest: Path,
    *,
    rejected: str | Path | None = None,
    overrides: Sequence[Path] = (),
    keep_groups: Sequence[str] = (),
    split: str | None = None,
) -> Applied:
    """Write the rows of `source` that a manifest keeps. The outputs appear together, or not at all.

    source, kept, rejected, split  as for `filter_file`
    manifest   of a run of `sanitize filter --manifest` on the same input
    overrides  review files: see `read_overrides`
    keep_groups  ids of groups whose rows are kept, but for those that a review drops
    Raises     BadInput: no manifest, or one of another input; what `read_overrides` and reading and writing raise
               BadParams: outputs that are the input or each other; a group that the manifest does not have
    """
    for place, name in ((kept, "OUT"), (rejected, "--rejected")):
        if place is not None:
            refuse_suffix(str(place), name)
    shards = find_shards(source, split)
    places = [local_path(str(place)) for place in (kept, rejected) if place is not None]
    refuse_outputs(shards, places if shards.single else [], [] if shards.single else places, [manifest, *overrides])
    stamps, digest = shards.stamps(), shards.sha256()
    given = read_manifest(manifest)
    given.refuse_other_input(shards, digest)
    judge, parameters = _recorded(given, keep_groups), given.parameters_sha256
    decisions = read_overrides(overrides, shards, partial(ids_of, given) if given.has_ids else None)
    if overrides or keep_groups:
        decided = json.dumps([parameters, [digest_of(path) for path in overrides], sorted(keep_groups)])
        parameters = hashlib.sha256(decided.encode()).hexdigest()
    with Transaction(places) as staging:
        staging.begin({"input": digest, "parameters": parameters}, False)
        drafts = Drafts(staging.drafts[0], staging.drafts[1] if rejected is not None else None, None)
        tally = run_pass(
            shards,
            judge,
            drafts,
            provenance(shards, parameters, digest),
            lambda rows: None,
            Memory(staging.inside, shards, drafts),
            overrides=decisions,
        )
        if shards.stamps() != stamps:
            raise BadInput(f"{source}: has changed while it was being read; apply the manifest to what it is about")
        names = [shard.name for shard in shards.shards]
        staging.commit({}, {} if shards.single else dict.fromkeys(places, names))
    by_hand = (tally.unjudged[BY_HAND[True]], tally.reasons[BY_HAND[False]])
    reasons = dict(sorted(tally.reasons.items()))
    return Applied(tally.rows, tally.rows - tally.rejected, tally.rejected, reasons, by_hand, digest, parameters)


def _recorded(manifest: ManifestFile, keep_groups: Sequence[str]) -> Recorded:
    """A manifest's verdicts, but that some groups are kept."""
    table = manifest.table
    vote_N, classes = _places(table["vote"])
    label_N, labels = _places(table["label"])
    support_N, agreement_N, voters_N = (
        pc.fill_null(table[name], UNJUDGED).to_numpy().astype(np.int64) for name in ("support", "agreement", "voters")
    )
    suspicion_N = pc.fill_null(table["suspicion"], float("nan")).to_numpy()
    reason_N = table["reason"].to_numpy(zero_copy_only=False)
    keep_N = table["keep"].to_numpy(zero_copy_only=False)
    named_N = np.full(len(table), UNJUDGED, np.int64)
    place_N, ids = _places(table[GROUP])
    number_G = np.array([*map(number_of, ids), UNGROUPED], np.int64)
    group_N: IntArray = number_G[place_N]  # UNJUDGED is the last place
    for name in keep_groups:
        if name not in ids:
            known = ", ".join(group.id for group in manifest.groups) or "none"
            raise BadParams(f"--keep-group is {name!r}; must be one of the groups of {manifest.path}: {known}")
        rows_N = group_N == number_of(name)
        keep_N, reason_N = keep_N | rows_N, np.where(rows_N, f"{BY_HAND[True]}: group {name}", reason_N)
    group_N = np.where(keep_N, UNGROUPED, group_N)
    stable_N = pc.fill_null(table["stable"].cast(pa.int64()), UNJUDGED).to_numpy()
    verdicts = Verdicts(
        keep_N, reason_N, suspicion_N, vote_N, support_N, agreement_N, voters_N, label_N, named_N, group_N, stable_N
    )
    return Recorded(verdicts, classes, labels)


def _places(column: pa.ChunkedArray) -> tuple[IntArray, tuple[str, ...]]:
    """Texts as places among those that differ, int64 [N], UNJUDGED for null."""
    names = sorted(pc.unique(column.drop_null()).to_pylist())
    found = pc.index_in(column, value_set=pa.array(names, pa.string()))
    return pc.fill_null(found, UNJUDGED).to_numpy().astype(np.int64), tuple(names)
