"""The page about one filter run: source and manifest -> one HTML file, to look at what was dropped and to decide.

It needs no network; with `review_url` it asks the server it came from, and nobody else. Everything that comes from the
data is escaped, images are decoded and encoded afresh. No time is told: the same outcome gives the same bytes.
"""

# N rows
from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sanitize.data.shards import Source
from sanitize.data.table import IntArray
from sanitize.manifest_file import Group, ManifestFile
from sanitize.report.evidence import Drawn, draw, spread
from sanitize.report.review_facts import SHOWN_PAIRS, Facts, Further, facts_of, most_suspicious
from sanitize.report.review_rows import Seen, View, cut, read_rows, view_of
from sanitize.report.sheets import in_sheets, tile_shape
from sanitize.report.templates import render, text_of

MOST_BYTES = 5_000_000  # of the page
PICTURES = 3_000_000  # of these for the rows' images
DRAWN = 350_000  # and for the groups' means
LISTED = 1_250_000  # and for the rows' values, reasons and votes, where there are images; else these bytes, too
SHOWN_KEPT = 60  # the most suspicious kept rows
BESIDE = 6  # kept rows beside a group's
MEMBERS = 12  # of a group, before one asks for more
SHOWN_GROUPS = 60  # groups with a card
OPEN_GROUPS = 4  # of these, weak ones whose card is open
LADDER = (
    (80_000, 400),
    (80_000, 160),
    (80_000, 60),
    (80_000, 20),
    (50_000, 20),
    (20_000, 20),
    (8_000, 20),
    (2_000, 20),
    (500, 20),
)
LONGEST_NAME = 120  # characters of a class
HOPED = 4  # values are so many times shorter than the longest that is allowed, at best


@dataclass(frozen=True)
class Chosen:
    """The rows that the page shows, by their positions in the input.

    dropped  the most suspicious first
    kept     likewise, and the poisoned ones among them
    beside   of each group with a card, kept rows of its class
    """

    dropped: IntArray
    kept: IntArray
    beside: list[IntArray]

    def all(self, dropped: int) -> IntArray:
        """Each once, with so many of the dropped rows."""
        places = np.concatenate([self.dropped[:dropped], self.kept, *self.beside]).astype(np.int64)
        _, first = np.unique(places, return_index=True)
        once: IntArray = places[np.sort(first)]
        return once


def build_page(
    source: Source,
    manifest: ManifestFile,
    *,
    review_url: str | None = None,
    image_root: Path | None = None,
    notes: Sequence[str] = (),
    further: Further | None = None,
) -> str:
    """The whole page, HTML of less than MOST_BYTES in UTF-8.

    manifest    of this very source: see `ManifestFile.refuse_other_input`
    review_url  where decisions are read and sent; None = the browser keeps them
    image_root  the folder below which images may be opened by their path; None = nowhere
    notes       what else people should know first, such as limits that are exceeded
    further     what is known besides the manifest; None = nothing
    Raises      BadInput: rows that cannot be read; BadParams: jinja2 is not installed
    """
    facts = facts_of(manifest)
    view = view_of(source, manifest, image_root)
    more = further or Further()
    chosen, averaged = _choose(manifest, more.poisoned)
    part = 1.0
    while True:
        rows = _rows(source, manifest, view, chosen, averaged, part, image_root, more.poisoned)
        page = _page(source, manifest, facts, view, rows, review_url, notes, more)
        if len(page.encode("utf-8", "replace")) < MOST_BYTES or part < 0.05:
            return page
        part /= 2


def _least_suspicious(manifest: ManifestFile, places: IntArray) -> IntArray:
    """BESIDE of some rows."""
    return most_suspicious(manifest, places)[::-1][:BESIDE]


def _choose(manifest: ManifestFile, poisoned: Mapping[int, bool]) -> tuple[Chosen, list[IntArray]]:
    """The rows to show, and those whose means are drawn: of each group, then of each of their classes."""
    keep_N = manifest.table["keep"].to_numpy(zero_copy_only=False).astype(np.bool_)
    groups = manifest.groups[:SHOWN_GROUPS]
    kept_of: dict[str, IntArray] = {}
    for label in dict.fromkeys(group.label for group in groups):
        is_label = pc.fill_null(pc.equal(manifest.table["label"], label), False).to_numpy(zero_copy_only=False)
        kept_of[label] = np.flatnonzero(keep_N & is_label)
    of_group = pc.index_in(manifest.table["group"], value_set=pa.array([g.id for g in groups], pa.string()))
    group_N = pc.fill_null(of_group, -1).to_numpy()
    averaged = [spread(np.flatnonzero(group_N == number)) for number in range(len(groups))]
    averaged += [spread(places) for places in kept_of.values()]
    suspects = most_suspicious(manifest, np.flatnonzero(keep_N))
    missed = suspects[[poisoned.get(place, False) for place in suspects.tolist()]][:SHOWN_KEPT]
    kept = suspects[np.isin(suspects, np.concatenate([suspects[:SHOWN_KEPT], missed]))]
    judged_N = pc.is_valid(manifest.table["suspicion"]).to_numpy(zero_copy_only=False)
    beside_of = {label: _least_suspicious(manifest, places[judged_N[places]]) for label, places in kept_of.items()}
    beside = [beside_of[group.label] for group in groups]
    return Chosen(most_suspicious(manifest, np.flatnonzero(~keep_N)), kept, beside), averaged


@dataclass(frozen=True)
class Listed:
    """What the page's script gets, and what is drawn.

    data     as it is put into the page
    drawn    of each group with a card; None = nothing to draw
    left     dropped rows that are not on the page
    bare     rows on the page without a picture for want of space
    """

    data: dict[str, Any]
    drawn: list[Drawn | None]
    left: int
    bare: int


def _rows(
    source: Source,
    manifest: ManifestFile,
    view: View | None,
    chosen: Chosen,
    averaged: list[IntArray],
    part: float,
    image_root: Path | None,
    poisoned: Mapping[int, bool],
) -> Listed:
    """Read and lay out the rows within `part` of the bytes that there are for them."""
    columns = 1 if view is None else max(1, len(view.columns))
    room = LISTED + (PICTURES if view is None or view.image is None else 0)
    step = 0
    while step + 1 < len(LADDER) and not _fits(chosen, LADDER[step], part, columns, room):
        step += 1
    most, longest = LADDER[step]
    listed = chosen.all(round(most * part))
    pictured, tile = _pictured(listed, chosen, view, round(PICTURES * part * 0.75))
    seen = Seen()
    if view is not None:
        seen = read_rows(source, view, listed, pictured, averaged, tile=tile, longest=longest, image_root=image_root)
    order = [int(place) for place in pictured if int(place) in seen.pictures]
    sheets = in_sheets([seen.pictures[place] for place in order], round(PICTURES * part))
    picture = {place: number for number, place in enumerate(order[: sheets.tiles])}
    for most, longest in LADDER[step:]:
        listed = chosen.all(round(most * part))
        data = _data(manifest, view, chosen, listed, seen, picture, longest)
        if poisoned:
            data["poisoned"] = [int(poisoned.get(place, -1)) for place in listed.tolist()]
        if len(_json(data).encode("utf-8", "replace")) <= room * part:
            break
    data["sheets"] = sheets.plain()
    bare = 0
    if view is not None and view.image is not None:
        bare = sum(place not in picture and place not in seen.wrong for place in listed.tolist())
    left = max(0, len(chosen.dropped) - round(most * part))
    return Listed(data, _drawn(manifest.groups[:SHOWN_GROUPS], seen, part), left, bare)


def _fits(chosen: Chosen, step: tuple[int, int], part: float, columns: int, room: int) -> bool:
    """Whether so many rows with values so long may fit into the page, and into memory."""
    most, longest = step
    return len(chosen.all(round(most * part))) * longest * columns <= room * HOPED


def _pictured(listed: IntArray, chosen: Chosen, view: View | None, most_bytes: int) -> tuple[IntArray, tuple[int, int]]:
    """The rows whose images are decoded, those that matter most first, and the height and width they get."""
    if view is None or view.shown is None:
        return np.empty(0, np.int64), (1, 1)
    first = np.concatenate([chosen.kept, *chosen.beside]).astype(np.int64)
    places = np.concatenate([np.unique(first), listed[~np.isin(listed, first)]])
    while True:
        tile = tile_shape(view.shown, len(places), most_bytes)
        if tile is not None:
            return places, tile
        places = places[: len(places) // 2]


def _drawn(groups: Sequence[Group], seen: Seen, part: float) -> list[Drawn | None]:
    drawn: list[Drawn | None] = []
    labels = list(dict.fromkeys(group.label for group in groups))
    size = 0
    for number, group in enumerate(groups):
        found = None
        if seen.means:
            found = draw(group, seen.means[number], seen.means[len(groups) + labels.index(group.label)])
            size += 0 if found is None else found.size
        drawn.append(found if size <= DRAWN * part else None)
    return drawn


class _Names:
    """Texts, each once; null is -1."""

    def __init__(self, longest: int | None = None) -> None:
        self.places: dict[str, int] = {}
        self.longest = longest

    def place(self, text: str | None) -> int:
        """The text's place."""
        return -1 if text is None else self.places.setdefault(text, len(self.places))

    def plain(self) -> list[str]:
        """The texts in order, cut where they are too long."""
        return [text if self.longest is None else cut(text, self.longest) for text in self.places]


def _data(
    manifest: ManifestFile,
    view: View | None,
    chosen: Chosen,
    listed: IntArray,
    seen: Seen,
    picture: dict[int, int],
    longest: int,
) -> dict[str, Any]:
    """The rows column by column, as the page's script takes them."""
    table = manifest.table.take(pa.array(listed))
    files, classes, groups = _Names(), _Names(LONGEST_NAME), _Names()
    causes, details = _Names(LONGEST_NAME), _Names(4 * longest)
    for group in manifest.groups:
        groups.place(group.id)
    reasons = table["reason"].to_pylist()
    suspicion_n = pc.fill_null(table["suspicion"], -1.0).to_numpy()
    counts = {name: pc.fill_null(table[name], -1).to_pylist() for name in ("support", "agreement", "voters")}
    keep = table["keep"].to_pylist()
    place_of = {int(place): number for number, place in enumerate(listed)}
    values = [seen.values.get(int(place), []) for place in listed]
    return {
        "files": files,
        "classes": classes,
        "groups": groups,
        "causes": causes,
        "details": details,
        "columns": [] if view is None else [cut(name, LONGEST_NAME) for name in view.columns],
        "texts": [] if view is None else [view.columns.index(name) for name in view.texts],
        "image": view is not None and view.image is not None,
        "file": [files.place(name) for name in table["file"].to_pylist()],
        "row": table["row"].to_pylist(),
        "keep": [int(kept) for kept in keep],
        "label": [classes.place(name) for name in table["label"].to_pylist()],
        "vote": [classes.place(name) for name in table["vote"].to_pylist()],
        "group": [groups.place(name) for name in table["group"].to_pylist()],
        "cause": [causes.place(reason.partition(": ")[0]) for reason in reasons],
        "detail": [details.place(reason.partition(": ")[2]) for reason in reasons],
        "suspicion": np.where(suspicion_n < 0, -1, np.round(suspicion_n * 1000)).astype(np.int64).tolist(),
        **counts,
        "picture": [picture.get(int(place), -1) for place in listed],
        "wrong": {place_of[place]: cut(why, 4 * longest) for place, why in seen.wrong.items() if place in place_of},
        "value": [[cut(text, longest) for text in row] for row in values],
        "suspects": [place_of[int(place)] for place in chosen.kept],
        "beside": [[place_of[int(place)] for place in places] for places in chosen.beside],
    }


def _json(data: Any) -> str:
    """As JSON that ends no script element, whatever stands in it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=lambda names: names.plain())
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _page(
    source: Source,
    manifest: ManifestFile,
    facts: Facts,
    view: View | None,
    rows: Listed,
    review_url: str | None,
    notes: Sequence[str],
    further: Further,
) -> str:
    script = text_of("review.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    about = {"key": manifest.input_sha256, "url": review_url, "members": MEMBERS}
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    given = manifest.about
    groups = manifest.groups
    values = {
        "policy": policy + ("; connect-src 'self'" if review_url is not None else ""),
        "facts": facts,
        "notes": notes,
        "further": further,
        "groups": list(zip(groups[:SHOWN_GROUPS], rows.drawn, strict=True)),
        "open_groups": OPEN_GROUPS,
        "more_groups": groups[SHOWN_GROUPS:],
        "pairs": facts.pairs[:SHOWN_PAIRS],
        "more_pairs": max(0, len(facts.pairs) - SHOWN_PAIRS),
        "counts": {(given, said): number for given, said, number in facts.pairs},
        "left": rows.left,
        "bare": rows.bare,
        "view": view,
        "about": _json(about),
        "data": _json(rows.data),
        "script": script,
        "review": review_url is not None,
        "command": further.again or again(source, manifest),
        "apply": further.apply or _apply(source, manifest),
        "provenance": {
            "preset": given.get("preset", "not told"),
            "seed": given.get("seed", "not told"),
            "sanitize": given.get("version", "not told"),
            "columns": manifest.columns.found
            if manifest.columns
            else "not told"
            if view is None
            else view.choice.found,
            "files": len(source.shards),
            "SHA-256 of the input": manifest.input_sha256,
            "SHA-256 of the parameters": manifest.parameters_sha256,
        },
    }
    return render("review.html", values, short=lambda name: cut(name, LONGEST_NAME))


def again(source: Source, manifest: ManifestFile) -> str:
    """The command that makes the verdicts again, but for options that the manifest does not tell."""
    words = ["sanitize", "filter", source.address, _out(source)]
    if manifest.about.get("preset") is not None:
        words += ["--preset", str(manifest.about["preset"])]
    if manifest.about.get("seed") is not None:
        words += ["--seed", str(manifest.about["seed"])]
    known = manifest.columns
    if known is not None:  # columns that were found need not be named; then they would count as parameters
        rest = known.found.removeprefix(f"label column {known.label!r} as named")
        words += ["--label", known.label] if rest != known.found else []
        words += ["--inputs", ",".join(known.inputs)] if " as named" in rest else []
    return shlex.join([*words, "--manifest", manifest.path.name])


def _apply(source: Source, manifest: ManifestFile) -> str:
    words = ["sanitize", "apply", source.address, _out(source), "--manifest", manifest.path.name]
    return shlex.join([*words, "--overrides", "review.csv"])


def _out(source: Source) -> str:
    return "clean.parquet" if source.single else "clean"
