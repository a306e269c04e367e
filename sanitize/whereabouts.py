"""What a process is at, told to the one that watches it: lines in shared memory, which are there still after a crash.

Nothing is watched in workers, in tests and in programs that use the library: a line then goes nowhere, at no cost.
"""

from __future__ import annotations

import mmap
import struct
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Literal

Stage = Literal["working", "written", "answered"]
Kind = Literal["doing", "staging", "folder"]

STAGES: tuple[Stage, ...] = ("working", "written", "answered")
KINDS: tuple[Kind, ...] = ("doing", "staging", "folder")
LINES = 64  # at one time: several threads read and decode, each of them has one or two
LINE_BYTES = 4608  # a path of the longest that Linux takes, and some words
HEAD = struct.Struct("<BBQqH")  # kind, whether it is over, its number among all lines, `at`, bytes of the text
NOWHERE = -1  # `at` is not used


@dataclass(frozen=True)
class Line:
    """One line.

    kind  doing: what is done, in words; staging: the first local output of a run that keeps its progress beside it;
          folder: a temporary folder
    over  whether that is over
    at    the number of the row or the like; NOWHERE = none
    """

    kind: Kind
    over: bool
    text: str
    at: int


class Board:
    """The shared memory. Make it before the process forks; both sides then see the same."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1 + LINES * LINE_BYTES)
        self._free = deque(range(LINES))  # the longest unused first, so that what is over can be read for a while
        self._numbers = count(1)

    @property
    def stage(self) -> Stage:
        """Working; all outputs are written; or the last word is said: the summary, or what went wrong."""
        return STAGES[self._memory[0]]

    def reach(self, stage: Stage) -> None:
        """Set `stage`."""
        self._memory[0] = STAGES.index(stage)

    def lines(self) -> list[Line]:
        """All lines whose place was not used again, in the order in which they were begun."""
        found = []
        for place in range(LINES):
            start = 1 + place * LINE_BYTES
            kind, over, number, at, length = HEAD.unpack_from(self._memory, start)
            if number:
                text = self._memory[start + HEAD.size : start + HEAD.size + length].decode("utf-8", "surrogatepass")
                found.append((number, Line(KINDS[kind], bool(over), text, at)))
        return [line for _, line in sorted(found, key=lambda pair: pair[0])]

    def begin(self, kind: Kind, text: str) -> int | None:
        """Write a line; its place, None where all are taken or the text is too long for a path to be whole."""
        written = text.encode("utf-8", "surrogatepass")
        if len(written) > LINE_BYTES - HEAD.size:
            return None
        try:
            place = self._free.popleft()
        except IndexError:
            return None
        start = 1 + place * LINE_BYTES
        self._memory[start + HEAD.size : start + HEAD.size + len(written)] = written
        HEAD.pack_into(self._memory, start, KINDS.index(kind), 0, next(self._numbers), NOWHERE, len(written))
        return place

    def at(self, place: int, number: int) -> None:
        """Change the number of the line at `place`."""
        struct.pack_into("<q", self._memory, 1 + place * LINE_BYTES + 10, number)

    def end(self, place: int) -> None:
        """The line at `place` is over."""
        self._memory[1 + place * LINE_BYTES + 1] = 1
        self._free.append(place)


_board: Board | None = None


def write_on(board: Board | None) -> None:
    """From now on this process tells what it is at on `board`; None = nowhere."""
    global _board  # noqa: PLW0603 - one process is at one thing after another, as it has one stdout
    _board = board


def reached(stage: Stage) -> None:
    """Tell that `stage` is reached."""
    if _board is not None:
        _board.reach(stage)


def _untold(number: int) -> None:
    pass


@contextmanager
def told(kind: Kind, text: str) -> Iterator[Callable[[int], None]]:
    """Tell that something is done, as long as the block runs.

    kind    see Line
    text    for `doing` what comes after "while it": "read in.parquet (row group 3)"
    Yields  a function for the number of the row or the like that it is at; takes less than a microsecond
    """
    place = None if _board is None else _board.begin(kind, text)
    if _board is None or place is None:
        yield _untold
        return
    board = _board
    try:
        yield partial(board.at, place)
    finally:
        board.end(place)
