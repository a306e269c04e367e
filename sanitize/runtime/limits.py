"""Errors that are a limit of the system and no fault of ours: an error and those behind it -> what a person can do."""

from __future__ import annotations

import errno

OUT_OF_MEMORY = (
    "OutOfMemoryError",
    "out of memory",
    "ALLOC_FAILED",
    "t allocate memory",
    "std::bad_alloc",
    "failed to map",
)
NO_THREAD = ("can't start new thread", "pthread_create", "Resource temporarily unavailable")
REMEDIES = {
    errno.EMFILE: "this process may have no more open files; raise ulimit -n",
    errno.ENFILE: "this machine may have no more open files; close some, or run again later",
    errno.EFBIG: "this process may write no larger file; raise ulimit -f",
    errno.ENOMEM: "memory ran out; raise ulimit -v, use fewer --workers, or fit to a part of the rows (--fit-rows N)",
    errno.EAGAIN: "this user may have no more processes or threads; end others, or raise ulimit -u",
}


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether the error, or one behind it, says so; libraries other than PyTorch's allocator say it in words."""
    return any(_lacks_memory(found) for found in _behind(error))


def limit_of(error: BaseException | None) -> str | None:
    """Which limit of the system the error, or one behind it, has met, and what to do; None = it is something else."""
    for found in _behind(error):
        if _lacks_memory(found):
            return f"{_said(found)}: {REMEDIES[errno.ENOMEM]}"
        if isinstance(found, OSError) and found.errno in REMEDIES:
            return f"{_said(found)}: {REMEDIES[found.errno]}"
        if any(words in str(found) for words in NO_THREAD):
            return f"{_said(found)}: {REMEDIES[errno.EAGAIN]}"
    return None


def _behind(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _lacks_memory(error: BaseException) -> bool:
    text = f"{type(error).__name__} {error}"
    return isinstance(error, MemoryError) or any(words in text for words in OUT_OF_MEMORY)


def _said(error: BaseException) -> str:
    """The error's line that tells of a limit, else its first, or its type where it has none."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    telling = (line for line in lines if any(words in line for words in (*OUT_OF_MEMORY, *NO_THREAD)))
    return next(telling, next(iter(lines), type(error).__name__))
