"""The command `sanitize gate`: leaves with 1 where a run's figures are beyond what CI allows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sanitize.errors import BadInput, BadParams, MendableError
from sanitize.exit_codes import answer, reported
from sanitize.runtime.printing import say, shown

if TYPE_CHECKING:
    from sanitize.gate import Failure

FAILED = 1
ANNOTATIONS = 10  # that GitHub shows of a step
SUMMARY = "GITHUB_STEP_SUMMARY"
LISTED = 200  # failures in the step's summary
MOST_BYTES = 1 << 20  # of that summary, whoever writes to it: GitHub refuses all of it beyond
TITLE = 100  # characters of the document's name in an annotation
NAME_SHOWN = 200  # characters of a class's name: data chose it


def gate_command(
    summary: Annotated[
        Path,
        typer.Argument(metavar="SUMMARY", help="What `sanitize filter --summary` wrote, or reports/metrics.json."),
    ],
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="Leave with 1 if it holds: 'removed>0.05', 'class:*>0.2', 'sanitized.tmr>0.01'. May be repeated.",
        ),
    ] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Annotate a GitHub Actions run, and add to its step summary.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document in place of lines.")] = False,
) -> None:
    """Hold a run's figures against conditions that must not be.

    Figures of a filter run: removed, kept and unreadable (parts of all rows), class:NAME (part of the class's rows that
    is removed). Of metrics: any number, its keys joined by dots. A run that failed, was cut short or was beyond its own
    limits never passes.

    Exit codes: 0 passed; 1 a condition holds; 2 a condition that is none; 3 no whole document of a run.
    """
    with reported(as_json):
        from sanitize.gate import failures, read_condition, read_figures

        conditions = [read_condition(text) for text in fail_on or ()]
        target = _step_summary() if github else None
        try:
            document = read_figures(summary)
            found = failures(document, conditions, str(summary))
        except MendableError as error:
            if github and not as_json:
                say(*_annotations([str(error)], str(summary)), stdout=True, commands=True)
            raise
        if target is not None:
            _write_step_summary(target, found, document)
    lines = [one.words() for one in found]
    if as_json:
        held = [{"condition": one.condition, "figure": one.figure, "value": one.value} for one in found]
        answer({"schema_version": 1, "passed": not found, "conditions": len(conditions), "failures": held})
    elif github and lines:
        say(*_annotations(lines, str(summary)), stdout=True, commands=True)
    elif not github:
        say(*lines, f"{'failed' if found else 'passed'}: {summary}, {len(conditions)} conditions", stdout=True)
    if found:
        raise SystemExit(FAILED)


def _annotations(lines: Sequence[str], origin: str) -> list[str]:
    """Workflow commands, at most ANNOTATIONS; what data wrote can begin no other one."""
    some = list(lines if len(lines) <= ANNOTATIONS else lines[: ANNOTATIONS - 1])
    if len(lines) > len(some):
        some.append(f"{len(lines) - len(some)} more conditions hold; see the step's summary")
    name = shown(origin)
    title = (name if len(name) <= TITLE else f"…{name[-TITLE:]}").replace("%", "%25")
    title = title.replace(":", "%3A").replace(",", "%2C")
    return [
        f"::error title=sanitize gate {title}::{shown(line)[: 4 * NAME_SHOWN].replace('%', '%25')}" for line in some
    ]


def _step_summary() -> Path:
    place = os.environ.get(SUMMARY)
    if not place:
        raise BadParams(f"--github is given, but the environment has no {SUMMARY}; leave --github out elsewhere")
    return Path(place)


def _write_step_summary(target: Path, found: Sequence[Failure], document: Mapping[str, Any]) -> None:
    """Append to the step's summary, as far as it then has MOST_BYTES at most. BadInput: it cannot be written.

    The table is HTML: of what stands there Markdown makes nothing.
    """
    parts = [f"### sanitize gate: {'failed' if found else 'passed'}", ""]
    if "schema_version" in document:
        parts += [f"{document['rejected']} of {document['rows']} rows removed.", ""]
    head = "\n".join([*parts, ""])
    table = ["<table>", "<tr><th>figure</th><th>value</th><th>condition</th></tr>"]
    rows = [
        f"<tr><td>{_cell(one.figure)}</td><td>{one.value:.4g}</td><td>{_cell(one.condition)}</td></tr>"
        for one in found[:LISTED]
    ]
    try:
        with target.open("ab") as file:
            for listed in range(len(rows), -1, -1):
                more = [f"\n{len(found) - listed} more." if listed else f"{len(found)} conditions hold."]
                end = [*(table if listed else []), *rows[:listed], *(["</table>"] if listed else [])]
                text = "\n".join([head, *end, *(more if len(found) > listed else [])]).rstrip("\n") + "\n\n"
                blob = text.encode()
                if file.tell() + len(blob) <= MOST_BYTES:
                    file.write(blob)
                    break
    except OSError as error:
        raise BadInput(f"{target}: cannot be written ({error.strerror}); it is what {SUMMARY} names") from error


def _cell(text: str) -> str:
    """Text from data as HTML in one line: no tag, no link, nobody's name that is called, nothing invisible."""
    text = shown(text)
    short = text if len(text) <= NAME_SHOWN else text[: NAME_SHOWN - 1] + "…"
    plain = "".join(sign if sign.isalnum() or sign == " " else f"&#{ord(sign)};" for sign in short)
    return f"<code>{plain}</code>"
