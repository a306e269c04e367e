"""What became of the rows, in numbers: for people, for scripts, for the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

import sanitize
from sanitize.evidence.groups import TRIGGER
from sanitize.summary_file import SCHEMA_VERSION

MUCH_OF_CLASS = 0.2  # part of a class's rows: where more of them are judged and dropped, people are warned
OUTPUTS = ("kept", "rejected", "manifest", "report", "voters")
MUCH_UNSTABLE = 0.2  # part of the dropped rows: where the voters of two seeds disagree on more, people are warned
FEW_UNSTABLE = 5  # rows on which they always may
MAX_UNREADABLE = 0.05  # part of the rows: more of them mean that something else was expected than there is


@dataclass(frozen=True)
class Seen:
    """Which columns were looked at.

    label, inputs  their names
    modality       as what, words joined by " + "
    found          how they were found, in words
    expected       what a row that can be read holds in them, in words
    """

    label: str
    inputs: tuple[str, ...]
    modality: str
    found: str
    expected: str = ""


@dataclass(frozen=True)
class Unreadable:
    """Rows that cannot be read.

    rows       their number, rejected or kept
    most       the part of all rows that they may be, 0..1; None = MAX_UNREADABLE, but one row always may
    commonest  what is wrong with most of them, in words
    """

    rows: int
    most: float | None
    commonest: str

    @property
    def bound(self) -> float:
        """The part of all rows that they may be, 0..1."""
        return MAX_UNREADABLE if self.most is None else self.most

    def exceeds(self, rows: int) -> bool:
        """Whether they are more of so many rows than may be."""
        return self.rows > (max(1.0, self.bound * rows) if self.most is None else self.bound * rows)


@dataclass(frozen=True)
class Output:
    """What was written to one place.

    sha256  hex, of the file's bytes; of a folder of several files as `Source.sha256` has it
    rows    that it is about; None = it has none
    """

    sha256: str
    rows: int | None = None


@dataclass(frozen=True)
class Summary:
    """What became of the rows.

    rows, kept, rejected  numbers of rows; rows = kept + rejected
    reasons               rows rejected for each cause
    unjudged              rows kept without a verdict, or against it by hand, for each cause
    classes               rows and rows rejected of each class, in the order of the class names
    against               of each class: rows judged and dropped, by the class that most voters say, or by TRIGGER
    columns               which columns were looked at
    files                 how many files the input has
    seconds               from the first byte read to the last file in its place
    parameters_sha256     of the parameters that can change the kept rows
    input_sha256          of the input file's bytes; of several files: see `Source.sha256`
    max_removed           the limit, 0..1, or None
    unreadable            the rows that cannot be read, and their limit
    max_removed_class     the limit of each class, 0..1, or None
    groups                of the rejected rows, as `RowGroup.as_json` gives them
    unstable              rows of these on which the voters of two runs, each with a seed of its own, disagree
    written               whether the kept rows were written: not in a dry run, and not beyond the limit
    preset, seed          of the parameters; of voters fitted before the seed alone
    outputs               what was written, by name: see OUTPUTS; None = not written
    """

    rows: int
    kept: int
    rejected: int
    reasons: dict[str, int]
    unjudged: dict[str, int]
    classes: dict[str, tuple[int, int]]
    against: dict[str, dict[str, int]]
    columns: Seen
    files: int
    seconds: float
    parameters_sha256: str
    input_sha256: str
    max_removed: float | None
    unreadable: Unreadable
    written: bool
    max_removed_class: float | None = None
    groups: tuple[dict[str, Any], ...] = ()
    unstable: int = 0
    preset: str | None = None
    seed: int | None = None
    outputs: Mapping[str, Output | None] = field(default_factory=dict)

    @property
    def verdict(self) -> Literal["nothing_dropped", "rows_dropped"]:
        """The outcome in one word."""
        return "rows_dropped" if self.rejected else "nothing_dropped"

    @property
    def exceeded(self) -> bool:
        """Whether a limit is exceeded."""
        return bool(self.limits)

    @property
    def limits(self) -> list[str]:
        """Which limits are exceeded, in words: rows that cannot be read, rows rejected of all or of a class, and that
        some row is kept.
        """
        found = []
        bad = self.unreadable
        if bad.exceeds(self.rows):
            found.append(
                f"{bad.rows} of {self.rows} rows cannot be read, more than --max-unreadable {bad.bound:g} of all; "
                f"{bad.commonest}; expected: {self.columns.expected}; mend the rows, name other columns (--label, "
                f"--inputs), or allow more with --max-unreadable"
            )
        if self.max_removed is not None and self.rejected > self.max_removed * self.rows:
            found.append(
                f"max_removed is {self.max_removed:g}, but {self.rejected / self.rows:.4g} of the rows would go"
            )
        if self.max_removed_class is not None:
            lost = [(-gone / rows, name) for name, (rows, gone) in self.classes.items() if rows]
            beyond = sorted(one for one in lost if -one[0] > self.max_removed_class)
            for part, name in beyond[:1]:
                rows, gone = self.classes[name]
                others = f", and too many of {len(beyond) - 1} more classes" if len(beyond) > 1 else ""
                found.append(
                    f"max_removed_class is {self.max_removed_class:g}, but {-part:.4g} of class {name} would go "
                    f"({gone} of {rows} rows){others}"
                )
        if self.rows and not self.kept:
            found.append(f"none of {self.rows} rows would be kept")
        return found

    @property
    def warnings(self) -> list[str]:
        """What people should look at before they trust the outcome, in words: classes that lose much, most first."""
        dropped = sum(group["rows"] for group in self.groups)
        return [*class_warnings(self.classes, self.against), *seed_warnings(self.unstable, dropped)]

    def as_json(self) -> dict[str, Any]:
        """The document that `sanitize filter --json` prints: see docs/filter.md."""
        return {
            "schema_version": SCHEMA_VERSION,
            "version": sanitize.__version__,
            "preset": self.preset,
            "seed": self.seed,
            "rows": self.rows,
            "kept": self.kept,
            "rejected": self.rejected,
            "reasons": self.reasons,
            "kept_unjudged": self.unjudged,
            "classes": {name: {"rows": rows, "rejected": gone} for name, (rows, gone) in self.classes.items() if rows},
            "groups": list(self.groups),
            "unstable": self.unstable,
            "label_column": self.columns.label,
            "input_columns": list(self.columns.inputs),
            "modality": self.columns.modality,
            "files": self.files,
            "seconds": round(self.seconds, 2),
            "parameters_sha256": self.parameters_sha256,
            "input_sha256": self.input_sha256,
            "max_removed": self.max_removed,
            "max_removed_class": self.max_removed_class,
            "unreadable": self.unreadable.rows,
            "max_unreadable": self.unreadable.bound,
            "limit_exceeded": self.exceeded,
            "written": self.written,
            "outputs": {name: _written(self.outputs.get(name)) for name in OUTPUTS},
            "verdict": self.verdict,
            "warnings": self.warnings,
        }

    def plain(self) -> dict[str, Any]:
        """All of it as JSON, for `of_json`."""
        return asdict(self)

    @classmethod
    def of_json(cls, plain: Mapping[str, Any]) -> Self:
        """What `plain` has written."""
        seen = plain["columns"]
        columns = Seen(seen["label"], tuple(seen["inputs"]), seen["modality"], seen["found"], seen["expected"])
        classes = {name: (counts[0], counts[1]) for name, counts in plain["classes"].items()}
        unreadable = Unreadable(**plain["unreadable"])
        outputs = {name: None if one is None else Output(**one) for name, one in plain["outputs"].items()}
        own = {"columns": columns, "classes": classes, "unreadable": unreadable, "outputs": outputs}
        return cls(**{**plain, **own, "groups": tuple(plain["groups"])})


def _written(output: Output | None) -> dict[str, Any] | None:
    return None if output is None else {name: one for name, one in asdict(output).items() if one is not None}


def class_warnings(classes: Mapping[str, tuple[int, int]], against: Mapping[str, Mapping[str, int]]) -> list[str]:
    """See `Summary.warnings`; classes, against: as there."""
    lost = [(sum(counts.values()), classes[name][0], name) for name, counts in against.items()]
    much = [one for one in lost if one[0] > MUCH_OF_CLASS * one[1]]
    much.sort(key=lambda one: (-one[0] / one[1], one[2]))
    return [
        f"{name}: {dropped} of {rows} rows dropped ({dropped / rows:.0%}): {_why(name, against[name])}"
        for dropped, rows, name in much
    ]


def seed_warnings(unstable: int, dropped: int) -> list[str]:
    """At most one: of so many dropped rows those on which the voters of two seeds disagree are many."""
    if unstable <= max(MUCH_UNSTABLE * dropped, FEW_UNSTABLE):
        return []
    return [
        f"the voters of two seeds disagree on {unstable} of {dropped} dropped rows (`stable` in the manifest); filter "
        "with another --seed, and compare with sanitize diff"
    ]


def _why(name: str, counts: Mapping[str, int]) -> str:
    """What so many of a class's rows may have been dropped for, in words; counts as `Summary.against` has them."""
    dropped, shared = sum(counts.values()), counts.get(TRIGGER, 0)
    if 2 * shared >= dropped:
        return f"{shared} of them share a trigger; look at them, poison may be most of what the class holds"
    said = {other: rows for other, rows in counts.items() if other not in (TRIGGER, name)}
    if not said:
        return "self-training contradicts what the voters say; probably hard rows, not poison"
    most = max(said, key=lambda other: (said[other], other))
    return f"the voters cannot tell {name} from {most}; probably hard rows, not poison"
