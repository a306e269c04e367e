"""kNN and rNN the slow way: one query, one row at a time, Python integers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def pair(query: NDArray[Any], row: NDArray[Any], distance: str) -> tuple[float, float]:
    """What one pair is chosen by, and its distance. 8-bit rows in Python integers, others in float32, in order."""
    number = int if query.dtype == np.uint8 else np.float32
    apart, squared, product, mine, theirs = (number(0) for _ in range(5))
    for a, b in zip(map(number, query), map(number, row), strict=True):
        apart += abs(a - b)
        squared += (a - b) * (a - b)
        product, mine, theirs = product + a * b, mine + a * a, theirs + b * b
    if distance == "l1":
        return float(apart), float(apart)
    if distance == "l2":
        return float(squared), math.sqrt(float(squared))
    length = math.sqrt(float(mine) * float(theirs))
    found = float(np.float32(max(0.0, 1.0 - float(product) / length if length else 1.0)))
    return found, found


def tables(
    queries: NDArray[Any], train: NDArray[Any], labels: Any, classes: int, k: int, radius: float, distance: str
) -> tuple[list[list[int]], list[list[int]]]:
    """kNN's and rNN's votes of every query, by sorting all training rows."""
    digest = [
        hashlib.sha256(row.tobytes() + int(label).to_bytes(8, "little")).digest()
        for row, label in zip(train, labels, strict=True)
    ]
    by_rank = sorted(range(len(train)), key=digest.__getitem__, reverse=True)
    knn, rnn = [], []
    for query in queries:
        found = {row: pair(query, train[row], distance) for row in by_rank}
        nearest = sorted(by_rank, key=lambda row: found[row][0])[:k]  # sorted() is stable
        within = [row for row in by_rank if found[row][1] <= radius]
        for rows, votes in ((nearest, knn), (within, rnn)):
            votes.append([sum(int(labels[row]) == label for row in rows) for label in range(classes)])
    return knn, rnn
