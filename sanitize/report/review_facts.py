"""A manifest in numbers and sentences: what was dropped for which cause, class by class, and what to look at first."""

# N rows
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sanitize.data.table import IntArray
from sanitize.evidence.groups import TRIGGER
from sanitize.filter_summary import class_warnings, seed_warnings
from sanitize.filter_tally import BY_HAND
from sanitize.filtering import KEPT
from sanitize.manifest_file import ManifestFile
from sanitize.report.words import count, percent

NO_CLASS = "?"  # of rows whose label cannot be read
SHOWN_CLASSES = 200
MATRIX = 15  # classes up to which the outvoted rows are a matrix
SHOWN_PAIRS = 60
SHOWN_WARNINGS = 30


@dataclass(frozen=True)
class ClassLine:
    """A class: its name, its rows, and how many of them are dropped."""

    name: str
    rows: int
    dropped: int


@dataclass(frozen=True)
class Section:
    """A further section of the page: its id, its name in the table of contents, and its HTML, escaped."""

    id: str
    name: str
    html: str


@dataclass(frozen=True)
class Further:
    """What is known about a run besides its manifest.

    headline  in place of the manifest's
    lead      sentences below it
    sections  after those about rows and classes
    poisoned  position of a row -> whether it is poisoned; without the rows of which nobody knows
    again     the command that makes the verdicts again; None = as the manifest tells
    apply     the command that makes decisions count; None likewise
    """

    headline: str | None = None
    lead: Sequence[str] = ()
    sections: Sequence[Section] = ()
    poisoned: Mapping[int, bool] = field(default_factory=dict)
    again: str | None = None
    apply: str | None = None


@dataclass(frozen=True)
class Facts:
    """What became of the rows.

    causes     rows dropped for each cause, most first
    spared     rows kept without a verdict or against it, by cause
    classes    the class that lost the largest part first; at most SHOWN_CLASSES
    more       classes left out
    pairs      (given class, class that most voters say, outvoted rows), most first
    warnings   what to look at before the outcome is trusted
    """

    rows: int
    dropped: int
    causes: list[tuple[str, int]]
    spared: list[tuple[str, int]]
    classes: list[ClassLine]
    more: int
    pairs: list[tuple[str, str, int]]
    warnings: list[str]

    @property
    def headline(self) -> str:
        """The outcome in a few words."""
        if not self.dropped:
            return f"No row of {self.rows:,} dropped"
        return f"{self.dropped:,} of {count(self.rows, 'row')} dropped ({percent(self.dropped / self.rows)})"

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        if not self.dropped:
            return f"All of {count(self.rows, 'row')} are kept."
        why = ", ".join(f"{cause} ({rows:,})" for cause, rows in self.causes)
        return f"{self.rows - self.dropped:,} of {count(self.rows, 'row')} are kept, {self.dropped:,} dropped: {why}."

    @property
    def matrix(self) -> tuple[list[str], list[str]] | None:
        """The given and the predicted classes of `pairs`, where they are few enough for a matrix."""
        given, said = sorted({one for one, _, _ in self.pairs}), sorted({one for _, one, _ in self.pairs})
        return (given, said) if 1 < max(len(given), len(said)) <= MATRIX else None


def facts_of(manifest: ManifestFile) -> Facts:
    """Count what a manifest says."""
    table = manifest.table
    kept_N = table["keep"].to_numpy(zero_copy_only=False).astype(np.bool_)
    counts = _counted(table, ["keep", "cause"])
    causes = [(cause or "", rows) for (keep, cause), rows in counts.items() if not keep]
    spared = [(cause, rows) for (keep, cause), rows in counts.items() if keep and cause not in (None, KEPT)]
    classes: dict[str, tuple[int, int]] = {}
    for (label, keep), rows in _counted(table.filter(pc.is_valid(table["label"])), ["label", "keep"]).items():
        before = classes.get(label, (0, 0))
        classes[label] = (before[0] + rows, before[1] + (0 if keep else rows))
    judged = table.filter(
        pc.and_(pc.and_(pc.invert(table["keep"]), pc.is_valid(table["vote"])), pc.is_valid(table["label"]))
    )
    against: dict[str, Counter[str]] = {}
    pairs: Counter[tuple[str, str]] = Counter()
    for (label, cause, vote), rows in _counted(judged, ["label", "cause", "vote"]).items():
        if cause == BY_HAND[False]:
            continue
        against.setdefault(label, Counter())[cause if cause == TRIGGER else vote] += rows
        if cause != TRIGGER and vote != label:
            pairs[label, vote] += rows
    lines = [ClassLine(name, *counted) for name, counted in classes.items()]
    lines.sort(key=lambda line: (-line.dropped / line.rows, -line.dropped, line.name))
    warnings = class_warnings(dict(sorted(classes.items())), against)
    left = len(warnings) - SHOWN_WARNINGS
    stable = table.filter(pc.is_valid(table["group"]))["stable"]
    seeds = seed_warnings(pc.sum(pc.equal(stable, False)).as_py() or 0, len(stable))
    return Facts(
        rows=len(table),
        dropped=int(np.count_nonzero(~kept_N)),
        causes=sorted(causes, key=lambda one: (-one[1], one[0])),
        spared=sorted(spared, key=lambda one: (-one[1], one[0])),
        classes=lines[:SHOWN_CLASSES],
        more=max(0, len(lines) - SHOWN_CLASSES),
        pairs=sorted(((*pair, rows) for pair, rows in pairs.items()), key=lambda one: (-one[2], one)),
        warnings=warnings[:SHOWN_WARNINGS] + ([f"{left} more classes lose as much"] if left > 0 else []) + seeds,
    )


def _counted(table: pa.Table, names: Sequence[str]) -> dict[tuple[Any, ...], int]:
    """Values of these columns -> how many rows have them."""
    found = table.group_by(list(names)).aggregate([([], "count_all")])
    columns = [found[name].to_pylist() for name in names]
    return dict(zip(zip(*columns, strict=True), found["count_all"].to_pylist(), strict=True))


def most_suspicious(manifest: ManifestFile, places: IntArray, most: int | None = None) -> IntArray:
    """Of some rows the most suspicious first, of equals the earlier; those without a figure last."""
    suspicion_N = pc.fill_null(manifest.table["suspicion"], -1.0).to_numpy()
    order: IntArray = places[np.argsort(-suspicion_N[places], kind="stable")]
    return order[:most]
