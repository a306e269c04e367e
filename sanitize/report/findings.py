"""What the pipeline found: its tables and figures -> Findings, checked against each other. Nothing is computed anew.

What is known about the truth comes from reports/ alone, where evaluation put it.
"""

# N training rows
from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sanitize.data.parquet import read_arrow
from sanitize.data.table import BoolArray, IntArray
from sanitize.errors import BadInput
from sanitize.manifest_file import ManifestFile

Line = Mapping[str, Any]
Kind = Callable[[str], Any]


def _count_or_none(cell: str) -> int | None:
    return int(cell) if cell else None


def _mark(cell: str) -> bool | None:
    return {"true": True, "false": False, "": None}[cell]


@dataclass(frozen=True)
class Plot:
    """A table under reports/plots: the stage that writes it, its columns, and columns that only some runs have."""

    stage: str
    columns: Mapping[str, Kind]
    sometimes: Mapping[str, Kind] = field(default_factory=dict)


_UNKNOWN = dict.fromkeys(("poisoned", "fp", "fn"), _count_or_none)  # empty where there is no truth
PLOTS = {
    "dropped_rows": Plot("evaluate", {"row": int, "poisoned": _mark}),
    "kept_rows": Plot("evaluate", {"row": int, "poisoned": _mark}),
    "dropped_by_class": Plot("evaluate", {"class": str, "rows": int, "dropped": int, **_UNKNOWN}),
    "components": Plot("evaluate", {"run": int, "component": int, "poisoned": _count_or_none}),
    "suspicion": Plot("evaluate", {"bin": float}, {"all": int, "clean": int, "poisoned": int}),
    "recall": Plot("evaluate", {"dropped": float, "recall": float}),
    "certified_accuracy": Plot(
        "certify",
        {"training": str, "method": str, "certificate": str, "poisoning_size": float, "certified_accuracy": float},
    ),
}
COMPONENT = ("run", "component", "rows", "votes_for", "votes_needed", "clean", "self_error")
METRICS = {
    "filter": ("rows", "kept", "dropped", "poisoned", "fp", "fn", "suspicion_auc"),
    **dict.fromkeys(("oracle", "undefended", "sanitized"), ("clean_accuracy", "tmr")),
}


@dataclass(frozen=True)
class Findings:
    """All that the report shows of a run, besides what its manifest says of the rows.

    keep_N        bool [N], True = keep
    label_N       int64 [N], the given label, a place in `class_names`
    support_N     int64 [N], 0..voters: voters that predict the given label
    class_names   all classes, in order
    voters        number of voters
    components    one mapping per component, with the columns COMPONENT
    metrics       reports/metrics.json
    certificates  reports/certificates.json
    plots         name -> lines of reports/plots/NAME.csv, for every name in PLOTS
    """

    keep_N: BoolArray
    label_N: IntArray
    support_N: IntArray
    class_names: list[str]
    voters: int
    components: list[dict[str, Any]]
    metrics: dict[str, Any]
    certificates: dict[str, Any]
    plots: dict[str, list[Line]]

    @property
    def has_truth(self) -> bool:
        """Whether evaluation knew which rows are poisoned."""
        return self.metrics["filter"]["poisoned"] is not None

    def marks(self) -> dict[int, bool]:
        """Row -> whether it is poisoned; all dropped rows, and of the kept ones those that evaluation listed."""
        lines = [*self.plots["dropped_rows"], *self.plots["kept_rows"]]
        return {line["row"]: line["poisoned"] for line in lines if line["poisoned"] is not None}

    def poisoned_N(self) -> BoolArray:
        """bool [N], True = known to be poisoned; every poisoned row is, where there is truth."""
        known = np.zeros(len(self.keep_N), np.bool_)
        known[[row for row, poisoned in self.marks().items() if poisoned]] = True
        return known


def read_findings(
    manifest: ManifestFile, *, components: Path, metrics: Path, certificates: Path, plots: Path
) -> Findings:
    """Read what the stages wrote about the rows of a manifest.

    manifest  the verdicts, on all rows of the training set in its order
    plots     the folder of the tables in PLOTS
    others    the files of these names
    Raises    BadInput: a file is missing, cannot be read, lacks something, or is about another run than the others
    """
    for name in ("label", "support", "voters"):
        if nulls := manifest.table[name].null_count:
            raise BadInput(
                f"{manifest.path}: column {name!r} has {nulls} nulls; must have none, as selftrain writes it; run "
                "that stage again"
            )
    parts = _columns(components, COMPONENT, "vote")
    tables = {name: _read_csv(plots / f"{name}.csv", plot) for name, plot in PLOTS.items()}
    names = [line["class"] for line in tables["dropped_by_class"]]
    place_N = pc.index_in(manifest.table["label"], value_set=pa.array(names, pa.string()))
    if place_N.null_count:
        unknown = manifest.table["label"].filter(pc.is_null(place_N))[0].as_py()
        raise BadInput(
            f"{plots / 'dropped_by_class.csv'}: has no class {unknown!r}, which the manifest has; run the evaluate "
            "stage again"
        )
    found = Findings(
        manifest.table["keep"].to_numpy().astype(np.bool_),
        place_N.to_numpy().astype(np.int64),
        manifest.table["support"].to_numpy().astype(np.int64),
        names,
        pc.max(manifest.table["voters"]).as_py(),
        [dict(zip(COMPONENT, line, strict=True)) for line in zip(*(parts[n].tolist() for n in COMPONENT), strict=True)],
        _read_json(metrics, METRICS, "evaluate"),
        _read_certificates(certificates),
        tables,
    )
    _agree(found, metrics, plots)
    return found


def _agree(found: Findings, metrics: Path, plots: Path) -> None:
    """Files of two runs must not make one page."""
    dropped = np.flatnonzero(~found.keep_N).tolist()
    counted = [found.metrics["filter"].get(name) for name in ("rows", "dropped")]
    if counted != [len(found.keep_N), len(dropped)]:
        raise BadInput(
            f"{metrics}: is about {counted[0]} rows with {counted[1]} dropped, but the manifest has "
            f"{len(found.keep_N)} with {len(dropped)} dropped; run the evaluate stage again"
        )
    listed = sorted(line["row"] for line in found.plots["dropped_rows"])
    if listed != dropped:
        raise BadInput(
            f"{plots / 'dropped_rows.csv'}: lists other rows than the manifest drops; run the evaluate stage again"
        )
    kept = [line["row"] for line in found.plots["kept_rows"]]
    if any(not 0 <= row < len(found.keep_N) or not found.keep_N[row] for row in kept):
        raise BadInput(
            f"{plots / 'kept_rows.csv'}: lists rows that the manifest does not keep; run the evaluate stage again"
        )
    named = {(line["run"], line["component"]) for line in found.plots["components"]}
    if named != {(part["run"], part["component"]) for part in found.components}:
        raise BadInput(
            f"{plots / 'components.csv'}: lists other components than the vote had; run the evaluate stage again"
        )


def _columns(path: Path, needed: Sequence[str], stage: str) -> dict[str, Any]:
    """The needed columns as arrays."""
    table = read_arrow(path)
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise BadInput(f"{path}: has no column {missing[0]!r}; run the {stage} stage again")
    for name in needed:
        if pc.any(pc.is_null(table[name])).as_py():
            raise BadInput(f"{path}: column {name!r} has a null; run the {stage} stage again")
    return {name: table[name].to_numpy() for name in needed}


def _read_json(path: Path, needed: Mapping[str, Sequence[str]], stage: str) -> dict[str, Any]:
    """A JSON object with the needed keys, and in each of their values the keys needed there."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read as JSON ({error}); run the {stage} stage") from error
    for name, inner in needed.items():
        if not isinstance(values, dict) or name not in values:
            raise BadInput(f"{path}: has no {name!r}; run the {stage} stage again")
        for key in inner:
            if not isinstance(values[name], dict) or key not in values[name]:
                raise BadInput(f"{path}: has no {key!r} in {name!r}; run the {stage} stage again")
    return dict(values)


def _read_certificates(path: Path) -> dict[str, Any]:
    """Certificates by training set, or null and a reason."""
    values = _read_json(path, {"certificates": ()}, "certify")
    found = values["certificates"]
    if found is None:
        return _read_json(path, {"certificates": (), "reason": ()}, "certify")
    for name, about in found.items() if isinstance(found, dict) else [("certificates", found)]:
        for key in ("covers", "rows"):
            if not isinstance(about, dict) or key not in about:
                raise BadInput(f"{path}: has no {key!r} in {name!r}; run the certify stage again")
    return values


def _read_csv(path: Path, plot: Plot) -> list[Line]:
    """The lines, with every cell of a known column as what it means."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            lines = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: cannot be read as CSV ({error}); run the {plot.stage} stage") from error
    header = reader.fieldnames or ()
    missing = [name for name in plot.columns if name not in header]
    if missing:
        raise BadInput(f"{path}: has no column {missing[0]!r}; run the {plot.stage} stage again")
    kinds = {name: kind for name, kind in {**plot.columns, **plot.sometimes}.items() if name in header}
    return [
        {name: _cell(path, number, name, line[name], plot, kind) for name, kind in kinds.items()}
        for number, line in enumerate(lines, start=2)
    ]


def _cell(path: Path, number: int, name: str, text: str | None, plot: Plot, kind: Kind) -> Any:
    try:
        if text is None:
            raise ValueError("the line is too short")
        return kind(text)
    except (ValueError, KeyError) as error:
        raise BadInput(
            f"{path}: line {number}, column {name!r} is {text!r}; must be as the {plot.stage} stage writes it; "
            f"run that stage again"
        ) from error
