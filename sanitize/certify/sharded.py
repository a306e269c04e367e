"""Nearest neighbours' votes of a training set in shards: the votes of the whole, ties and all.

rNN's votes add up. For kNN each shard counts its distances in coarse bins; the counts of all shards say in which bin
the k-th neighbour lies; then each shard counts the labels below that bin and names its nearest rows inside it, of
which the last neighbours are chosen by distance and content as in one piece. Two rounds, whatever the data.
"""

# M queries, n training rows of a shard, D features, C classes, S subsets of the training rows
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sanitize.certify.distances import Keys, Ruler, reach
from sanitize.certify.neighbors import BLOCK_BYTES, VoteTables, by_digest, check, check_number, digests, over_blocks
from sanitize.data.table import BoolArray, IntArray
from sanitize.errors import BadInput
from sanitize.execution import OrderedMap
from sanitize.jit import compiled

BINS = 1024  # of a query's distances


class Shard(NamedTuple):
    """Some training rows.

    features  uint8 or float32 [n, D]
    labels    int64 [n], 0..C-1
    subsets   bool [S, n], which rows are in each training set
    content   int64 [n], what stands for the labels in the rows' content; None = the labels
    """

    features: NDArray[Any]
    labels: IntArray
    subsets: BoolArray
    content: IntArray | None = None


class _Search(NamedTuple):
    """What every shard is told."""

    queries: NDArray[Any]
    classes: int
    radius: float
    distance: str
    per_key: float  # bins for each unit of a key's number
    threads: int
    block_bytes: int


class _Seen(NamedTuple):
    """What a shard says first: counts by bin int32 [S, M, BINS], rNN's votes int32 [S, M, C], digests [n]."""

    bins: NDArray[np.int32]
    rnn: NDArray[np.int32]
    digests: NDArray[np.void]


class _Close(NamedTuple):
    """What it says then: votes below the bin int32 [S, M, C], rows in it: how many [S, M], and key and rank of each."""

    votes: NDArray[np.int32]
    counts: NDArray[np.int64]
    rows: NDArray[np.uint64]


class _Narrow(NamedTuple):
    """A shard's second task: its rows' ranks uint64 [n], each query's bin [S, M] and how many are wanted of it."""

    shard: Shard
    ranks: NDArray[np.uint64]
    bins: NDArray[np.int64]
    wanted: NDArray[np.int64]


def sharded_votes(
    run: OrderedMap,
    queries: NDArray[Any],
    shards: Sequence[Shard],
    classes: int,
    *,
    k: int,
    radius: float,
    distance: str = "l1",
    threads: int = 1,
    block_bytes: int = BLOCK_BYTES,
) -> list[VoteTables]:
    """neighbors.vote_tables of all shards' rows together, each shard on its own worker.

    run       the map over the shards
    shards    at least one, with the same S; their order does not matter
    threads   of each worker
    Returns   S VoteTables. Memory: M * S * (BINS + C) counts of 4 bytes for each shard that is in work
    Raises    as vote_tables does; BadInput: no shards, or shards with different numbers of subsets
    """
    if not shards or len({len(shard.subsets) for shard in shards}) > 1:
        raise BadInput(
            f"{len(shards)} shards have {sorted({len(shard.subsets) for shard in shards})} subsets; "
            "there must be shards, with the same number of subsets each"
        )
    for shard in shards:
        check(queries, shard.features, shard.labels, classes, [], [radius], list(shard.subsets), distance)
    sizes = np.sum([shard.subsets.sum(1) for shard in shards], axis=0)
    check_number(k, int(sizes.min(initial=2**62)))
    shards = [shard for shard in shards if len(shard.labels)]
    far = reach(queries, distance) + max(reach(shard.features, distance) for shard in shards)
    far = far**2 if distance == "l2" else far
    search = _Search(queries, classes, radius, distance, BINS / far if far > 0 else 0.0, threads, block_bytes)

    bins: NDArray[np.int32] = np.zeros((len(sizes), len(queries), BINS), np.int32)
    rnn: NDArray[np.int32] = np.zeros((len(sizes), len(queries), classes), np.int32)
    content = []
    for one in run(_look, search, shards):
        bins += one.bins
        rnn += one.rnn
        content.append(one.digests)
    total = np.cumsum(bins, axis=2, out=bins)
    place = np.asarray(np.argmax(total >= k, axis=2))  # the bin of the k-th neighbour
    before = np.where(place > 0, np.take_along_axis(total, np.maximum(place - 1, 0)[..., None], 2)[..., 0], 0)
    wanted = k - before

    order = by_digest(np.concatenate(content))
    ranks = np.empty(len(order), np.uint64)
    ranks[order] = np.arange(len(order), dtype=np.uint64)
    by_rank = np.concatenate([shard.labels for shard in shards])[order]
    ends = np.cumsum([len(shard.labels) for shard in shards])
    tasks = [_Narrow(shard, own, place, wanted) for shard, own in zip(shards, np.split(ranks, ends[:-1]), strict=True)]
    close = list(run(_narrow, search, tasks))
    knn = np.asarray(np.sum([one.votes for one in close], axis=0), np.int32)
    stops: list[NDArray[np.int64]] = [np.asarray(np.cumsum(one.counts)).reshape(one.counts.shape) for one in close]
    for at in np.ndindex(*place.shape):
        rows = np.concatenate(
            [one.rows[stop[at] - one.counts[at] : stop[at]] for one, stop in zip(close, stops, strict=True)]
        )
        last = np.partition(rows, wanted[at] - 1)[: wanted[at]] & np.uint64(0xFFFFFFFF)
        knn[at] += np.bincount(by_rank[last.astype(np.int64)], minlength=classes).astype(np.int32)
    return [VoteTables(near, within) for near, within in zip(knn, rnn, strict=True)]


def _look(search: _Search, shard: Shard) -> _Seen:
    """The first round: every distance, coarsely."""
    ruler = Ruler(search.queries, shard.features, search.distance)
    subsets, queries = len(shard.subsets), len(search.queries)
    bins = np.zeros((subsets, queries, BINS), np.int32)
    rnn = np.zeros((subsets, queries, search.classes), np.int32)
    bound = ruler.bound(search.radius)

    def work(part: slice, keys: Keys) -> None:
        found = ruler.keys(part, keys)
        _count(found, ruler.floats, search.per_key, bound, shard.labels, shard.subsets, bins[:, part], rnn[:, part])

    over_blocks(ruler, work, search.threads, search.block_bytes)
    return _Seen(bins, rnn, digests(shard.features, shard.labels if shard.content is None else shard.content))


def _narrow(search: _Search, task: _Narrow) -> _Close:
    """The second round: votes below the bin, and the rows in it that can still be neighbours."""
    shard = task.shard
    ruler = Ruler(search.queries, shard.features, search.distance)
    votes = np.zeros((*task.bins.shape, search.classes), np.int32)
    counts = np.zeros(task.bins.shape, np.int64)
    near: dict[tuple[int, int], NDArray[np.uint64]] = {}

    def work(part: slice, keys: Keys) -> None:
        rows = np.empty(len(shard.labels), np.uint64)
        for query, line in enumerate(ruler.keys(part, keys), part.start):
            for s, subset in enumerate(shard.subsets):
                wanted = int(task.wanted[s, query])
                number = _collect(
                    line,
                    ruler.floats,
                    search.per_key,
                    int(task.bins[s, query]),
                    shard.labels,
                    subset,
                    task.ranks,
                    votes[s, query],
                    rows,
                )
                found = rows[:number]
                near[s, query] = np.partition(found, wanted - 1)[:wanted] if number > wanted else found.copy()
                counts[s, query] = len(near[s, query])

    over_blocks(ruler, work, search.threads, search.block_bytes)
    return _Close(votes, counts, np.concatenate([near[at] for at in np.ndindex(*counts.shape)]))


@compiled
def _bin(key: int, floats: bool, per_key: float) -> int:
    """A key's bin: it never falls as the key rises."""
    number = float(np.uint32(key).view(np.float32)) if floats else float(key)
    return int(min(number * per_key, BINS - 1.0))


@compiled
def _count(
    keys: Keys,
    floats: bool,
    per_key: float,
    bound: int,
    labels: IntArray,
    subsets: BoolArray,
    bins: NDArray[np.int32],
    rnn: NDArray[np.int32],
) -> None:
    """Add the rows of keys [m, n] to bins [S, m, BINS], and to rnn [S, m, C] those below `bound`."""
    for query in range(keys.shape[0]):
        for row in range(labels.size):
            key = keys[query, row]
            place = _bin(key, floats, per_key)
            for s in range(subsets.shape[0]):
                if subsets[s, row]:
                    bins[s, query, place] += 1
                    if key < bound:
                        rnn[s, query, labels[row]] += 1


@compiled
def _collect(
    keys: Keys,
    floats: bool,
    per_key: float,
    chosen: int,
    labels: IntArray,
    subset: BoolArray,
    ranks: NDArray[np.uint64],
    votes: NDArray[np.int32],
    rows: NDArray[np.uint64],
) -> int:
    """Add the rows below a bin to votes [C], and write key and rank of those in it to `rows`; returns how many."""
    number = 0
    for row in range(labels.size):
        if subset[row]:
            place = _bin(keys[row], floats, per_key)
            if place < chosen:
                votes[labels[row]] += 1
            elif place == chosen:
                rows[number] = np.uint64(keys[row]) << np.uint64(32) | ranks[row]
                number += 1
    return number
