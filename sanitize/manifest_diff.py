"""Two manifests about the same rows -> which rows were dropped or kept anew, and whose cause has changed.

Manifests are those of `sanitize filter --manifest` and of the pipeline, which has neither files nor labels in its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sanitize.data.parquet import read_arrow
from sanitize.data.table import IntArray
from sanitize.errors import BadInput
from sanitize.filtering import cause_of

SCHEMA_VERSION = 1
Change = Literal["dropped", "kept", "changed"]
CHANGES: tuple[Change, ...] = ("dropped", "kept", "changed")
NEEDED = {
    "row": (pa.types.is_integer, "a whole number in every row"),
    "keep": (pa.types.is_boolean, "true or false in every row"),
    "reason": (pa.types.is_string, "text in every row"),
}
TEXTS = ("file", "label", "group")  # where there are any
UNKNOWN = "?"  # the class of rows whose label neither manifest has


@dataclass(frozen=True)
class Changed:
    """A row on which two manifests differ.

    file, row      where it stands; file is "" where manifests name none
    label          its class; UNKNOWN where it is not known
    change         "dropped": kept before; "kept": dropped before; "changed": dropped for another cause
    before, after  the reasons
    group          the id of the group that it is dropped with, or was, "" where it is in none
    """

    file: str
    row: int
    label: str
    change: Change
    before: str
    after: str
    group: str = ""


@dataclass(frozen=True)
class Difference:
    """What has become of the rows.

    rows             how many the manifests are about
    before, after    how many of them are dropped
    changed          the rows on which they differ, in the order of the second manifest
    """

    rows: int
    before: int
    after: int
    changed: Sequence[Changed]

    def count(self, change: Change) -> int:
        """How many rows changed in this way."""
        return sum(one.change == change for one in self.changed)

    def by_class(self) -> dict[str, dict[str, int]]:
        """Class -> change -> rows, by falling number of rows, then by name."""
        return _counted(self.changed, [one.label for one in self.changed])

    def by_cause(self) -> dict[str, dict[str, int]]:
        """Cause -> change -> rows: that for which a row is dropped now, or was; of changed ones "OLD -> NEW"."""
        return _counted(self.changed, [_causes(one) for one in self.changed])

    def by_group(self) -> dict[str, dict[str, int]]:
        """Group -> change -> rows, of the second manifest, or of the first for rows that are kept now."""
        grouped = [one for one in self.changed if one.group]
        names = [f"{one.group} before" if one.change == "kept" else one.group for one in grouped]
        return _counted(grouped, names)

    def as_json(self, most: int) -> dict[str, Any]:
        """The document that `sanitize diff --json` prints, with the first `most` changed rows."""
        return {
            "schema_version": SCHEMA_VERSION,
            "rows": self.rows,
            "dropped_before": self.before,
            "dropped_after": self.after,
            "newly_dropped": self.count("dropped"),
            "newly_kept": self.count("kept"),
            "changed_cause": self.count("changed"),
            "classes": self.by_class(),
            "causes": self.by_cause(),
            "groups": self.by_group(),
            "changed": [vars(one) for one in self.changed[:most]],
            "changed_left_out": max(0, len(self.changed) - most),
        }


def _causes(one: Changed) -> str:
    if one.change == "changed":
        return f"{cause_of(one.before)} -> {cause_of(one.after)}"
    return cause_of(one.after if one.change == "dropped" else one.before)


def _counted(changed: Sequence[Changed], names: Sequence[str]) -> dict[str, dict[str, int]]:
    totals = Counter(names)
    counts = Counter(zip(names, (one.change for one in changed), strict=True))
    order = sorted(totals, key=lambda name: (-totals[name], name))
    return {name: {change: counts[name, change] for change in CHANGES} for name in order}


def compare(before: Path, after: Path) -> Difference:
    """What has changed from one manifest to another.

    before, after  parquet files with the columns row, keep and reason, and file and label where there are any
    Raises         BadInput: no manifest; the two are not about the same rows, which then are named
    """
    old, new = _read(before), _read(after)
    order_N = _places(before, after, old, new)
    kept_N, was_N = new["keep"].to_numpy(), old["keep"].to_numpy()[order_N]
    other_N = pc.not_equal(new["reason"], old["reason"].take(pa.array(order_N))).to_numpy()
    differ_N = (kept_N != was_N) | (~kept_N & ~was_N & other_N)
    return Difference(
        len(kept_N),
        int((~was_N).sum()),
        int((~kept_N).sum()),
        list(_changed(np.flatnonzero(differ_N), old, new, order_N)),
    )


def _changed(places: IntArray, old: pa.Table, new: pa.Table, order_N: IntArray) -> Iterator[Changed]:
    then, now = (table.take(pa.array(rows)).to_pylist() for table, rows in ((old, order_N[places]), (new, places)))
    for was, one in zip(then, now, strict=True):
        if was["keep"] == one["keep"] and cause_of(was["reason"]) == cause_of(one["reason"]):
            continue  # the details alone
        change: Change = "changed" if was["keep"] == one["keep"] else "kept" if one["keep"] else "dropped"
        label = one.get("label") or was.get("label") or UNKNOWN
        group = (was if change == "kept" else one).get("group") or ""
        yield Changed(one.get("file") or "", one["row"], label, change, was["reason"], one["reason"], group)


def _read(path: Path) -> pa.Table:
    """A manifest's columns that are compared."""
    table = read_arrow(path, allow_empty=True)
    names = [name for name in (*NEEDED, *TEXTS) if name in NEEDED or name in table.column_names]
    for name in names:
        if table.column_names.count(name) != 1:
            many = "no" if name not in table.column_names else "more than one"
            raise BadInput(
                f"{path}: has {many} column {name!r}; name a manifest, as `sanitize filter --manifest` writes it"
            )
        fits, wanted = NEEDED.get(name, (pa.types.is_string, "text or null"))
        found, nulls = table[name].type, table[name].null_count
        if not fits(found) or (nulls and name in NEEDED):
            raise BadInput(f"{path}: column {name!r} is {found}, with {nulls} nulls; must be {wanted}; name a manifest")
    return table.select(names).combine_chunks()


def _places(before: Path, after: Path, old: pa.Table, new: pa.Table) -> IntArray:
    """Where each row of the second manifest stands in the first: int64 [N]."""
    keys = ["file", "row"] if all("file" in table.column_names for table in (old, new)) else ["row"]
    orders = [pc.sort_indices(table, sort_keys=[(key, "ascending") for key in keys]).to_numpy() for table in (old, new)]
    first, second = (table.select(keys).take(pa.array(order)) for table, order in zip((old, new), orders, strict=True))
    for path, table in ((before, first), (after, second)):
        twice = _first_unequal(table.slice(1), table.slice(0, max(0, len(table) - 1)), equal=True)
        if twice is not None:
            raise BadInput(f"{path}: {_named(table, twice)} stands in it twice; name a manifest of one run")
    if not first.equals(second):
        one = _first_unequal(first, second, equal=False)
        place = min(len(first), len(second)) if one is None else one
        shown = [_named(table, place) if place < len(table) else "its end" for table in (first, second)]
        raise BadInput(
            f"{before} and {after} are not about the same rows: {len(old)} and {len(new)}, and where the first has "
            f"{shown[0]} the second has {shown[1]}; compare manifests of one input"
        )
    places = np.empty(len(new), np.int64)
    places[orders[1]] = orders[0]
    return places


def _first_unequal(one: pa.Table, other: pa.Table, *, equal: bool) -> int | None:
    """The first place, of those that both have, where rows are equal, or are not; None = there is none."""
    rows = min(len(one), len(other))
    same_N = np.ones(rows, np.bool_)
    for name in one.column_names:
        left, right = one[name].slice(0, rows), other[name].slice(0, rows)
        same_N &= pc.fill_null(pc.equal(left, right), False).to_numpy()
    found = np.flatnonzero(same_N == equal)
    return int(found[0]) if len(found) else None


def _named(table: pa.Table, place: int) -> str:
    file = table["file"][place].as_py() if "file" in table.column_names else None
    return f"row {table['row'][place].as_py()}{f' of {file}' if file else ''}"
