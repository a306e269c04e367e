"""Ensembles: by hand, and against attackers who make the learners they reach say anything."""

from collections import Counter
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest

from sanitize.certify import ensembles
from sanitize.certify.individual import UNIT
from sanitize.certify.partitions import spread_parts
from sanitize.data.seeds import stream
from sanitize.errors import BadInput, BadParams
from tests.reference import ensembles as slow


def one_each(learners):
    return np.arange(learners)[:, None]


def test_dpa_by_hand():
    """floor((n_a - n_b - I(b wins ties)) / 2): (9 - 4 - 1) / 2; (9 - 4) / 2; (5 - 5) / 2; (7 - 0) / 2."""
    found = ensembles.dpa(np.array([[9, 4, 0], [4, 9, 0], [5, 5, 0], [0, 0, 7]], np.int32))
    assert found.prediction.tolist() == [0, 1, 1, 2] and found.size.tolist() == [2, 2, 0, 3]
    assert found.unit == ensembles.SYMMETRIC and found.confidence == 1
    assert ensembles.changed_rows(found).tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize(("learners", "classes"), [(3, 2), (4, 2), (5, 3), (4, 3)])
def test_dpa_is_sound_and_tight(learners, classes):
    said = np.array(list(product(range(classes), repeat=learners))).T
    found = ensembles.dpa(ensembles.count_votes(said, classes))
    for test in range(said.shape[1]):
        truth = slow.true_size(
            said[:, test].tolist(), one_each(learners), range(classes), lambda s: slow.plurality(s, classes), 3
        )
        assert found.size[test] == min(truth, 3)


def test_degree_one_is_dpa():
    said = stream(0, "said").integers(0, 4, (25, 200))
    plain, spread = (
        ensembles.dpa(ensembles.count_votes(said, 4)),
        ensembles.finite_aggregation(said, 4, one_each(25)),
    )
    assert np.array_equal(plain.size, spread.size) and np.array_equal(plain.prediction, spread.prediction)


def test_finite_aggregation_by_hand():
    """Learners say 0, 0, 0, 1; part s reaches s and s + 1. Gap of 0 over 1: 3 - 1 + 0 = 2 (1 wins ties). Parts can
    close 4, 4, 2, 2: one is enough. With all for 1: gap 4 + 1 = 5, each part closes 4."""
    spread = np.array([[0, 1], [1, 2], [2, 3], [3, 0]])
    found = ensembles.finite_aggregation(np.array([[0, 1], [0, 1], [0, 1], [1, 1]]), 2, spread)
    assert found.prediction.tolist() == [0, 1] and found.size.tolist() == [0, 1]
    assert found.unit == ensembles.SYMMETRIC


@pytest.mark.parametrize(("learners", "classes", "degree"), [(5, 2, 2), (5, 3, 2), (6, 2, 3), (4, 3, 2)])
def test_finite_aggregation_is_sound(learners, classes, degree):
    met = 0
    for name in range(12):
        spread = spread_parts(learners, degree, name)
        draw = stream(name, "fa", learners, classes)
        said = np.where(
            draw.random((learners, 3)) < 0.8, draw.integers(classes), draw.integers(0, classes, (learners, 3))
        )
        found = ensembles.finite_aggregation(said, classes, spread)
        for test in range(3):
            elect = lambda s: slow.plurality(s, classes)  # noqa: E731
            truth = slow.true_size(said[:, test].tolist(), spread.tolist(), range(classes), elect, 2)
            assert min(found.size[test], 2) <= truth
            met += min(found.size[test], 2) == truth
    assert met > 12


def test_run_off_by_hand():
    """First votes 2, 2, 1 for 0, 1, 2: labels 1 and 0 meet. The learner of 2 scores 0 over 1, so 0 wins 3 to 2, where
    plurality elects 1."""
    scores = np.array([[3, 2, 1], [3, 2, 1], [1, 3, 2], [1, 3, 2], [2, 1, 3]], float)[:, None]
    assert ensembles.run_off(scores).prediction.tolist() == [0]
    assert ensembles.dpa(np.array([[2, 2, 1]], np.int32)).prediction.tolist() == [1]
    assert ensembles.run_off(scores).size.tolist() == [0]


def test_run_off_of_one_mind():
    """9 learners, all 0 > 1 > 2. Out of the first round: labels 1 and 2 both need to close 9 (they win ties), 18
    together at 3 a learner: 6 learners. In the second round 1 needs to close 9 at 2 a learner: 5. So 4 is certified."""
    scores = np.tile([3.0, 2.0, 1.0], (9, 1, 1))
    found = ensembles.run_off(scores)
    assert found.prediction.tolist() == [0] and found.size.tolist() == [4]
    assert found.unit == ensembles.SYMMETRIC and found.confidence == 1


@pytest.mark.parametrize(
    ("learners", "classes", "degree", "tests", "most"),
    [(4, 3, 1, 40, 2), (5, 3, 1, 25, 2), (5, 3, 2, 10, 1), (3, 4, 1, 8, 1)],
)
def test_run_off_is_sound(learners, classes, degree, tests, most):
    """Scores with ties; every ranking that a reached learner could give is tried."""
    spread = spread_parts(learners, degree, 0)
    draw = stream(learners, "roe", classes, degree)
    scores = draw.integers(0, 3, (learners, tests, classes)) + 2.0 * (draw.random((learners, tests, classes)) < 0.2)
    scores[:, ::2, 1] += 2
    found = ensembles.run_off(scores, spread)
    sizes, met = Counter(), 0
    for test in range(tests):
        rankings = [slow.ranking(row) for row in scores[:, test].tolist()]
        assert found.prediction[test] == slow.run_off(rankings, classes)
        truth = slow.true_size(
            rankings, spread.tolist(), slow.every_ranking(classes), lambda s: slow.run_off(s, classes), most
        )
        assert min(found.size[test], most) <= truth
        met += min(found.size[test], most) == truth
        sizes[truth] += 1
    assert len(sizes) > 1 and met >= tests * 0.7


def test_run_off_of_two_labels_is_dpa():
    scores = stream(1, "two").random((15, 80, 2))
    votes = ensembles.count_votes(1 - np.argmax(scores[:, :, ::-1], axis=2), 2)
    assert np.array_equal(ensembles.run_off(scores).size, ensembles.dpa(votes).size)


def test_fewest_by_hand():
    """Parts that close 3, 1, 2: a gap of 4 takes two, 6 takes three, 7 cannot be closed; no gap takes none."""
    power = np.repeat([[3], [1], [2]], 6, axis=1)
    assert ensembles.fewest(power, np.array([-1, 0, 3, 4, 6, 7]), 3).tolist() == [0, 0, 1, 2, 3, 4]


@pytest.mark.parametrize(("rows", "bag"), [(10, 1), (10, 3), (30, 2), (25, 7), (60, 20)])
def test_bagging_formula_in_fractions(rows, bag, monkeypatch):
    """The shares of votes stand in for the bounds, so that only the inequality is under test."""
    votes = np.array([[a, 40 - a] for a in range(21, 41)], np.int32)

    def bounds(successes, trials, alpha):
        return successes / trials, successes / trials

    monkeypatch.setattr(ensembles, "clopper_pearson", bounds)
    found = ensembles.bagging(votes, rows=rows, bag=bag, alpha=0.1)
    expected = [slow.bagging_size(rows, bag, Fraction(int(a), 40), 1 - Fraction(int(a), 40)) for a in votes[:, 0]]
    assert found.size.tolist() == expected
    assert found.unit == UNIT and found.confidence == 0.9


@pytest.mark.parametrize(
    ("successes", "trials", "alpha"), [(7, 20, 0.05), (1, 9, 0.001), (999, 1000, 1e-6), (30, 30, 0.01)]
)
def test_clopper_pearson_is_where_the_tail_has_alpha(successes, trials, alpha):
    lower, upper = ensembles.clopper_pearson(np.array([successes]), np.array([trials]), alpha)
    assert slow.at_least(successes, trials, float(lower[0])) == pytest.approx(alpha)
    if successes < trials:
        assert 1 - slow.at_least(successes + 1, trials, float(upper[0])) == pytest.approx(alpha)
    else:
        assert upper[0] == 1
    assert ensembles.clopper_pearson(np.array([0]), np.array([5]), alpha)[0][0] == 0


def test_bagging_by_hand():
    """1000 bags of 30 from 50,000 rows, all for label 0, alpha = 0.001 over 1 x 2 bounds: p_a = 0.0005^(1/1000) =
    0.99243 and p_b = 1 - p_a, a margin of 0.98486. The worst n' is n here, so 2 - 2 (1 - e / n)^30 < 0.98486, and e is
    under n (1 - 0.50757^(1/30)) = 1117.6."""
    found = ensembles.bagging(np.array([[1000, 0]], np.int32), rows=50_000, bag=30, alpha=0.001)
    assert found.prediction.tolist() == [0] and found.size.tolist() == [1117]
    bound = 50_000 * (1 - ((2 - (2 * 0.0005 ** (1 / 1000) - 1)) / 2) ** (1 / 30))
    assert int(bound) == 1117


@pytest.mark.parametrize(("rows", "against"), [(5, 0.0), (6, 0.1), (7, 0.05)])
def test_bagging_on_all_bags_and_all_poisoned_sets(rows, against):
    """Bags of one and of two rows, some for label 1; every removal, and added rows whose bags all say 1: the votes of
    all bags never turn within the size that the exact shares certify."""
    sizes = Counter()
    for name in range(30):
        draw = stream(name, "bags", rows)
        for bag in (1, 2):
            says = {b: int(draw.random() < against) for b in product(range(rows), repeat=bag)}
            share = Fraction(sum(label == 0 for label in says.values()), rows**bag)
            size = slow.bagging_size(rows, bag, share, 1 - share)
            sizes[size] += 1
            for removed in range(size + 1):
                for gone in combinations(range(rows), removed):
                    for added in range(size + 1):
                        left = [*(set(range(rows)) - set(gone)), *range(rows, rows + added)]
                        votes = Counter(says.get(b, 1) for b in product(left, repeat=bag))
                        assert votes[0] > votes[1]
    assert max(sizes) >= 1


def test_bagging_stops_where_nothing_is_certain():
    found = ensembles.bagging(np.array([[6, 5], [0, 11]], np.int32), rows=100, bag=1, alpha=0.05)
    assert found.size[0] == ensembles.NONE and found.prediction.tolist() == [0, 1]
    assert found.size[1] > 0
    assert ensembles.changed_rows(found).tolist() == found.size.tolist()


def test_bad_votes_and_scores_are_refused():
    votes, said = np.array([[3, 1]], np.int32), np.array([[0], [1]])
    scores = np.zeros((2, 1, 2))
    for call, error, words in (
        (lambda: ensembles.dpa(-votes), BadInput, "least number of votes is -3"),
        (lambda: ensembles.dpa(votes[:0]), BadInput, "no test rows"),
        (lambda: ensembles.bagging(votes * 0, rows=9, bag=2, alpha=0.1), BadInput, "at least one vote"),
        (lambda: ensembles.bagging(votes, rows=0, bag=2, alpha=0.1), BadParams, "0 rows and bags of 2"),
        (lambda: ensembles.bagging(votes, rows=9, bag=2, alpha=1.0), BadParams, "alpha is 1.0"),
        (lambda: ensembles.count_votes(said, 1), BadInput, r"predicts 0\.\.1; must be 0\.\.0"),
        (lambda: ensembles.count_votes(said - 1, 2), BadInput, r"predicts -1\.\.0; must be 0\.\.1"),
        (lambda: ensembles.count_votes(said[:, :0], 2), BadInput, "at least one of each"),
        (lambda: ensembles.finite_aggregation(said, 2, np.array([[2]])), BadParams, r"a learner 0\.\.1"),
        (lambda: ensembles.finite_aggregation(said, 2, np.array([[1, 1]])), BadParams, "twice for one part"),
        (lambda: ensembles.run_off(scores[0]), BadInput, r"shape \[1, 2\]"),
        (lambda: ensembles.run_off(scores[:, :0]), BadInput, "at least one learner"),
        (lambda: ensembles.run_off(scores * np.nan), BadInput, "NaN or infinite"),
    ):
        with pytest.raises(error, match=words):
            call()
