"""Files that are whole or not there: written in a hidden folder beside their place, then moved into it together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sanitize.errors import BadInput
from sanitize.io.claims import Claim, refuse_place, unguessable
from sanitize.io.private import open_private


@contextmanager
def atomic_write(*paths: str | Path) -> Iterator[tuple[Path, ...]]:
    """Drafts to write to, one for each of `paths`; all are moved into place when the block ends well.

    paths    the files to make or to replace; missing folders are made
    Yields   as many paths, whose names nobody can guess, in folders that this user alone can write to; each must be a
             file when the block ends
    Raises   BadInput: a path is a folder, a link or a device, its folder cannot be made, another process is writing it;
             whatever the block raises
    A file that replaces another of this user has its mode, a new one what the umask says. After an error nothing is
    left of the drafts, and what stood at `paths` is untouched. What a killed process has left is removed by the next
    one that writes the same file.
    """
    claims = [Claim(path) for path in paths]
    made: list[Path] = []
    done = False
    try:
        for claim in claims:
            refuse_place(claim.place)
            made += make_folders(claim.place)
        for claim in sorted(claims, key=lambda one: one.place):
            _take(claim)
            claim.clear()
        names = [unguessable() for _ in claims]
        try:
            yield tuple(claim.inside / name for claim, name in zip(claims, names, strict=True))
            for claim, name in zip(claims, names, strict=True):
                claim.make_sound(name)
            replace_all(list(zip(claims, names, strict=True)))
        finally:
            for claim, name in zip(claims, names, strict=True):
                claim.remove(name)
        done = True
    finally:
        for claim in claims:
            claim.release()
        if not done:
            remove_folders(made)


def _take(claim: Claim) -> None:
    try:
        claim.take()
    except OSError as error:
        raise BadInput(
            f"{claim.place}: cannot be written ({error.strerror}: {claim.path.parent}); make its folder writable, or "
            "name another place"
        ) from error


def replace_all(moves: Sequence[tuple[Claim, str]], before_end: Callable[[], None] = lambda: None) -> None:
    """Move drafts into their places, all or none; they are on the disk then.

    moves       claims that are held, and the names of the drafts in their folders, which `Claim.make_sound` has seen
    before_end  called when all are moved; if it fails, the moves are undone
    Raises      OSError: one cannot be moved, or whatever interrupts this. The places are as before then, and the drafts
                where they were
    """
    begun: list[tuple[Claim, str]] = []
    try:
        for claim, name in moves:
            begun.append((claim, name))
            claim.move(name, aside=len(moves) > 1)
        for parent in {os.fstat(claim.parent).st_ino: claim.parent for claim, _ in moves}.values():
            os.fsync(parent)
        before_end()
    except BaseException:
        for claim, name in reversed(begun):
            claim.move_back(name)
        raise
    for claim, name in moves:
        claim.remove(name + ".old")


@contextmanager
def put_file(path: Path, durable: bool = True) -> Iterator[Path]:
    """`atomic_write` for one file in a folder that this user alone can write to: a draft there, then a move.

    durable  whether it is to be on the disk when the block has ended
    Raises   BadInput: the folder is not this user's alone; OSError
    """
    folder = open_private(path.parent)
    name = f".{unguessable()}.tmp"
    try:
        yield path.with_name(name)
        if durable:
            sync(Path(name), folder)
        os.replace(name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        if durable:
            os.fsync(folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        raise
    finally:
        os.close(folder)


def sync(path: Path, folder: int | None = None) -> None:
    """Have a file's content on the disk; `folder` is a descriptor of the folder that `path` starts from."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_new(path: Path) -> Path:
    """An empty file in place of what stands at `path`, made by this call: no link is followed. Returns the path.

    Raises   OSError: a folder is there, or it cannot be made
    """
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666))
    return path


def clear_after(place: Path) -> None:
    """Remove what a process that has died while it was in `atomic_write` has left of the draft of `place`."""
    claim = Claim(place)
    try:
        if claim.place.parent.is_dir() and claim.take(make=False):
            claim.clear()
    finally:
        claim.release()


def missing_folders(place: Path) -> list[Path]:
    """The folders on the way to `place` that are not there, the outermost first."""
    return [folder for folder in reversed(place.parents) if not folder.exists()]


def make_folders(place: Path) -> list[Path]:
    """Make the folders that `place` lies in; returns those that were not there, the outermost first.

    Raises   BadInput: one cannot be made
    """
    missing = missing_folders(place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{place}: its folder cannot be made ({error.strerror}); name another place") from error
    return missing


def remove_folders(made: Sequence[Path]) -> None:
    """Remove what `make_folders` has made, where nobody has put anything there meanwhile."""
    for folder in reversed(made):
        with suppress(OSError):
            folder.rmdir()
