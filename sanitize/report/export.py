"""Rows with their verdicts for other tools: folders that FiftyOne and Label Studio import, and CSV."""

# n rows that are written
from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from xml.sax.saxutils import quoteattr

import numpy as np

import sanitize
from sanitize.data.shards import Source
from sanitize.data.table import IntArray
from sanitize.errors import BadInput
from sanitize.manifest_file import ManifestFile
from sanitize.report.pictures import data_uri, write_png
from sanitize.report.review_rows import View, read_rows, view_of

Kind = Literal["fiftyone", "label-studio", "csv"]
KINDS: tuple[Kind, ...] = get_args(Kind)
AT_ONCE = 2_000  # rows that are held in memory
LONGEST = 10_000  # characters of a value
FACTS = ("file", "row", "id", "label", "cause", "reason", "group", "suspicion", "vote", "voters", "support")
# what spreadsheets take for the beginning of one, wide signs among them
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@dataclass(frozen=True)
class Exported:
    """One row.

    facts    what the manifest says of it: FACTS, those that it has, and "verdict"
    values   column -> value, in words
    picture  uint8 [H, W, C], None where it has none that can be read
    """

    facts: dict[str, Any]
    values: dict[str, str]
    picture: Any


def export_rows(
    source: Source,
    manifest: ManifestFile,
    place: Path,
    kind: Kind,
    *,
    all_rows: bool = False,
    image_root: Path | None = None,
) -> int:
    """Write the dropped rows, or all, into a folder that is there and empty, or (csv) into a file.

    kind     "fiftyone": labels.json and data/, as FiftyOneImageClassificationDataset is laid out, and labels.csv;
             "label-studio": tasks.json, with a prediction for each task, and config.xml, the labelling interface for
             it; "csv": one line per row
    Returns  how many rows were written
    Raises   BadInput: rows that cannot be read, or have no images where FiftyOne needs them
    Images are decoded and encoded afresh; files are named by numbers. In CSV, texts that a spreadsheet would take for a
    formula get an apostrophe in front.
    """
    view = view_of(source, manifest, image_root)
    if kind == "fiftyone" and (view is None or view.shown is None):
        raise BadInput(f"{source.address}: has no column of images, which FiftyOne's import needs; export to csv")
    keep_N = manifest.table["keep"].to_numpy(zero_copy_only=False)
    places = np.arange(len(keep_N)) if all_rows else np.flatnonzero(~keep_N)
    rows = _rows(source, manifest, view, places, image_root, pictured=kind != "csv")
    write = {"fiftyone": _fiftyone, "label-studio": _label_studio, "csv": _csv}[kind]
    write(place, rows, view, sorted(set(manifest.table["label"].drop_null().to_pylist())))
    return len(places)


def _rows(
    source: Source, manifest: ManifestFile, view: View | None, places: IntArray, root: Path | None, pictured: bool
) -> Iterator[Exported]:
    table = manifest.table.select([name for name in FACTS if name in manifest.table.column_names] + ["keep"])
    none = np.empty(0, np.int64)
    for first in range(0, len(places), AT_ONCE):
        part = places[first : first + AT_ONCE]
        seen = None
        if view is not None:
            tile = (1, 1) if view.shown is None else view.shown[:2]
            asked = part if pictured else none
            seen = read_rows(source, view, part, asked, [], tile=tile, longest=LONGEST, image_root=root)
        for position, facts in zip(part.tolist(), table.take(part).to_pylist(), strict=True):
            facts = {"verdict": "keep" if facts.pop("keep") else "drop", **facts}
            if seen is None or view is None:
                yield Exported(facts, {}, None)
            else:
                values = dict(zip(view.columns, seen.values.get(position, []), strict=False))
                yield Exported(facts, values, seen.pictures.get(position))


def _fiftyone(place: Path, rows: Iterator[Exported], view: View | None, classes: list[str]) -> None:
    number_of = {name: number for number, name in enumerate(classes)}
    labels: dict[str, Any] = {}
    (place / "data").mkdir()
    with open(place / "labels.csv", "w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["filepath", "verdict", *FACTS])
        for number, row in enumerate(rows, 1):
            if row.picture is None:
                continue
            name = f"{number:08}"
            write_png(place / "data" / f"{name}.png", row.picture)
            facts = {key: value for key, value in row.facts.items() if value is not None}
            label, suspicion = facts.pop("label", None), facts.get("suspicion")
            labels[name] = None  # no label: the importer would take a null in it for a class "None"
            if label is not None:
                confidence = None if suspicion is None else 1 - suspicion
                labels[name] = {"label": number_of[label], "confidence": confidence, "attributes": facts}
            lines.writerow([f"data/{name}.png", *(_cell(row.facts.get(key)) for key in ("verdict", *FACTS))])
    _write_json(place / "labels.json", {"classes": classes, "labels": labels})


def _label_studio(place: Path, rows: Iterator[Exported], view: View | None, classes: list[str]) -> None:
    image = view is not None and view.shown is not None
    with open(place / "tasks.json", "w", encoding="utf-8") as file:
        file.write("[")
        for number, row in enumerate(rows):
            shown = {"values": "\n".join(f"{name}: {value}" for name, value in row.values.items())}
            if image:
                shown["image"] = "" if row.picture is None else data_uri(row.picture)
            suspicion = row.facts.get("suspicion")
            said = {"from_name": "verdict", "to_name": "row", "type": "choices"}
            prediction = {
                "model_version": f"sanitize {sanitize.__version__}",
                "score": 0.0 if suspicion is None else suspicion,
                "result": [{**said, "value": {"choices": [row.facts["verdict"]]}}],
            }
            task = {"data": {**row.facts, **shown}, "predictions": [prediction]}
            file.write((",\n" if number else "\n") + json.dumps(task, sort_keys=True))
        file.write("\n]\n")
    (place / "config.xml").write_text(_interface(image), encoding="utf-8")


def _interface(image: bool) -> str:
    row = '<Image name="row" value="$image"/>' if image else '<Text name="row" value="$values"/>'
    told = "".join(f"  <Header value={quoteattr(f'{name}: ${name}')}/>\n" for name in ("label", "group", "reason"))
    words = '<Choice value="keep"/><Choice value="drop"/>'
    choices = f'<Choices name="verdict" toName="row" choice="single">{words}</Choices>'
    return f"<View>\n{told}  {row}\n  {choices}\n</View>\n"


def _csv(place: Path, rows: Iterator[Exported], view: View | None, classes: list[str]) -> None:
    columns = () if view is None else view.columns
    with open(place, "w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["verdict", *FACTS, *(_cell(f"value of {name}") for name in columns)])
        for row in rows:
            facts = [row.facts.get(name) for name in ("verdict", *FACTS)]
            lines.writerow([_cell(value) for value in (*facts, *row.values.values())])


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) and not _is_number(value) else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
