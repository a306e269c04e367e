"""People's decisions on rows: review.csv -> which rows are kept or dropped by hand, whatever the voters say."""

# n rows of a batch, D decisions
from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sanitize.data.shards import Source
from sanitize.data.table import BoolArray, IntArray
from sanitize.errors import BadInput
from sanitize.evidence.groups import UNGROUPED
from sanitize.filter_tally import BY_HAND, Verdicts, shown
from sanitize.io.regular import refuse_irregular
from sanitize.row_ids import RowIds

WORDS = ("keep", "drop")
LONGEST_NOTE = 500  # characters
MEND = "a review has the columns file and row, or id, and verdict (keep or drop) and note, with commas"
KNOWN = ("row", "id", "verdict", "file", "note")


@dataclass(frozen=True)
class Overrides:
    """What people decided.

    position_D  int64 [D], ascending: rows of the whole input
    keep_D      bool [D]
    reason_D    D strings: "kept by hand" or "dropped by hand", a colon and the note where there is one
    """

    position_D: IntArray
    keep_D: BoolArray
    reason_D: NDArray[np.object_]

    def applied(self, found: Verdicts, first: int) -> Verdicts:
        """Verdicts on n rows, those of people put over the others; row `first` and on of the whole input."""
        rows = len(found.keep_n)
        begin, end = np.searchsorted(self.position_D, [first, first + rows]).tolist()
        if begin == end:
            return found
        place_n = self.position_D[begin:end] - first
        keep_n, reason_n = found.keep_n.copy(), found.reason_n.copy()
        keep_n[place_n], reason_n[place_n] = self.keep_D[begin:end], self.reason_D[begin:end]
        group_n = found.group_n.copy()
        group_n[place_n] = UNGROUPED
        return replace(found, keep_n=keep_n, reason_n=reason_n, group_n=group_n)


@dataclass(frozen=True)
class Decision:
    """What people decided on one row: keep or drop, and why."""

    keep: bool
    notes: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """The notes in one."""
        return "; ".join(self.notes)


def first_rows(source: Source) -> dict[str, tuple[int, int]]:
    """File, as a review names it -> its first row's position in the whole input, and how many it has."""
    found: dict[str, tuple[int, int]] = {}
    first = 0
    for shard in source.shards:
        found[shown(shard.name)] = (first, shard.rows)
        first += shard.rows
    return found


def read_decisions(
    files: Sequence[Path], source: Source, ids: Callable[[], RowIds] | None = None
) -> dict[int, Decision]:
    """Position in the whole input -> what people decided, ascending; see `read_overrides`."""
    first_of = first_rows(source)
    decided: dict[int, tuple[str, str, list[str]]] = {}
    known = None if ids is None else cache(ids)
    for path in files:
        for where, line in _lines(path):
            row, position = _place(line, where, first_of, known)
            verdict, note = line["verdict"].strip(), line.get("note", "").strip()
            if verdict not in WORDS:
                raise BadInput(f"{where}: verdict is {verdict!r}; must be keep or drop")
            if len(note) > LONGEST_NOTE:
                raise BadInput(f"{where}: the note has {len(note)} characters; at most {LONGEST_NOTE} will do")
            earlier, before, notes = decided.setdefault(position, (where, verdict, []))
            if before != verdict:
                raise BadInput(f"{where} says {verdict} of {row}, and {earlier} says {before}; settle on one of them")
            if note and note not in notes:
                notes.append(note)
    return {place: Decision(decided[place][1] == "keep", tuple(decided[place][2])) for place in sorted(decided)}


def read_overrides(files: Sequence[Path], source: Source, ids: Callable[[], RowIds] | None = None) -> Overrides:
    """The decisions in one or more review files about the rows of `source`.

    files    CSV, UTF-8, with the columns verdict and row or id, and file and note if there are any; others are ignored
    ids      gives the keys of the rows, where they have any; called once, and only where a line names one
    Raises   BadInput: no such file, no CSV, a row that the input does not have, a verdict that is none, and rows of
             which one line says keep and another drop
    Lines that agree are one decision; their notes are joined.
    """
    decided = read_decisions(files, source, ids)
    keep_D = np.array([one.keep for one in decided.values()], np.bool_)
    reasons = [": ".join(filter(None, (BY_HAND[one.keep], one.note))) for one in decided.values()]
    return Overrides(np.array(list(decided), np.int64), keep_D, np.array([*reasons, ""], object)[:-1])


def columns_of(path: Path) -> list[str]:
    """The columns of a review that `read_decisions` has read."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [name.strip() for name in next(csv.reader(file), [])]


def _lines(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """("FILE, line NUMBER", column -> text) of every line."""
    if not path.exists():
        raise BadInput(f"{path}: no such file; name a review.csv; {MEND}")
    refuse_irregular(path, "a review.csv")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            names = [(name or "").strip() for name in reader.fieldnames or []]
            for name in KNOWN:
                if names.count(name) > 1:
                    raise BadInput(f"{path}: has more than one column {name!r}; {MEND}")
            for name in ("row" if "id" not in names else "id", "verdict"):
                if name not in names:
                    raise BadInput(f"{path}: has no column {name!r}; {MEND}")
            reader.fieldnames = names
            for line in reader:
                where = f"{path}, line {reader.line_num}"
                if None in line or None in line.values():
                    raise BadInput(f"{where}: has not {len(names)} values, as the first line has; {MEND}")
                yield where, line
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: is no CSV ({error}); {MEND}") from error


def _place(
    line: dict[str, str], where: str, first_of: dict[str, tuple[int, int]], ids: Callable[[], RowIds] | None
) -> tuple[str, int]:
    """The row that a line names, in words, and its position in the whole input."""
    key, row = line.get("id", "").strip(), line.get("row", "").strip()
    if not key:
        return _numbered(row, line.get("file", "").strip(), where, first_of)
    if ids is None:
        raise BadInput(f"{where}: id is {key!r}, but rows have no ids; filter with --id-column, or name file and row")
    position = ids().position(key, where)
    if row:
        named, place = _numbered(row, line.get("file", "").strip(), where, first_of)
        if place != position:
            raise BadInput(f"{where}: id is {key!r}, which is another row than {named}; leave one of them out")
    return f"the row with the id {key!r}", position


def _numbered(row: str, file: str, where: str, first_of: dict[str, tuple[int, int]]) -> tuple[str, int]:
    if not file and len(first_of) == 1:
        file = next(iter(first_of))
    if file not in first_of:
        known = ", ".join(list(first_of)[:3]) + (", …" if len(first_of) > 3 else "")
        raise BadInput(f"{where}: file is {file!r}; must be one of the input's: {known}")
    first, rows = first_of[file]
    if not (row.isascii() and row.isdecimal() and len(row) < 19 and int(row) < rows):
        raise BadInput(f"{where}: row is {row!r}; must be a whole number from 0 to {rows - 1}, as {file} has rows")
    return f"row {row} of {file}", first + int(row)
