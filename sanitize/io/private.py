"""Folders that one user alone can write to: nobody else has put there what lies in them."""

from __future__ import annotations

import hashlib
import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path

from sanitize.errors import BadInput

NAME_MAX = 255  # bytes that a name may have on the usual file systems
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def hidden(name: str, ending: str) -> str:
    """`.NAME` with an ending; where that is too long for a file system, cut, with a digest of the whole."""
    whole = f".{name}{ending}"
    written = os.fsencode(name)
    if len(os.fsencode(whole)) <= NAME_MAX:
        return whole
    return f".{os.fsdecode(written[:150])}-{hashlib.sha256(written).hexdigest()[:16]}{ending}"


def open_private(path: Path, *, at: int | None = None, remedy: str = "remove it") -> int:
    """A descriptor of a folder that this user alone can write to; `at` is one of the folder that it lies in.

    Raises   BadInput: a link, something else than a folder, a folder of another user, or one that others can write to;
             FileNotFoundError: nothing is there; OSError: it cannot be opened
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    if at is not None:
        start = path.name
    else:  # what /proc has of open folders looks like links, and leads to these alone
        start = f"{path}/." if path.parts[:2] == ("/", "proc") and path.parent.name == "fd" else str(path)
    try:
        descriptor = os.open(start, flags, dir_fd=at)
    except FileNotFoundError:
        raise
    except OSError as error:
        told = kind_of(path)
        if told == "a folder":
            told = f"a folder of {owner_of(os.lstat(path))}" if os.lstat(path).st_uid != os.geteuid() else str(error)
        raise BadInput(f"{path}: is {told}, and no folder that this user alone can write to; {remedy}") from error
    status = os.fstat(descriptor)
    problem = None
    if status.st_uid != os.geteuid():
        problem = f"a folder of {owner_of(status)}"
    elif status.st_mode & OTHERS_MAY_WRITE:
        problem = f"a folder with mode {stat.S_IMODE(status.st_mode):o}"
    if problem is not None:
        os.close(descriptor)
        raise BadInput(f"{path}: is {problem}, and no folder that this user alone can write to; {remedy}")
    return descriptor


def make_private(folder: Path) -> None:
    """Make a folder with mode 700 where there is none, and those above it as the user's umask has it.

    Raises   BadInput: as `open_private`; OSError: it cannot be made
    """
    refuse_strange_links(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    os.close(open_private(folder))


def refuse_strange_links(path: Path) -> None:
    """BadInput where a folder on the way to `path` is a link that another user has made (root aside): it may lead
    anywhere."""
    for folder in reversed(path.absolute().parents):
        try:
            status = os.lstat(folder)
        except OSError:
            return
        if stat.S_ISLNK(status.st_mode) and status.st_uid not in (0, os.geteuid()):
            raise BadInput(
                f"{path}: {folder} is a link to {os.readlink(folder)!r} made by {owner_of(status)}; name the folder "
                "itself, or a place that only you can write to"
            )


def owner_of(status: os.stat_result) -> str:
    """Whose a file is, in words."""
    try:
        name = f" ({pwd.getpwuid(status.st_uid).pw_name})"
    except KeyError:
        name = ""
    return f"user {status.st_uid}{name}"


def kind_of(path: Path) -> str:
    """What stands at a path, in words; a link is not followed."""
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return f"a link to {os.readlink(path)!r}"
    return "a folder" if stat.S_ISDIR(mode) else "a file" if stat.S_ISREG(mode) else "a device, pipe or socket"
