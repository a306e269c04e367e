"""One writer per output: a lock file beside it, held as long as the process lives. Output paths -> a held lock."""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from sanitize.errors import BadInput

FOLDER = ".scratch"  # beside the outputs; git and DVC are told to ignore it


@contextmanager
def writing(*outputs: Path) -> Iterator[None]:
    """Keep other processes from writing the same outputs while the block runs, and clear what killed ones left.

    outputs  files; their folders are made where missing. The locks lie in .scratch beside them
    Raises   BadInput: another process holds one of them (says which, and what to do), or a folder cannot be written
    The system lets a lock go with its process, killed ones too.
    """
    with ExitStack() as stack:
        for output in sorted(set(outputs)):
            stack.enter_context(locked(output.parent / FOLDER / f"{output.name}.lock", f"{output} is being written"))
            _clear_drafts(output)
        yield


@contextmanager
def locked(place: Path, doing: str) -> Iterator[None]:
    """Hold the lock file `place` while the block runs.

    doing    what the holder does, for the message: "stage vote is being run"
    Raises   BadInput: another process holds it, or it cannot be made
    """
    descriptor = _acquire(place, doing)
    try:
        yield
    finally:
        place.unlink(missing_ok=True)  # while it is held: whoever opened it meanwhile sees that it is gone
        os.close(descriptor)
        with suppress(OSError):  # there is more in it
            place.parent.rmdir()


def _acquire(place: Path, doing: str) -> int:
    while True:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:  # another process took the empty folder away in between
            continue
        except OSError as error:
            raise BadInput(
                f"{place}: cannot be made ({error.strerror}); make its folder writable, or name another place for the "
                "output"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise BadInput(f"{doing} by {holder}; the lock is {place}") from error
        if _still_there(descriptor, place):
            about = {"pid": os.getpid(), "host": socket.gethostname()}
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(about).encode())
            return descriptor
        os.close(descriptor)  # its last holder has removed it: take the next one


def _still_there(descriptor: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(place))
    except FileNotFoundError:
        return False


def _holder(descriptor: int) -> str:
    try:
        about = json.loads(os.pread(descriptor, 4096, 0))
        pid, host = int(about["pid"]), str(about["host"])
    except (ValueError, KeyError, TypeError):  # it has the lock, and has not said who it is yet
        return "another process; wait for it to end, then run again"
    where = "" if host == socket.gethostname() else f" of {host}"
    return f"process {pid}{where}; wait for it to end, or stop it{where and ' there'} (kill {pid}), then run again"


def _clear_drafts(output: Path) -> None:
    """Remove what killed processes left of `data.files.whole_files`; also the draft of a draft, for they nest."""
    draft = re.compile(rf"\.+{re.escape(output.name)}(\.\d+\.(tmp|old))+")
    for path in output.parent.iterdir():
        if draft.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)
