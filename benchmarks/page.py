"""A Markdown table put between two marks of a page, the rest of which is written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sanitize.errors import BadInput
from sanitize.io.atomic import atomic_write


def put_table(page: Path, name: str, lines: Sequence[str]) -> None:
    """Replace what stands between <!-- NAME --> and <!-- /NAME --> of a page. BadInput: it lacks the marks."""
    text = page.read_text(encoding="utf-8")
    first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = text.partition(first)
    _, ended, after = rest.partition(last)
    if not found or not ended:
        raise BadInput(f"{page}: lacks the marks {first} and {last}; put them where the table goes")
    body = "\n".join(lines)
    with atomic_write(page) as (draft,):
        draft.write_text(f"{before}{first}\n{body}\n{last}{after}", encoding="utf-8")
