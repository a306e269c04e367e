"""Source and manifest -> the page about them as a file, or their rows for other tools."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sanitize.data.shards import Source, find_shards
from sanitize.errors import BadInput, BadParams
from sanitize.io.atomic import atomic_write
from sanitize.io.destinations import local_path, refuse_address, refuse_outputs, refuse_suffix
from sanitize.io.transaction import Transaction
from sanitize.manifest_file import ManifestFile, read_manifest
from sanitize.report.export import KINDS, export_rows
from sanitize.report.review_page import build_page


def write_report(
    source: str | Path, manifest: Path, page: str | Path, *, image_root: Path | None = None, split: str | None = None
) -> None:
    """Write the page. It appears when all is done, or not at all.

    source, split  as for `filter_file`
    manifest       of a run of `sanitize filter --manifest` on the same input
    image_root     folder below which images may be opened by their path; None = nowhere
    Raises         BadInput: no manifest, or one of another input; what reading and writing raise
                   BadParams: the page is the input or the manifest, or no local file named *.html
    """
    place = local_path(str(page))
    refuse_address(place, "--output")
    refuse_suffix(place, "--output", page=True)
    shards, given, stamps = open_both(source, manifest, place, image_root, split)
    text = build_page(shards, given, image_root=image_root)
    refuse_changed(shards, stamps, source)
    with atomic_write(place) as (draft,):
        draft.write_text(text, encoding="utf-8", errors="replace")


def write_page(
    place: Path, source: Source, manifest: Path, called: Path, image_root: Path | None, notes: Sequence[str]
) -> None:
    """The page of a run that is being done; the same outcome gives the same bytes.

    place              where it is written
    manifest, called   the draft of a manifest of this source, and what that will be called
    image_root, notes  as for `build_page`
    """
    page = build_page(source, replace(read_manifest(manifest), path=called), image_root=image_root, notes=notes)
    place.write_text(page, encoding="utf-8", errors="replace")


def open_both(
    source: str | Path, manifest: Path, place: str, image_root: Path | None, split: str | None
) -> tuple[Source, ManifestFile, Any]:
    """The input, the manifest about it, and the input's stamps; see `write_report`. place: what will be written."""
    if image_root is not None and not image_root.is_dir():
        raise BadInput(f"--image-root {image_root}: no such folder; check the path")
    shards = find_shards(source, split)
    refuse_outputs(shards, [place], read=[manifest])
    stamps = shards.stamps()
    given = read_manifest(manifest)
    given.refuse_other_input(shards, shards.sha256())
    return shards, given, stamps


def refuse_changed(shards: Source, stamps: Any, source: str | Path) -> None:
    """BadInput where the input is not as it was when `open_both` looked."""
    if shards.stamps() != stamps:
        raise BadInput(f"{source}: has changed while it was being read; take what the manifest is about")


def write_export(
    source: str | Path,
    manifest: Path,
    place: str | Path,
    kind: str,
    *,
    all_rows: bool = False,
    image_root: Path | None = None,
    split: str | None = None,
) -> int:
    """Write the dropped rows, or all, for another tool: see `export_rows`. They appear when all is done, or not at all.

    source, manifest, image_root, split  as for `write_report`
    place    of csv a file named *.csv, which is replaced; otherwise a folder, which must not be there
    Returns  how many rows were written
    Raises   as `write_report`; BadParams: no such kind, or a place of another kind; BadInput: the folder is there
    """
    if kind not in KINDS:
        raise BadParams(f"--export is {kind!r}; must be {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    into = local_path(str(place))
    refuse_address(into, "--output")
    if (Path(into).suffix.lower() == ".csv") != (kind == "csv"):
        wanted = "a file: name it *.csv" if kind == "csv" else "a folder: give it no file's name"
        raise BadParams(f"--output is {place}; --export {kind} writes {wanted}")
    if kind != "csv" and os.path.lexists(into):
        raise BadInput(f"{place}: is there already; name a new folder, or remove it")
    shards, given, stamps = open_both(source, manifest, into, image_root, split)
    with _new(Path(into), kind == "csv") as draft:
        rows = export_rows(shards, given, draft, kind, all_rows=all_rows, image_root=image_root)
        refuse_changed(shards, stamps, source)
    return rows


@contextmanager
def _new(place: Path, file: bool) -> Iterator[Path]:
    """A draft of a file, or of a folder that is not there yet; put into place at the end."""
    if file:
        with atomic_write(place) as (draft,):
            yield draft
        return
    into = str(place)
    with Transaction([into]) as staging:
        staging.begin({}, False)
        (folder,) = staging.drafts
        folder.mkdir()
        yield folder
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        staging.commit({}, {into: names})
