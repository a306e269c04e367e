"""The two judges of rows: one has seen them all before, the other asks voters about every batch.

Rows that cannot be read, and rows of classes too small to judge, get their verdict here, from the rules.
"""

# n rows of a batch, C classes
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sanitize.boosting import UNASKED, RowVotes, stable_rows
from sanitize.data.labels import NONE, UNLABELLED, LabelEncoder, reading_of
from sanitize.data.predictions import Predictions
from sanitize.data.recipe import Recipe
from sanitize.data.shards import Shard, Source
from sanitize.data.stored import Bad
from sanitize.data.table import BoolArray, IntArray
from sanitize.errors import BadInput
from sanitize.evidence.groups import UNGROUPED
from sanitize.filter_options import OnBad, Rules
from sanitize.filter_tally import UNJUDGED, UNREADABLE, Verdicts, put_together
from sanitize.filtering import KEPT, Manifest
from sanitize.panel import Bench

TOO_FEW = "too few to judge"
INPUT_BYTES = 16 << 20  # of inputs that a thread makes at once: texts are few bytes in the file and many as inputs
NO_LABEL = "unlabelled"


@dataclass(frozen=True)
class Classes:
    """The classes of an input.

    code      numbers every class that the input, or the voters, know
    small     those that are too small to judge, with their rows
    to_panel  int64 [all], a class's number among the judged ones, NONE for the small ones
    judged    the names of the judged ones
    """

    code: LabelEncoder
    small: dict[str, int]
    to_panel: IntArray
    judged: tuple[str, ...]

    def judged_of(self, code_n: IntArray) -> IntArray:
        """int64 [n], places among the judged classes, NONE for all others."""
        return np.append(self.to_panel, NONE)[np.where(code_n < 0, len(self.to_panel), code_n)]


class Rows:
    """Encodes and decodes batches, and says which rows can be judged."""

    def __init__(self, source: Source, recipe: Recipe, classes: Classes, rules: Rules) -> None:
        self.source, self.recipe, self.classes, self.rules = source, recipe, classes, rules

    def read(
        self, columns: pa.Table, code_n: IntArray, wrong: Bad, name_of: Callable[[int], str]
    ) -> tuple[NDArray[Any], IntArray, IntArray, BoolArray, NDArray[np.object_], BoolArray]:
        """Everything about some rows.

        columns  with the recipe's inputs
        code_n   int64 [n], of `LabelEncoder.encode`, as is `wrong`
        name_of  position -> "FILE: row NUMBER", for messages
        Returns  inputs of all rows; label's place among all classes [n]; among the judged ones [n]; whether a row can
                 be judged [n]; the reasons of the others [n]; and whether the others are kept [n]
        """
        label = self.recipe.label
        inputs, bad = self.recipe.decode(columns, self.rules.image_root)
        panel_n = self.classes.judged_of(code_n)
        reason_n = np.full(len(code_n), KEPT, object)
        keep_n = np.ones(len(code_n), np.bool_)
        for row in np.flatnonzero(panel_n < 0):
            if code_n[row] >= 0:
                name = self.classes.code.names[code_n[row]]
                reason_n[row] = f"{TOO_FEW}: class {name} has {self.classes.small[name]} rows"
                keep_n[row] = self._kept(self.rules.on_small_class, name_of, int(row), reason_n[row])
        reason_n[code_n == UNLABELLED] = f"{NO_LABEL}: label column {label!r} is -1, which no name stands for"
        for place, cause in wrong.items():
            bad.setdefault(place, cause)
        for place, cause in bad.items():
            reason_n[place] = f"{UNREADABLE}: {cause}"
            keep_n[place] = self._kept(self.rules.on_bad_row, name_of, place, cause)
        judged_n = (panel_n >= 0) & (reason_n == KEPT)
        return inputs, np.maximum(code_n, NONE), panel_n, judged_n, reason_n, keep_n

    def _kept(self, rule: OnBad, name_of: Callable[[int], str], row: int, cause: str) -> bool:
        if rule == "fail":
            raise BadInput(f"{name_of(row)}, {cause}; mend or drop such rows, or let them be kept or rejected")
        return rule == "keep"


def laid_out(
    rows: int,
    judged: IntArray,
    manifest: Manifest,
    votes: RowVotes,
    reason_n: Any,
    keep_n: Any,
    code_n: IntArray,
    named_N: IntArray | None = None,
) -> Verdicts:
    """Verdicts on all rows from those on the judged ones; named_N: see `Bench.named`."""
    asked_N = (votes.prediction_VN != UNASKED).sum(axis=0)
    counts = [np.full(rows, UNJUDGED, np.int64) for _ in range(6)]
    named = UNJUDGED if named_N is None else named_N
    values = (votes.vote_N, votes.support_N, votes.agreement_N, asked_N, named, stable_rows(votes))
    for array, value in zip(counts, values, strict=True):
        array[judged] = value
    suspicion_n = np.full(rows, np.nan)
    suspicion_n[judged] = manifest.suspicion_N
    keep_n[judged] = manifest.keep_N
    dropped = np.flatnonzero(~manifest.keep_N)
    reason_n[judged[dropped]] = [manifest.reason_N[row] for row in dropped]
    group_n = np.full(rows, UNGROUPED, np.int64)
    group_n[judged] = manifest.group_N
    vote_n, support_n, agreement_n, asked_n, named_n, stable_n = counts
    return Verdicts(
        keep_n, reason_n, suspicion_n, vote_n, support_n, agreement_n, asked_n, code_n, named_n, group_n, stable_n
    )


class RowScorer:
    """Judges batches: what is known of rows that were fitted to is looked up, all others are scored.

    rows       encodes and decodes batches
    verdicts   on the rows that were fitted to; None = on none
    positions  int64, ascending, where these rows stand in the whole input; None = they are all of it
    bench      scores the others; None where there are none
    more       what further voters say of all rows
    threads    how many batches may be judged at a time
    """

    def __init__(
        self,
        rows: Rows,
        verdicts: Verdicts | None,
        positions: IntArray | None,
        bench: Bench | None,
        more: Sequence[Predictions] = (),
        threads: int = 1,
    ) -> None:
        self.rows, self.verdicts, self.positions, self.bench, self.more = rows, verdicts, positions, bench, more
        self.threads = threads if bench is not None else 1
        self.columns = () if bench is None else (*rows.recipe.inputs, rows.recipe.label)
        self.classes, self.labels = rows.classes.judged, rows.classes.code.names
        width = int(np.prod(rows.recipe.shape)) * (1 if rows.recipe.modality == "image" else 4)
        self.at_once = max(1, INPUT_BYTES // max(1, width))

    def __call__(self, shard: Shard, start: int, first: int, batch: pa.RecordBatch) -> Verdicts:
        """See `filter_pass.Judge`."""
        if self.bench is None:
            assert self.verdicts is not None
            return self.verdicts.part(first, batch.num_rows)
        others, parts = np.arange(batch.num_rows), []
        if self.verdicts is not None:
            assert self.positions is not None
            begin, end = np.searchsorted(self.positions, [first, first + batch.num_rows]).tolist()
            known = self.positions[begin:end] - first
            parts.append((known, self.verdicts.part(begin, end - begin)))
            others = np.setdiff1d(others, known, assume_unique=True)
            names = [name for name in self.columns if name in batch.schema.names]
            batch = batch.select(names).take(pa.array(others))
        rows = len(others) if parts else max(1, len(others))  # a batch may be empty
        for begin in range(0, rows, self.at_once):
            place_n = others[begin : begin + self.at_once]
            scored = self._scored(self.bench, shard, start, first, batch.slice(begin, self.at_once), place_n)
            parts.append((place_n, scored))
        return parts[0][1] if len(parts) == 1 else put_together(sum(len(place_n) for place_n, _ in parts), parts)

    def _scored(
        self, bench: Bench, shard: Shard, start: int, first: int, batch: pa.RecordBatch, place_n: IntArray
    ) -> Verdicts:
        """Verdicts of the bench on rows that stand at these places of a batch that begins at `start`, `first`."""
        seen = pa.Table.from_batches([shard.with_keys(batch, self.columns)])
        label = self.rows.recipe.label
        reading = reading_of(shard.schema, label, shard.name)
        inputs, code_n, panel_n, judged_n, reason_n, keep_n = self.rows.read(
            seen,
            *self.rows.classes.code.encode(seen.column(label), reading, label, shard.name),
            lambda row: f"{shard.name}: row {start + int(place_n[row])}",
        )
        judged = np.flatnonzero(judged_n)
        if not len(judged):
            nothing = np.full(len(code_n), UNJUDGED, np.int64)
            blank = np.full(len(code_n), np.nan)
            none = np.full(len(code_n), UNGROUPED, np.int64)
            return Verdicts(keep_n, reason_n, blank, nothing, nothing, nothing, nothing, code_n, nothing, none, nothing)
        if len(judged) < len(code_n):
            inputs = inputs[judged]
        more = [predictions.rows(first + place_n[judged]) for predictions in self.more]
        votes, manifest = bench.judge(inputs, panel_n[judged], more)
        named_n = bench.named(votes)
        return laid_out(len(code_n), judged, manifest, votes, reason_n, keep_n, code_n, named_n)
