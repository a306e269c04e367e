"""The command `sanitize apply`: write what a manifest keeps, with people's decisions over it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sanitize.command_options import Overrides
from sanitize.exit_codes import answer, reported
from sanitize.runtime.printing import say
from sanitize.watched import WATCHED, watched


def apply_command(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="IN", help="What `sanitize filter` was given, unchanged.")],
    kept: Annotated[
        str, typer.Argument(metavar="OUT", help="Where the kept rows go; a new folder if IN has several files.")
    ],
    manifest: Annotated[
        Path, typer.Option(metavar="PATH", help="The manifest that `sanitize filter IN --manifest PATH` wrote.")
    ],
    overrides: Overrides = None,
    keep_group: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Keep the rows of this group (G2), if no review drops them. May be repeated."),
    ] = None,
    rejected: Annotated[str | None, typer.Option(metavar="PATH", help="Where the other rows go.")] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="The split that was filtered, where IN has several.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No summary on stderr.")] = False,
) -> None:
    """Write the rows of IN that a manifest keeps; nothing is fitted.

    A manifest of another input is refused. People's decisions (--overrides) win over it.

    Exit codes: 0 written; 2 parameters or usage; 3 input, or a failure; 130 interrupted.
    """
    with reported(as_json), watched(context.obj == WATCHED, want_of_memory="apply it on a machine with more"):
        from sanitize.filter_apply import apply_manifest

        done = apply_manifest(
            source,
            kept,
            manifest,
            rejected=rejected,
            overrides=tuple(overrides or ()),
            keep_groups=tuple(dict.fromkeys(keep_group or ())),
            split=split,
        )
    if not quiet:
        say(
            f"{source}: {done.rows} rows; kept {done.kept}, dropped {done.rejected}",
            *(f"  {rows} {reason}" for reason, rows in done.reasons.items()),
            f"  {done.by_hand[0]} kept by hand",
            f"kept rows: {kept}",
            *([] if rejected is None else [f"rejected rows: {rejected}"]),
        )
    if as_json:
        answer(done.as_json())
