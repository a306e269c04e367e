"""All that the commands print goes through here: names out of files reach a terminal as text, never as its commands.

A column, class or file may be called anything: a sequence that clears the screen, a line that looks like ours, text
from right to left, a command of the service that runs our job (`::error::`, `##[…]`), a megabyte. Signs that are not
printed are written as escapes, and what is too long is cut.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

from sanitize.errors import BadParams

WORD = 400  # signs without a space that are printed whole; a path has seldom more
LINE = 4000  # signs of a line that are printed
_COMMAND = re.compile(
    r"^( *):(?=:)|#(?=#(?:\[|vso\[))"
)  # of GitHub Actions and Azure Pipelines: how a line begins, or part of it
_LONG_WORD = re.compile(rf"\S{{{WORD + 1},}}")


def shown(line: str) -> str:
    """One line as it may be printed: control, invisible and lone surrogate signs escaped, long words and lines cut.

    Neither does it begin with :: nor hold ##[, which would be a command where a job's log is read for such.
    """
    line = _LONG_WORD.sub(lambda word: _cut(word[0], WORD), line)
    line = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in line)
    return _COMMAND.sub(_escaped, _cut(line, LINE))


def _escaped(command: re.Match[str]) -> str:
    sign = command[0][-1]
    return f"{command[0][:-1]}\\x{ord(sign):02x}"


def _cut(text: str, most: int) -> str:
    """The begin and the end, which names the remedy, of a text that is longer."""
    if len(text) <= most:
        return text
    begin, end = most * 2 // 3, most // 4
    return f"{text[:begin]}…({len(text) - begin - end} signs)…{text[-end:]}"


def say(*lines: str, stdout: bool = False, commands: bool = False) -> None:
    """Print lines, on stderr unless `stdout`; a line break within one is escaped, as all that is not printed.

    commands  they are commands of GitHub Actions, in which all that is data is `shown` already
    """
    text = "\n".join(line if commands else shown(line) for line in lines)
    stream = sys.stdout if stdout else sys.stderr
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def say_error(who: str, error: Exception | str) -> None:
    """Print what went wrong on stderr. Bad parameters are told one a line; of everything else the line is one."""
    lines = str(error).split("\n") if isinstance(error, BadParams) else [str(error)]
    say(f"{who}: {lines[0]}", *lines[1:])


def say_document(document: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout, in ASCII without control characters."""
    print(json.dumps(document).replace("\x7f", "\\u007f"), flush=True)
