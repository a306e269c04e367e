"""GLOBAL: by hand, against every division of the budget over labels, and against an attacker who tries everything."""

import numpy as np
import pytest

from sanitize.certify import joint, knapsack
from sanitize.certify.individual import certified_accuracy, certified_sizes
from sanitize.certify.neighbors import predict
from sanitize.data.seeds import stream
from sanitize.errors import BadInput, BadParams
from tests.certify.worlds import random_votes, stars, worlds
from tests.reference import joint as slow


def certified(curve, tests):
    return (curve * tests).round().astype(int).tolist()


def test_what_groups_cannot_see():
    """e = 8: needs {1, 8} for label 0 and {1, 8} for label 1. Groups {8, 8} and {1, 1} lose 1 and 2; but 8 removals
    topple two tests at the most."""
    votes = np.array([[9, 0, 0], [16, 0, 0], [0, 9, 0], [0, 16, 0]], np.int32)
    labels = np.array([0, 0, 1, 1])
    assert certified(joint.island(votes, labels, [8]), 4) == [1]
    assert certified(knapsack.group_free(votes, labels, [8]), 4) == [2]


def test_curve_by_hand():
    """Label 1's gaps 3, 3 (over label 2) and label 2's 4: at e = 2 the needs are 1, 1 | 2: both tests of label 1 fall
    to one removal, and the second does not topple the third. e = 3: needs 0, 0 | 1."""
    votes = np.array([[0, 3, 0], [0, 3, 0], [0, 0, 3]], np.int32)
    assert certified(knapsack.group_free(votes, np.array([1, 1, 2]), [0, 1, 2, 3, 4, 10**12]), 3) == [3, 3, 1, 0, 0, 0]


@pytest.mark.parametrize(("tests", "classes", "most"), [(12, 2, 4), (20, 3, 6), (30, 4, 5), (5, 3, 3)])
def test_total_is_the_best_of_all_divisions(tests, classes, most):
    for name in range(10):
        votes, labels = random_votes(name, tests, classes, most)
        sizes = list(range(2 * most + 2))
        curve = knapsack.group_free(votes, labels, sizes)
        assert certified(curve, tests) == [slow.group_free(votes.tolist(), labels.tolist(), e) for e in sizes]


def every_total(levels, budget):
    """The dynamic program over whole levels, one label after another."""
    best = [0] * (budget + 1)
    for level in levels.tolist():
        best = [max(best[x - y] + level[y] for y in range(x + 1)) for x in range(budget + 1)]
    return best[budget]


@pytest.mark.parametrize(
    ("classes", "budget", "steepness"), [(2, 30, 1), (3, 60, 4), (6, 45, 9), (10, 80, 30), (1, 9, 3)]
)
def test_knapsack_against_the_plain_program(classes, budget, steepness):
    """Steps far apart and of unlike height leave gaps between the relaxation and the best whole total."""
    gaps_left = 0
    for name in range(60):
        draw = stream(name, "levels", classes, budget)
        steps = draw.integers(0, steepness + 1, (classes, budget + 1)) * (draw.random((classes, budget + 1)) < 0.1)
        levels = np.cumsum(steps, axis=1)
        best = every_total(levels, budget)
        reached, bound, spent = knapsack.best_total(levels, budget, False)
        assert reached <= best <= bound
        assert spent.sum() <= budget and sum(levels[range(classes), spent]) == reached
        gaps_left += reached < bound
        assert knapsack.best_total(levels, budget, True)[:2] == (best, best)
    assert gaps_left > 0 or classes == 1


@pytest.mark.parametrize(("tests", "classes", "most"), [(300, 10, 60), (500, 4, 40)])
def test_never_below_groups_nor_individual(tests, classes, most):
    for name in range(5):
        votes, labels = random_votes(name, tests, classes, most)
        sizes = list(range(2 * most))
        curve = knapsack.group_free(votes, labels, sizes)
        alone = certified_accuracy(predict(votes), labels, certified_sizes(votes), sizes)
        assert (curve >= joint.island(votes, labels, sizes)).all()
        assert (curve >= joint.random_groups(votes, labels, sizes, name)).all()
        assert (curve >= alone).all() and (curve > alone).any()
        assert (np.diff(curve) <= 0).all()


@pytest.mark.parametrize(
    ("rows", "classes", "radius"), [(7, 2, 1.0), (8, 2, 2.0), (7, 3, 1.0), (6, 3, 0.0), (8, 3, 1.5)]
)
def test_no_attacker_reaches_below_it(rows, classes, radius):
    for world in [*worlds(rows, classes, 4, 10), *stars(rows, classes, 4, 10)]:
        votes, labels = world.votes("rnn", radius=radius), world.labels
        for size in (1, 2):
            truth = slow.least_right(world.queries, world.rows, world.candidates, size, classes, radius=radius)
            assert certified(knapsack.group_free(votes, labels, [size]), 4)[0] <= truth


def test_bad_arguments_are_refused():
    votes, labels = np.array([[1, 0]], np.int32), np.array([0])
    with pytest.raises(BadInput, match=r"label 2; must be 0\.\.1"):
        knapsack.group_free(votes, np.array([2]), [1])
    with pytest.raises(BadInput, match="least number of votes is -1"):
        knapsack.group_free(-votes, labels, [1])
    with pytest.raises(BadInput, match="at least 1"):
        knapsack.group_free(votes[:0], labels[:0], [1])
    with pytest.raises(BadParams, match="poisoning_sizes has -1"):
        knapsack.group_free(votes, labels, [-1])
