"""The file of `--summary`: that the run has not ended, after a failure why, and in the end what became of the rows.

An older summary there can so never pass for that of a run that failed, was killed or could not begin.
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sanitize.errors import BadInput, BadParams, MendableError
from sanitize.exit_codes import message_of
from sanitize.io.atomic import atomic_write
from sanitize.io.destinations import local_path, refuse_address
from sanitize.io.regular import open_regular

SCHEMA_VERSION = 1
NOT_ENDED = "the run has not ended"
FIGURES = {"rows", "kept", "rejected"}  # that every summary has
MOST_BYTES = 64 << 20


@contextmanager
def noted(
    place: Path | None, files: Sequence[str | Path | None] = (), rows: Sequence[str | None] = ()
) -> Iterator[None]:
    """As long as the block lasts the file at `place` says that the run has not ended, and after an error which.

    place   where the summary goes; None = nowhere. The block writes it with `write_summary`
    files   what else the run reads and writes
    rows    the same of rows: files, folders, patterns
    Raises  BadInput: it cannot be written; and whatever the block raises
    Where the place is one of the others, lies in a folder of rows, or cannot be a summary's (see `refuse_summary`),
    nothing is written there; the run will say what is wrong.
    """
    if place is None or not _is_free(place, files, rows):
        yield
        return
    mark(place)
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        with suppress(OSError, MendableError):  # what it says already does not pass either
            write_summary(place, {"schema_version": SCHEMA_VERSION, "error": str(message_of(error)[0])})
        raise


def mark(place: Path) -> None:
    """Write that the run has not ended. BadInput: it cannot be written."""
    write_summary(place, {"schema_version": SCHEMA_VERSION, "error": NOT_ENDED})


def write_summary(place: Path, document: Mapping[str, Any]) -> None:
    """Write the document, whole or not at all. BadInput: it cannot be written."""
    with atomic_write(local_path(str(place))) as (draft,):
        draft.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def refuse_summary(place: Path) -> None:
    """Refuse a place where no summary goes, before the work.

    Raises   BadParams: an address, a name that is not *.json, or a file that is there and is no summary
    """
    path = Path(local_path(str(place)))
    refuse_address(str(path), "--summary")
    if path.suffix.lower() != ".json":
        raise BadParams(f"--summary is {place}; what is written there is JSON: name it *.json")
    if path.is_file() and not _is_summary(path):
        raise BadParams(f"--summary is {place}, a file that is no summary of a run; name another place, or remove it")


def _is_free(place: Path, files: Sequence[str | Path | None], rows: Sequence[str | None]) -> bool:
    """Whether this run may write that it has not ended."""
    path = Path(local_path(str(place)))
    try:
        refuse_summary(place)
        if path.is_symlink() or (path.exists() and not path.is_file()):
            return False
        real = Path(os.path.realpath(path))
        others = [local_path(str(one)) for one in (*files, *rows) if one is not None]
        within = [local_path(one) for one in rows if one is not None]
        if path.exists():
            within += [
                one for pattern in within if glob.has_magic(pattern) for one in glob.iglob(pattern, recursive=True)
            ]
            if any(os.path.exists(one) and path.samefile(one) for one in (*others, *within)):
                return False
        return real not in map(Path, map(os.path.realpath, others)) and not any(
            real.is_relative_to(os.path.realpath(one)) for one in within
        )
    except (BadParams, OSError, ValueError):
        return False


def _is_summary(path: Path) -> bool:
    """Whether a file is what `write_summary` writes or `sanitize filter --json` prints, or is empty."""
    try:
        with open_regular(path) as file:
            blob = file.read(MOST_BYTES + 1)
        document = json.loads(blob) if blob.strip() and len(blob) <= MOST_BYTES else None
    except (BadInput, OSError, ValueError, RecursionError):
        return False
    if document is None:
        return not blob.strip()
    return (
        isinstance(document, dict)
        and "schema_version" in document
        and ("error" in document or document.keys() >= FIGURES)
    )
