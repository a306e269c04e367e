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
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


@contextmanager
def reported(as_json: bool) -> Iterator[None]:
    """Turns what goes wrong inside into a message and an exit code; with --json into a document on stdout as well."""
    try:
        yield
    except MendableError as error:
        limit = None if is_out_of_memory(error) else limit_of(error.__cause__)  # of memory it says more itself
        _leave(limit or error, error.exit_code, as_json)
    except KeyboardInterrupt:
        _leave("interrupted; no file is half-written", INTERRUPTED, as_json)
    except Exception as error:
        limit = limit_of(error)
        if limit is not None:
            _leave(limit, FAILED, as_json)
        if isinstance(error, OSError):
            _leave(f"{error}; free the place or its space, or name another", FAILED, as_json)
        # A fault of ours: Python's own exit code for it, 1, would read as a verdict.
        say(*traceback.format_exc().splitlines())
        _leave(f"this is a fault in sanitize, please report it: {error!r}", FAILED, as_json)


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
