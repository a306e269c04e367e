"""Many outputs put in their places as one, by a run that may be killed and gone on with.

What is done is kept in the hidden folder of the first local output (its home; see `claims`), drafts lie in each
output's own. about.json there says for which run and which drafts are its own, journal.json which moves are under way,
done.json that a watcher has completed them. One process at a time holds all these folders. They are believed where they
were made here (see `origin`), and even then only as far as this program writes such things (see `state`).
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sanitize.errors import BadInput
from sanitize.io.atomic import make_folders, missing_folders, put_file, remove_folders, replace_all, sync
from sanitize.io.claims import HOME, OLD, Claim, unguessable
from sanitize.io.origin import HERE, SIGNS
from sanitize.io.remote import connect, is_remote, remote_errors
from sanitize.io.state import ABOUT, DONE, JOURNAL, OWN, UPLOAD, read_about, read_done, read_journal, stamp
from sanitize.whereabouts import reached, told

SIGN = "token"  # by which workers know the folder of results (`scratch.TOKEN`); no result


class Transaction:
    """The drafts and the folder of a run with certain outputs; use as a context.

    places    local paths and addresses with a protocol. Without a local one the folder is a temporary one, which ends
              with the run
    folder    where what is done is kept, as it is called; `inside` is the path to use
    keep      whether that outlives this context; set it any time
    finished  the note of an outcome that a killed run was putting in place, and that is complete now; or None
    left_out  the local places, absolute, that this outcome leaves as they were
    moved     whether that was completed by this object
    resumed   whether `begin` goes on from an earlier run
    drafts    after `begin`, one path for each place: make each of them a file or a folder
    Raises    BadInput: another run writes one of the outputs, what lies there is not this user's, or it cannot be
              written
    """

    def __init__(self, places: Sequence[str]) -> None:
        self.places = list(places)
        self.claims = {place: Claim(place) for place in places if not is_remote(place)}
        self.home = next(iter(self.claims.values()), None)
        self._temporary = tempfile.TemporaryDirectory() if self.home is None else None
        self.folder = Path(self._temporary.name) if self._temporary is not None else self.claims[self._first()].path
        self.drafts: tuple[Path, ...] = ()
        self.keep = False
        self.resumed = False
        self.moved = False
        self.finished: dict[str, Any] | None = None
        self.left_out: frozenset[str] = frozenset()
        self._names: dict[str, str] = {}  # of drafts in the claims, by place
        self._about: dict[str, Any] | None = None  # as this object has read or written it: what may be removed
        self._doubt = ""
        self._telling = ExitStack()

    def _first(self) -> str:
        return next(iter(self.claims))

    @property
    def inside(self) -> Path:
        """The folder, while this context lasts: a path that leads nowhere else, whatever others rename."""
        return self.folder if self.home is None else self.home.inside

    @property
    def lasting(self) -> bool:
        """Whether it can outlive the run."""
        return self.home is not None

    def __enter__(self) -> Self:
        if self.home is None:
            self._telling.enter_context(told("folder", str(self.folder)))
            return self
        self._telling.enter_context(told("staging", str(self.home.place)))
        try:
            if self.home.place.parent.is_dir() and self.home.take(make=False):
                self._about = read_about(self.home)
                self._complete()
        except BaseException as error:
            self._let_go()
            if isinstance(error, OSError):
                why = error.strerror or error
                raise BadInput(f"{self.folder}: cannot be used ({why}); name another place") from error
            raise
        return self

    def begin(self, key: Mapping[str, str], resume: bool) -> str:
        """Go on from what an earlier run has left, or from nothing.

        key      what must be the same for going on, by name
        resume   whether to go on; otherwise, and where the key is another, what was left is removed
        Returns  in words, what was found; "" = nothing
        """
        try:
            left, said = self._about, ""
            if left is not None:
                differs = self._differs(key)
                if resume and not differs:
                    self.resumed, said = True, f"going on from {self.folder}"
                elif resume:
                    said = f"{self.folder}: is of another {' and '.join(differs)}; removed, beginning anew"
                else:
                    said = f"{self.folder}: what a killed run has left is removed; --resume would have gone on from it"
            elif resume:
                said = f"{self.folder}: nothing is there to go on from; beginning anew"
            if not self.resumed:
                self._clear()
            self._take_all(key, left if self.resumed else None)
        except OSError as error:
            raise BadInput(
                f"{self.folder.parent}: cannot be written ({error.strerror or error}); make it writable, free space "
                "there, or name another place"
            ) from error
        return "\n".join(filter(None, (self._doubt, said)))

    def _differs(self, key: Mapping[str, str]) -> list[str]:
        return [name for name in key if self._about is None or self._about["key"].get(name) != key[name]]

    def continues(self, key: Mapping[str, str]) -> bool:
        """Whether `begin` would go on from an earlier run."""
        return not self._differs(key)

    def owns(self, place: str) -> bool:
        """Whether a folder stands at a place that the run has put there, with others left out, and nobody has changed.

        Such a folder is replaced when `begin` goes on from that run, and `commit` moves another one there.
        """
        return self._owned(place) is not None

    def _owned(self, place: str) -> list[Any] | None:
        placed = dict(self._about["placed"]) if self._about is not None and place in self.claims else {}
        path = str(self.claims[place].place) if placed else ""
        return [path, placed[path]] if path in placed and stamp(path) == placed[path] else None

    def _take_all(self, key: Mapping[str, str], left: dict[str, Any] | None) -> None:
        """Note which drafts are this run's, hold all claims, and have half-written files out of the way."""
        if self.home is not None:
            missing = [folder for claim in self.claims.values() for folder in missing_folders(claim.place)]
            make_folders(self.home.place)
            self.home.take()
            self.home.clear()
            self.home.remove(DONE)
            if left is None:
                left = {
                    "key": dict(key),
                    "drafts": [[str(claim.place), unguessable()] for claim in self.claims.values()],
                    "uploads": self._uploads(),
                    "made": [str(folder) for folder in missing],
                    "placed": [],
                }
                self._write(ABOUT, left)
                self._about = left
            known = dict(left["drafts"])
            self._names = {place: known[str(claim.place)] for place, claim in self.claims.items()}
        for claim in sorted(self.claims.values(), key=lambda one: one.place):
            make_folders(claim.place)
            claim.take()
            claim.clear()
            sync(Path(HERE), claim.own)
        for place, claim in self.claims.items():
            name = self._names[place]
            if claim is not self.home and claim.there(name + HOME) is None:
                with put_file(claim.inside / (name + HOME)) as draft:
                    draft.write_bytes(os.fsencode(self.folder))
        self.drafts = tuple(
            self.inside / f"{UPLOAD}{number}" if is_remote(place) else self.claims[place].inside / self._names[place]
            for number, place in enumerate(self.places)
        )
        for draft in self.drafts:
            if draft.is_symlink() or not draft.is_dir():
                draft.unlink(missing_ok=True)  # half-written

    def _uploads(self) -> list[list[str]]:
        """[name of the draft, address] of each."""
        return [[f"{UPLOAD}{number}", place] for number, place in enumerate(self.places) if is_remote(place)]

    def commit(
        self,
        note: Mapping[str, Any],
        contents: Mapping[str, Collection[str]] | None = None,
        *,
        without: Collection[str] = (),
        keep: bool = False,
    ) -> None:
        """Put all drafts in their places, or none; then nothing is left of this folder.

        note      plain JSON: what `finished` is for the next run, were this one killed
        contents  place -> the files that its draft, a folder, must hold, with /; the other drafts are files
        without   places that stay as they are; their drafts go with the folder
        keep      whether the folder stays, so that another run goes on from it and puts all in place
        Raises    BadInput: a place cannot be written, or a draft holds what this run did not write
        Files and folders are on the disk before a move counts. An error, or whatever interrupts this, undoes the moves;
        after a kill the next run to the same first output does the rest.
        """
        sent: list[tuple[Any, str]] = []
        try:
            names = {place: name for place, name in self._names.items() if place not in without}
            for place, name in names.items():
                self.claims[place].make_sound(name, (contents or {}).get(place))
            pairs = {place: [str(self.claims[place].place), name] for place, name in self._names.items()}
            owned = {place: one for place in names if (one := self._owned(place)) is not None}
            journal: dict[str, Any] = {
                "moves": [pairs[place] for place in names],
                "uploads": [pair for pair in self._uploads() if pair[1] not in without],
                "note": note,
                "left": [pair for place, pair in pairs.items() if place in without],
                "replaced": list(owned.values()),
                "keep": keep,
            }
            self._write(JOURNAL, journal)
            try:
                for draft, place in journal["uploads"]:
                    _upload(self.inside / draft, place, sent)
                for place in owned:
                    self.claims[place].gives_way = True
                replace_all([(self.claims[place], name) for place, name in names.items()])
            except BaseException:
                for store, target in sent:
                    with suppress(*remote_errors()):  # the first error is the one to tell
                        store.rm_file(target)
                (self.inside / JOURNAL).unlink()
                raise
        except OSError as error:
            raise BadInput(f"{self.places[0]}: cannot be put in place ({error}); name another place") from error
        reached("written")
        self._note_placed([place for place, _ in journal["moves"]])
        if keep:
            (self.inside / JOURNAL).unlink()
        else:
            self._clear()

    def keep_work(self) -> bool:
        """Keep what a run that has died would go on from, without its half-written files; whether there is any.

        That are results of learners, and notes that fitting or a shard is done.
        """
        if self.home is None or not self.home.held:
            return False
        about = self._about
        no_results = {SIGN, *SIGNS}
        notes = [path for path in self.inside.glob("*.json") if path.name not in OWN]
        results = [p for p in self.inside.glob("*/*") if p.name not in no_results and not p.name.startswith(".")]
        drafts = {name for _, name in about["drafts"]} if about is not None else set()
        self.keep = bool(notes or [path for path in results if path.parent.name not in drafts])
        self.keep = self.keep and about is not None
        for place, name in about["drafts"] if about is not None and self.keep else []:
            with self._also(place) as claim:
                status = None if claim is None else claim.there(name)
                if claim is not None and status is not None and not stat.S_ISDIR(status.st_mode):
                    claim.remove(name)
        return self.keep

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self.keep:
                self._clear()
        finally:
            self._let_go()
            if self._temporary is not None:
                self._temporary.cleanup()
            self._telling.close()

    def _let_go(self) -> None:
        for claim in self.claims.values():
            claim.release()

    def _complete(self) -> None:
        """Do the moves that a killed `commit` has left, or see that a watcher has done them."""
        assert self.home is not None
        journal = read_journal(self.home, self._about)
        if journal is None:
            self._see_done()
            return
        try:
            for draft, place in journal["uploads"] if self._about is not None else []:
                if self.home.there(draft) is not None:
                    _upload(self.inside / draft, place, [])
            replaced = dict(journal["replaced"])
            for place, name in journal["moves"] if self._about is not None else []:
                with self._also(place, must=True) as claim:
                    if claim is not None and claim.there(name) is not None:
                        claim.gives_way = place in replaced and stamp(place) == replaced[place]
                        claim.move(name, aside=False)
                        os.fsync(claim.parent)
                    if claim is not None:
                        claim.remove(name + OLD)
            moved, left = ([place for place, _ in journal[name]] for name in ("moves", "left"))
            self._note_placed(moved)
            stamps = [[place, stamp(place)] for place in moved]
            self._write(DONE, {"note": journal["note"], "stamps": stamps, "left": left})
        except OSError as error:
            raise BadInput(f"{self.folder}: its outputs cannot be put in place ({error})") from error
        self.finished, self.left_out, self.moved = journal["note"], frozenset(left), True
        if journal["keep"] and self._about is not None:
            (self.inside / JOURNAL).unlink()
        else:
            self._clear(but=(DONE,))

    def _see_done(self) -> None:
        """Take what a watcher has completed for this run's outcome if it is all that this run would write."""
        assert self.home is not None
        done = read_done(self.home)
        if done is None:
            return
        stamps = dict(done["stamps"])
        if {*stamps, *done["left"]} == {str(claim.place) for claim in self.claims.values()} and all(
            found is not None and stamp(place) == found for place, found in stamps.items()
        ):
            self.finished, self.left_out = done["note"], frozenset(done["left"])
        else:
            self._doubt = (
                f"{self.folder}: what it says to be done is not all outputs of this command as they are now; ignored"
            )

    @contextmanager
    def _also(self, place: str, must: bool = False) -> Iterator[Claim | None]:
        """The claim of a place for the length of a block, this object's own where it has it.

        None where nothing is there, or, unless it must be had (BadInput), where it is another's.
        """
        for claim in self.claims.values():
            if str(claim.place) == place and claim.held:
                yield claim
                return
        claim = Claim(place)
        try:
            taken = False
            with suppress(*(() if must else (BadInput,))):
                taken = claim.place.parent.is_dir() and claim.take(make=False)
            yield claim if taken else None
        finally:
            claim.release()

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        with put_file(self.inside / name) as draft:
            draft.write_text(json.dumps(content, sort_keys=True))

    def _note_placed(self, moved: Sequence[str]) -> None:
        """Note that these places have their outputs: the folders made for them stay, and folders may be replaced."""
        if self._about is not None:
            above = {str(folder) for place in moved for folder in Path(place).parents}
            made = [folder for folder in self._about["made"] if folder not in above]
            placed = [[place, stamp(place)] for place in moved if os.path.isdir(place)]
            self._about = {**self._about, "made": made, "placed": placed}
            self._write(ABOUT, self._about)

    def _clear(self, but: Collection[str] = ()) -> None:
        """Remove the drafts, the folder, and folders that were made for outputs and are empty; the journal last."""
        if self.home is None or not self.home.held:
            return
        about = self._about or {"drafts": [], "made": []}
        for place, name in about["drafts"]:
            with self._also(place) as claim:
                if claim is not None:
                    claim.remove(name, name + OLD, name + HOME)
                    claim.clear()
        for claim in self.claims.values():
            if claim is not self.home:
                claim.release()
        self.home.clear(but=OWN)
        self.home.remove(*(name for name in OWN if name not in but))
        self._about = None
        if not but:
            self._let_go()
        remove_folders([Path(folder) for folder in about["made"]])


def _upload(source: Path, place: str, sent: list[tuple[Any, str]]) -> None:
    store, base = connect(place)
    files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
    try:
        for file in files:
            target = base if file == source else f"{base}/{file.relative_to(source).as_posix()}"
            sent.append((store, target))
            store.put_file(str(file), target)
    except remote_errors() as error:
        raise BadInput(f"{place}: cannot be written ({error}); check the address and your access to it") from error
