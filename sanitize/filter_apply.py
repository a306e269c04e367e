"""Write the rows that a manifest keeps, people's decisions put over it: nothing is fitted."""

# N rows
from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sanitize.data.parquet import read_arrow
from sanitize.data.shards import Shard, Source, find_shards
from sanitize.data.table import IntArray
from sanitize.errors import BadInput
from sanitize.evidence.groups import UNGROUPED
from sanitize.filter_memory import Memory
from sanitize.filter_pass import MANIFEST, PROVENANCE, Drafts, provenance, run_pass
from sanitize.filter_tally import BY_HAND, UNJUDGED, Verdicts, shown
from sanitize.io.destinations import local_path, refuse_outputs, refuse_suffix
from sanitize.io.digests import digest as digest_of
from sanitize.io.transaction import Transaction
from sanitize.overrides import read_overrides

SCHEMA_VERSION = 1
NEVER_NULL = ("row", "keep", "reason", "file")
ID = re.compile(r"G[1-9][0-9]{0,17}")  # of a group
AGAIN = "make it anew with `sanitize filter --manifest`"


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

    def picture(self, batch: pa.RecordBatch, row: int) -> None:
        """No picture: nothing is looked at."""


def apply_manifest(
    source: str | Path,
    kept: str | Path,
    manifest: Path,
    *,
    rejected: str | Path | None = None,
    overrides: Sequence[Path] = (),
    split: str | None = None,
) -> Applied:
    """Write the rows of `source` that a manifest keeps. The outputs appear together, or not at all.

    source, kept, rejected, split  as for `filter_file`
    manifest   of a run of `sanitize filter --manifest` on the same input
    overrides  review files: see `read_overrides`
    Raises     BadInput: no manifest, or one of another input; what `read_overrides` and reading and writing raise
               BadParams: outputs that are the input or each other
    """
    for place, name in ((kept, "OUT"), (rejected, "--rejected")):
        if place is not None:
            refuse_suffix(str(place), name)
    shards = find_shards(source, split)
    places = [local_path(str(place)) for place in (kept, rejected) if place is not None]
    refuse_outputs(shards, places if shards.single else [], [] if shards.single else places, [manifest, *overrides])
    stamps, digest = shards.stamps(), shards.sha256()
    judge, parameters = _recorded(manifest, shards, digest)
    decisions = read_overrides(overrides, shards)
    if overrides:
        decided = json.dumps([parameters, [digest_of(path) for path in overrides]])
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


def _recorded(path: Path, source: Source, digest: str) -> tuple[Recorded, str]:
    """A manifest's verdicts, and the SHA-256 of their parameters. BadInput: no manifest, or one of another input."""
    table = read_arrow(path, allow_empty=True)
    for field in MANIFEST:
        if table.column_names.count(field.name) != 1 or table.schema.field(field.name).type != field.type:
            raise BadInput(f"{path}: has no column {field.name!r} of type {field.type}; {AGAIN}")
        nulls = table[field.name].null_count
        if nulls and field.name in NEVER_NULL:
            raise BadInput(f"{path}: column {field.name!r} has {nulls} nulls; must have none; {AGAIN}")
    try:
        about = json.loads((table.schema.metadata or {})[PROVENANCE])
        made_from, parameters = str(about["input_sha256"]), str(about["parameters_sha256"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: does not say which input it is about; {AGAIN}") from error
    if made_from != digest:
        raise BadInput(
            f"{path}: is about an input with the SHA-256 {made_from[:12]}…, but {source.address} has {digest[:12]}…; "
            "name the input that it was made from, or filter again"
        )
    _refuse_other_rows(path, table, source)
    vote_N, classes = _places(table["vote"])
    label_N, labels = _places(table["label"])
    support_N, agreement_N, voters_N = (
        pc.fill_null(table[name], UNJUDGED).to_numpy().astype(np.int64) for name in ("support", "agreement", "voters")
    )
    suspicion_N = pc.fill_null(table["suspicion"], float("nan")).to_numpy()
    reason_N = table["reason"].to_numpy(zero_copy_only=False)
    keep_N = table["keep"].to_numpy(zero_copy_only=False)
    named_N = np.full(len(table), UNJUDGED, np.int64)
    group_N = _numbers(table["group"], path)
    verdicts = Verdicts(
        keep_N, reason_N, suspicion_N, vote_N, support_N, agreement_N, voters_N, label_N, named_N, group_N
    )
    return Recorded(verdicts, classes, labels), parameters


def _numbers(column: pa.ChunkedArray, path: Path) -> IntArray:
    """The numbers of groups from their ids, int64 [N]. BadInput: another text."""
    place_N, names = _places(column)
    for name in names:
        if not ID.fullmatch(name):
            raise BadInput(f"{path}: column 'group' holds {name!r}; must be G1, G2, … or null; {AGAIN}")
    number_G = np.array([*(int(name[1:]) for name in names), UNGROUPED], np.int64)
    found: IntArray = number_G[place_N]  # UNJUDGED is the last place
    return found


def _refuse_other_rows(path: Path, table: pa.Table, source: Source) -> None:
    """BadInput where the manifest's rows are not the input's, one for one and in its order."""
    if len(table) != source.rows:
        raise BadInput(f"{path}: has {len(table)} rows, but {source.address} has {source.rows}; {AGAIN}")
    first = 0
    for shard in source.shards:
        part, name = table.slice(first, shard.rows), shown(shard.name)
        same_n = pc.equal(part["file"], name).to_numpy() & (part["row"].to_numpy() == np.arange(shard.rows))
        if not same_n.all():
            place = int(np.flatnonzero(~same_n)[0])
            found = f"row {part['row'][place].as_py()} of {part['file'][place].as_py()}"
            raise BadInput(
                f"{path}: line {first + place} is about {found}; must be about row {place} of {name}: a manifest "
                f"has the input's order; {AGAIN}"
            )
        first += shard.rows


def _places(column: pa.ChunkedArray) -> tuple[IntArray, tuple[str, ...]]:
    """Texts as places among those that differ, int64 [N], UNJUDGED for null."""
    names = sorted(pc.unique(column.drop_null()).to_pylist())
    found = pc.index_in(column, value_set=pa.array(names, pa.string()))
    return pc.fill_null(found, UNJUDGED).to_numpy().astype(np.int64), tuple(names)
