"""The command `sanitize report`: a page about what a manifest says of its input."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sanitize.errors import BadParams
from sanitize.exit_codes import reported
from sanitize.runtime.printing import say
from sanitize.watched import WATCHED, watched


def report_command(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="IN", help="What `sanitize filter` was given, unchanged.")],
    manifest: Annotated[
        Path, typer.Option(metavar="PATH", help="The manifest that `sanitize filter IN --manifest PATH` wrote.")
    ],
    page: Annotated[
        Path, typer.Option("--output", "-o", metavar="PATH", help="Where the page goes: *.html; or the export.")
    ],
    export: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="In place of the page, the dropped rows for another tool: fiftyone or label-studio (a new folder), or "
            "csv.",
        ),
    ] = None,
    all_rows: Annotated[bool, typer.Option("--all", help="With --export: the kept rows, too.")] = False,
    image_root: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Open images without bytes by their path, inside this folder only."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="The split that was filtered, where IN has several.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing on stderr.")] = False,
) -> None:
    """Write a page about the rows that were dropped: groups, evidence, pictures, and tick boxes for a review.csv.

    One HTML file below 5 MB that needs no network; the same as of `sanitize filter --report`. Nothing is fitted, and
    a manifest of another input is refused.

    Exit codes: 0 written; 2 parameters or usage; 3 input, or a failure; 130 interrupted.
    """
    with reported(as_json=False), watched(context.obj == WATCHED, want_of_memory="write it on a machine with more"):
        from sanitize.report_file import write_export, write_report

        how: dict[str, Any] = {"image_root": image_root, "split": split}
        if export is None:
            if all_rows:
                raise BadParams("--all is given without --export; the page shows the dropped rows; leave it out")
            write_report(source, manifest, page, **how)
        else:
            rows = write_export(source, manifest, page, export, all_rows=all_rows, **how)
    if not quiet:
        say(f"report: {page}" if export is None else f"{rows} rows for {export}: {page}")
