"""A gate for CI: conditions on a run's figures -> which of them hold. Figures are those of a JSON document."""

from __future__ import annotations

import json
import math
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from sanitize.errors import BadInput, BadParams
from sanitize.io.regular import open_regular
from sanitize.runtime.printing import shown
from sanitize.summary_file import MOST_BYTES, SCHEMA_VERSION

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
CONDITION = re.compile(r"(?s)(.+?)\s*(>=|<=|>|<)\s*([0-9.eE+-]+)\s*")
CLASS = "class:"
KEYS_SHOWN = 12
EXAMPLE = "such as 'removed>0.05'"
AGAIN = "make it with `sanitize filter … --summary summary.json`, by a run that ends"


@dataclass(frozen=True)
class Condition:
    """What must not be: a figure beyond a bound.

    text   as it was given
    name   of the figure; `class:PATTERN` stands for every class that the pattern (*, ?, [a-z]) fits
    """

    text: str
    name: str
    sign: str
    bound: float


@dataclass(frozen=True)
class Failure:
    """A condition that holds: for this figure, of this value. figure is "limit" for a limit that the run itself had."""

    condition: str
    figure: str
    value: float

    def words(self) -> str:
        """One line for people."""
        return f"{self.figure} is {self.value:.4g}: {self.condition}"


def read_condition(text: str) -> Condition:
    """A condition as `--fail-on` has it. BadParams: it is none."""
    found = CONDITION.fullmatch(text.strip())
    bound = math.nan
    if found is not None:
        try:
            bound = float(found[3])
        except ValueError:
            found = None
    if found is None or not math.isfinite(bound):
        raise BadParams(f"--fail-on is {text!r}; must be a name, one of > >= < <=, and a number, {EXAMPLE}")
    return Condition(text.strip(), found[1].strip(), found[2], bound)


def read_figures(path: Path) -> dict[str, Any]:
    """The document of a run: of `sanitize filter --json`, or metrics of the pipeline.

    Raises   BadInput: no such file, no JSON object, a run that failed or was cut short
    """
    if not path.exists():
        raise BadInput(f"{path}: no such file; {AGAIN}")
    with open_regular(path) as file:
        blob = file.read(MOST_BYTES + 1)
    if len(blob) > MOST_BYTES:
        raise BadInput(f"{path}: has more than {MOST_BYTES >> 20} MiB; {AGAIN}")
    try:
        document = json.loads(blob, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: is no whole JSON document ({str(error).splitlines()[0]}); {AGAIN}") from error
    if not isinstance(document, dict) or not document:
        raise BadInput(f"{path}: is no JSON object with figures; {AGAIN}")
    if "error" in document:
        raise BadInput(f"{path}: is of a run that failed: {document['error']}; {AGAIN}")
    if "schema_version" in document:
        _refuse_other_summary(path, document)
    return document


def _refuse_other_summary(path: Path, document: Mapping[str, Any]) -> None:
    version, classes = document["schema_version"], document.get("classes")
    if not _is_count(version) or version != SCHEMA_VERSION:
        raise BadInput(f"{path}: has schema_version {version!r}; must be {SCHEMA_VERSION}; {AGAIN}")
    counts: list[Any] = [document.get(name) for name in ("rows", "kept", "rejected", "unreadable")]
    if not all(_is_count(count) for count in counts) or not isinstance(document.get("limit_exceeded"), bool):
        raise BadInput(f"{path}: lacks the numbers rows, kept, rejected and unreadable, or limit_exceeded; {AGAIN}")
    rows, kept, rejected, unreadable = counts
    if not isinstance(classes, dict) or not all(
        isinstance(one, dict) and _is_count(one.get("rows")) and _is_count(one.get("rejected"))
        and one["rejected"] <= one["rows"]
        for one in classes.values()
    ):  # fmt: skip
        raise BadInput(f"{path}: lacks the rows and the rejected rows of each class; {AGAIN}")
    if not rows or kept + rejected != rows or unreadable > rows:
        raise BadInput(f"{path}: has {rows} rows, {kept} kept and {rejected} rejected, which do not add up; {AGAIN}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's members. ValueError: two of one name, of which readers take different ones."""
    counts = Counter(name for name, _ in pairs)
    if len(counts) < len(pairs):
        raise ValueError(f"the key {counts.most_common(1)[0][0]!r} stands there twice")
    return dict(pairs)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def failures(document: Mapping[str, Any], conditions: Sequence[Condition], origin: str) -> list[Failure]:
    """The conditions that hold, and the limit of the run itself where that is exceeded.

    document  from `read_figures`
    origin    its file, for messages
    Raises    BadParams: a figure that the document does not have
    """
    known = figures(document)
    found = []
    if document.get("limit_exceeded"):
        found.append(Failure("the run's own limit is exceeded", "limit", 1.0))
    for one in conditions:
        names = [one.name] if one.name in known else []
        if one.name.startswith(CLASS):  # data may call a class *, which must not hide the others
            names = [name for name in known if name == one.name or fnmatchcase(name, one.name)]
        if not names:
            some = ", ".join(map(shown, list(known)[:KEYS_SHOWN])) + (", …" if len(known) > KEYS_SHOWN else "")
            raise BadParams(
                f"--fail-on is {one.text!r}, but {origin} has no finite number {one.name!r}; it has {some or 'none'}"
            )
        beyond = [(known[name], name) for name in names if OPERATORS[one.sign](known[name], one.bound)]
        beyond.sort(key=lambda pair: (-pair[0] if ">" in one.sign else pair[0], pair[1]))
        found += [Failure(one.text, name, value) for value, name in beyond]
    return found


def figures(document: Mapping[str, Any]) -> dict[str, float]:
    """The figures that conditions can name.

    Of a filter's summary: removed, kept and unreadable as parts of all rows, the same of each class's rows as
    class:NAME, and every number under its own name but these. Of other documents: every number, keys joined by dots.
    """
    if "schema_version" not in document:
        return dict(_numbers(document, ""))
    rows = document["rows"]
    parts = {
        "removed": document["rejected"] / rows,
        "kept": document["kept"] / rows,
        "unreadable": document["unreadable"] / rows,
    }
    parts |= {
        f"{CLASS}{name}": one["rejected"] / one["rows"] for name, one in document["classes"].items() if one["rows"]
    }
    plain = {name: value for name, value in document.items() if name not in ("classes", "schema_version")}
    return {**dict(_numbers(plain, "")), **parts}


def _numbers(value: Any, name: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _numbers(one, f"{name}.{key}" if name else str(key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):  # a whole number beyond all floats is no figure
            if math.isfinite(value):
                yield name, float(value)
