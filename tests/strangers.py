"""Two users of one machine: the one who runs the command, and a stranger who can write to the same folder."""

from __future__ import annotations

import os
from collections.abc import Callable

OURS, STRANGER = 12_001, 12_002  # users of whom nothing is known


def as_user(user: int, work: Callable[[], object]) -> str:
    """Do the work in a child process of that user; what it returns or raises, as text. Needs root."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        told = "failed"
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            os.umask(0o022)
            told = str(work())
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
        finally:
            os.write(writing, told.encode("utf-8", "backslashreplace")[:60_000])
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    os.waitpid(child, 0)
    return told
