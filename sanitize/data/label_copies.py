"""Inputs from which the label can be read off: copies under another name, other spellings, one place per class, a word.

A value tells the label if the other rows that have it bear that label. With such an input every voter repeats the
labels it is given, and wrong ones are never found. A quantity that parts the classes is none: its values do not recur.
"""

# n rows looked at, C classes, V values
from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sanitize.data.table import BoolArray, IntArray

LEAST_ROWS = 20  # fewer do not tell
AGREE = 0.99  # part of the rows whose label can be read off
HOLES = 0.1  # part of the rows that may have no value; where more have none, that is a value like others
OF_REST = 0.1  # errors per row of another class than the largest: what a constant gets right does not count
FEW = 64  # values of a column that may be one place of a one-hot code, and of a first word

_WORD = re.compile(r"\w+")


def codes_of(values: Sequence[Hashable]) -> IntArray:
    """int64 [n], the same number for the same value, -1 for None and NaN."""
    numbers: dict[Hashable, int] = {}
    return np.array(
        [-1 if value is None or value != value else numbers.setdefault(value, len(numbers)) for value in values],
        np.int64,
    )


def tells(code_n: IntArray, label_n: IntArray) -> int | None:
    """How many rows' labels the other rows with the same value tell; None = too few for a copy of the label."""
    rows = len(code_n)
    if rows < LEAST_ROWS or len(np.unique(label_n)) < 2:
        return None
    count_VC = np.zeros((code_n.max() + 1, label_n.max() + 1), np.int64)
    np.add.at(count_VC, (code_n, label_n), 1)
    others_nC = count_VC[code_n]
    place = np.arange(rows)
    own_n = others_nC[place, label_n] - 1
    others_nC[place, label_n] = -1
    right = int((own_n > np.maximum(others_nC.max(axis=1), 0)).sum())
    rest = rows - int(np.bincount(label_n).max())
    wrong = rows - right
    return right if wrong <= (1 - AGREE) * rows and wrong <= OF_REST * rest else None


def copies(columns: Mapping[str, IntArray], label_n: IntArray, numbering: Collection[str] = ()) -> dict[str, str]:
    """The columns that repeat the label, alone or, one place per class, together, and how many rows say so.

    columns  name -> int64 [n], the number of each row's value, -1 = none
    label_n  int64 [n], -1 = none
    numbering  columns that name or number the rows: rows that differ in these alone are one row written several times
    """
    known = (label_n >= 0) & _first_of_equals(columns, label_n, numbering)
    found: dict[str, str] = {}
    places: dict[str, BoolArray] = {}
    classes = np.unique(label_n[known])
    for name, code_n in columns.items():
        looked_at = known & (code_n >= 0)
        if looked_at.sum() < (1 - HOLES) * known.sum():
            code_n, looked_at = np.where(code_n < 0, code_n.max(initial=0) + 1, code_n), known
        code, labels = code_n[looked_at], label_n[looked_at]
        right = tells(code, labels)
        if right is not None:
            found[name] = f"the label can be read off it in {right} of {len(labels)} rows looked at"
        elif len(labels) >= LEAST_ROWS and 2 <= len(np.unique(code)) <= FEW:
            places[name] = _marked(code, labels, classes)
    together = {name: marked_C for name, marked_C in places.items() if marked_C.any()}
    if together and np.any(list(together.values()), axis=0).sum() >= len(classes) - 1:
        for name in together:
            found[name] = f"with {len(together) - 1} others it says which label a row has, one class each"
    return found


def _first_of_equals(columns: Mapping[str, IntArray], label_n: IntArray, numbering: Collection[str]) -> BoolArray:
    """The first of rows that are equal, the columns `numbering` aside; all rows, where too few are different."""
    told = [code_n for name, code_n in columns.items() if name not in numbering]
    _, first = np.unique(np.stack([label_n, *told], axis=1), axis=0, return_index=True)
    chosen = np.zeros(len(label_n), np.bool_)
    chosen[first if len(first) >= LEAST_ROWS else slice(None)] = True
    return chosen


def _marked(code_n: IntArray, label_n: IntArray, classes: IntArray) -> BoolArray:
    """bool [C], the classes whose rows have values that recur and that no others have, but for a few."""
    count_VC = np.zeros((code_n.max() + 1, label_n.max() + 1), np.int64)
    np.add.at(count_VC, (code_n, label_n), 1)
    count_VC = count_VC[:, classes]
    total_C, total_V = count_VC.sum(axis=0), count_VC.sum(axis=1)
    owned_VC = (2 * count_VC > total_V[:, None]) & (total_V[:, None] > 1)
    inside_C = (count_VC * owned_VC).sum(axis=0)
    strange_C = ((total_V[:, None] - count_VC) * owned_VC).sum(axis=0)
    marked: BoolArray = (total_C > 0) & (total_C - inside_C + strange_C <= (1 - AGREE) * total_C)
    return marked


def told_by_words(texts: Sequence[str | None], label_n: IntArray, names: Sequence[str]) -> str | None:
    """How a text tells its label: by the class's name among its words, or by its first or last word. None = not.

    texts    n, None = missing
    label_n  int64 [n], -1 = none
    names    of the classes
    """
    rows = [row for row, text in enumerate(texts) if text and label_n[row] >= 0]
    if len(rows) < LEAST_ROWS:
        return None
    words = [[word.casefold() for word in _WORD.findall(texts[row] or "")] or [""] for row in rows]
    labels = label_n[rows]
    spelt = [" ".join(_WORD.findall(name.casefold())) for name in names]
    if all(name and not name.isdigit() for name in spelt):
        joined = [f" {' '.join(own)} " for own in words]
        said = [tuple(place for place, name in enumerate(spelt) if f" {name} " in text) for text in joined]
        right = sum(own == (label,) for own, label in zip(said, labels, strict=True))
        if right >= AGREE * len(rows) and len(np.unique(labels)) > 1:
            return f"{right} of {len(rows)} rows looked at hold their class's name, and no other's"
    for place, which in ((0, "first"), (-1, "last")):
        code = codes_of([own[place] for own in words])
        if code.max() < FEW:
            told = tells(code, labels)
            if told is not None:
                return f"its {which} word tells the label in {told} of {len(rows)} rows looked at"
    return None


def rows_as_codes(values: NDArray[np.generic]) -> IntArray:
    """int64 [n], the same number for the same row of an array [n, ...]."""
    flat = np.ascontiguousarray(values.reshape(len(values), -1))
    return codes_of([row.tobytes() for row in flat])
