"""Many outputs put in their places as one: a journal says what is to be moved, so that a killed run can be completed.

Drafts are whole when the journal is written. An error during the moves undoes them; after a kill `complete` does the
rest. Either way all places are new, or none is.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sanitize.data.files import whole_files
from sanitize.errors import BadInput
from sanitize.io.remote import connect, is_remote, remote_errors

Pairs = Sequence[tuple[Path, str]]


def put_in_place(pairs: Pairs, journal: Path, note: Mapping[str, Any]) -> None:
    """Upload or move drafts to their places, all or none, whatever happens in between.

    pairs    (draft, place): a draft is a file or a folder; a place is a local path on the draft's file system, or an
             address with a protocol
    journal  file that is there while the moves are under way, and after them: remove it when the rest is cleaned up
    note     what `complete` gives back, plain JSON
    Raises   BadInput: a place cannot be written; OSError: a draft cannot be moved. The places are then as before, the
             local drafts are in theirs
    """
    with whole_files(journal) as (draft,):
        moves = [[str(source.absolute()), _fixed(place)] for source, place in pairs]
        draft.write_text(json.dumps({"moves": moves, "note": note}, sort_keys=True))
    sent: list[tuple[Any, str]] = []
    moved: list[tuple[Path, Path, Path | None]] = []
    try:
        for source, place in pairs:
            if is_remote(place):
                _upload(source, place, sent)
        for source, place in pairs:
            if not is_remote(place):
                _move(source, Path(place), moved)
    except BaseException:
        for store, target in sent:
            with suppress(*remote_errors()):  # the first error is the one to tell
                store.rm_file(target)
        for source, target_path, old in reversed(moved):
            # the draft goes back first: were this killed, `complete` could still make all places new
            if not os.path.lexists(source) and os.path.lexists(target_path):
                os.replace(target_path, source)
            if old is not None:
                os.replace(old, target_path)
                old.unlink(missing_ok=True)  # of two names of one file neither is replaced
        journal.unlink()
        raise
    for _, _, old in moved:
        if old is not None:
            old.unlink(missing_ok=True)


def complete(journal: Path) -> dict[str, Any] | None:
    """Do the moves that a killed `put_in_place` has left; may be repeated.

    Returns  its note; None where no journal is there
    Raises   BadInput: the journal is none, or a place cannot be written
    """
    try:
        written = json.loads(journal.read_bytes())
        pairs = [(Path(source), str(place)) for source, place in written["moves"]]
        note: dict[str, Any] = written["note"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadInput(f"{journal}: is no journal of outputs ({error}); remove its folder") from error
    for source, place in pairs:
        if is_remote(place) and source.exists():
            _upload(source, place, [])
    for source, place in pairs:
        if not is_remote(place):
            if os.path.lexists(source):
                os.replace(source, place)
            _aside(Path(place)).unlink(missing_ok=True)
    return note


def _fixed(place: str) -> str:
    return place if is_remote(place) else str(Path(place).absolute())


def _aside(place: Path) -> Path:
    return place.with_name(f".{place.name}.old")


def _move(source: Path, place: Path, moved: list[tuple[Path, Path, Path | None]]) -> None:
    old = None
    if place.is_file():
        old = _aside(place)
        old.unlink(missing_ok=True)
        try:
            os.link(place, old)
        except OSError:  # a file system without links
            shutil.copy2(place, old)
    moved.append((source, place, old))
    os.replace(source, place)


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
