"""kNN and rNN the slow way: one query, one row at a time, Python integers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

Row = tuple[tuple[int, ...], int]  # features (0..255), label


def rank(row: Row) -> bytes:
    """SHA-256 of the features as unsigned bytes and the label as 8 bytes, little endian."""
    features, label = row
    return hashlib.sha256(np.array(features, np.uint8).tobytes() + label.to_bytes(8, "little")).digest()


def distance(query: Sequence[int], row: Row) -> int:
    """L1."""
    return sum(abs(int(a) - int(b)) for a, b in zip(query, row[0], strict=True))


def knn_votes(query: Sequence[int], rows: Sequence[Row], classes: int, k: int) -> list[int]:
    """Votes of the k nearest rows (all of them when fewer are left); at equal distance the larger rank comes first."""
    by_rank = sorted(rows, key=rank, reverse=True)
    nearest = sorted(by_rank, key=lambda row: distance(query, row))[:k]  # sorted() is stable
    return [sum(row[1] == label for row in nearest) for label in range(classes)]


def rnn_votes(query: Sequence[int], rows: Sequence[Row], classes: int, radius: float) -> list[int]:
    """Votes of the rows at most `radius` away."""
    return [sum(row[1] == label and distance(query, row) <= radius for row in rows) for label in range(classes)]


def predict(votes: Sequence[int]) -> int:
    """The label of most votes, ties to the larger label."""
    return max(range(len(votes)), key=lambda label: (votes[label], label))
