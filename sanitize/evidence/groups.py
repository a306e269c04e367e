"""Groups of dropped rows: those that share something strong each for itself, all others by given and seen class."""

# N rows, C classes
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from sanitize.data.table import IntArray
from sanitize.evidence.base import LEAST_HALF, NOTHING, TOO_FEW, Evidence, Region

TRIGGER = "shares a trigger"  # the cause of rows of which it is named what they share
CONFUSED = "confused with"  # the cause, with a class, of rows that look alike without anything that can be named
SEVERAL = "other classes"  # what rows look like that look like several classes
UNGROUPED = 0  # the number of no group
NO_CLASS = -1  # what rows look like that look like several classes, or that are in no group


class RowGroup(BaseModel):
    """Rows of one class that were dropped for one thing.

    number    1, 2, …, strong groups first, each kind by falling number of rows
    rows      how many of the rows that were fitted to
    label     the class that they bear
    says      the class that they look like; None = several
    strength  "strong": it is named what they share; "weak": it is not
    evidence  what they share, in words, with the number of rows that have it
    region    where it lies in an image: top, left, bottom, right, inclusive
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = Field(ge=1)
    rows: int = Field(ge=0)
    label: str
    says: str | None
    strength: Literal["strong", "weak"]
    evidence: str
    region: Region | None = None

    @property
    def id(self) -> str:
        """ "G1", "G2", …"""
        return id_of(self.number)

    def as_json(self) -> dict[str, Any]:
        """What summaries and manifests say of it."""
        return {"id": self.id, "cause": self.cause, **self.model_dump(mode="json", exclude={"number"})}

    @property
    def cause(self) -> str:
        """What the rows are dropped for, in few words."""
        return TRIGGER if self.strength == "strong" else confused_with(self.says)


def id_of(number: int) -> str:
    """A group's id from its number."""
    return f"G{number}"


def number_of(group: str) -> int:
    """A group's number from its id. ValueError: no id."""
    if not re.fullmatch("G[1-9][0-9]{0,17}", group):
        raise ValueError(f"{group!r}; must be G1, G2, …")
    return int(group[1:])


def confused_with(says: str | None) -> str:
    """The cause of rows without strong evidence that look like a class, or like several (None)."""
    return f"{CONFUSED} {SEVERAL if says is None else says}"


@dataclass(frozen=True)
class Groups:
    """The groups of one table or panel, from which any row's group is told.

    known    by number
    classes  the class names, of label 0..C-1
    """

    known: tuple[RowGroup, ...]
    classes: tuple[str, ...]

    def pairs(self, label_n: IntArray, says_n: IntArray) -> IntArray:
        """The numbers of weak groups, int64 [n]; of groups that are not known yet by the place of their two classes.

        label_n, says_n  int64 [n]; says NO_CLASS = several classes
        """
        width = len(self.classes) + 1
        last = max((group.number for group in self.known), default=0)
        place_n: IntArray = label_n * width + says_n - NO_CLASS
        number_n: IntArray = last + 1 + place_n
        at = {name: place for place, name in enumerate(self.classes)}
        for group in self.known:
            if group.strength == "weak":
                says = NO_CLASS if group.says is None else at[group.says]
                number_n[place_n == at[group.label] * width + says - NO_CLASS] = group.number
        return number_n

    def described(self, rows: Mapping[int, int]) -> list[RowGroup]:
        """The groups with rows, by number; rows: of each number, from `pairs` or of `known`."""
        known = {group.number: group for group in self.known}
        found = []
        for number, count in sorted(rows.items()):
            if number in known:
                found.append(known[number].model_copy(update={"rows": count}))
            else:
                label, says = divmod(number - 1 - max(known, default=0), len(self.classes) + 1)
                name = None if says == 0 else self.classes[says - 1]
                found.append(weak_group(number, count, self.classes[label], name))
        return found


def weak_group(number: int, rows: int, label: str, says: str | None) -> RowGroup:
    """A group without evidence."""
    evidence = NOTHING if rows >= 2 * LEAST_HALF else TOO_FEW
    return RowGroup(number=number, rows=rows, label=label, says=says, strength="weak", evidence=evidence)


class Strong(NamedTuple):
    """Rows of which it is named what they share.

    label, says  the class that they bear, and the one that they look like, NO_CLASS = several
    rows         int64, ascending: the dropped rows of the group
    findings     places of the findings that came to them
    """

    label: int
    says: int
    rows: IntArray
    evidence: Evidence
    findings: tuple[int, ...] = ()

    def shares_with(self, other: Strong) -> bool:
        """Whether both are about mostly the same rows."""
        both = len(np.intersect1d(self.evidence.rows, other.evidence.rows))
        return self.label == other.label and 2 * both >= min(len(self.evidence.rows), len(other.evidence.rows))

    def joined(self, other: Strong) -> Strong:
        """One group of both, with the evidence that more rows have."""
        evidence = max(self.evidence, other.evidence, key=lambda evidence: len(evidence.rows))
        rows = np.union1d(self.rows, other.rows)
        return self._replace(rows=rows, evidence=evidence, findings=self.findings + other.findings)


def numbered(
    strong: Sequence[Strong], weak: Mapping[tuple[int, int], int], classes: tuple[str, ...]
) -> tuple[Groups, list[Strong]]:
    """The groups, and the strong ones in their order; weak: (label, says) -> rows."""

    def named(says: int) -> str | None:
        return None if says == NO_CLASS else classes[says]

    ordered = sorted((one for one in strong if len(one.rows)), key=lambda one: (-len(one.rows), one.label, one.says))
    known = [
        RowGroup(
            number=number,
            rows=len(one.rows),
            label=classes[one.label],
            says=named(one.says),
            strength="strong",
            evidence=one.evidence.text,
            region=one.evidence.region,
        )
        for number, one in enumerate(ordered, 1)
    ]
    for (label, says), rows in sorted(weak.items(), key=lambda pair: (-pair[1], pair[0])):
        known.append(weak_group(len(known) + 1, rows, classes[label], named(says)))
    return Groups(tuple(known), classes), ordered


def counted(label_n: IntArray, says_n: IntArray) -> dict[tuple[int, int], int]:
    """(label, says) -> rows."""
    pairs, counts = np.unique(np.stack([label_n, says_n], axis=1), axis=0, return_counts=True)
    return {(label, says): rows for (label, says), rows in zip(pairs.tolist(), counts.tolist(), strict=True)}
