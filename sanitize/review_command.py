"""The command `sanitize review`: the report in a browser, where people keep and drop rows."""

from __future__ import annotations

import signal
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer

from sanitize.exit_codes import reported
from sanitize.runtime.printing import say
from sanitize.watched import WATCHED, watched


def review_command(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="IN", help="What `sanitize filter` was given, unchanged.")],
    manifest: Annotated[
        Path, typer.Option(metavar="PATH", help="The manifest that `sanitize filter IN --manifest PATH` wrote.")
    ],
    decisions: Annotated[
        Path, typer.Option(metavar="PATH", help="Where decisions are written; those of before are shown.")
    ] = Path("review.csv"),
    port: Annotated[int, typer.Option(metavar="N", help="On this machine alone; 0 = any that is free.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Tell the address, open nothing.")] = False,
    image_root: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Open images without bytes by their path, inside this folder only."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="The split that was filtered, where IN has several.")
    ] = None,
) -> None:
    """Look at the dropped rows in a browser, and keep or drop them: every decision is written to review.csv at once.

    The page is served on this machine alone, at an address that nobody can guess, until Ctrl-C. `sanitize apply
    --overrides review.csv` then writes the rows.

    Exit codes: 0 ended by Ctrl-C; 2 parameters or usage; 3 input, or a failure.
    """
    with reported(as_json=False), watched(context.obj == WATCHED, want_of_memory="review it on a machine with more"):
        from sanitize.review import prepare

        server = prepare(source, manifest, decisions, port=port, image_root=image_root, split=split)
        # shutdown waits for the loop that this thread runs; a second Ctrl-C finds nothing left to do
        signal.signal(signal.SIGINT, lambda *_: Thread(target=server.shutdown).start())
        say(f"review: {server.address}", f"decisions: {decisions}; Ctrl-C ends the review")
        if not no_browser:
            import webbrowser

            # some wait for the browser's end, and it for the page; one that cannot be opened is no error
            Thread(target=webbrowser.open, args=(server.address,), daemon=True).start()
        server.serve_forever()
        say(f"{len(server.review.plain())} decisions in {decisions}")
