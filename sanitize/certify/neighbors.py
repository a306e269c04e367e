"""Nearest neighbours' votes. Features and labels of training rows, features of queries -> votes per label.

kNN counts the k nearest rows, rNN all rows within a radius; the distance is L1, L2 or cosine. Ties are broken by
content alone, so that a row's place never depends on which other rows are there (Jia et al. 2020, sec. 2;
certificates rest on it). Distances, the choice of the k nearest and the count of their labels are fused block by block:
memory is bounded, and no vote depends on blocks, threads or the device.
"""

# M queries, N training rows, D features, C classes, S subsets of the training rows, K numbers of neighbours, R radii
from __future__ import annotations

import hashlib
import math
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sanitize.certify.distances import Keys, Ruler, check_features
from sanitize.data.table import BoolArray, IntArray
from sanitize.errors import BadInput, BadParams
from sanitize.execution import usable_cores

Votes = NDArray[np.int32]
Device = Literal["auto", "cpu", "cuda"]

BLOCK_BYTES = 64 * 2**20  # of distances held at a time, all threads together
_QUERIES = 96  # of a block: enough to read the training rows rarely, few enough to share the last blocks evenly


class VoteTables(NamedTuple):
    """Votes of one training set for M queries: kNN's and rNN's, int32 [M, C] each."""

    knn: Votes
    rnn: Votes


class Counts(NamedTuple):
    """Votes of S training sets: kNN's for K numbers, int32 [S, K, M, C], and rNN's for R radii, int32 [S, R, M, C]."""

    knn: Votes
    rnn: Votes


def digests(features: NDArray[Any], labels: IntArray) -> NDArray[np.void]:
    """SHA-256 of each row's features' bytes and what stands for its label (8 bytes, little endian).

    features  uint8 or float32 [N, D]
    labels    int64 [N], such as classes.tokens: a number that moves when another label comes in would move all ranks
    Returns   32 bytes each, [N]
    """
    width = features.shape[1] * features.itemsize
    content = np.empty((len(features), width + 8), np.uint8)
    content[:, :width] = np.ascontiguousarray(features).view(np.uint8).reshape(len(features), width)
    content[:, width:] = labels.astype("<i8").reshape(-1, 1).view(np.uint8)
    return np.frombuffer(b"".join([hashlib.sha256(row).digest() for row in content]), "V32")


def content_order(features: NDArray[Any], labels: IntArray) -> IntArray:
    """Training rows by the rank of their content, largest first.

    features  uint8 or float32 [N, D]
    labels    int64 [N]
    Returns   int64 [N], positions. A row's rank is its digest; rows of equal content are interchangeable and stay in
              their order
    """
    return by_digest(digests(features, labels))


def by_digest(found: NDArray[np.void]) -> IntArray:
    """Positions of digests, largest first, equal ones in their order: 32 bytes each [N] -> int64 [N]."""
    if not len(found):
        return np.zeros(0, np.int64)
    words = (~found.view("u1").reshape(-1, 32)).view(">u8").astype(np.uint64)  # the complement: largest first
    return np.lexsort(words.T[::-1]).astype(np.int64)


def count_votes(
    queries: NDArray[Any],
    train: NDArray[Any],
    labels: IntArray,
    classes: int,
    *,
    ks: Sequence[int],
    radii: Sequence[float],
    subsets: Sequence[BoolArray],
    content: IntArray | None = None,
    distance: str = "l1",
    device: str = "cpu",
    threads: int | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Counts:
    """kNN's and rNN's votes of several subsets of one training set, each distance computed once.

    queries      uint8 or float32 [M, D]
    train        uint8 or float32 [N, D], same type
    labels       int64 [N], 0..C-1
    classes      C
    ks           K numbers of neighbours; at the k-th distance rows of larger content rank come first
    radii        R radii of rNN in the unit of `train` (cosine has none); rows at exactly the radius count
    subsets      S masks bool [N], the rows of each training set; np.ones(N, bool) for all
    content      int64 [N], what stands for each row's label in its content (see digests); None = the label
    distance     "l1", "l2" (Euclidean) or "cosine" (1 - cosine)
    device       "cpu", "cuda", or "auto": CUDA where there is one. The votes are the same
    threads      of the CPU; None = one per usable core
    block_bytes  size of the distances held at a time
    Returns      Counts
    Raises       BadParams: a k under 1 or over the rows of a subset, a radius negative or NaN, another distance or
                 device, CUDA where there is none, threads or block_bytes under 1
                 BadInput: no queries, labels outside 0..C-1, unequal lengths, types or dimensions, NaN
    """
    check(queries, train, labels, classes, ks, radii, subsets, distance)
    if block_bytes < 1 or (threads is not None and threads < 1):
        raise BadParams(f"block_bytes is {block_bytes}, threads {threads}; must be at least 1")
    order = content_order(train, labels if content is None else content)
    if device != "cpu":
        from sanitize.certify import neighbors_torch

        chosen = neighbors_torch.device_named(device)
        if chosen.type != "cpu":
            kept = [keep[order] for keep in subsets]
            tables = neighbors_torch.count(
                queries, train[order], labels[order], classes, ks, radii, kept, distance, chosen, block_bytes
            )
            return Counts(*tables)
    from sanitize.certify import selection  # compiles: half a second to import

    ranks = np.argsort(labels[order], kind="stable")  # within a label, by content
    order = order[ranks]
    ruler = Ruler(queries, train[order], distance)
    sorted_labels = labels[order].astype(np.int32)
    starts = np.searchsorted(sorted_labels, np.arange(classes + 1)).astype(np.int64)
    absent = np.array([np.where(keep[order], 0, ruler.top) for keep in subsets], ruler.dtype)
    some_absent = np.asarray(absent.any(1))
    numbers = np.array(ks, np.int64)
    bounds = np.array([ruler.bound(radius) for radius in radii], np.int64)
    counts = Counts(
        np.zeros((len(subsets), len(ks), len(queries), classes), np.int32),
        np.zeros((len(subsets), len(radii), len(queries), classes), np.int32),
    )
    places = ranks.astype(np.uint32)

    def work(part: slice, keys: Keys) -> None:
        found = ruler.keys(part, keys)
        knn = np.zeros((len(subsets), len(ks), len(found), classes), np.int32)
        rnn = np.zeros((len(subsets), len(radii), len(found), classes), np.int32)
        line, rows = np.empty(len(order), ruler.dtype), np.empty(len(order), np.int32)
        tied = np.empty(len(order), np.uint32)
        selection.tally(
            found, starts, sorted_labels, places, absent, some_absent, numbers, bounds, knn, rnn, line, rows, tied
        )
        counts.knn[:, :, part] = knn
        counts.rnn[:, :, part] = rnn

    over_blocks(ruler, work, threads, block_bytes)
    return counts


def vote_tables(
    queries: NDArray[Any],
    train: NDArray[Any],
    labels: IntArray,
    classes: int,
    *,
    k: int,
    radius: float,
    subsets: Sequence[BoolArray],
    content: IntArray | None = None,
    distance: str = "l1",
    device: str = "cpu",
    threads: int | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> list[VoteTables]:
    """count_votes for one k and one radius: S VoteTables, in order. Arguments and errors are the same."""
    found = count_votes(
        queries,
        train,
        labels,
        classes,
        ks=[k],
        radii=[radius],
        subsets=subsets,
        content=content,
        distance=distance,
        device=device,
        threads=threads,
        block_bytes=block_bytes,
    )
    return [VoteTables(knn[0], rnn[0]) for knn, rnn in zip(found.knn, found.rnn, strict=True)]


def over_blocks(ruler: Ruler, work: Callable[[slice, Keys], None], threads: int | None, block_bytes: int) -> None:
    """Call work(slice of the ruler's queries, memory for its keys) for all queries, a block at a time, in threads.

    threads      None = one per usable core
    block_bytes  of the memory for keys, all threads together; a block has as many queries as a tile at least
    """
    from threadpoolctl import threadpool_limits

    number = threads or usable_cores()
    rows = len(ruler.queries)
    fit = block_bytes // (number * ruler.columns * ruler.dtype.itemsize)
    size = max(1, min(fit, _QUERIES, -(-rows // number)))
    size = -(-size // ruler.tile) * ruler.tile
    parts = [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
    free: queue.SimpleQueue[Keys] = queue.SimpleQueue()
    for _ in range(min(number, len(parts))):
        free.put(ruler.buffer(size))

    def one(part: slice) -> None:
        keys = free.get()
        try:
            work(part, keys)
        finally:
            free.put(keys)

    with threadpool_limits(1), ThreadPoolExecutor(number) as pool:  # one thread a block: matrix products start none
        for _ in pool.map(one, parts):
            pass


def predict(votes: Votes) -> IntArray:
    """The label with the most votes, ties to the larger label; with no votes at all the largest label.

    votes    int32 [M, C]
    Returns  int64 [M]
    """
    return np.asarray(votes.shape[1] - 1 - np.argmax(votes[:, ::-1], axis=1), np.int64)


def trusted_radius(
    test: NDArray[Any],
    neighbor: int,
    scale: float,
    *,
    distance: str = "l1",
    threads: int | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> float:
    """A radius for rNN from trusted rows alone: the median distance to the neighbor-th nearest other test row.

    A radius read off the training set would be part of what an attacker can move, and the certificate for rNN, whose
    radius is fixed, would not hold.

    test      uint8 or float32 [M, D], the trusted test rows
    neighbor  1..M-1
    scale     of the features (see Features); the radius is in the features' own unit
    distance  "l1", "l2" or "cosine" (with scale 1: it has no unit)
    Returns   float, rounded up to 6 digits: given as certify.radius it makes the same classifier
    Raises    BadParams: fewer than 2 rows, or neighbor outside 1..M-1. See also check_features
    """
    if not 1 <= neighbor < len(test):
        raise BadParams(
            f"certify.radius is null, and there are only {len(test)} test rows to choose it from; "
            f"needs at least {max(2, neighbor + 1)}; set certify.radius"
        )
    from sanitize.certify import selection

    ruler = Ruler(test, test, distance)
    found = np.empty(len(test), np.int64)

    def work(part: slice, keys: Keys) -> None:
        selection.nearest_others(ruler.keys(part, keys), part.start, neighbor, found[part])

    over_blocks(ruler, work, threads, block_bytes)
    return math.ceil(float(np.median(ruler.values(found.astype(ruler.dtype)))) / scale * 1e6) / 1e6


def check(
    queries: NDArray[Any],
    train: NDArray[Any],
    labels: IntArray,
    classes: int,
    ks: Sequence[int],
    radii: Sequence[float],
    subsets: Sequence[BoolArray],
    distance: str,
) -> None:
    """Refuse what count_votes cannot count: see there."""
    if not len(queries):
        raise BadInput("there are no test rows to certify; add trusted test rows (data.test)")
    check_features(queries, train, distance)
    lengths = {len(train), len(labels), *(len(keep) for keep in subsets)}
    if len(lengths) > 1:
        raise BadInput(
            f"features, labels and keep masks have {', '.join(map(str, sorted(lengths)))} rows; must be equal"
        )
    if len(labels) and (labels.min() < 0 or labels.max() >= classes):
        row = int(np.flatnonzero((labels < 0) | (labels >= classes))[0])
        raise BadInput(f"training row {row} has label {labels[row]}; must be 0..{classes - 1}")
    least = min((int(np.count_nonzero(keep)) for keep in subsets), default=0)
    for k in ks:
        check_number(k, least)
    for radius in radii:
        if math.isnan(radius) or radius < 0:
            raise BadParams(f"certify.radius is {radius:g}; must be at least 0")


def check_number(k: int, least: int) -> None:
    """Refuse a k that the smallest training set, of `least` rows, cannot fill."""
    if not 1 <= k <= least:
        raise BadParams(f"certify.k is {k}; must be 1..{least}, the rows of the smallest training set")
