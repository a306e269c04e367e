"""The notes of a run in its hidden folder: read strictly, whoever wrote them.

Names are those of drafts, places and addresses those that the run noted when it began, and nothing leads out of the
folders.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sanitize.errors import BadInput
from sanitize.io.claims import DRAFT, Claim
from sanitize.io.origin import read_file

ABOUT = "about.json"
JOURNAL = "journal.json"
DONE = "done.json"
OWN = (ABOUT, JOURNAL, DONE)
UPLOAD = "upload-"  # with a number: a draft whose place is an address
_UPLOAD = re.compile(UPLOAD + r"[0-9]{1,9}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _About(_Strict):
    key: dict[str, str]
    drafts: list[list[str]]
    uploads: list[list[str]]
    made: list[str]
    placed: list[tuple[str, list[int]]] = []


class _Journal(_Strict):
    moves: list[list[str]]
    uploads: list[list[str]]
    note: dict[str, Any]
    left: list[list[str]] = []
    replaced: list[tuple[str, list[int]]] = []
    keep: bool = False


class _Done(_Strict):
    note: dict[str, Any]
    stamps: list[tuple[str, list[int] | None]]
    left: list[str] = []


def read_about(home: Claim) -> dict[str, Any] | None:
    """For which run the folder is, its drafts, addresses, the folders it has made, and those of outputs that it has put
    in their places before all were; None = it says nothing.

    Raises   BadInput: it says what no run writes
    """
    found = _read(home, ABOUT, _About)
    if found is None:
        return None
    places = [_pair(home, ABOUT, pair, DRAFT)[0] for pair in found["drafts"]]
    for pair in found["uploads"]:
        _pair(home, ABOUT, [*reversed(pair)], _UPLOAD)
    for place in places:
        if not Path(place).is_absolute() or ".." in Path(place).parts:
            raise _damaged(home, ABOUT, f"{place!r} is no place of an output")
    if str(home.place) not in places:
        raise BadInput(
            f"{home.path}: is of a run whose outputs were {', '.join(places) or 'none'}, and not {home.place}; name "
            "that one, or remove the folder"
        )
    above = {str(folder) for place in places for folder in Path(place).parents}
    for folder in found["made"]:
        if folder not in above:
            raise _damaged(home, ABOUT, f"{folder!r} is no folder of its outputs")
    for place, _ in found["placed"]:
        if place not in places:
            raise _damaged(home, ABOUT, f"{place!r} is none of its outputs")
    return found


def read_journal(home: Claim, about: dict[str, Any] | None) -> dict[str, Any] | None:
    """The moves and uploads that are under way, all of which `about` knows, and the run's note; None = there are none.

    `left` are drafts that do not move, `replaced` folders of this run's that give way, with their stamps, and `keep`
    says whether the folder stays.

    about  None = it was removed, which is done when all is in place
    Raises   BadInput: it says what no run writes
    """
    found = _read(home, JOURNAL, _Journal)
    if found is None:
        return None
    if about is None:
        places = [_pair(home, JOURNAL, pair, DRAFT)[0] for pair in found["moves"] + found["left"]]
        if str(home.place) not in places:
            raise _damaged(home, JOURNAL, f"it is not about {home.place}")
    elif sorted(found["moves"] + found["left"]) != sorted(about["drafts"]) or any(
        pair not in about["uploads"] for pair in found["uploads"]
    ):
        raise _damaged(home, JOURNAL, f"it is not about the outputs that {ABOUT} names")
    return found


def read_done(home: Claim) -> dict[str, Any] | None:
    """The note of a run that is complete, [place, its stamp] of its outputs, and those left out; None = there is none.

    Raises   BadInput: it says what no run writes
    """
    return _read(home, DONE, _Done)


def stamp(place: str) -> list[int] | None:
    """Changes when a file does, or a folder or what is below it."""
    try:
        status = os.lstat(place)
        own = [status.st_ino, status.st_size, status.st_mtime_ns]
        if not stat.S_ISDIR(status.st_mode):
            return own
        below = hashlib.sha256()
        for folder, folders, files in os.walk(place, onerror=_raised):
            folders.sort()
            for name in sorted([*folders, *files]):
                one = os.lstat(os.path.join(folder, name))
                below.update(repr((os.fsencode(name), one.st_ino, one.st_size, one.st_mtime_ns)).encode())
        return [*own, int.from_bytes(below.digest()[:7])]
    except OSError:
        return None


def _raised(error: OSError) -> None:
    raise error


def _read(home: Claim, name: str, model: type[_Strict]) -> dict[str, Any] | None:
    try:
        return model.model_validate_json(read_file(name, home.own)).model_dump(mode="json")
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        raise _damaged(home, name, f"{'.'.join(map(str, first['loc'])) or 'all of it'}: {first['msg']}") from error
    except OSError as error:
        raise _damaged(home, name, str(error)) from error


def _pair(home: Claim, name: str, pair: list[str], pattern: re.Pattern[str]) -> list[str]:
    if len(pair) != 2 or not pattern.fullmatch(pair[1]):
        raise _damaged(home, name, f"{pair!r} names no draft")
    return pair


def _damaged(home: Claim, name: str, problem: str) -> BadInput:
    return BadInput(f"{home.path}: is damaged ({name}: {problem}); remove it")
