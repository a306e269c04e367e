"""Verdicts on a batch of rows, and what becomes of them in numbers."""

# n rows of a batch, C classes
from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from sanitize.data.table import BoolArray, IntArray
from sanitize.evidence.groups import TRIGGER, UNGROUPED
from sanitize.filtering import KEPT, cause_of
from sanitize.signal import Named, count_named

UNJUDGED = -1
BY_HAND = {True: "kept by hand", False: "dropped by hand"}  # the causes of rows that people decided on
UNREADABLE = "unreadable"  # the cause of rows that cannot be read
CAUSES = 100  # ways of being unreadable that are told apart
_VALUES = re.compile(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"|\d+")  # what differs from row to row in a cause


@dataclass(frozen=True)
class Verdicts:
    """What becomes of n rows.

    keep_n       bool [n]
    reason_n     n strings: "kept", or a cause, a colon and details
    suspicion_n  float64 [n], 0..1, higher = worse; NaN where a row was not judged
    vote_n       int64 [n], the label that most voters say, a place in `classes`; UNJUDGED where a row was not judged
    support_n    int64 [n], voters that say the given label; UNJUDGED likewise
    agreement_n  int64 [n], voters that say `vote_n`; UNJUDGED likewise
    voters_n     int64 [n], voters that were asked; UNJUDGED likewise
    label_n      int64 [n], place of the given label among all class names; UNJUDGED where it is none
    named_n      int64 [n], the label that most voters asked about every row say, a place in `classes`; UNJUDGED where a
                 row was not judged, or was fitted to
    group_n      int64 [n], the number of a row's group, UNGROUPED where it is in none
    stable_n     int64 [n], 1 where most voters of every run name the same class, 0 where not; UNJUDGED where a row was
                 not judged, or not by voters of two runs
    """

    keep_n: BoolArray
    reason_n: NDArray[np.object_]
    suspicion_n: NDArray[np.float64]
    vote_n: IntArray
    support_n: IntArray
    agreement_n: IntArray
    voters_n: IntArray
    label_n: IntArray
    named_n: IntArray
    group_n: IntArray
    stable_n: IntArray

    def part(self, start: int, rows: int) -> Verdicts:
        """The verdicts on `rows` rows from `start` on."""
        cut = slice(start, start + rows)
        return Verdicts(*(getattr(self, field.name)[cut] for field in fields(self)))


def shown(file: str) -> str:
    """A file's name as text: what is no UTF-8 in it as an escape, \\xe9."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def put_together(rows: int, parts: Sequence[tuple[IntArray, Verdicts]]) -> Verdicts:
    """Verdicts on n rows from those on parts of them: (places of the part's rows, verdicts), which cover all."""
    arrays = []
    for one in fields(Verdicts):
        whole = np.empty(rows, getattr(parts[0][1], one.name).dtype)
        for place_n, part in parts:
            whole[place_n] = getattr(part, one.name)
        arrays.append(whole)
    return Verdicts(*arrays)


@dataclass
class Tally:
    """What the pass counted.

    reasons    rows rejected for each cause
    unjudged   rows kept without a verdict, or against it by hand, for each cause
    unstable   rows rejected on which the voters of two runs disagree, but for those that people dropped
    classes    rows and rejected rows of each class
    named      of each class: rows judged that bear it, rows of which it is named by voters that had not seen them, both
    against    of each class: rows that were judged and rejected, by the class that most voters say, or by TRIGGER
    causes     what is wrong with unreadable rows, without its values -> how many rows, and the first of them in full
    groups     rows rejected of every group, by its number
    """

    rows: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    unjudged: Counter[str] = field(default_factory=Counter)
    unstable: int = 0
    classes: dict[str, tuple[int, int]] = field(default_factory=dict)
    named: dict[str, Named] = field(default_factory=dict)
    against: dict[str, Counter[str]] = field(default_factory=dict)
    causes: dict[str, tuple[int, str]] = field(default_factory=dict)
    groups: Counter[int] = field(default_factory=Counter)

    @property
    def unreadable(self) -> int:
        """Rows that cannot be read, rejected or kept."""
        return self.reasons[UNREADABLE] + self.unjudged[UNREADABLE]

    @property
    def commonest(self) -> str:
        """What is wrong with most of the unreadable rows, in words, with the first such row; "" = there are none."""
        if not self.causes:
            return ""
        rows, example = max(self.causes.values(), key=lambda pair: pair[0])
        return f"{rows} of them like {example}"

    def blame(self, cause: str, rows: int, example: str) -> None:
        """Count unreadable rows that have one cause."""
        before, first = self.causes.get(cause, (0, example))
        if before or len(self.causes) < CAUSES:
            self.causes[cause] = (before + rows, first)

    def name(self, found: Mapping[str, Named]) -> None:
        """Count what voters named; see `named`."""
        for name, (bear, named, both) in found.items():
            before = self.named.get(name, (0, 0, 0))
            self.named[name] = (before[0] + bear, before[1] + named, before[2] + both)

    def add(self, other: Tally) -> None:
        """Count what another tally has counted."""
        self.rows += other.rows
        self.rejected += other.rejected
        self.reasons.update(other.reasons)
        self.unjudged.update(other.unjudged)
        self.unstable += other.unstable
        self.groups.update(other.groups)
        for name, (rows, rejected) in other.classes.items():
            before = self.classes.get(name, (0, 0))
            self.classes[name] = (before[0] + rows, before[1] + rejected)
        self.name(other.named)
        for name, counts in other.against.items():
            self.against.setdefault(name, Counter()).update(counts)
        for cause, (number, example) in other.causes.items():
            self.blame(cause, number, example)


def count_batch(
    tally: Tally,
    found: Verdicts,
    labels: Sequence[str],
    classes: Sequence[str],
    file: str,
    start: int,
) -> None:
    """Count the verdicts on a batch of rows.

    labels   the names that labels are places of
    classes  the names that votes are places of
    file     the rows' file; row `start` and on of it
    """
    tally.rows += len(found.keep_n)
    rejected = np.flatnonzero(~found.keep_n)
    tally.rejected += len(rejected)
    tally.reasons.update(map(cause_of, found.reason_n[rejected]))
    grouped = rejected[found.group_n[rejected] != UNGROUPED]
    tally.unstable += int(np.count_nonzero(found.stable_n[grouped] == 0))
    tally.groups.update(found.group_n[grouped].tolist())
    spared = found.keep_n & (found.reason_n != KEPT)
    tally.unjudged.update(map(cause_of, found.reason_n[spared]))
    for row in np.flatnonzero(found.reason_n != KEPT):
        cause, _, details = found.reason_n[row].partition(": ")
        if cause == UNREADABLE:
            tally.blame(_VALUES.sub("…", details), 1, f"{file}, row {start + row}: {details}")
    known = found.label_n >= 0
    rows_C = np.bincount(found.label_n[known], minlength=len(labels))
    dropped_C = np.bincount(found.label_n[known & ~found.keep_n], minlength=len(labels))
    for place in np.flatnonzero(rows_C).tolist():
        rows, dropped = tally.classes.get(labels[place], (0, 0))
        tally.classes[labels[place]] = (rows + int(rows_C[place]), dropped + int(dropped_C[place]))
    tally.name(_named(found, labels, classes))
    for row in rejected[(found.vote_n[rejected] >= 0) & (found.label_n[rejected] >= 0)].tolist():
        cause = cause_of(found.reason_n[row])
        if cause == BY_HAND[False]:
            continue
        counts = tally.against.setdefault(labels[found.label_n[row]], Counter())
        counts[TRIGGER if cause == TRIGGER else classes[found.vote_n[row]]] += 1


def _named(found: Verdicts, labels: Sequence[str], classes: Sequence[str]) -> dict[str, Named]:
    """See `Tally.named`."""
    asked = np.flatnonzero(found.named_n >= 0)
    if not len(asked):
        return {}
    place = {name: number for number, name in enumerate(classes)}
    class_L = np.array([place.get(name, UNJUDGED) for name in labels], np.int64)
    label_n, named_n = class_L[found.label_n[asked]], found.named_n[asked]
    counted = count_named(named_n, label_n, len(classes))
    return {classes[number]: counts for number, counts in counted.items()}
