"""One writer per output: a lock file beside it, held as long as the process lives. Output paths -> a held lock."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from sanitize.errors import BadInput
from sanitize.io.private import hidden, make_private, open_private

FOLDER = ".scratch"  # beside the outputs, this user's alone; git and DVC are told to ignore it


@contextmanager
def writing(*outputs: Path) -> Iterator[None]:
    """Keep other processes from writing the same outputs while the block runs.

    outputs  files; their folders are made where missing. The locks lie in .scratch beside them
    Raises   BadInput: another process holds one of them (says which, and what to do), or a folder cannot be written
    The system lets a lock go with its process, killed ones too.
    """
    with ExitStack() as stack:
        for output in sorted(set(outputs)):
            place = output.parent / FOLDER / hidden(output.name, ".lock").removeprefix(".")
            stack.enter_context(locked(place, f"{output} is being written"))
        yield


@contextmanager
def locked(place: Path, doing: str) -> Iterator[None]:
    """Hold the lock file `place` while the block runs.

    place    in a folder that this user alone can write to; it is made where missing
    doing    what the holder does, for the message: "stage vote is being run"
    Raises   BadInput: another process holds it, it cannot be made, or its folder is not this user's alone
    """
    descriptor, folder = _acquire(place, doing)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            os.unlink(place.name, dir_fd=folder)  # while it is held: whoever opened it meanwhile sees that it is gone
        os.close(descriptor)
        os.close(folder)
        with suppress(OSError):  # there is more in it
            place.parent.rmdir()


def _acquire(place: Path, doing: str) -> tuple[int, int]:
    """Descriptors of the lock file, which is held, and of its folder."""
    while True:
        try:
            make_private(place.parent)
            folder = open_private(place.parent)
        except FileNotFoundError:  # another process took the empty folder away in between
            continue
        except OSError as error:
            raise _unmade(place, error.strerror) from error
        descriptor = None
        try:
            descriptor = _opened(place, folder)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _still_there(descriptor, place.name, folder):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
                held, descriptor = descriptor, None
                return held, os.dup(folder)
        except BlockingIOError as error:
            assert descriptor is not None
            raise BadInput(f"{doing} by {_holder(descriptor)}; the lock is {place}") from error
        except FileNotFoundError:  # the folder is gone
            continue
        except OSError as error:
            raise _unmade(place, error.strerror) from error
        finally:  # its last holder has removed it: take the next one
            os.close(folder)
            if descriptor is not None:
                os.close(descriptor)


def _opened(place: Path, folder: int) -> int:
    """The lock file, open; never another file: through a link, or one that has a second name."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(place.name, flags, 0o600, dir_fd=folder)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or status.st_uid != os.geteuid():
        os.close(descriptor)
        raise BadInput(f"{place}: is no lock file of this user's (a pipe, or a second name of a file); remove it")
    return descriptor


def _unmade(place: Path, problem: str | None) -> BadInput:
    return BadInput(
        f"{place}: cannot be made ({problem}); make its folder writable, or name another place for the output"
    )


def _still_there(descriptor: int, name: str, folder: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(name, dir_fd=folder, follow_symlinks=False))
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
