"""Source, manifest and decisions -> a server of the page about them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sanitize.errors import BadInput, BadParams
from sanitize.io.destinations import local_path, refuse_address
from sanitize.manifest_file import ids_of
from sanitize.report.review_page import build_page
from sanitize.report_file import open_both, refuse_changed
from sanitize.review_file import ReviewFile
from sanitize.review_server import ReviewServer

LAST_PORT = 65535


def prepare(
    source: str | Path,
    manifest: Path,
    decisions: Path,
    *,
    port: int = 0,
    image_root: Path | None = None,
    split: str | None = None,
) -> ReviewServer:
    """A server that listens and has its page, and does not answer yet.

    source, manifest, image_root, split  as for `write_report`
    decisions  the review.csv; read if it is there
    port       0 = any that is free
    Raises     BadInput: no manifest, or one of another input; an input that changes meanwhile; decisions that are no
               review of it; a port that is taken
               BadParams: decisions that would be written over the input or the manifest, or to an address
    """
    place = local_path(str(decisions))
    refuse_address(place, "--decisions")
    if Path(place).suffix.lower() != ".csv":
        raise BadParams(f"--decisions is {decisions}; what is written there is CSV: name it *.csv")
    if not 0 <= port <= LAST_PORT:
        raise BadParams(f"--port is {port}; must be from 0 to {LAST_PORT}")
    shards, given, stamps = open_both(source, manifest, place, image_root, split)
    ids = partial(ids_of, given) if given.has_ids else None
    review = ReviewFile(Path(place), shards, ids)
    try:
        server = ReviewServer(review, port)
    except OSError as error:
        raise BadInput(f"port {port}: cannot be had ({error.strerror}); name another --port or none") from error
    page = build_page(shards, given, review_url=server.decisions_at, image_root=image_root)
    server.page = page.encode("utf-8", "replace")
    refuse_changed(shards, stamps, source)
    return server
