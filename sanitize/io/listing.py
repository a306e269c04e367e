"""The files of a local folder or pattern: every one of them, and every one once, or an error that says why not."""

from __future__ import annotations

import os
import re
from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from sanitize.errors import BadInput
from sanitize.io.regular import refuse_irregular

SUFFIXES = (".parquet", ".parq", ".pq")
MAGIC = re.compile(r"[*?[]")
ANY_DEPTH = "**"
Task = tuple[
    PurePosixPath, tuple[str, ...] | None
]  # a folder, and what is wanted there: parts of a pattern; None = all


def is_shard(name: str | PurePosixPath) -> bool:
    """Whether a file of this name, below the input's folder, is one of its parts.

    Hidden files and files like _metadata are none, as Spark and Hive have it.
    """
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not any(part.startswith((".", "_")) for part in path.parts)


def files_below(folder: str) -> tuple[list[str], list[str]]:
    """The parquet files below a folder; links to files and folders are followed.

    Returns  their names below it, with /, sorted, each file once; and in words which further names were left out
    Raises   BadInput: a folder that cannot be listed, a link to nothing, something else than a file under such a name
    """
    return _Walk(folder).files((PurePosixPath(), None))


def files_like(base: str, pattern: str) -> tuple[list[str], list[str]]:
    """The files that a pattern below the folder `base` names, and the parquet files below the folders that it names.

    pattern  parts with * ? [ ], and ** for any depth
    Returns  as `files_below`
    Raises   BadInput: as `files_below`, or a pattern that leaves the folder
    """
    parts = PurePosixPath(pattern).parts
    if ".." in parts:
        raise BadInput(f"{base or '.'}/{pattern}: has '..' behind a wildcard; write the pattern without it")
    several = [part for place, part in enumerate(parts) if part != ANY_DEPTH or parts[place - 1 : place] != (part,)]
    return _Walk(base).files((PurePosixPath(), tuple(several)))


@dataclass
class _Walk:
    """Folders are looked at from the outside in, real ones before links; each of them once for what is wanted there."""

    base: str
    names: dict[PurePosixPath, bool] = field(default_factory=dict)  # of files; whether a link is among its last part
    tasks: deque[Task] = field(default_factory=deque)
    linked: deque[Task] = field(default_factory=deque)  # folders that are links, for when no others are left
    seen: dict[tuple[int, int, tuple[str, ...] | None], PurePosixPath] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def files(self, first: Task) -> tuple[list[str], list[str]]:
        self.tasks.append(first)
        while self.tasks or self.linked:
            folder, wanted = (self.tasks or self.linked).popleft()
            entries = self._entries(folder, wanted)
            if wanted is None:
                self._all(folder, entries)
            else:
                self._like(folder, entries, wanted)
        return self._once()

    def _place(self, name: PurePosixPath) -> str:
        return os.path.join(self.base, name) if self.base else str(name)

    def _entries(self, folder: PurePosixPath, wanted: tuple[str, ...] | None) -> list[os.DirEntry[str]]:
        place = self._place(folder)
        try:
            status = os.stat(place)
            identity = (status.st_dev, status.st_ino, wanted)
            first = self.seen.setdefault(identity, folder)
            if first != folder:
                self.notes.append(f"{place}: is the same folder as {self._place(first)}, and is read once")
                return []
            with os.scandir(place) as entries:
                return sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name))
        except PermissionError as error:
            raise BadInput(
                f"{place}: this folder may not be listed; change its permissions, or leave it out"
            ) from error
        except OSError as error:
            raise BadInput(
                f"{place}: this folder cannot be listed ({error.strerror or error}); leave it out"
            ) from error

    def _is_folder(self, name: PurePosixPath, entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_dir()
        except OSError as error:
            raise BadInput(
                f"{self._place(name)}: cannot be looked at ({error.strerror or error}); remove it"
            ) from error

    def _add(self, entry: os.DirEntry[str], task: Task) -> None:
        (self.linked if entry.is_symlink() else self.tasks).append(task)

    def _all(self, folder: PurePosixPath, entries: list[os.DirEntry[str]]) -> None:
        for entry in entries:
            name = folder / entry.name
            if entry.name.startswith((".", "_")):
                continue
            if self._is_folder(name, entry):
                self._add(entry, (name, None))
            elif is_shard(entry.name):
                self.names[name] = entry.is_symlink()

    def _like(self, folder: PurePosixPath, entries: list[os.DirEntry[str]], wanted: tuple[str, ...]) -> None:
        first, rest = wanted[0], wanted[1:]
        if first == ANY_DEPTH:
            self.tasks.append((folder, rest or None))
            if not rest:
                return
        for entry in entries:
            name = folder / entry.name
            if first == ANY_DEPTH:
                if not entry.name.startswith(".") and self._is_folder(name, entry):
                    self._add(entry, (name, wanted))
            elif fnmatchcase(entry.name, first) and (first.startswith(".") or not entry.name.startswith(".")):
                if self._is_folder(name, entry):
                    self._add(entry, (name, rest or None))
                elif not rest:
                    self.names[name] = entry.is_symlink()

    def _once(self) -> tuple[list[str], list[str]]:
        """Each file under the shortest of its names, a link's last."""
        found: dict[tuple[int, int], PurePosixPath] = {}
        for name in sorted(self.names, key=lambda name: (self.names[name], len(name.parts), str(name))):
            place = self._place(name)
            refuse_irregular(place, "parquet files only, or remove it")
            status = os.stat(place)
            first = found.setdefault((status.st_dev, status.st_ino), name)
            if first != name:
                self.notes.append(f"{place}: is the same file as {self._place(first)}, and is read once")
        return sorted(str(name) for name in found.values()), self.notes
