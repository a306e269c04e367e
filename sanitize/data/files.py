"""Files that are whole or not there: written beside their place under another name, then moved into it together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sanitize.errors import BadInput


@contextmanager
def whole_files(*paths: str | Path) -> Iterator[tuple[Path, ...]]:
    """Temporary paths to write to, one for each of `paths`; all are moved into place when the block ends well.

    paths    the files to make or to replace; missing folders are made
    Yields   as many paths, in the same folders; each must exist when the block ends
    Raises   BadInput: a path is a folder, or its folder cannot be made; whatever the block raises
    After an error nothing is left of the temporary files, and what stood at `paths` is untouched.
    """
    places = [Path(path) for path in paths]
    for place in places:
        if place.is_dir():
            raise BadInput(f"{place}: is a folder; name a file")
    with whole_places(places) as drafts:
        yield drafts


@contextmanager
def whole_places(places: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """`whole_files`, for files and for new folders: a draft may be made a folder, its place must then be empty.

    Moves are undone where one of them fails or is interrupted, so that either all places are new or none is.
    """
    made: list[Path] = []
    drafts = [draft_of(place, os.getpid()) for place in places]
    done = False
    try:
        for place in places:
            made += _folder_for(place)
        yield tuple(drafts)
        _move(drafts, places)
        done = True
    finally:
        for draft in drafts:
            _remove(draft)
        if not done:
            for folder in reversed(made):
                with suppress(OSError):  # somebody else has put a file there meanwhile
                    folder.rmdir()


def draft_of(place: Path, process: int) -> Path:
    """Where the process of that number writes what is to come to `place`."""
    return place.with_name(f".{place.name}.{process}.tmp")


def _folder_for(place: Path) -> list[Path]:
    """Make the folders that `place` lies in; returns those that were not there, the outermost first."""
    missing = [folder for folder in reversed(place.absolute().parents) if not folder.exists()]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{place}: its folder cannot be made ({error.strerror}); name another place") from error
    return missing


def _move(drafts: Sequence[Path], places: Sequence[Path]) -> None:
    """All drafts into their places, or none of them."""
    moved: list[Path] = []
    old: dict[Path, Path] = {}
    try:
        for draft, place in zip(drafts, places, strict=True):
            if place.is_file() and len(places) > 1:
                aside = place.with_name(f".{place.name}.{os.getpid()}.old")
                _link(place, aside)
                old[place] = aside
            moved.append(place)
            os.replace(draft, place)
    except BaseException:
        for place, draft in zip(moved, drafts, strict=False):
            if draft.exists():  # this one was not moved
                continue
            if place in old:
                os.replace(old[place], place)
            else:
                _remove(place)
        raise
    finally:
        for aside in old.values():
            _remove(aside)


def _link(place: Path, aside: Path) -> None:
    """A second name for the file that is about to be replaced; a copy where the file system has no links."""
    try:
        os.link(place, aside)
    except OSError:
        shutil.copy2(place, aside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with suppress(NotADirectoryError):  # its folder could not be made
            path.unlink(missing_ok=True)
