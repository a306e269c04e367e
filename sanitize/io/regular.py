"""Files are opened only if they are files: a pipe or a device would let the reader wait for ever, or worse."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from sanitize.errors import BadInput

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def refuse_irregular(path: str | Path, wanted: str = "a file") -> None:
    """Refuse what is no regular file, without opening it; links are followed.

    wanted   what must be named instead, in words
    Raises   BadInput: nothing is there, or a folder, pipe, device or socket
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError as error:
        if os.path.islink(path):
            raise BadInput(
                f"{path}: is a link to {os.readlink(path)!r}, which is not there; remove the link"
            ) from error
        raise BadInput(f"{path}: no such file; check the path") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be looked at ({error.strerror or error}); check the path") from error
    except ValueError as error:
        raise BadInput(f"{str(path)!r}: is no path ({error}); check it") from error
    _refuse_mode(path, mode, wanted)


def open_regular(path: str | Path, wanted: str = "a file") -> BinaryIO:
    """Open a regular file for reading; whatever takes its place meanwhile is not waited for.

    Raises   BadInput: as `refuse_irregular`; PermissionError and other OSErrors of opening
    """
    refuse_irregular(path, wanted)
    file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")  # noqa: SIM115 - the caller closes it
    try:
        _refuse_mode(path, os.fstat(file.fileno()).st_mode, wanted)
    except BaseException:
        file.close()
        raise
    return file


def _refuse_mode(path: str | Path, mode: int, wanted: str) -> None:
    if stat.S_ISREG(mode):
        return
    kind = next((words for test, words in _KINDS if test(mode)), "no regular file")
    raise BadInput(f"{path}: is {kind}; name {wanted}")
