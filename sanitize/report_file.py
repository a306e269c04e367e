"""Source and manifest -> the page about them, as a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sanitize.data.shards import Source, find_shards
from sanitize.errors import BadInput
from sanitize.io.atomic import atomic_write
from sanitize.io.destinations import local_path, refuse_address, refuse_outputs, refuse_suffix
from sanitize.manifest_file import read_manifest
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
    if image_root is not None and not image_root.is_dir():
        raise BadInput(f"--image-root {image_root}: no such folder; check the path")
    shards = find_shards(source, split)
    refuse_outputs(shards, [place], read=[manifest])
    stamps = shards.stamps()
    given = read_manifest(manifest)
    given.refuse_other_input(shards, shards.sha256())
    text = build_page(shards, given, image_root=image_root)
    if shards.stamps() != stamps:
        raise BadInput(f"{source}: has changed while it was being read; make the report of what the manifest is about")
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
