"""Processes that are killed (SIGKILL) before the n-th thing that they do to the files of a folder."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

EVENTS = {"open", "os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", "os.scandir"}


def killed_at(number: int, folder: Path, work: Callable[[], object]) -> bool:
    """Do the work in a child process; whether it was killed before the `number`-th thing it did below `folder`.

    The other way it has ended well: it did fewer things. Anything else is an error.
    """
    child = os.fork()
    if not child:
        status = 1
        try:
            sys.addaudithook(_Killer(number, os.fsencode(folder)))
            work()
            status = 0
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        assert os.WTERMSIG(ended) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(ended) == 0, "the work failed; its error stands above"
    return False


class _Killer:
    def __init__(self, number: int, folder: bytes) -> None:
        self.left, self.folder = number, folder

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Called by Python before it does something."""
        path = arguments[0] if event in EVENTS and arguments else None
        if isinstance(path, str | bytes | os.PathLike) and os.fsencode(path).startswith(self.folder):
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
