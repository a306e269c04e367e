"""Folders of hidden state that were made here: what came with an archive, a clone or a copy is not believed.

A folder is signed when it is made: it gets an empty folder BORN, and a file HERE that says the numbers of both folders'
inodes and the time, in ns, at which BORN was made. No archive can know or set these; they outlive restarts, and are the
same on all machines that share a file system.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path

from sanitize.errors import BadInput

BORN = "born"
HERE = "here"
_HALF = "here.tmp"
SIGNS = (BORN, HERE, _HALF)


def be_of_here(folder: int, path: Path, made: bool, remedy: str) -> None:
    """Have a folder signed that this process has just made, or that is empty; of others, see that they are.

    folder   its descriptor; nobody else signs it meanwhile
    path     what it is called
    made     whether this process has made it
    Raises   BadInput: something is in it, and it was not made here; nothing in it was touched. OSError
    """
    names = set(os.listdir(folder))
    mode = stat.S_IMODE(os.fstat(folder).st_mode) & 0o777
    if HERE in names and _read(folder) == _seen(folder, path.name):
        return
    if not names <= {BORN, _HALF} or not (made or mode == 0o700):
        told = "" if mode == 0o700 else f" (mode {mode:o}, and its own folders have 700)"
        raise BadInput(
            f"{path}: was not made by sanitize here{told}: it came with the data or was copied, and nothing of it is "
            f"used; {remedy}"
        )
    _sign(folder, path.name)


def _sign(folder: int, name: str) -> None:
    with suppress(FileExistsError):
        os.mkdir(BORN, 0o700, dir_fd=folder)
    with suppress(FileNotFoundError):
        os.unlink(_HALF, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(_HALF, flags, 0o600, dir_fd=folder), "w") as file:
        json.dump(_seen(folder, name), file)
    os.replace(_HALF, HERE, src_dir_fd=folder, dst_dir_fd=folder)


def unsign(folder: int) -> None:
    """Remove the signs if nothing else is in a folder."""
    if set(os.listdir(folder)) <= set(SIGNS):
        for name in (HERE, _HALF):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
        with suppress(FileNotFoundError):
            os.rmdir(BORN, dir_fd=folder)


def _seen(folder: int, name: str) -> dict[str, object] | None:
    try:
        born = os.stat(BORN, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    own = os.fstat(folder)
    mode = stat.S_IMODE(own.st_mode) & 0o777
    return {"name": name, "mode": mode, "inode": own.st_ino, "born": [born.st_ino, born.st_ctime_ns]}


def _read(folder: int) -> object:
    content = read_file(HERE, folder)
    try:
        return json.loads(content)
    except ValueError:
        return False


def read_file(name: str, folder: int) -> bytes:
    """What a file in a folder holds; `folder` is its descriptor.

    Raises   OSError: it is not there, or is no file: a link is not followed
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(name, flags, dir_fd=folder), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{name} is no file")
        return file.read()


def others_may_rename(place: Path) -> bool:
    """Whether another user (root aside) can rename what lies in the folder of `place`, or in one above it."""
    for folder in (place.parent.resolve() / place.name).parents:
        status = os.stat(folder)
        writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX
        if writable or status.st_uid not in (0, os.geteuid()):
            return True
    return False


def through(descriptor: int, path: Path) -> Path:
    """A path of an open folder, which leads to that very folder whatever is renamed, as long as it is open.

    Raises   BadInput: this system has no such paths
    """
    found = Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    with suppress(OSError):
        if os.path.samestat(os.stat(found), os.fstat(descriptor)):
            return found
    raise BadInput(
        f"{path}: others can rename files in {path.parent} or above it, and this system has no /proc by which that can "
        "be withstood; take the right to write from them (chmod go-w), set the sticky bit (chmod +t), or name another "
        "place"
    )


def called(path: Path) -> Path:
    """What a path that starts with one of `through` is called, for messages; any other as it is."""
    if path.parts[:2] != ("/", "proc") or path.parts[3:4] != ("fd",):
        return path
    try:
        return Path(os.readlink(Path(*path.parts[:5])), *path.parts[5:])
    except OSError:
        return path
