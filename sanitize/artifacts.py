"""The filter's tables as parquet: partition, votes, components, manifest. Plain types, one line per row."""

# N rows, R runs, V voters, K components
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from sanitize.boosting import ComponentVerdicts, RowVotes
from sanitize.data.parquet import read_arrow, write_arrow
from sanitize.data.table import IntArray
from sanitize.errors import BadInput
from sanitize.ispl import Partition

if TYPE_CHECKING:  # otherwise a change to self-training would make every partition stale
    pass


def write_partition(path: Path, ids: IntArray, found: Partition) -> None:
    """row int64, run int32, component int32 (-1 = left over), loss float32; sorted by run, then row."""
    runs, rows = found.component_RN.shape
    columns = {
        "row": np.tile(ids, runs),
        "run": np.repeat(np.arange(runs, dtype=np.int32), rows),
        "component": found.component_RN.ravel().astype(np.int32),
        "loss": found.loss_RN.ravel(),
    }
    write_arrow(pa.table(columns), path)


def read_partition(path: Path, ids: IntArray) -> Partition:
    """What `write_partition` wrote. BadInput: it is about other rows than `ids`, or they are not all in every run."""
    columns = _columns(path, ("row", "run", "component", "loss"))
    runs = len(columns["row"]) // max(1, len(ids))
    _same_rows(path, columns["row"], np.tile(ids, runs))
    _same_rows(path, columns["run"], np.repeat(np.arange(runs), len(ids)))
    return Partition(
        columns["component"].reshape(runs, len(ids)).astype(np.int64), columns["loss"].reshape(runs, len(ids))
    )


def write_votes(path: Path, ids: IntArray, votes: RowVotes) -> None:
    """row int64, one int32 column per voter (its prediction), then the counts, the loss and what the vote keeps."""
    by_voter = {
        f"voter_{run}_{component}": row.astype(np.int32)
        for (run, component), row in zip(votes.voters, votes.prediction_VN, strict=True)
    }
    columns = {
        "row": ids,
        **by_voter,
        "vote": votes.vote_N.astype(np.int32),
        "agreement": votes.agreement_N.astype(np.int32),
        "support": votes.support_N.astype(np.int32),
        "loss": votes.loss_N,
        "lower_half": votes.lower_half_N,
        "keep": votes.keep_N,
    }
    write_arrow(pa.table(columns), path)


def read_votes(path: Path, ids: IntArray) -> RowVotes:
    """What `write_votes` wrote. BadInput: it is about other rows than `ids`."""
    table = read_arrow(path)
    names = [name for name in table.column_names if name.startswith("voter_")] or ["voter_RUN_COMPONENT"]
    counts = ("vote", "agreement", "support", "loss", "lower_half", "keep")
    columns = _columns(path, ("row", *names, *counts))
    _same_rows(path, columns["row"], ids)
    voters = [(int(run), int(component)) for run, component in (name.split("_")[1:] for name in names)]
    return RowVotes(
        voters,
        np.stack([columns[name] for name in names]).astype(np.int64),
        columns["loss"],
        columns["vote"].astype(np.int64),
        columns["agreement"].astype(np.int64),
        columns["support"].astype(np.int64),
        columns["lower_half"],
        columns["keep"],
    )


def write_components(path: Path, voters: list[tuple[int, int]], verdicts: ComponentVerdicts) -> None:
    """Algorithm 2's verdict, one line per component: votes for it, votes needed, and whether it counts as clean."""
    columns = {
        "run": np.array([run for run, _ in voters], dtype=np.int32),
        "component": np.array([component for _, component in voters], dtype=np.int32),
        "rows": verdicts.weight_K.astype(np.int32),
        "votes_for": verdicts.votes_for_K.astype(np.int64),
        "votes_needed": np.full(len(voters), verdicts.votes_needed),
        "clean": verdicts.clean_K,
        "self_error": verdicts.self_error_K,
        "weight": verdicts.weight_K.astype(np.int64),
    }
    write_arrow(pa.table(columns), path)


def _columns(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    table = read_arrow(path)
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise BadInput(f"{path}: has no column {missing[0]!r}; run the stage that writes it again")
    return {name: table[name].to_numpy() for name in names}


def _same_rows(path: Path, found: IntArray, expected: IntArray) -> None:
    if not np.array_equal(found, expected):
        raise BadInput(f"{path}: is about other rows than the training table; run its stage again")
