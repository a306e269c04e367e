"""Classes of data that stream by: label columns -> 0..C-1, a batch at a time; which classes are too small to judge."""

# N rows, C classes
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sanitize.data.labels import declared_names, plain_labels
from sanitize.data.seeds import stream
from sanitize.data.table import IntArray
from sanitize.errors import BadInput

MOST_CLASSES = 10_000
NONE = -1  # a label that is null, or no class


def count_classes(
    columns: Iterable[pa.Array], schema: pa.Schema, label: str, origin: str
) -> tuple[dict[str, int], int]:
    """Rows of every class.

    columns  the label column, batch by batch
    schema   whose metadata may declare the classes' names
    Returns  class name -> rows, in the order of ClassLabel, or of the sorted values; and the rows that have no label
    Raises   BadInput: a type that is none of labels, more than MOST_CLASSES classes
    """
    counted: Counter[int | str | bool | None] = Counter()
    declared = declared_names(schema, label, origin)
    for column in columns:
        try:
            for pair in pc.value_counts(plain_labels(column, label, origin)).to_pylist():
                counted[pair["values"]] += pair["counts"]
        except UnicodeDecodeError as error:
            raise BadInput(f"{origin}: label column {label!r} holds text that is no UTF-8; mend it") from error
        if len(counted) > MOST_CLASSES:
            raise BadInput(
                f"{origin}: label column {label!r} has more than {MOST_CLASSES} values; name another with data.label "
                f"(--label)"
            )
    unlabelled = counted.pop(None, 0)
    if declared is not None:
        rows = dict.fromkeys(declared, 0)
        for value, count in counted.items():
            if isinstance(value, int) and 0 <= value < len(declared):
                rows[declared[value]] += count
            else:
                unlabelled += count
        return rows, unlabelled
    return {str(value): counted[value] for value in sorted(counted)}, unlabelled  # type: ignore[type-var]


@dataclass(frozen=True)
class LabelCode:
    """The number of every class.

    names     all classes; a label's code is its place here
    declared  the ClassLabel names, if the label column holds their numbers
    """

    names: tuple[str, ...]
    declared: tuple[str, ...] | None

    def encode(self, column: pa.Array, label: str, origin: str) -> IntArray:
        """int64 [n], places in `names`, NONE for null and for values that are no class."""
        plain = plain_labels(column, label, origin)
        places = {name: place for place, name in enumerate(self.names)}
        if self.declared is not None and pa.types.is_integer(plain.type):
            codes = pc.fill_null(plain.cast(pa.int64(), safe=False), -1).to_numpy(zero_copy_only=False)
            known = np.array([places.get(name, NONE) for name in (*self.declared, "")], np.int64)
            known[-1] = NONE
            inside = (codes >= 0) & (codes < len(self.declared))
            codes_n: IntArray = known[np.where(inside, codes, len(self.declared))]
            return codes_n
        own = _values(self.names, plain.type)
        places_of_own = np.array([places[name] for name, _ in own] + [NONE], np.int64)
        found = pc.index_in(plain, value_set=pa.array([value for _, value in own], plain.type))
        codes_n = places_of_own[pc.fill_null(found, len(own)).to_numpy(zero_copy_only=False)]
        return codes_n


def _values(names: Sequence[str], kind: pa.DataType) -> list[tuple[str, int | str | bool]]:
    """Each class with its value in a column of this type, as far as the type can hold it."""
    if pa.types.is_string(kind):
        return [(name, name) for name in names]
    if pa.types.is_boolean(kind):
        return [(name, name == "True") for name in names if name in ("True", "False")]
    found: list[tuple[str, int | str | bool]] = []
    for name in names:
        try:
            number = pa.scalar(int(name), kind).as_py()
        except (ValueError, OverflowError, pa.ArrowException):
            continue
        found.append((name, number))
    return found


def small_classes(rows: Mapping[str, int], least: int) -> list[str]:
    """The classes with at least one row and fewer than `least`."""
    return [name for name, count in rows.items() if 0 < count < least]


def quotas(rows_C: IntArray, total: int, least: int) -> IntArray:
    """How many rows of each class a stratified sample takes.

    rows_C  int64 [C], rows of each class
    total   rows of the sample, about: more where the classes' least shares need more
    least   rows that every class gives at least, or all that it has
    Returns int64 [C], proportional, rounded down, but `least` at least
    """
    if rows_C.sum() <= total:
        return rows_C
    share_C = rows_C * total // max(1, int(rows_C.sum()))
    return np.minimum(rows_C, np.maximum(share_C, least))


def draw_sample(codes: Iterable[IntArray], quota_C: IntArray, seed: int) -> IntArray:
    """A random sample with so many rows of each class, drawn while the labels stream by.

    codes    the labels' places, batch after batch; NONE and places beyond the quotas' are left out
    quota_C  int64 [C]
    seed     of the run; stream (seed, "filter", "sample")
    Returns  int64, positions in the whole, ascending; memory does not depend on the rows
    """
    draws = stream(seed, "filter", "sample")
    kept: tuple[IntArray, IntArray, np.ndarray] = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    limit = 4 * int(quota_C.sum()) + 65536
    start = 0
    for code_n in codes:
        rank_n = draws.random(len(code_n))
        good = np.flatnonzero((code_n >= 0) & (code_n < len(quota_C)))
        new = (good + start, code_n[good], rank_n[good])
        kept = tuple(np.concatenate(pair) for pair in zip(kept, new, strict=True))  # type: ignore[assignment]
        if len(kept[0]) > limit:
            kept = _lowest(kept, quota_C)
        start += len(code_n)
    return np.sort(_lowest(kept, quota_C)[0])


def _lowest(drawn: tuple[IntArray, IntArray, np.ndarray], quota_C: IntArray) -> tuple[IntArray, IntArray, np.ndarray]:
    """Of each class its quota of rows with the lowest ranks."""
    position, code, rank = drawn
    order = np.lexsort((rank, code))
    code = code[order]
    first = np.searchsorted(code, np.arange(len(quota_C)))
    place = np.arange(len(code)) - first[code] if len(code) else np.empty(0, np.int64)
    chosen = order[place < quota_C[code]]
    return position[chosen], drawn[1][chosen], rank[chosen]
