"""Manifests with groups, in the form that `sanitize filter --manifest` writes: real ones, with groups put into them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sanitize.data.shards import find_shards
from sanitize.evidence.groups import UNGROUPED
from sanitize.filter_manifest import ManifestSink, manifest_rows
from sanitize.filter_pass import PROVENANCE, provenance
from sanitize.filter_tally import Verdicts


def rewritten(
    path: Path,
    *,
    groups: Sequence[Mapping[str, Any]] = (),
    members: Mapping[str, Sequence[int]] | None = None,
    values: Mapping[str, Sequence[Any]] | None = None,
    **about: Any,
) -> Path:
    """Put groups, values of columns and further keys into a manifest, in its place.

    groups   as the metadata has them
    members  group -> lines of the manifest
    values   column -> its values in place of the ones that are there
    """
    table = pq.read_table(path)
    said = json.loads(table.schema.metadata[PROVENANCE])
    said |= {"groups": list(groups), **about}
    group_of = {line: name for name, lines in (members or {}).items() for line in lines}
    replaced = {"group": [group_of.get(line) for line in range(len(table))], **(values or {})}
    for name, given in replaced.items():
        column = pa.array(given, pa.string() if name == "group" else table.schema.field(name).type)
        place = table.schema.get_field_index(name)
        table = table.append_column(name, column) if place < 0 else table.set_column(place, name, column)
    pq.write_table(table.replace_schema_metadata({PROVENANCE: json.dumps(said, sort_keys=True).encode()}), path)
    return path


def made(source: Path, path: Path, label_N: np.ndarray, names: Sequence[str], dropped: Sequence[int]) -> Path:
    """The manifest of a source of one file: 16 voters, of whom those of a dropped row say the next class.

    Of the dropped rows the earlier are the more suspicious, from 1 down to 0.5; kept rows have 0.25.
    """
    shards, rows = find_shards(source), len(label_N)
    keep_N = np.ones(rows, np.bool_)
    keep_N[dropped] = False
    reason_N = np.full(rows, "kept", object)
    reason_N[dropped] = "outvoted: 14 of 16 voters"
    suspicion_N = np.full(rows, 0.25)
    suspicion_N[dropped] = np.linspace(1, 0.5, len(dropped))
    vote_N = np.where(keep_N, label_N, (label_N + 1) % len(names))
    count_N = np.full(rows, 16)
    support_N, agreement_N = np.where(keep_N, 15, 2), np.where(keep_N, 15, 13)
    group_N = np.full(rows, UNGROUPED)
    counts = (vote_N, support_N, agreement_N, count_N, label_N, vote_N, group_N, np.ones(rows, np.int64))
    found = Verdicts(keep_N, reason_N, suspicion_N, *counts)
    with ManifestSink(path, provenance(shards, "0" * 64, shards.sha256())("manifest")) as sink:
        sink.add(manifest_rows(shards.shards[0].name, 0, found, names, names))
    return path


def page_data(page: str, name: str = "data") -> Any:
    """What a page gives its script."""
    (found,) = re.findall(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)
