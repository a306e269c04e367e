"""An attacker who tries everything: all removals and all additions within a poisoning size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, combinations_with_replacement

from tests.reference.neighbors import Row

Classify = Callable[[Sequence[Row]], int]


def poisoned_sets(rows: Sequence[Row], candidates: Sequence[Row], size: int) -> Iterator[list[Row]]:
    """Every training set with max(rows removed, rows added) <= size; added rows are candidates, with repetition."""
    for removed in range(min(size, len(rows)) + 1):
        for gone in combinations(range(len(rows)), removed):
            left = [row for i, row in enumerate(rows) if i not in gone]
            for added in range(size + 1):
                for new in combinations_with_replacement(candidates, added):
                    yield [*left, *new]


def can_change(rows: Sequence[Row], candidates: Sequence[Row], size: int, classify: Classify) -> bool:
    """Does any poisoning of at most this size change what `classify` says?"""
    before = classify(rows)
    return any(classify(poisoned) != before for poisoned in poisoned_sets(rows, candidates, size))


def true_size(rows: Sequence[Row], candidates: Sequence[Row], most: int, classify: Classify) -> int:
    """The largest poisoning size, at most `most`, that changes nothing."""
    return next((size - 1 for size in range(1, most + 1) if can_change(rows, candidates, size, classify)), most)
