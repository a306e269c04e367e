"""Votes of nearest neighbours: against the slow version, blocks of any size, subsets, bad arguments."""

import hashlib

import numpy as np
import pytest

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
