"""What is said once on stderr, whichever process noticed it: what a worker has to say travels with its results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sanitize.runtime import printing

_said: set[str] = set()
_kept: list[str] | None = None  # in a worker, of the task at hand


class Noted(NamedTuple):
    """A task's result, and the lines that its process has to say."""

    result: Any
    lines: list[str]


def notice(line: str) -> None:
    """A line on stderr, once per process; a worker's is said by the process that asked for the work."""
    if line in _said:
        return
    _said.add(line)
    if _kept is None:
        printing.say(line)
    else:
        _kept.append(line)


def noted(function: Callable[..., Any], *given: Any) -> Noted:
    """Call the function in a worker, and keep what it has to say."""
    global _kept  # noqa: PLW0603 - a worker does one task at a time
    _kept = []
    try:
        return Noted(function(*given), _kept)
    finally:
        _kept = None


def told(answer: Noted) -> Any:
    """The result; its lines are said, each once however many workers have it."""
    for line in answer.lines:
        notice(line)
    return answer.result
