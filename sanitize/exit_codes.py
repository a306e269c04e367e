"""How a command ends: what goes wrong becomes one message on stderr, and an exit code.

0 done; 2 parameters or usage; 3 input, or a failure; 130 interrupted. 1 is left to verdicts.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from sanitize.errors import MendableError
from sanitize.runtime.limits import is_out_of_memory, limit_of
from sanitize.runtime.printing import say, say_document, say_error
from sanitize.whereabouts import reached

FAILED = 3
FAULT = -1  # told with a traceback; no exit code
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


@contextmanager
def reported(as_json: bool) -> Iterator[None]:
    """Turns what goes wrong inside into a message and an exit code; with --json into a document on stdout as well."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        message, code = message_of(error)
        if code == FAULT:
            say(*traceback.format_exc().splitlines())
        _leave(message, FAILED if code == FAULT else code, as_json)


def message_of(error: BaseException) -> tuple[MendableError | str, int]:
    """What to tell of an error, and the exit code; FAULT in place of FAILED where it is one of ours.

    Python's own exit code for a fault of ours, 1, would read as a verdict.
    """
    if isinstance(error, MendableError):
        limit = None if is_out_of_memory(error) else limit_of(error.__cause__)  # of memory it says more itself
        return limit or error, error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; no file is half-written", INTERRUPTED
    limit = limit_of(error)
    if limit is not None:
        return limit, FAILED
    if isinstance(error, OSError):
        return f"{error}; free the place or its space, or name another", FAILED
    return f"this is a fault in sanitize, please report it: {error!r}", FAULT


def answer(document: Mapping[str, Any]) -> None:
    """Print the one JSON document that a command has for stdout."""
    say_document(document)
    reached("answered")  # whatever ends the process now, there is no second one


def _leave(message: MendableError | str, exit_code: int, as_json: bool) -> NoReturn:
    say_error("sanitize", message)
    if as_json:
        answer({"schema_version": 1, "error": str(message), "exit_code": exit_code})
    reached("answered")
    raise SystemExit(exit_code)
