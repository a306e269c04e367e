"""Files that are whole or not there: written beside their place under another name, then moved into it at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
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
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"{place}: its folder cannot be made ({error.strerror}); name another place") from error
    drafts = [place.with_name(f".{place.name}.{os.getpid()}.tmp") for place in places]
    try:
        yield tuple(drafts)
        for draft, place in zip(drafts, places, strict=True):
            os.replace(draft, place)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
