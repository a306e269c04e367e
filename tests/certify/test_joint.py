"""Joint certificates: by hand, as defined, and against an attacker of several tests who tries everything."""

import numpy as np
import pytest

from sanitize.certify import joint
from sanitize.certify.individual import certified_accuracy, certified_sizes
from sanitize.certify.margins import NO_GAP, right_margins
from sanitize.certify.neighbors import predict
from sanitize.data.seeds import stream
from sanitize.errors import BadInput, BadParams
from tests.certify.worlds import random_votes, stars, worlds
from tests.reference import joint as slow
from tests.reference import neighbors
from tests.reference.certificates import poisoned_sets

FOUR = np.array([[3, 0, 0, 0], [0, 3, 0, 0], [0, 0, 0, 3]], np.int32)
ALL_RIGHT = np.array([0, 1, 3])


def certified(curve, tests):
    return (curve * tests).round().astype(int).tolist()


def individual(votes, labels, sizes):
    return certified_accuracy(predict(votes), labels, certified_sizes(votes), sizes)


def test_margins_by_hand():
    votes, labels = np.array([[3, 5, 3], [5, 3, 3], [4, 4, 0]], np.int32), np.array([1, 2, 1])
    found = right_margins(votes, labels)
    assert found.tests == 3 and found.label_n.tolist() == [1, 1]
    assert found.gap_nC.tolist() == [[3, NO_GAP, 2], [1, NO_GAP, 4]] and found.nearest_n.tolist() == [2, 1]
    assert right_margins(votes[1:2], labels[1:2]).nearest_n.tolist() == []


def test_needs_are_sorted_not_votes():
    """Gaps 3, 3, 4: at e = 2 the needs are 1, 1, 2 and two tests fall. By votes all tie at 3, and the order 2, 1, 1
    would let only one fall."""
    assert right_margins(FOUR, ALL_RIGHT).nearest_n.tolist() == [3, 3, 4]
    assert certified(joint.island(FOUR, ALL_RIGHT, [0, 1, 2, 3, 4]), 3) == [3, 3, 1, 0, 0]
    assert certified(joint.random_groups(FOUR, ALL_RIGHT, [0, 1, 2, 3, 4], 0), 3) == [3, 3, 1, 0, 0]


def test_an_attacker_reaches_what_the_order_of_votes_denies():
    """Three rows beyond each test, all 4 from it; rows at the origin are 4 from every test."""
    tests, labels = [(4, 0, 0), (0, 4, 0), (0, 0, 4)], [0, 1, 3]
    rows = [(tuple(2 * x for x in test), label) for test, label in zip(tests, labels, strict=True) for _ in range(3)]
    assert [neighbors.rnn_votes(test, rows, 4, 4) for test in tests] == FOUR.tolist()
    candidates = [((0, 0, 0), label) for label in range(4)]
    queries = list(zip(tests, labels, strict=True))
    assert slow.least_right(queries, rows, candidates, 2, 4, radius=4) == 1


def test_isolation_and_groups_by_hand():
    """e = 2: label 0 has gaps 2, 3, 4, 5, label 2 has 3, 4, 4. Gap 2 falls, gap 5 stands; groups {4, 4}, {3, 4}, {3}:
    needs {2, 2}, {1, 2}, {1}: one falls of each."""
    votes = np.array([[2, 0, 0], [3, 0, 0], [4, 0, 0], [5, 0, 0], [0, 0, 2], [0, 0, 3], [0, 0, 3], [0, 9, 0]], np.int32)
    labels = np.array([0, 0, 0, 0, 2, 2, 2, 0])
    assert certified(joint.island(votes, labels, [2]), 8) == [7 - 1 - 3]
    assert joint.fallen(np.array([[4, 4], [3, 4], [3, NO_GAP]]), 2) == 3


@pytest.mark.parametrize(("tests", "classes", "most"), [(12, 2, 4), (40, 3, 9), (60, 5, 20), (7, 4, 3)])
def test_both_are_what_the_theorem_says(tests, classes, most):
    for name in range(10):
        votes, labels = random_votes(name, tests, classes, most)
        sizes = list(range(2 * most + 3))
        found = right_margins(votes, labels)
        right = [(int(y), int(g)) for y, g in zip(found.label_n, found.nearest_n, strict=True)]
        assert right == [
            (y, min(slow.gap(v, y, t) for t in range(classes) if t != y))
            for v, y in zip(votes.tolist(), labels.tolist(), strict=True)
            if slow.winner(v) == y
        ]
        island = certified(joint.island(votes, labels, sizes), tests)
        assert island == [len(right) - slow.needs_of_groups(slow.island_groups(right, e), e) for e in sizes]
        draws, columns = stream(name, "certify", "groups"), []
        for label in range(classes):
            columns.append(draws.permutation([g for y, g in right if y == label]).tolist())
        groups = [[column[j] for column in columns if j < len(column)] for j in range(max(map(len, columns)))]
        seeded = certified(joint.random_groups(votes, labels, sizes, name), tests)
        assert seeded == [len(right) - slow.needs_of_groups(groups, e) for e in sizes]
        alone = individual(votes, labels, sizes)
        for curve in (joint.island(votes, labels, sizes), joint.random_groups(votes, labels, sizes, name)):
            assert (curve >= alone).all()
            assert curve[0] == np.mean(predict(votes) == labels)
        assert (np.diff(seeded) <= 0).all()


@pytest.mark.parametrize(
    ("rows", "classes", "radius"), [(7, 2, 1.0), (8, 2, 2.0), (7, 3, 1.0), (6, 3, 0.0), (8, 3, 1.5)]
)
def test_no_attacker_reaches_below_them(rows, classes, radius):
    for world in worlds(rows, classes, 5, 10):
        assert_sound(world, radius)


@pytest.mark.parametrize(
    ("rows", "classes", "tests", "radius"), [(8, 2, 3, 4), (8, 3, 4, 4), (9, 3, 3, 4), (9, 4, 4, 3)]
)
def test_no_attacker_reaches_below_them_where_groups_help(rows, classes, tests, radius):
    assert sum(assert_sound(world, radius) for world in stars(rows, classes, tests, 20)) > 0


def assert_sound(world, radius):
    """Against the exhaustive attacker; returns for how many sizes groups certify more than tests alone."""
    votes, labels, tests = world.votes("rnn", radius=radius), world.labels, len(world.queries)
    helped = 0
    for size in (1, 2):
        truth = slow.least_right(world.queries, world.rows, world.candidates, size, world.classes, radius=radius)
        grouped = [joint.island(votes, labels, [size]), joint.random_groups(votes, labels, [size], 0)]
        assert max(certified(curve, tests)[0] for curve in grouped) <= truth
        helped += max(grouped)[0] > individual(votes, labels, [size])[0]
    return helped


def test_the_reference_attackers_agree():
    """The fast enumeration of several tests against the slow one, for both kinds of neighbours."""
    for world in worlds(5, 3, 3, 4):
        for rule, votes in (({"k": 3}, neighbors.knn_votes), ({"radius": 1.0}, neighbors.rnn_votes)):
            least = min(
                sum(neighbors.predict(votes(q, s, 3, *rule.values())) == y for q, y in world.queries)
                for s in poisoned_sets(world.rows, world.candidates, 1)
            )
            assert least == slow.least_right(world.queries, world.rows, world.candidates, 1, 3, **rule)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"labels": np.array([0, 1, 4])}, BadInput, r"test row 2 has label 4; must be 0\.\.3"),
        ({"labels": np.array([-1, 1, 3])}, BadInput, "test row 0 has label -1"),
        ({"labels": np.array([0, 1])}, BadInput, "got 3 rows of votes and 2 labels"),
        ({"votes": np.zeros((0, 4), np.int32), "labels": np.zeros(0, np.int64)}, BadInput, "at least 1"),
        ({"votes": -FOUR}, BadInput, "least number of votes is -3"),
        ({"votes": FOUR[:, :1]}, BadInput, "at least two labels"),
        ({"poisoning_sizes": [1, -2]}, BadParams, "poisoning_sizes has -2; must be at least 0"),
    ],
)
def test_bad_arguments_are_refused(change, error, words):
    given = {"votes": FOUR, "labels": ALL_RIGHT, "poisoning_sizes": [1]} | change
    with pytest.raises(error, match=words):
        joint.island(**given)
    with pytest.raises(error, match=words):
        joint.random_groups(**given, seed=0)
