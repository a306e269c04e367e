"""Progress on stderr: a bar on a terminal, plain lines elsewhere. stdout stays free for results."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sanitize.runtime.printing import say, shown

LINES = 4  # lines that a step prints at the most where there is no terminal, besides its last


@contextmanager
def step(label: str, total: int, *, quiet: bool = False) -> Iterator[Callable[[], None]]:
    """Show that `total` pieces of work are being done.

    label    what is being done, such as "ISPL runs"
    total    pieces of work, at least 1
    quiet    show nothing
    Yields   a function to call after each piece
    """
    if quiet:
        yield lambda: None
    elif sys.stderr.isatty():
        with _bar(label, total) as advance:
            yield advance
    else:
        with _lines(label, total) as advance:
            yield advance


@contextmanager
def _bar(label: str, total: int) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(shown(label), total=total)
        yield lambda: bars.advance(task)


@contextmanager
def _lines(label: str, total: int) -> Iterator[Callable[[], None]]:
    began = time.monotonic()
    every = max(1, -(-total // LINES))
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if done % every == 0 or done == total:
            say(f"{label}: {done}/{total}, {time.monotonic() - began:.1f} s")

    yield advance
