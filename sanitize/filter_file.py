"""Filter a parquet file: in goes one file, out come its kept rows, its rejected rows, a manifest and a summary."""

# N rows, C classes
from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sanitize.artifacts import write_manifest
from sanitize.data.columns import Columns
from sanitize.data.files import whole_files
from sanitize.data.parquet import read_table, split_rows
from sanitize.data.table import Table
from sanitize.errors import BadInput, BadParams
from sanitize.execution import OrderedMap
from sanitize.filtering import Manifest, Steps, filter_table, no_steps
from sanitize.params import Params

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Summary:
    """What became of one file.

    rows, kept, rejected  numbers of rows; rows = kept + rejected
    reasons               rows dropped for each cause
    classes               rows and rows dropped of each class, in the order of the class names
    columns               which columns were looked at
    seconds               from the first byte read to the last file in its place
    parameters_sha256     of the parameters that can change the kept rows
    input_sha256          of the input file's bytes
    """

    rows: int
    kept: int
    rejected: int
    reasons: dict[str, int]
    classes: dict[str, tuple[int, int]]
    columns: Columns
    seconds: float
    parameters_sha256: str
    input_sha256: str

    @property
    def verdict(self) -> Literal["nothing_dropped", "rows_dropped"]:
        """The outcome in one word."""
        return "rows_dropped" if self.rejected else "nothing_dropped"

    def as_json(self) -> dict[str, Any]:
        """The document that `sanitize filter --json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "rows": self.rows,
            "kept": self.kept,
            "rejected": self.rejected,
            "reasons": self.reasons,
            "label_column": self.columns.label,
            "input_columns": list(self.columns.inputs),
            "modality": self.columns.modality,
            "seconds": round(self.seconds, 2),
            "parameters_sha256": self.parameters_sha256,
            "input_sha256": self.input_sha256,
            "verdict": self.verdict,
        }


def filter_file(
    source: Path,
    kept: Path,
    params: Params,
    *,
    rejected: Path | None = None,
    manifest: Path | None = None,
    map: OrderedMap,
    steps: Steps = no_steps,
) -> Summary:
    """Clean one parquet file. The outputs appear together, when all is done, or not at all.

    source    parquet file with a label column, and images, vectors or numeric columns
    kept      where the rows to trust go: all columns, input order, schema metadata
    params    `data.label`, `data.inputs` and `data.image_size` say how to read; for the rest see `filter_table`
    rejected  where the other rows go, likewise; None = nowhere
    manifest  where row, keep, reason, suspicion of every row go; None = nowhere
    map       how independent learners are executed; the result does not depend on it
    steps     shows progress, as for `filter_table`
    Raises    BadInput: data that cannot be used (see `read_table`, `filter_table`), an output that cannot be written,
              a source that changed meanwhile; BadParams: outputs that are the input or each other
    """
    began = time.monotonic()
    outputs = [place for place in (kept, rejected, manifest) if place is not None]
    refuse_places(source, outputs)
    data = params.data
    table, columns = read_table(source, label=data.label, inputs=data.inputs, image_size=data.image_size)
    before = _stamp(source)
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    found = filter_table(table, params, map=map, steps=steps).manifest
    with whole_files(*outputs) as drafts:
        draft = dict(zip(outputs, drafts, strict=True))
        split_rows(source, found.keep_N, draft[kept], None if rejected is None else draft[rejected])
        if manifest is not None:
            write_manifest(draft[manifest], table.ids, found)
        if _stamp(source) != before:
            raise BadInput(f"{source}: has changed while it was being filtered; filter it again")
    kept_rows = int(found.keep_N.sum())
    return Summary(
        rows=len(table),
        kept=kept_rows,
        rejected=len(table) - kept_rows,
        reasons=found.reasons(),
        classes=_by_class(table, found),
        columns=columns,
        seconds=time.monotonic() - began,
        parameters_sha256=params.sha256(),
        input_sha256=digest,
    )


def refuse_places(source: Path, outputs: Sequence[Path]) -> None:
    """Refuse outputs before the work, not after it.

    Raises   BadParams: an output is the input (also through a link) or another output
             BadInput: an output is something else than a file, or its folder cannot be made or written to
    """
    for position, output in enumerate(outputs):
        if _same(output, source):
            raise BadParams(f"output {output} is the input {source}; name another file, the input is never overwritten")
        if any(_same(output, other) for other in outputs[:position]):
            raise BadParams(f"output {output} is named twice; name one file for each output")
        if output.exists() and not output.is_file():
            kind = "folder" if output.is_dir() else "device, pipe or socket"
            raise BadInput(f"output {output} is a {kind}; name a file")
        above = next(folder for folder in output.absolute().parents if os.path.lexists(folder))
        if not above.is_dir():
            raise BadInput(f"output {output}: {above} is no folder; name another place")
        if not os.access(above, os.W_OK | os.X_OK):
            raise BadInput(f"output {output}: nothing may be written to {above}; change its permissions, or the place")


def _same(one: Path, other: Path) -> bool:
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    return one.exists() and other.exists() and one.samefile(other)


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _by_class(table: Table, found: Manifest) -> dict[str, tuple[int, int]]:
    rows_C = np.bincount(table.labels, minlength=table.classes)
    dropped_C = np.bincount(table.labels[~found.keep_N], minlength=table.classes)
    return {name: (int(rows_C[c]), int(dropped_C[c])) for c, name in enumerate(table.class_names)}
