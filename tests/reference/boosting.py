"""Votes counted one row and one voter at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def modes(said: Sequence[int]) -> tuple[set[int], int]:
    """The labels that most voters say, and how many say each of them."""
    counts = Counter(said)
    most = max(counts.values())
    return {label for label, count in counts.items() if count == most}, most


def lower_half(losses: Sequence[float], labels: Sequence[int]) -> list[bool]:
    """Is the row among the ceil(n/2) lowest losses of its class? Of equal losses the earlier row is the lower."""
    found = []
    for row, label in enumerate(labels):
        rivals = [other for other, its in enumerate(labels) if its == label]
        lower = sum((losses[other], other) < (losses[row], row) for other in rivals)
        found.append(lower < (len(rivals) + 1) // 2)
    return found


def errors(
    predictions: Sequence[Sequence[int]], labels: Sequence[int], components: Sequence[Sequence[int]]
) -> list[list[float]]:
    """0-1 error of every voter (outer list) on the rows of every component."""
    return [[sum(said[row] != labels[row] for row in rows) / len(rows) for rows in components] for said in predictions]
