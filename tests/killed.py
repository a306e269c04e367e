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
            os.fsync = lambda _: None  # what the system has been given outlives a killed process
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


def below(event: str, arguments: tuple[object, ...], folder: bytes) -> bool:
    """Whether an event is about something below the folder: by its path, or a bare name in an open folder's."""
    path = arguments[0] if arguments else None
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    name = os.fsencode(path)
    if name.startswith(folder):
        return True
    if b"/" in name:
        return False
    return event == "open" or any(_lies_in(one, folder) for one in arguments[1:])  # "open" does not tell where


def _lies_in(descriptor: object, folder: bytes) -> bool:
    if not isinstance(descriptor, int) or descriptor < 0:
        return False
    try:
        return os.readlink(b"/proc/self/fd/%d" % descriptor).startswith(folder)
    except OSError:
        return False


class _Killer:
    def __init__(self, number: int, folder: bytes) -> None:
        self.left, self.folder = number, folder

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Called by Python before it does something."""
        if event in EVENTS and below(event, arguments, self.folder):
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
