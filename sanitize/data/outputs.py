"""Places to write to, looked at before the work: local files and folders, or fsspec addresses."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sanitize.data.shards import Source
from sanitize.errors import BadInput, BadParams
from sanitize.io.remote import connect, is_remote, remote_errors


def refuse_outputs(source: Source, places: Sequence[str], folders: Sequence[str] = ()) -> None:
    """Refuse outputs before the work, not after it.

    places   files to write
    folders  folders to write, for an input of several files: new or empty
    Raises   BadParams: an output is the input (also through a link), lies in it or around it, is a link, or is another
             output; BadInput: an output is something else than a file, a folder is not empty, or nothing can be
             written there
    """
    inputs = [Path(shard.place) for shard in source.shards if shard.store is None]
    root = Path(source.address) if not source.single and Path(source.address).is_dir() else None
    seen: list[str] = []
    for output in [*places, *folders]:
        if is_remote(output):
            _refuse_remote(output, source, seen)
        else:
            path = Path(output)
            for given in inputs:
                if _same(path, given):
                    raise BadParams(
                        f"output {output} is the input {given}; name another file, the input is never overwritten"
                    )
            real = Path(os.path.realpath(path))
            if root is not None and (real.is_relative_to(root.resolve()) or root.resolve().is_relative_to(real)):
                raise BadParams(f"output {output} and the input {root} lie in each other; name a place outside")
            if any(_same(path, Path(other)) for other in seen if not is_remote(other)):
                raise BadParams(f"output {path} is named twice; name one file for each output")
            if path.is_symlink():
                raise BadParams(f"output {output} is a link to {real}; links are never written to or replaced")
            _refuse_path(path, output in folders)
        seen.append(output)


def _refuse_path(path: Path, folder: bool) -> None:
    if folder and path.is_dir():
        if any(path.iterdir()):
            raise BadInput(
                f"output {path} is a folder with files in it; the input has several files, name a new folder"
            )
    elif path.exists() and (folder or not path.is_file()):
        kind = "file" if path.is_file() else "folder" if path.is_dir() else "device, pipe or socket"
        raise BadInput(f"output {path} is a {kind}; name a {'new folder' if folder else 'file'}")
    above = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    if not above.is_dir():
        raise BadInput(f"output {path}: {above} is no folder; name another place")
    if not os.access(above, os.W_OK | os.X_OK):
        raise BadInput(f"output {path}: nothing may be written to {above}; change its permissions, or the place")


def _refuse_remote(output: str, source: Source, seen: Sequence[str]) -> None:
    """An object store cannot undo a replacement, so nothing that is there is replaced."""
    store, place = connect(output)
    if output in seen:
        raise BadParams(f"output {output} is named twice; name one file for each output")
    given = [shard.place for shard in source.shards if shard.store is not None]
    if place in given or any(other.startswith(f"{place}/") for other in given):
        raise BadParams(f"output {output} is the input; name another place, the input is never overwritten")
    try:
        there = store.exists(place)
    except remote_errors() as error:
        raise BadInput(f"output {output}: cannot be looked at ({error}); check the address and your access") from error
    if there:
        raise BadInput(f"output {output} is there already; an address is never replaced, name another")


def _same(one: Path, other: Path) -> bool:
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    return one.exists() and other.exists() and one.samefile(other)
