"""Nearest neighbours' votes. Features and labels of training rows, features of queries -> votes per label.

kNN counts the k nearest rows by L1 distance, rNN all rows within a radius. Ties are broken by content alone, so that
a row's place never depends on which other rows are there (Jia et al. 2020, sec. 2; certificates rest on it).
"""

# M queries, N training rows, D features, C classes, S subsets of the training rows, m queries of one block
from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sanitize.certify.distances import BLOCK_BYTES, blocks
from sanitize.data.table import BoolArray, IntArray
from sanitize.errors import BadInput, BadParams

Votes = NDArray[np.int32]


class VoteTables(NamedTuple):
    """Votes of one training set for M queries: kNN's and rNN's, int32 [M, C] each."""

    knn: Votes
    rnn: Votes


def content_order(features: NDArray[Any], labels: IntArray) -> IntArray:
    """Training rows by the rank of their content, largest first.

    features  uint8 or float32 [N, D]
    labels    int64 [N]
    Returns   int64 [N], positions. A row's rank is the SHA-256 of its features' bytes and its label (8 bytes, little
              endian); rows of equal content are interchangeable and stay in their order
    """
    content = np.ascontiguousarray(features)
    digests = [
        hashlib.sha256(row.tobytes() + int(label).to_bytes(8, "little")).digest()
        for row, label in zip(content, labels, strict=True)
    ]
    return np.array(sorted(range(len(digests)), key=digests.__getitem__, reverse=True), np.int64)


def vote_tables(
    queries: NDArray[Any],
    train: NDArray[Any],
    labels: IntArray,
    classes: int,
    *,
    k: int,
    radius: float,
    subsets: Sequence[BoolArray],
    block_bytes: int = BLOCK_BYTES,
) -> list[VoteTables]:
    """kNN's and rNN's votes of several subsets of one training set, each distance computed once.

    queries      uint8 or float32 [M, D]
    train        uint8 or float32 [N, D], same type
    labels       int64 [N], 0..C-1
    classes      C
    k            neighbours of kNN; at the k-th distance rows of larger content rank come first
    radius       L1 radius of rNN in the unit of `train`; rows at exactly the radius count
    subsets      S masks bool [N], the rows of each training set; np.ones(N, bool) for all
    block_bytes  size of one block of distances
    Returns      S VoteTables, in order
    Raises       BadParams: k under 1 or over the rows of a subset, radius negative or NaN
                 BadInput: no queries, labels outside 0..C-1, unequal lengths, types or dimensions
    """
    _check(queries, train, labels, classes, k, radius, subsets)
    order = content_order(train, labels)
    train, kept = train[order], [keep[order] for keep in subsets]
    one_hot = np.eye(classes, dtype=np.float32)[labels[order]]  # float32 counts up to 2**24 votes exactly
    tables = [
        VoteTables(np.empty((len(queries), classes), np.int32), np.empty((len(queries), classes), np.int32))
        for _ in subsets
    ]
    for part, distance in blocks(queries, train, block_bytes):
        for keep, table in zip(kept, tables, strict=True):
            near = distance if keep.all() else distance[:, keep]
            table.knn[part] = _nearest(near, k).astype(np.float32) @ one_hot[keep]
            table.rnn[part] = (near <= radius).astype(np.float32) @ one_hot[keep]
    return tables


def _nearest(distance: NDArray[np.float64], k: int) -> BoolArray:
    """The k nearest rows of each query, bool [m, N]; the columns stand in content order, so ties go to the first."""
    farthest = np.partition(distance, k - 1, axis=1)[:, k - 1 : k]
    closer, tied = distance < farthest, distance == farthest
    wanted = k - np.count_nonzero(closer, axis=1, keepdims=True)
    return np.asarray(closer | (tied & (np.cumsum(tied, axis=1, dtype=np.int32) <= wanted)))


def predict(votes: Votes) -> IntArray:
    """The label with the most votes, ties to the larger label; with no votes at all the largest label.

    votes    int32 [M, C]
    Returns  int64 [M]
    """
    return np.asarray(votes.shape[1] - 1 - np.argmax(votes[:, ::-1], axis=1), np.int64)


def trusted_radius(test: NDArray[Any], neighbor: int, scale: float, block_bytes: int = BLOCK_BYTES) -> float:
    """A radius for rNN from trusted rows alone: the median distance to the neighbor-th nearest other test row.

    A radius read off the training set would be part of what an attacker can move, and the certificate for rNN, whose
    radius is fixed, would not hold.

    test      uint8 or float32 [M, D], the trusted test rows
    neighbor  1..M-1
    scale     of the features (see Features); the radius is in the features' own unit
    Returns   float, rounded up to 6 digits: given as certify.radius it makes the same classifier
    Raises    BadParams: fewer than 2 rows, or neighbor outside 1..M-1
    """
    if not 1 <= neighbor < len(test):
        raise BadParams(
            f"certify.radius is null, and there are only {len(test)} test rows to choose it from; "
            f"needs at least {max(2, neighbor + 1)}; set certify.radius"
        )
    found = np.empty(len(test))
    for part, distance in blocks(test, test, block_bytes):
        rows = np.arange(part.start, part.stop)
        distance[rows - part.start, rows] = np.inf
        found[part] = np.partition(distance, neighbor - 1, axis=1)[:, neighbor - 1]
    return math.ceil(float(np.median(found)) / scale * 1e6) / 1e6


def _check(
    queries: NDArray[Any],
    train: NDArray[Any],
    labels: IntArray,
    classes: int,
    k: int,
    radius: float,
    subsets: Sequence[BoolArray],
) -> None:
    if not len(queries):
        raise BadInput("there are no test rows to certify; add trusted test rows (data.test)")
    if queries.dtype != train.dtype:
        raise BadInput(f"test features are {queries.dtype}, training features {train.dtype}; must be the same type")
    lengths = {len(train), len(labels), *(len(keep) for keep in subsets)}
    if len(lengths) > 1:
        raise BadInput(
            f"features, labels and keep masks have {', '.join(map(str, sorted(lengths)))} rows; must be equal"
        )
    if len(labels) and (labels.min() < 0 or labels.max() >= classes):
        row = int(np.flatnonzero((labels < 0) | (labels >= classes))[0])
        raise BadInput(f"training row {row} has label {labels[row]}; must be 0..{classes - 1}")
    least = min((int(np.count_nonzero(keep)) for keep in subsets), default=0)
    if not 1 <= k <= least:
        raise BadParams(f"certify.k is {k}; must be 1..{least}, the rows of the smallest training set")
    if math.isnan(radius) or radius < 0:
        raise BadParams(f"certify.radius is {radius:g}; must be at least 0")
