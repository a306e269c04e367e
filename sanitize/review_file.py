"""A review.csv that grows decision by decision: on the disk after each, and never over what others wrote meanwhile."""

from __future__ import annotations

import csv
import hashlib
import io
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from sanitize.data.shards import Source
from sanitize.errors import BadInput
from sanitize.io.atomic import atomic_write
from sanitize.overrides import KNOWN, LONGEST_NOTE, WORDS, Decision, columns_of, first_rows, read_decisions
from sanitize.row_ids import RowIds

HEAD = ("file", "row", "verdict", "note")
Plain = dict[str, Any]


class Conflict(BadInput):
    """The file is not as it was read or written last."""


class ReviewFile:
    """Decisions on the rows of one input. May be used by several threads at once.

    path    the file; read if it is there, and made with the first decision if not
    source  the input
    ids     gives the keys of the rows, where they have any
    Raises  BadInput: the file is there and is no review of this input, or has columns that would be lost
    A row has a line for each of its notes.
    """

    def __init__(self, path: Path, source: Source, ids: Callable[[], RowIds] | None = None) -> None:
        self.path = path
        self.first_of = first_rows(source)
        self.files = list(self.first_of)
        self.starts = [first for first, _ in self.first_of.values()]
        self.lock = Lock()
        self.known = _digest(path)
        self.decided = read_decisions([path], source, ids) if self.known is not None else {}
        more = [name for name in columns_of(path) if name not in KNOWN] if self.known is not None else []
        if more:
            raise BadInput(f"{path}: has a column {more[0]!r}, which would be lost; name another --decisions")
        if _digest(path) != self.known:
            raise BadInput(f"{path}: has changed while it was being read; start again")

    def plain(self) -> list[Plain]:
        """All decisions: file, row, verdict and note, in the order of the input."""
        with self.lock:
            return [self._plain(position, one) for position, one in sorted(self.decided.items())]

    def _plain(self, position: int, one: Decision) -> Plain:
        number = bisect_right(self.starts, position) - 1
        while self.first_of[self.files[number]][1] == 0:  # a file without rows begins where the next one does
            number -= 1
        verdict = "keep" if one.keep else "drop"
        row = position - self.starts[number]
        return {"file": self.files[number], "row": row, "verdict": verdict, "note": one.note[:LONGEST_NOTE]}

    def change(self, changes: Sequence[Mapping[str, Any]]) -> int:
        """Take decisions, all or none, and write the file.

        changes  each with file, row, verdict ("keep", "drop", or None, which withdraws one) and note
        Returns  how many decisions there are now
        Raises   ValueError: no decision on a row of the input; Conflict: somebody else has changed the file; BadInput:
                 it cannot be written. Nothing has changed then
        """
        read = [self._read(change) for change in changes]
        with self.lock:
            decided = dict(self.decided)
            for position, decision in read:
                if decision is None:
                    decided.pop(position, None)
                else:
                    decided[position] = decision
            self._refuse_changed()
            text = io.StringIO()
            lines = csv.writer(text, lineterminator="\n")
            lines.writerow(HEAD)
            for position in sorted(decided):
                plain = self._plain(position, decided[position])
                lines.writerows({**plain, "note": note}.values() for note in decided[position].notes or ("",))
            data = text.getvalue().encode()
            with atomic_write(self.path) as (draft,):
                self._refuse_changed()  # again: another server may have written it before this one's turn came
                draft.write_bytes(data)
            self.known, self.decided = hashlib.sha256(data).hexdigest(), decided
            return len(decided)

    def _refuse_changed(self) -> None:
        if _digest(self.path) != self.known:
            raise Conflict(
                f"{self.path}: somebody else has changed it; start the review again, which takes their decisions in"
            )

    def _read(self, change: Mapping[str, Any]) -> tuple[int, Decision | None]:
        if not isinstance(change, Mapping):
            raise ValueError("a decision must be an object with file, row, verdict and note")
        file, row, verdict, note = (change.get(name) for name in HEAD)
        if not isinstance(file, str) or file not in self.first_of:
            raise ValueError(f"file is {str(file)[:80]!r}; must be one of the input's")
        first, rows = self.first_of[file]
        if not isinstance(row, int) or isinstance(row, bool) or not 0 <= row < rows:
            raise ValueError(f"row is {str(row)[:80]!r}; must be a whole number from 0 to {rows - 1}")
        if verdict is None:
            return first + row, None
        if verdict not in WORDS:
            raise ValueError(f"verdict is {str(verdict)[:80]!r}; must be keep, drop or null")
        note = "" if note is None else note
        if not isinstance(note, str) or len(note) > LONGEST_NOTE or "\0" in note:
            raise ValueError(f"the note must be text of at most {LONGEST_NOTE} characters")
        try:
            note.encode()
        except UnicodeEncodeError as error:
            raise ValueError("the note is no text: it has half of a character") from error
        return first + row, Decision(verdict == "keep", (note.strip(),) if note.strip() else ())


def _digest(path: Path) -> str | None:
    """Of the file's bytes; None = there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); name another --decisions") from error
