"""A page about one filter run: what was rejected, class by class, and the most suspicious rows. One HTML file."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from sanitize.data.images import encode_images
from sanitize.filter_summary import Summary
from sanitize.filter_tally import Tally

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem; vertical-align: top;
border-bottom: 1px solid #ddd; } td.number, th.number { text-align: right; } td { overflow-wrap: anywhere; }
.bar { background: #c33; height: .8rem; min-width: 1px; } .track { background: #eee; width: 12rem; }
img { width: 64px; height: 64px; object-fit: contain; image-rendering: pixelated; background: #eee; }
.alarm { border-left: .4rem solid #c33; padding-left: 1rem; } code { overflow-wrap: anywhere; }
"""
SHOWN_CLASSES = 200


def write_page(path: Path, summary: Summary, tally: Tally) -> None:
    """Write the page; the same outcome gives the same bytes, since no time is told. OSError: it cannot be written."""
    path.write_text(page(summary, tally), encoding="utf-8", errors="replace")


def page(summary: Summary, tally: Tally) -> str:
    """The page as HTML. Everything that comes from the data is escaped; images are decoded and encoded afresh."""
    share = summary.rejected / summary.rows if summary.rows else 0.0
    headline = f"{summary.rejected} of {summary.rows} rows rejected ({100 * share:.2f}%)"
    alarm = ""
    if summary.exceeded:
        alarm = f'<p class="alarm">{"; ".join(map(escape, summary.limits))}.</p>'
    alarm += "".join(f'<p class="alarm">{escape(warning)}.</p>' for warning in summary.warnings[:SHOWN_CLASSES])
    facts = [
        ("files", summary.files),
        ("columns", summary.columns.found),
        ("parameters, SHA-256", summary.parameters_sha256),
        ("input, SHA-256", summary.input_sha256),
    ]
    parts = [
        f"<h1>{headline}</h1>{alarm}",
        _table(("reason", "rows rejected"), [(reason, n) for reason, n in summary.reasons.items()], "Reasons"),
        _table(("reason", "rows kept"), list(summary.unjudged.items()), "Rows kept without or against the verdict"),
        _classes(summary),
        _worst(tally),
        _table(("", ""), facts, "Where this comes from"),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>sanitize filter</title>'
        f"<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _cell(value: Any) -> str:
    number = isinstance(value, int | float)
    return f'<td class="number">{value}</td>' if number else f"<td>{escape(str(value))}</td>"


def _table(heads: tuple[str, ...], rows: list[tuple[Any, ...]], title: str) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "\n".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return f"<h2>{title}</h2>\n<table><tr>{head}</tr>\n{body}</table>"


def _classes(summary: Summary) -> str:
    rows = [(name, rows, dropped) for name, (rows, dropped) in summary.classes.items() if rows]
    rows.sort(key=lambda row: -row[2] / row[1])
    lines = []
    for name, count, dropped in rows[:SHOWN_CLASSES]:
        part = 100 * dropped / count
        bar = f'<td><div class="track"><div class="bar" style="width: {part:.1f}%"></div></div></td>'
        lines.append(f"<tr>{_cell(name)}{_cell(count)}{_cell(dropped)}{_cell(round(part, 1))}{bar}</tr>")
    more = f"<p>{len(rows) - SHOWN_CLASSES} more classes.</p>" if len(rows) > SHOWN_CLASSES else ""
    head = "".join(f"<th>{name}</th>" for name in ("class", "rows", "rejected", "%", ""))
    return f"<h2>Classes, most rejected first</h2>\n<table><tr>{head}</tr>\n{''.join(lines)}</table>{more}"


def _worst(tally: Tally) -> str:
    if not tally.worst:
        return ""
    lines = []
    for suspicion, _, file, row, label, reason, shown in tally.worst:
        picture = shown.picture
        image = "" if picture is None else f'<img alt="row {row}" src="{_data(picture)}">'
        cells = "".join(_cell(value) for value in (file, row, label, reason, round(suspicion, 4)))
        lines.append(f"<tr><td>{image}</td>{cells}</tr>")
    head = "".join(f"<th>{name}</th>" for name in ("", "file", "row", "label", "reason", "suspicion"))
    return f"<h2>Most suspicious rejected rows</h2>\n<table><tr>{head}</tr>\n{''.join(lines)}</table>"


def _data(picture: np.ndarray) -> str:
    blob: bytes = encode_images(picture[np.newaxis])[0].as_py()
    return f"data:image/png;base64,{base64.b64encode(blob).decode()}"
