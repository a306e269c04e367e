"""What a group's rows share that other rows lack: learnt from one half of the rows, counted in the other.

Strong is what many rows of the group have, hardly any other row of their class and of the class that they look like,
and hardly any row of all other classes. Rows that are merely hard fail the first, values that are usual elsewhere the
last. Halves are the first and the second half by position: rows that lie beside each other, such as frames of one film,
do not vouch for each other.

Not in the papers.
"""

# N rows, n rows of a part
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from sanitize.data.table import BoolArray, IntArray

MOST_ROWS = 2_000  # of each part that a group is compared with
LEAST_HALF = 3  # rows of the group in each half
OTHERS_HAVE = 0.05  # part of the other rows of the class, and of the class that they look like, at the most
PRECISION = 0.9  # part of all rows that have it, but for the class's others, that are the group's, at the least
NOTHING = "nothing that can be named; probably a hard class"
TOO_FEW = "too few rows to tell"
Region = tuple[int, int, int, int]


class Compared(NamedTuple):
    """Positions, ascending: rows of the group, other rows of its class, and rows of the class that they look like."""

    group: IntArray
    others: IntArray
    like: IntArray

    def half(self, number: int) -> Compared:
        """The first or second half of each."""
        return Compared(*(part[: len(part) // 2] if number == 0 else part[len(part) // 2 :] for part in self))


class View(Protocol):
    """Some columns of all rows, and what rows may share in them; what `learn` gives, of any type, the others take."""

    have: float  # part of the group that has what is shared, at the least, of rows that it was not learnt from

    def learn(self, rows: Compared) -> Any | None:
        """What the group's rows share and the others do not; None = nothing."""

    def has(self, shared: Any, rows: IntArray) -> BoolArray:
        """Which rows have it, bool [n]."""

    def natural(self, shared: Any, label_N: IntArray, label: int, holders: IntArray) -> bool:
        """Whether rows close to the holders, which do not have it, mostly bear the label, too."""

    def words(self, shared: Any) -> str:
        """What is shared, in words."""

    def region(self, shared: Any) -> Region | None:
        """Where it lies in an image: top, left, bottom, right, inclusive; None = nowhere."""


@dataclass(frozen=True)
class Evidence:
    """What a group's rows share.

    strong   whether something is named that many have and others lack
    text     in words, with counts
    rows     int64, ascending: the rows of the class that have it; the group's where nothing is named
    region   where it lies in an image
    """

    strong: bool
    text: str
    rows: IntArray
    region: Region | None = None


def nothing(rows: IntArray) -> Evidence:
    """No evidence about these rows."""
    return Evidence(False, NOTHING, rows)


def examine(
    views: Sequence[View],
    rows: Compared,
    label_N: IntArray,
    label: int,
    name: str,
) -> Evidence:
    """The first thing that a view finds strong; `nothing` where there is none.

    rows     of the group, at most as many as there are
    label_N  int64 [N]
    label    the group's class, `name` its name
    """
    if len(rows.group) < 2 * LEAST_HALF or min(len(rows.others), len(rows.like)) < 2 * LEAST_HALF:
        return nothing(rows.group)
    for view in views:
        evidence = _found(view, rows, label_N, label, name)
        if evidence is not None:
            return evidence
    return nothing(rows.group)


def _found(view: View, rows: Compared, label_N: IntArray, label: int, name: str) -> Evidence | None:
    few = Compared(rows.group, _few(rows.others), _few(rows.like))
    halves = [few.half(number) for number in (0, 1)]
    hits = np.zeros(len(Compared._fields))
    for learnt, asked in (halves, reversed(halves)):
        shared = view.learn(learnt)
        if shared is None:
            return None
        hits += [np.count_nonzero(view.has(shared, part)) for part in asked]
    shares = hits / [len(part) for part in few]
    shared = view.learn(few)
    if shared is None or shares[0] < view.have or shares[1:].max() > OTHERS_HAVE:
        return None
    own, elsewhere = np.flatnonzero(label_N == label), np.flatnonzero(label_N != label)
    holders = own[view.has(shared, own)]
    foreign = np.count_nonzero(view.has(shared, elsewhere))
    if len(holders) < PRECISION * (len(holders) + foreign) or view.natural(shared, label_N, label, holders):
        return None
    in_group, in_others = (len(np.intersect1d(holders, part)) for part in (rows.group, rows.others))
    text = (
        f"{view.words(shared)} in {in_group} of {len(rows.group)}, in {in_others} of {len(rows.others)} other rows of "
        f"{name}, in {foreign} of {len(elsewhere)} rows of other classes"
    )
    return Evidence(True, text, holders, view.region(shared))


def _few(rows: IntArray) -> IntArray:
    if len(rows) <= MOST_ROWS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.int64)]
