"""Outputs in the making: drafts, and a folder beside the outputs that outlives a killed run and keeps what is done.

One run at a time holds it. It is believed only where it belongs to this user alone, since it says which files are to
be moved. Drafts of outputs lie beside their places, so that they can be moved in one step.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sanitize.data.files import whole_files
from sanitize.data.journal import complete, put_in_place
from sanitize.errors import BadInput
from sanitize.io.remote import is_remote
from sanitize.whereabouts import reached, told

ABOUT = "about.json"
JOURNAL = "journal.json"
SIGN = "token"  # by which workers know the folder of results (`scratch.TOKEN`); no result


class Staging:
    """The drafts and the folder of a run with certain outputs; use as a context.

    places    local paths and addresses with a protocol; the folder lies beside the first local path. Without one it is
              a temporary folder, which ends with the run
    keep      whether what is done outlives this context; set it any time
    finished  the note of an outcome that a killed run was putting in place, and that is complete now; or None
    resumed   whether `begin` goes on from an earlier run
    drafts    one path for each place: make each of them a file or a folder
    Raises    BadInput: another run holds the folder, it is not this user's, or it cannot be written
    """

    def __init__(self, places: Sequence[str]) -> None:
        self.places = list(places)
        local = [Path(place).absolute() for place in places if not is_remote(place)]
        self._temporary = None if local else tempfile.TemporaryDirectory()
        if self._temporary is None:
            self.folder = local[0].with_name(f".{local[0].name}.sanitize")
        else:
            self.folder = Path(self._temporary.name)
        tag = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:8]
        self.drafts = tuple(
            self.folder / f"upload-{number}"
            if is_remote(place)
            else Path(place).absolute().with_name(f".{Path(place).name}.{tag}.draft")
            for number, place in enumerate(self.places)
        )
        self.keep = False
        self.resumed = False
        self.finished: dict[str, Any] | None = None
        self._lock: int | None = None
        self._telling = ExitStack()

    @property
    def lasting(self) -> bool:
        """Whether it can outlive the run."""
        return self._temporary is None

    def __enter__(self) -> Self:
        if self.lasting:
            first = next(place for place in self.places if not is_remote(place))
            self._telling.enter_context(told("staging", str(Path(first).absolute())))
        else:
            self._telling.enter_context(told("folder", str(self.folder)))
        if self.lasting and os.path.lexists(self.folder):
            try:
                self._hold()
                self.finished = complete(self.folder / JOURNAL)
            except BaseException:
                self._let_go()
                raise
            if self.finished is not None:
                self._clear()
        return self

    def begin(self, key: Mapping[str, str], resume: bool) -> str:
        """Go on from what an earlier run has left, or from nothing.

        key      what must be the same for going on, by name
        resume   whether to go on; otherwise, and where the key is another, what was left is removed
        Returns  in words, what was found; "" = nothing
        """
        try:
            left = self._about() if self._lock is not None else None
            told = ""
            if left is not None:
                differs = [name for name in key if left["key"].get(name) != key[name]]
                if resume and not differs:
                    self.resumed, told = True, f"going on from {self.folder}"
                elif resume:
                    told = f"{self.folder}: is of another {' and '.join(differs)}; removed, beginning anew"
                else:
                    told = f"{self.folder}: what a killed run has left is removed; --resume would have gone on from it"
            elif resume:
                told = f"{self.folder}: nothing is there to go on from; beginning anew"
            if not self.resumed:
                self._clear()
                made = self._make()
                about = {"key": dict(key), "drafts": [str(draft) for draft in self.drafts], "made": made}
                with whole_files(self.folder / ABOUT) as (draft,):
                    draft.write_text(json.dumps(about, sort_keys=True))
            for draft in self.drafts:
                if not draft.is_dir() or draft.is_symlink():
                    draft.unlink(missing_ok=True)  # half-written, or a link that would be followed
        except OSError as error:
            raise BadInput(f"{self.folder.parent}: cannot be written ({error}); name another place") from error
        return told

    def commit(self, note: Mapping[str, Any]) -> None:
        """Put all drafts in their places, or none; then nothing is left of this folder.

        note     plain JSON: what `finished` is for the next run, were this one killed
        Raises   BadInput: as `put_in_place`
        """
        try:
            put_in_place(list(zip(self.drafts, self.places, strict=True)), self.folder / JOURNAL, note)
        except OSError as error:
            raise BadInput(f"{self.places[0]}: cannot be put in place ({error}); name another place") from error
        reached("written")
        self._forget_made()
        self._clear()

    def keep_work(self) -> bool:
        """Keep what a run that has died would go on from, without its half-written files; whether there is any.

        That are results of learners, and notes that fitting or a shard is done.
        """
        if self._lock is None:
            return False
        about = self._about()
        notes = [path for path in self.folder.glob("*.json") if path.name not in (ABOUT, JOURNAL)]
        results = [path for path in self.folder.glob("*/*") if path.name != SIGN and not path.name.startswith(".")]
        self.keep = about is not None and bool(notes or results)
        for draft in about["drafts"] if about is not None and self.keep else []:
            if os.path.lexists(draft) and not os.path.isdir(draft):
                os.unlink(draft)
        return self.keep

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._lock is not None and not self.keep:
                self._clear()
        finally:
            self._let_go()
            if self._temporary is not None:
                self._temporary.cleanup()
            self._telling.close()

    def _make(self) -> list[str]:
        """Make this folder and those of the places; returns the latter that were not there, the outermost first."""
        made: list[str] = []
        for draft in self.drafts:
            parents = [str(folder) for folder in reversed(draft.parents) if not folder.exists()]
            made += [folder for folder in parents if folder != str(self.folder)]
            if draft.parent != self.folder:
                draft.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if self.lasting:
            self._hold()
        return made

    def _hold(self) -> None:
        """Lock the folder for this run. BadInput: it is held by another, or no folder of this user alone."""
        if self._lock is not None:
            return
        status = os.lstat(self.folder)
        alone = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
        if not alone:
            raise BadInput(f"{self.folder}: is no folder that this user alone can write to; remove it")
        self._lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            gone = os.fstat(self._lock).st_ino != os.lstat(self.folder).st_ino
        except OSError as error:
            gone = True
            if not isinstance(error, BlockingIOError | FileNotFoundError):
                raise
        if gone:
            self._let_go()
            raise BadInput(f"{self.folder}: another run is writing there; wait for it, or name another output")

    def _let_go(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _about(self) -> dict[str, Any] | None:
        """What `begin` of an earlier run has written; None where it was killed before."""
        try:
            about = json.loads((self.folder / ABOUT).read_bytes())
            found = {"key": dict(about["key"]), "drafts": list(about["drafts"]), "made": list(about["made"])}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{self.folder}: is damaged ({error!r}); remove it") from error
        return found

    def _forget_made(self) -> None:
        about = self._about()
        if about is not None:
            with whole_files(self.folder / ABOUT) as (draft,):
                draft.write_text(json.dumps({**about, "made": []}, sort_keys=True))

    def _clear(self) -> None:
        """Remove the drafts, the folder, and folders that were made for outputs and are empty; the journal last."""
        if not self.folder.exists():
            return
        about = self._about() or {"drafts": [], "made": []}
        for draft in about["drafts"]:
            _remove(Path(draft))
        for path in self.folder.iterdir():
            if path.name not in (ABOUT, JOURNAL):
                _remove(path)
        for name in (ABOUT, JOURNAL):
            (self.folder / name).unlink(missing_ok=True)
        if self.lasting:
            self.folder.rmdir()
            self._let_go()
        for folder in reversed(about["made"]):
            with suppress(OSError):  # it is not empty: somebody else has put a file there
                Path(folder).rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
