"""What became of the rows, in numbers: for people, for scripts, for the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Seen:
    """Which columns were looked at: the label, the inputs, as what (words joined by " + "), and how they were found."""

    label: str
    inputs: tuple[str, ...]
    modality: str
    found: str


@dataclass(frozen=True)
class Summary:
    """What became of the rows.

    rows, kept, rejected  numbers of rows; rows = kept + rejected
    reasons               rows rejected for each cause
    unjudged              rows kept without a verdict, for each cause
    classes               rows and rows rejected of each class, in the order of the class names
    columns               which columns were looked at
    files                 how many files the input has
    seconds               from the first byte read to the last file in its place
    parameters_sha256     of the parameters that can change the kept rows
    input_sha256          of the input file's bytes; of several files: see `Source.sha256`
    max_removed           the limit, 0..1, or None
    written               whether outputs were written: not in a dry run, and not beyond the limit
    """

    rows: int
    kept: int
    rejected: int
    reasons: dict[str, int]
    unjudged: dict[str, int]
    classes: dict[str, tuple[int, int]]
    columns: Seen
    files: int
    seconds: float
    parameters_sha256: str
    input_sha256: str
    max_removed: float | None
    written: bool

    @property
    def verdict(self) -> Literal["nothing_dropped", "rows_dropped"]:
        """The outcome in one word."""
        return "rows_dropped" if self.rejected else "nothing_dropped"

    @property
    def exceeded(self) -> bool:
        """Whether a larger part of the rows is rejected than `max_removed` allows."""
        return self.max_removed is not None and self.rejected > self.max_removed * self.rows

    def as_json(self) -> dict[str, Any]:
        """The document that `sanitize filter --json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "rows": self.rows,
            "kept": self.kept,
            "rejected": self.rejected,
            "reasons": self.reasons,
            "kept_unjudged": self.unjudged,
            "label_column": self.columns.label,
            "input_columns": list(self.columns.inputs),
            "modality": self.columns.modality,
            "files": self.files,
            "seconds": round(self.seconds, 2),
            "parameters_sha256": self.parameters_sha256,
            "input_sha256": self.input_sha256,
            "max_removed": self.max_removed,
            "limit_exceeded": self.exceeded,
            "written": self.written,
            "verdict": self.verdict,
        }

    def plain(self) -> dict[str, Any]:
        """All of it as JSON, for `of_json`."""
        return asdict(self)

    @classmethod
    def of_json(cls, plain: Mapping[str, Any]) -> Self:
        """What `plain` has written."""
        seen = plain["columns"]
        columns = Seen(seen["label"], tuple(seen["inputs"]), seen["modality"], seen["found"])
        classes = {name: (counts[0], counts[1]) for name, counts in plain["classes"].items()}
        return cls(**{**plain, "columns": columns, "classes": classes})
