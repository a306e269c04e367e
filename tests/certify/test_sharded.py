"""Votes of shards: those of the whole, on data full of ties."""

from itertools import pairwise

import numpy as np
import pytest

from sanitize.certify.neighbors import vote_tables
from sanitize.certify.sharded import Shard, sharded_votes
from sanitize.data.seeds import stream
from sanitize.errors import BadInput, BadParams
from sanitize.execution import LocalProcesses, inline


def made(rows=400, queries=23, features=5, classes=4, top=4, kind=np.uint8):
    draw = stream(0, "sharded", rows, top)
    train, asked = (draw.integers(0, top, (n, features)).astype(kind) for n in (rows, queries))
    return asked, train, draw.integers(0, classes, rows), draw.random(rows) < 0.7


def cut(train, labels, subsets, places):
    borders = [0, *places, len(train)]
    return [Shard(train[i:j], labels[i:j], np.array(subsets)[:, i:j]) for i, j in pairwise(borders)]


def equal(found, expected):
    return all(
        np.array_equal(a, b) and a.dtype == b.dtype
        for one, other in zip(found, expected, strict=True)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("distance", ["l1", "l2", "cosine"])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("places", [[], [1, 2, 350], [0, 133, 266], [100, 100, 200]])
@pytest.mark.parametrize("k", [1, 60, 250])
def test_shards_vote_as_the_whole(distance, kind, places, k):
    for top in (2, 40):
        queries, train, labels, keep = made(top=top, kind=kind)
        subsets = [np.ones(400, bool), keep]
        given = {"k": k, "radius": 0.1 if distance == "cosine" else 3.0, "distance": distance}
        expected = vote_tables(queries, train, labels, 4, subsets=subsets, **given)
        shards = cut(train, labels, subsets, places)
        assert equal(sharded_votes(inline, queries, shards, 4, **given), expected)
        assert equal(sharded_votes(inline, queries, shards[::-1], 4, threads=2, block_bytes=1, **given), expected)


def test_rows_that_are_all_alike():
    train, labels = np.full((90, 3), 7, np.uint8), np.arange(90) % 4
    subsets = [np.ones(90, bool)]
    expected = vote_tables(train[:2], train, labels, 4, k=31, radius=0.0, subsets=subsets)
    found = sharded_votes(inline, train[:2], cut(train, labels, subsets, [10, 50]), 4, k=31, radius=0.0)
    assert equal(found, expected) and found[0].knn.sum() == 62


def test_shards_in_processes():
    queries, train, labels, keep = made()
    expected = vote_tables(queries, train, labels, 4, k=60, radius=3.0, subsets=[keep])
    shards = cut(train, labels, [keep], [100, 300])
    assert equal(sharded_votes(LocalProcesses(2, preload=()), queries, shards, 4, k=60, radius=3.0), expected)


def test_bad_shards_are_refused():
    queries, train, labels, keep = made()
    shards = cut(train, labels, [keep], [200])
    with pytest.raises(BadParams, match=rf"certify.k is 300; must be 1\.\.{keep.sum()}"):
        sharded_votes(inline, queries, shards, 4, k=300, radius=3.0)
    with pytest.raises(BadInput, match="there must be shards"):
        sharded_votes(inline, queries, [], 4, k=1, radius=3.0)
    with pytest.raises(BadInput, match=r"\[1, 2\] subsets"):
        other = cut(train, labels, [keep, keep], [])
        sharded_votes(inline, queries, [*shards, *other], 4, k=1, radius=3.0)
    with pytest.raises(BadInput, match=r"label 3; must be 0\.\.2"):
        sharded_votes(inline, queries, shards, 3, k=1, radius=3.0)
