"""Votes of nearest neighbours: against the slow version, blocks of any size, subsets, bad arguments."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanitize.certify import neighbors
from sanitize.data.seeds import stream
from sanitize.errors import BadInput, BadParams
from tests.reference import neighbors as slow


def made(rows=60, queries=25, features=3, classes=4, top=4):
    draw = stream(1, "neighbors")
    train = draw.integers(0, top, (rows, features)).astype(np.uint8)
    return draw.integers(0, top, (queries, features)).astype(np.uint8), train, draw.integers(0, classes, rows)


@pytest.mark.parametrize("block_bytes", [1, 1000, 2**20])
@pytest.mark.parametrize(("k", "radius"), [(1, 0.0), (7, 2.0), (30, 2.5), (40, 100.0)])
def test_votes_equal_the_slow_version_on_data_full_of_ties(k, radius, block_bytes):
    queries, train, labels = made()
    keep = stream(2, "keep").random(60) < 0.8
    for subset, table in zip(
        (np.ones(60, bool), keep),
        neighbors.vote_tables(
            queries,
            train,
            labels,
            4,
            k=k,
            radius=radius,
            subsets=[np.ones(60, bool), keep],
            block_bytes=block_bytes,
        ),
        strict=True,
    ):
        rows = [(tuple(map(int, train[i])), int(labels[i])) for i in np.flatnonzero(subset)]
        assert table.knn.tolist() == [slow.knn_votes(q, rows, 4, k) for q in queries.tolist()]
        assert table.rnn.tolist() == [slow.rnn_votes(q, rows, 4, radius) for q in queries.tolist()]
        assert table.knn.dtype == table.rnn.dtype == np.int32


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 70),
    st.integers(1, 15),
    st.integers(1, 20),
    st.sampled_from([1, 2, 3, 130]),
    st.sampled_from([1, 2, 5, 255]),
    st.sampled_from([np.uint8, np.float32]),
    st.sampled_from(["l1", "l2", "cosine"]),
    st.floats(0, 1),
    st.integers(0, 10),
)
def test_votes_equal_sorting_at_any_size(rows, queries, features, classes, top, kind, distance, share, seed):
    draw = stream(seed, "sizes")
    train, asked = (draw.integers(0, top + 1, (n, features)).astype(kind) for n in (rows, queries))
    labels, keep = draw.integers(0, classes, rows), draw.random(rows) < 0.7
    keep[0] = True
    radius = 0.1 if distance == "cosine" else share * top * features
    subsets = [np.ones(rows, bool), keep]
    ks = sorted({1, 1 + int(share * (keep.sum() - 1)), int(keep.sum())})
    found = neighbors.count_votes(
        asked, train, labels, classes, ks=ks, radii=[radius, 0.0, 1e9], subsets=subsets, distance=distance
    )
    for s, subset in enumerate(subsets):
        for i, k in enumerate(ks):
            knn, rnn = slow.tables(asked, train[subset], labels[subset], classes, k, radius, distance)
            assert found.knn[s, i].tolist() == knn
        assert found.rnn[s, 0].tolist() == rnn and (found.rnn[s, 2].sum(1) == subset.sum()).all()


@pytest.mark.parametrize("top", [1, 40])
def test_votes_of_many_rows_equal_a_stable_sort(top):
    """20,000 rows: the sampled guesses. top = 1: three distances in all, thousands of rows tied."""
    draw = stream(4, "many", top)
    train, queries = (draw.integers(0, top + 1, (n, 2 if top == 1 else 9)).astype(np.uint8) for n in (20_000, 11))
    labels, keep = draw.integers(0, 7, 20_000), draw.random(20_000) < 0.6
    ks = [1, 50, 5000, int(keep.sum())]
    found = neighbors.count_votes(queries, train, labels, 7, ks=ks, radii=[8.0], subsets=[keep])
    order = neighbors.content_order(train, labels)
    order = order[keep[order]]
    distance = np.abs(queries[:, None].astype(int) - train[order][None]).sum(2)
    nearest = np.argsort(distance, axis=1, kind="stable")
    for i, k in enumerate(ks):
        expected = [np.bincount(labels[order][row[:k]], minlength=7) for row in nearest]
        assert np.array_equal(found.knn[0, i], expected)
    within = [np.bincount(labels[order][row <= 8], minlength=7) for row in distance]
    assert np.array_equal(found.rnn[0, 0], within)


@pytest.mark.parametrize("distance", ["l1", "l2", "cosine"])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_votes_do_not_depend_on_threads_or_blocks(kind, distance):
    draw = stream(5, "threads")
    train, queries = (draw.integers(0, 90, (n, 30)).astype(kind) for n in (500, 101))
    labels = draw.integers(0, 3, 500)

    def votes(**more):
        return neighbors.count_votes(
            queries, train, labels, 3, ks=[33], radii=[0.2], subsets=[np.ones(500, bool)], distance=distance, **more
        )

    expected = votes()
    for more in ({"threads": 1}, {"threads": 5, "block_bytes": 1}, {"threads": 3, "block_bytes": 50_000}):
        assert all(np.array_equal(a, b) for a, b in zip(votes(**more), expected, strict=True))


def test_a_rows_rank_is_its_own():
    """Ranks follow the content alone: neither the order of the rows nor which others there are moves two rows."""
    _, train, labels = made(rows=300, features=5, top=256)
    place = np.argsort(neighbors.content_order(train, labels))
    shuffled = stream(6, "ranks").permutation(300)
    assert np.array_equal(np.argsort(neighbors.content_order(train[shuffled], labels[shuffled])), place[shuffled])
    few = np.arange(300) % 3 == 0
    alone = np.argsort(neighbors.content_order(train[few], labels[few]))
    assert np.array_equal(np.argsort(alone), np.argsort(place[few]))


def test_rows_of_equal_content_stay_in_order_and_no_rows_have_no_order():
    same = np.zeros((4, 3), np.float32)
    assert neighbors.content_order(same, np.zeros(4, np.int64)).tolist() == [0, 1, 2, 3]
    assert neighbors.content_order(same[:0], np.zeros(0, np.int64)).tolist() == []


def test_content_order_follows_sha256():
    features, labels = np.array([[1, 2], [3, 4], [1, 2]], np.uint8), np.array([0, 1, 0])
    digest = [
        hashlib.sha256(bytes(f) + bytes([y, 0, 0, 0, 0, 0, 0, 0])).hexdigest()
        for f, y in zip(([1, 2], [3, 4]), (0, 1), strict=True)
    ]
    expected = [0, 2, 1] if digest[0] > digest[1] else [1, 0, 2]
    assert neighbors.content_order(features, labels).tolist() == expected


def test_votes_do_not_depend_on_the_order_of_rows():
    queries, train, labels = made()
    shuffled = stream(3, "order").permutation(60)
    everything = [np.ones(60, bool)]
    straight = neighbors.vote_tables(queries, train, labels, 4, k=5, radius=1.0, subsets=everything)[0]
    other = neighbors.vote_tables(queries, train[shuffled], labels[shuffled], 4, k=5, radius=1.0, subsets=everything)[0]
    assert np.array_equal(straight.knn, other.knn) and np.array_equal(straight.rnn, other.rnn)


def test_float_features_by_hand():
    """Distances from 0: 0.5, 1.0, 2.5."""
    train = np.array([[0.5], [-1.0], [2.5]], np.float32)
    table = neighbors.vote_tables(
        np.array([[0.0]], np.float32), train, np.array([1, 0, 0]), 2, k=2, radius=1.0, subsets=[np.ones(3, bool)]
    )[0]
    assert table.knn.tolist() == [[1, 1]] and table.rnn.tolist() == [[1, 1]]


def test_trusted_radius_by_hand():
    """Points 0, 2, 5, 11: nearest others at 2, 2, 3, 6 (median 2.5), second nearest at 5, 3, 5, 9 (median 5)."""
    points = np.array([[0], [2], [5], [11]], np.float32)
    assert neighbors.trusted_radius(points, 1, 1.0) == 2.5
    assert neighbors.trusted_radius(points, 2, 1.0, block_bytes=1) == 5.0
    assert neighbors.trusted_radius(points.astype(np.uint8), 1, 255.0) == 0.009804  # 2.5 / 255, rounded up


def test_trusted_radius_rounds_up_so_that_it_can_be_given_back():
    """1001 levels are 3.9254901…; the radius given back must still reach them."""
    points = np.array([[0] * 7, [143] * 7], np.uint8)
    assert neighbors.trusted_radius(points, 1, 255.0) * 255 >= 1001


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"k": 61}, BadParams, r"certify.k is 61; must be 1\.\.60"),
        ({"k": 0}, BadParams, "certify.k is 0"),
        ({"radius": -1.0}, BadParams, "certify.radius is -1; must be at least 0"),
        ({"radius": float("nan")}, BadParams, "certify.radius is nan"),
        ({"classes": 3}, BadInput, r"label 3; must be 0\.\.2"),
        ({"queries": np.zeros((0, 3), np.uint8)}, BadInput, "no test rows"),
        ({"queries": np.zeros((2, 4), np.uint8)}, BadInput, r"features \[4\], training rows \[3\]"),
        ({"queries": np.zeros((2, 3), np.float32)}, BadInput, "same type"),
        ({"subsets": [np.ones(59, bool)]}, BadInput, "59, 60 rows"),
        ({"subsets": [np.arange(60) < 4]}, BadParams, r"must be 1\.\.4"),
        ({"distance": "l3"}, BadParams, "distance is 'l3'"),
        ({"device": "tpu"}, BadParams, "device is 'tpu'; must be 'auto', 'cpu' or 'cuda'"),
        ({"threads": 0}, BadParams, "threads 0; must be at least 1"),
        ({"block_bytes": 0}, BadParams, "block_bytes is 0"),
    ],
)
def test_bad_arguments_are_refused(change, error, words):
    queries, train, labels = made()
    given = {"queries": queries, "classes": 4, "k": 5, "radius": 1.0, "subsets": [np.ones(60, bool)]} | change
    with pytest.raises(error, match=words):
        neighbors.vote_tables(train=train, labels=labels, **given)


def test_radius_needs_enough_trusted_rows():
    with pytest.raises(BadParams, match="only 1 test rows"):
        neighbors.trusted_radius(np.zeros((1, 2), np.uint8), 1, 255.0)
