"""What a process and all that it has started take: CPU seconds and memory, from /proc (Linux)."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

PROC = Path("/proc")
GONE = (FileNotFoundError, ProcessLookupError)  # a process that ended meanwhile
TICKS = os.sysconf("SC_CLK_TCK")
PARENT, USER, CHILDREN_SYSTEM = 1, 11, 14  # fields of /proc/PID/stat behind the name


def _stats() -> dict[int, list[str]]:
    """The fields behind the name, of every process."""
    found = {}
    for place in PROC.iterdir():
        if place.name.isdigit():
            with suppress(*GONE):
                found[int(place.name)] = (place / "stat").read_text().rpartition(")")[2].split()
    return found


def _below(process: int, stats: dict[int, list[str]]) -> list[int]:
    tree = [process]
    for parent in tree:  # grows meanwhile
        tree += [pid for pid, fields in stats.items() if int(fields[PARENT]) == parent]
    return tree


def tree(process: int) -> list[int]:
    """A process and all its living descendants."""
    return _below(process, _stats())


def cpu_seconds(process: int | None = None) -> float:
    """User and system seconds of a process (None = this one) and its descendants, ended ones too.

    `getrusage` counts a child only after its parent has waited for it; worker processes are children of a fork server,
    which lives as long as this process does, and would be missed. In steps of 10 ms.
    """
    stats = _stats()
    family = [pid for pid in _below(process or os.getpid(), stats) if pid in stats]
    return sum(int(ticks) for pid in family for ticks in stats[pid][USER : CHILDREN_SYSTEM + 1]) / TICKS


def memory(process: int) -> int:
    """Bytes in memory of a process and its descendants; pages that several share count once (sum of PSS)."""
    total = 0
    for pid in tree(process):
        with suppress(*GONE):
            for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += 1024 * int(line.split()[1])
    return total


class Peak:
    """Watches a process tree's memory from a thread of this process, while the block runs; then `bytes` is the most.

    every  seconds between two looks: what lasts less can be missed
    """

    def __init__(self, process: int, every: float = 0.05) -> None:
        self.process, self.every = process, every
        self.bytes = 0
        self.looks = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._end.is_set():
            self.bytes = max(self.bytes, memory(self.process))
            self.looks += 1
            self._end.wait(self.every)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()
