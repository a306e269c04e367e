"""Vectors: coordinates with one value in nearly all rows of a group, or a direction along which it lies apart."""

# N vectors, D coordinates, P coordinates that tell
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sanitize.data.table import BoolArray, FloatArray, IntArray
from sanitize.evidence.base import Compared

NEAR = 0.05  # deviations of a coordinate by which equal values may differ
AGREE = 0.8  # part of the group that has a coordinate's value
APART = 0.5  # by which that is more than the part of others
MOST_COORDINATES = 64
OF_THEM = 0.9  # part of the coordinates that a row must have
BAR = 0.99  # quantile of the other rows along a direction, beyond which the group lies
SHOWN = 5  # coordinates that are named


class _Numbers:
    """What the views of vectors have in common. vectors: float32 [N, D]."""

    have = 0.8

    def __init__(self, vectors: FloatArray) -> None:
        self.vectors = vectors

    def natural(self, shared: Any, label_N: IntArray, label: int, holders: IntArray) -> bool:
        """See `base.View`: nothing lies between a trigger and what it was added to."""
        return False

    def region(self, shared: Any) -> None:
        """See `base.View`."""
        return None


class EqualCoordinates(NamedTuple):
    """Coordinates, int64 [P], their values and how near to these a row must be, float32 [P]."""

    place_P: IntArray
    value_P: FloatArray
    near_P: FloatArray


class Coordinates(_Numbers):
    """Coordinates with equal values. See `base.View`."""

    def learn(self, rows: Compared) -> EqualCoordinates | None:
        """See `base.View`."""
        near_D = NEAR * self.vectors[np.concatenate([rows.others, rows.like])].std(axis=0)
        value_D: FloatArray = np.median(self.vectors[rows.group], axis=0).astype(np.float32)
        group_D, *others = ((np.abs(self.vectors[part] - value_D) <= near_D).mean(axis=0) for part in rows)
        apart_D = group_D - np.maximum(*others)
        apart_D[(group_D < AGREE) | (apart_D < APART)] = -1
        best = np.argsort(-apart_D, kind="stable")[:MOST_COORDINATES]
        best = np.sort(best[apart_D[best] > 0])
        return EqualCoordinates(best, value_D[best], near_D[best]) if len(best) else None

    def has(self, shared: EqualCoordinates, rows: IntArray) -> BoolArray:
        """See `base.View`."""
        near_nP = np.abs(self.vectors[rows[:, None], shared.place_P] - shared.value_P) <= shared.near_P
        found: BoolArray = near_nP.mean(axis=1) >= OF_THEM
        return found

    def words(self, shared: EqualCoordinates) -> str:
        """See `base.View`."""
        named = ", ".join(
            f"{place} = {value:.4g}" for place, value in zip(shared.place_P[:SHOWN], shared.value_P, strict=False)
        )
        more = len(shared.place_P) - SHOWN
        return f"coordinates {named}{f' and {more} more' if more > 0 else ''}"


class Beyond(NamedTuple):
    """Directions from the others and from the rows that the group looks like, [2, D], bars along them, and a part.

    variance  part of the variance of the group and the rows that it looks like, that lies along the second, 0..1
    """

    direction_2D: NDArray[np.float64]
    bar_2: NDArray[np.float64]
    variance: float


class Direction(_Numbers):
    """A direction in which the group lies beyond the others. See `base.View`."""

    def learn(self, rows: Compared) -> Beyond | None:
        """See `base.View`."""
        group_D, *others = (self.vectors[part].mean(axis=0, dtype=np.float64) for part in rows)
        direction_2D = group_D - np.stack(others)
        length_2 = np.linalg.norm(direction_2D, axis=1, keepdims=True)
        if not (length_2 > 0).all():
            return None
        direction_2D /= length_2
        bars = [
            np.quantile(self.vectors[part] @ direction, BAR)
            for part, direction in zip((rows.others, rows.like), direction_2D, strict=True)
        ]
        both = np.concatenate([rows.group, rows.like])
        total = float(self.vectors[both].var(axis=0, dtype=np.float64).sum())
        along = float((self.vectors[both] @ direction_2D[1]).var())
        return Beyond(direction_2D, np.array(bars), along / total if total > 0 else 0.0)

    def has(self, shared: Beyond, rows: IntArray) -> BoolArray:
        """See `base.View`."""
        beyond_n2 = self.vectors[rows] @ shared.direction_2D.T > shared.bar_2
        found: BoolArray = np.logical_and(beyond_n2[:, 0], beyond_n2[:, 1])
        return found

    def words(self, shared: Beyond) -> str:
        """See `base.View`."""
        largest = np.argsort(-np.abs(shared.direction_2D[1]), kind="stable")[:SHOWN]
        named = ", ".join(map(str, np.sort(largest).tolist()))
        return f"a direction with {shared.variance:.0%} of the variance (most of it in coordinates {named})"
