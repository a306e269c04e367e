"""One output's hidden folder `.NAME.sanitize`: one process at a time has it, and its drafts lie there until they move.

The folder's name can be computed, so that two runs meet there; it is believed only where it is this user's alone (mode
700) and was made here (see `origin`). Names of drafts cannot be guessed. All is done through descriptors of the two
folders, so that renaming them or putting links in their places while a run works leads nowhere.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from sanitize.errors import BadInput
from sanitize.io.origin import SIGNS, be_of_here, others_may_rename, read_file, through, unsign
from sanitize.io.private import hidden, kind_of, open_private, refuse_strange_links

ENDING = ".sanitize"
OLD = ".old"  # a draft's name with it: what stood at the place before
HOME = ".of"  # a draft's name with it: the folder of the run that goes on with it
DRAFT = re.compile(r"[0-9a-f]{16}")  # what `unguessable` makes
REMEDY = "remove it (or have its owner do so), or name another output"
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


class Claim:
    """The claim on one output.

    place   the output, a local path
    path    the folder, as it is called
    inside  the folder, as long as it is held: a path that leads nowhere else, whatever others rename
    gives_way  whether a folder that stands at the place is this run's own, and `move` may replace it
    """

    def __init__(self, place: str | Path) -> None:
        self.place = Path(place).absolute()
        self.path = self.place.with_name(hidden(self.place.name, ENDING))
        self._parent: int | None = None
        self._own: int | None = None
        self.inside = self.path
        self.gives_way = False

    @property
    def held(self) -> bool:
        """Whether this object has it."""
        return self._own is not None

    @property
    def own(self) -> int:
        """A descriptor of the folder."""
        assert self._own is not None
        return self._own

    @property
    def parent(self) -> int:
        """A descriptor of the folder that the output lies in."""
        assert self._parent is not None
        return self._parent

    def take(self, make: bool = True) -> bool:
        """Take it, make its folder where there is none; without `make`: whether there was one.

        Raises   BadInput: another process has it, or what stands there is not this user's alone or was not made here;
                 OSError
        """
        while self._own is None:
            taken = False
            try:
                refuse_strange_links(self.place)
                self._parent = os.open(self.place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                self._own, made = self._opened(make)
                if self._own is None:
                    return False
                fcntl.flock(self._own, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._still_there():  # its last holder may have removed it in between
                    try:
                        be_of_here(self._own, self.path, made, REMEDY)
                        self.inside = through(self._own, self.path) if others_may_rename(self.place) else self.path
                    except (OSError, BadInput) as error:
                        if made or isinstance(error, OSError):  # what was not made here is not touched
                            self.release()
                        raise
                    taken = True
            except BlockingIOError as error:
                raise BadInput(
                    f"{self.path}: another run is writing {self.place.name}; wait for it, or name another output"
                ) from error
            except OSError as error:
                if error.errno in NO_LOCKS:
                    raise BadInput(
                        f"{self.place}: its file system has no locks ({error.strerror}), and two runs could mix; "
                        "write to another one, such as /tmp, and copy the result"
                    ) from error
                raise
            finally:
                if not taken:
                    self._close()
        return True

    def _opened(self, make: bool) -> tuple[int | None, bool]:
        """A descriptor of the folder, and whether it was made here and now."""
        made = False
        while True:
            try:
                return open_private(self.path, at=self.parent, remedy=REMEDY), made
            except FileNotFoundError:
                if not make:
                    return None, False
                with suppress(FileExistsError):
                    os.mkdir(self.path.name, 0o700, dir_fd=self.parent)
                    made = True

    def _still_there(self) -> bool:
        try:
            there = os.stat(self.path.name, dir_fd=self.parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(os.fstat(self.own), there)

    def release(self) -> None:
        """Let it go; its folder goes as well if nothing is in it."""
        if self._own is not None:
            with suppress(OSError):
                unsign(self._own)
                if self._still_there():
                    os.rmdir(self.path.name, dir_fd=self.parent)
        self._close()

    def _close(self) -> None:
        for descriptor in (self._own, self._parent):
            if descriptor is not None:
                os.close(descriptor)
        self._own = self._parent = None
        self.inside = self.path

    def there(self, name: str) -> os.stat_result | None:
        """What lies in the folder under this name."""
        return _status(name, self.own)

    def remove(self, *names: str) -> None:
        """Remove files and folders that lie in the folder."""
        for name in names:
            assert name not in ("", ".", "..") and "/" not in name, name
            status = self.there(name)
            if status is not None and stat.S_ISDIR(status.st_mode):
                shutil.rmtree(name, dir_fd=self.own)
            elif status is not None:
                os.unlink(name, dir_fd=self.own)

    def clear(self, but: Collection[str] | None = None) -> None:
        """Remove what killed writers have left: all but drafts with which another run may still go on.

        but  names that stay; None = nothing is removed where a run keeps its progress, which clears that itself
        """
        names = os.listdir(self.own)
        if but is None and any(name.endswith(".json") for name in names):
            return
        kept = {name.removesuffix(HOME) for name in names if name.endswith(HOME) and self._awaited(name)}
        for name in names:
            if name in SIGNS or name in (but or ()) or name.removesuffix(HOME).removesuffix(OLD) in kept:
                continue
            old = name.endswith(OLD) and DRAFT.fullmatch(name.removesuffix(OLD))
            if old and _status(self.place.name, self.parent) is None:  # killed while moving
                os.replace(name, self.place.name, src_dir_fd=self.own, dst_dir_fd=self.parent)
            else:
                self.remove(name)

    def _awaited(self, name: str) -> bool:
        """Whether the run that a note of HOME names still knows the draft."""
        try:
            home = open_private(Path(os.fsdecode(read_file(name, self.own))))
        except (OSError, ValueError, BadInput):
            return False
        try:
            return os.fsencode(name.removesuffix(HOME)) in read_file("about.json", home)
        except OSError:
            return False
        finally:
            os.close(home)

    def make_sound(self, name: str, names: Collection[str] | None = None) -> None:
        """Look at a draft before it moves, give it the mode of what it replaces, and have it all on the disk.

        names    of the files that a folder must hold, with /; None = the draft is a file
        Raises   BadInput: something is there that this run did not write, or a file is missing
        """
        status = self.there(name)
        if status is None:
            raise BadInput(f"{self.path}: the draft of {self.place.name} has vanished; run again")
        if names is None:
            self._make_file_sound(name)
        else:
            before = _status(self.place.name, self.parent)  # an empty folder: commands refuse others
            if before is not None and stat.S_ISDIR(before.st_mode) and before.st_uid == os.geteuid():
                os.chmod(name, stat.S_IMODE(before.st_mode) & 0o777, dir_fd=self.own)
            found = set()
            for folder, _, files, descriptor in os.fwalk(name, topdown=False, dir_fd=self.own):
                for file in files:
                    _sync_file(file, descriptor, f"{self.path}: {os.path.join(folder, file)}")
                    found.add(os.path.relpath(os.path.join(folder, file), name))
                os.fsync(descriptor)
            if found != set(names):
                strange, missing = sorted(found - set(names)), sorted(set(names) - found)
                told = f"{strange[0]} was not written by this run" if strange else f"{missing[0]} is missing"
                raise BadInput(f"{self.place}: of its draft {told}; nothing is put in place, run again")
        os.fsync(self.own)

    def _make_file_sound(self, name: str) -> None:
        mode = None
        before = _status(self.place.name, self.parent)
        if before is not None and stat.S_ISREG(before.st_mode) and before.st_uid == os.geteuid():
            mode = stat.S_IMODE(before.st_mode) & 0o777
        _sync_file(name, self.own, str(self.path / name), mode, -1 if before is None else before.st_gid)

    def move(self, name: str, aside: bool) -> None:
        """Put a draft in its place; `aside`: what stands there stays in the folder until the others are moved.

        A folder with files in it is replaced where it `gives_way` alone: otherwise OSError.
        """
        before = _status(self.place.name, self.parent)
        folder = before is not None and stat.S_ISDIR(before.st_mode)
        if folder and self.gives_way:
            self.remove(name + OLD)
            os.replace(self.place.name, name + OLD, src_dir_fd=self.parent, dst_dir_fd=self.own)
        elif aside and before is not None and not folder:
            self.remove(name + OLD)
            try:
                os.link(
                    self.place.name,
                    name + OLD,
                    src_dir_fd=self.parent,
                    dst_dir_fd=self.own,
                    follow_symlinks=False,
                )
            except OSError:  # no links on this file system, or none to files of another user
                os.replace(self.place.name, name + OLD, src_dir_fd=self.parent, dst_dir_fd=self.own)
        os.replace(name, self.place.name, src_dir_fd=self.own, dst_dir_fd=self.parent)

    def move_back(self, name: str) -> None:
        """Undo `move`, however far it came. The draft goes back first: were this killed, all could still be moved."""
        if self.there(name) is None and _status(self.place.name, self.parent) is not None:
            os.replace(self.place.name, name, src_dir_fd=self.parent, dst_dir_fd=self.own)
        if self.there(name + OLD) is not None:
            os.replace(name + OLD, self.place.name, src_dir_fd=self.own, dst_dir_fd=self.parent)
            self.remove(name + OLD)  # of two names of one file neither is replaced


def unguessable() -> str:
    """A name for a draft."""
    return secrets.token_hex(8)


def refuse_place(place: Path) -> None:
    """BadInput where a file cannot be put at `place`, since something else than a file stands there."""
    with suppress(FileNotFoundError, NotADirectoryError):
        kind = kind_of(place)
        if kind == "a folder":
            raise BadInput(f"{place}: is a folder; name a file")
        if kind != "a file":
            raise BadInput(f"{place}: is {kind}, which is never written to or replaced; name a file")


def _status(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _sync_file(name: str, folder: int, told: str, mode: int | None = None, group: int = -1) -> None:
    """Have a draft on the disk. BadInput: it is a link, a file with two names, another user's, or no file."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        raise BadInput(f"{told}: cannot be opened ({error.strerror}); it is no file that this run wrote") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_uid != os.geteuid():
            raise BadInput(f"{told}: is no file that this run wrote; nothing is put in place")
        if mode is not None:
            try:
                os.fchown(descriptor, -1, group)
            except OSError:  # another group now: it gets no more than others
                mode &= ~0o070 | (mode & 0o007) << 3
            os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
