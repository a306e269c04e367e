"""Columns of single values: the same value in nearly all rows of a group, rarely elsewhere."""

# N rows, D columns
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sanitize.data.table import BoolArray, FloatArray, IntArray
from sanitize.evidence.base import OTHERS_HAVE, Compared

HAVE = 0.25  # part of the group that has a value, at the least
APART = 0.2  # by which that is more than the part of others
MOST_COLUMNS = 4
NATURAL = 0.5  # of what a value adds to the label's share among all rows: so much do the values beside it add, too
LONGEST = 40  # characters of a value that are shown


@dataclass(frozen=True)
class Column:
    """One column.

    code_N   int64 [N], equal where values are
    texts    the values in words, by code
    order_N  float32 [N], by which neighbours are known; None = the values have no order
    """

    name: str
    code_N: IntArray
    texts: Sequence[str | None]
    order_N: FloatArray | None


Shared = tuple[tuple[int, int], ...]  # (number of the column, code)


class Values:
    """Columns of single values. See `base.View`."""

    have = HAVE

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = columns

    def learn(self, rows: Compared) -> Shared | None:
        """See `base.View`: the most telling column first, others as long as the group has all of the values."""
        found: list[tuple[float, float, int, int]] = []
        for number, column in enumerate(self.columns):
            codes, counts = np.unique(column.code_N[rows.group], return_counts=True)
            code, share = int(codes[counts.argmax()]), float(counts.max()) / len(rows.group)
            other = max(float((column.code_N[part] == code).mean()) for part in (rows.others, rows.like))
            if share >= HAVE and share - other >= APART:
                found.append((other - share, other, number, code))
        chosen: list[tuple[int, int]] = []
        left = np.ones(len(rows.group), np.bool_)
        rare = 1.0
        for _, other, number, code in sorted(found)[: 2 * MOST_COLUMNS]:
            both = left & (self.columns[number].code_N[rows.group] == code)
            if both.mean() < HAVE or (chosen and other > OTHERS_HAVE and rare <= OTHERS_HAVE):
                continue
            chosen.append((number, code))
            left, rare = both, min(rare, other)
        return tuple(chosen[:MOST_COLUMNS]) or None

    def has(self, shared: Shared, rows: IntArray) -> BoolArray:
        """See `base.View`."""
        found: BoolArray = np.logical_and.reduce([self.columns[n].code_N[rows] == code for n, code in shared])
        return found

    def natural(self, shared: Shared, label_N: IntArray, label: int, holders: IntArray) -> bool:
        """See `base.View`: the rows with the next smaller and greater values, as many on either side as holders."""
        for number, code in shared:
            column = self.columns[number]
            if column.order_N is None:
                return False
            value = column.order_N[holders[column.code_N[holders] == code][0]]
            order = np.argsort(column.order_N, kind="stable")
            sorted_N: NDArray[np.float32] = column.order_N[order]
            low, high = np.searchsorted(sorted_N, value, "left"), np.searchsorted(sorted_N, value, "right")
            beside = np.concatenate([order[max(0, low - len(holders)) : low], order[high : high + len(holders)]])
            bear, base = (label_N == label)[order[low:high]].mean(), float((label_N == label).mean())
            if not len(beside) or (label_N[beside] == label).mean() - base < NATURAL * (bear - base):
                return False
        return True

    def words(self, shared: Shared) -> str:
        """See `base.View`."""
        return " and ".join(f"{self.columns[n].name} {_said(self.columns[n].texts[code])}" for n, code in shared)

    def region(self, shared: Shared) -> None:
        """See `base.View`."""
        return None


def _said(text: str | None) -> str:
    if text is None:
        return "is missing"
    return f"= {text if len(text) <= LONGEST else text[:LONGEST] + '…'}"
