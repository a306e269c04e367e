"""The command `sanitize diff`: what has changed from one manifest to another, on stdout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sanitize.exit_codes import answer, reported
from sanitize.runtime.printing import say
from sanitize.watched import WATCHED, watched

if TYPE_CHECKING:
    from sanitize.manifest_diff import Difference

SHOWN = 20  # rows, classes and causes that are listed for people
LISTED = 10_000  # rows that the document lists
WORDS = {"dropped": "newly dropped", "kept": "newly kept", "changed": "dropped for another cause"}


def diff_command(
    context: typer.Context,
    before: Annotated[
        Path, typer.Argument(metavar="BEFORE", help="A manifest, of `sanitize filter --manifest` or of the pipeline.")
    ],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="Another about the same rows.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document in place of lines.")] = False,
) -> None:
    """Compare two runs: rows newly dropped, newly kept, and dropped for another cause.

    Exit codes: 0 compared, whatever came out; 2 usage; 3 no manifest, or not about the same rows; 130 interrupted.
    """
    with reported(as_json), watched(context.obj == WATCHED, want_of_memory="compare on a machine with more"):
        from sanitize.manifest_diff import compare

        found = compare(before, after)
    if as_json:
        answer(found.as_json(LISTED))
    else:
        say(*_lines(found), stdout=True)


def _lines(found: Difference) -> Iterator[str]:
    yield f"{found.rows} rows; dropped before {found.before}, after {found.after}"
    for change, words in WORDS.items():
        yield f"  {found.count(change)} {words}"  # type: ignore[arg-type]
    for title, counts in (("class", found.by_class()), ("cause", found.by_cause()), ("group", found.by_group())):
        for name, of in list(counts.items())[:SHOWN]:
            parts = [f"{rows} {WORDS[change]}" for change, rows in of.items() if rows]
            yield f"{title} {name}: {', '.join(parts)}"
        if len(counts) > SHOWN:
            yield f"and {len(counts) - SHOWN} more of kind {title}"
    for one in found.changed[:SHOWN]:
        place = f"{one.file}: row {one.row}" if one.file else f"row {one.row}"
        yield f"{place}, class {one.label}: {one.before} -> {one.after}"
    if len(found.changed) > SHOWN:
        yield f"and {len(found.changed) - SHOWN} more rows; --json lists them"
