"""Places to write to, looked at before the work: local files and folders, or fsspec addresses."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, Protocol

from sanitize.errors import BadInput, BadParams
from sanitize.io.claims import refuse_place
from sanitize.io.private import NAME_MAX, owner_of, refuse_strange_links
from sanitize.io.remote import connect, is_remote, remote_errors

PAGES = frozenset((".html", ".htm", ".xhtml"))
OTHERS = PAGES | frozenset(  # formats whose readers would choke on a parquet file under their name
    f".{name}"
    for names in (
        "csv tsv psv tab txt text md log json jsonl ndjson geojson json5 yaml yml toml xml ini sql arrow",
        "arrows feather ipc orc avro proto tfrecord tfrecords msgpack bson lance vortex delta xls xlsx xlsm",
        "xlsb ods pdf npy npz mat h5 hdf5 hdf nc zarr fits rds rda rdata sav dta sas7bdat por pkl pickle",
        "joblib dill pt pth ckpt bin onnx safetensors gguf db db3 sqlite sqlite3 duckdb mdb zip gz gzip bz2",
        "xz zst zstd lz4 sz br 7z rar tar tgz tbz2 txz lzo png jpg jpeg gif webp bmp tif tiff svg mp4 wav",
        "mp3 py ipynb r sh dvc lock",
    )
    for name in names.split()
)
ADDRESS = re.compile(r"[A-Za-z][\w+.-]+:/")  # also where a Path has made one of two slashes


class Input(Protocol):
    """What is read, as `data.shards.Source` has it."""

    @property
    def address(self) -> str:
        """As the user gave it."""

    @property
    def shards(self) -> Sequence[Any]:
        """Its files, with `place` and `store` (None = local)."""

    @property
    def single(self) -> bool:
        """Whether the address is that of one file."""


def local_path(address: str) -> str:
    """An address on this machine as a plain path (file:///a, file://localhost/a, file:/a, local://a); others as is."""
    found = re.fullmatch(r"(?is)(?:file|local):(?://(?:localhost(?=/))?|(?=/))(.+)", address)
    return found[1] if found else address


def refuse_address(place: str, option: str) -> None:
    """BadParams where what must be a local path is an address; option is what the user calls it."""
    if ADDRESS.match(place):
        raise BadParams(f"{option} is {place}; must be a local file")


def refuse_suffix(place: str, option: str, page: bool = False) -> None:
    """BadParams where rows would be written under the name of another format, or a page under that of rows.

    place   a path or an address; option is what the user calls it
    page    whether a page (HTML) goes there, in place of parquet
    """
    suffix = PurePath(place).suffix.lower()
    if page and (suffix in OTHERS - PAGES or suffix in (".parquet", ".parq", ".pq")):
        raise BadParams(f"{option} is {place}; what is written there is HTML: name it *.html")
    if not page and suffix in OTHERS:
        raise BadParams(
            f"{option} is {place}; what is written there is parquet, never {suffix}: name it *.parquet, and convert it "
            "afterwards (for CSV: pandas.read_parquet(OUT).to_csv(…))"
        )


def refuse_outputs(
    source: Input,
    places: Sequence[str],
    folders: Sequence[str] = (),
    read: Sequence[Path] = (),
    replaced: Sequence[str] = (),
) -> None:
    """Refuse outputs before the work, not after it.

    places   files to write
    folders  folders to write, for an input of several files: new or empty
    read     other files that are read
    replaced folders with files in them that may be replaced
    Raises   BadParams: an output is the input or another file that is read (also through a link), lies in the input or
             around it, is a link, or is another output; BadInput: an output is something else than a file, a folder is
             not empty, or nothing can be written there
    """
    inputs = [Path(shard.place) for shard in source.shards if shard.store is None] + list(read)
    root = Path(source.address) if not source.single and Path(source.address).is_dir() else None
    seen: list[str] = []
    for output in [*places, *folders]:
        if is_remote(output):
            _refuse_remote(output, source, seen)
        else:
            path = Path(output)
            _refuse_name(output, output in folders)
            for given in inputs:
                if _same(path, given):
                    raise BadParams(
                        f"output {output} is the input {given}; name another file, the input is never overwritten"
                    )
            real = Path(os.path.realpath(path))
            if root is not None and (real.is_relative_to(root.resolve()) or root.resolve().is_relative_to(real)):
                raise BadParams(f"output {output} and the input {root} lie in each other; name a place outside")
            for other in [place for place in seen if not is_remote(place)]:
                if _same(path, Path(other)):
                    raise BadParams(f"output {path} is named twice; name one file for each output")
                if real.is_relative_to(os.path.realpath(other)) or Path(os.path.realpath(other)).is_relative_to(real):
                    raise BadParams(f"outputs {other} and {path} lie in each other; name places apart")
            if path.is_symlink():
                raise BadParams(f"output {output} is a link to {real}; links are never written to or replaced")
            _refuse_path(path, output in folders, output in replaced)
        seen.append(output)


def refuse_file(out: Path, inputs: Sequence[Path], option: str) -> None:
    """Refuse one file of rows to write, before the work. BadParams, BadInput: as `refuse_outputs`."""
    refuse_suffix(str(out), option)
    for source in inputs:
        if _same(out, source):
            raise BadParams(f"output {out} is the input {source}; name another file, an input is never overwritten")
    _refuse_name(str(out), False)
    refuse_place(out)
    _refuse_path(out, False)


def _refuse_name(output: str, folder: bool) -> None:
    name = Path(output).name
    if "\0" in output:
        raise BadParams(f"output {output!r} has a null character in its name; name another place")
    if output.endswith(("/", "/.")) and not folder:
        raise BadParams(f"output {output} is the name of a folder; name a file in it, such as {output}clean.parquet")
    if len(os.fsencode(name)) > NAME_MAX:
        raise BadParams(f"output {name[:40]}… has a name of {len(os.fsencode(name))} bytes; at most {NAME_MAX} will do")


def _refuse_path(path: Path, folder: bool, replaced: bool = False) -> None:
    refuse_strange_links(path)
    if folder and path.is_dir():
        if not replaced and any(path.iterdir()):
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
    if path.exists():
        _refuse_sticky(path, above)


def _refuse_sticky(path: Path, above: Path) -> None:
    """In a folder such as /tmp only a file's owner, and the folder's, may replace it."""
    status, folder = os.lstat(path), os.stat(above)
    if folder.st_mode & stat.S_ISVTX and os.geteuid() not in (0, status.st_uid, folder.st_uid):
        raise BadInput(f"output {path} is a file of {owner_of(status)}, who alone may replace it; name another place")


def _refuse_remote(output: str, source: Input, seen: Sequence[str]) -> None:
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
