"""Label budgets: by hand, against all budgets, and against attackers of rNN and kNN who try everything."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sanitize.certify import budgets, knapsack
from sanitize.certify.individual import certified_accuracy, certified_sizes
from sanitize.certify.neighbors import predict, vote_tables
from sanitize.data.seeds import stream
from sanitize.errors import BadInput, BadParams
from tests.certify.worlds import World, random_votes, stars, worlds
from tests.reference import joint as slow


def certified(curve, tests):
    return (curve * tests).round().astype(int).tolist()


def test_additions_carry_one_label():
    """Two tests of label 2, one leads label 0 and one label 1, both by 4: gap 5. At e = 3 their needs are 2, 2 and
    GLOBAL gives up both; but two additions for one label and two for the other are four."""
    votes, labels = np.array([[5, 0, 9], [0, 5, 9]], np.int32), np.array([2, 2])
    assert certified(knapsack.group_free(votes, labels, [3]), 2) == [0]
    found = budgets.label_budgets(votes, labels, [2, 3, 4, 5, 10**12], method="rnn")
    assert certified(found.accuracy, 2) == [2, 1, 0, 0, 0] and found.proven.all()


def test_knn_by_hand():
    """Labels 1, 3, 5, each 4 votes before the label below it: gap 5. At e = 3 one test falls to two additions and one
    to two removals (3 + 2 >= 5), the third stands; individually none does. At e = 4 one removal of each label will do.
    """
    votes = np.array([[5, 9, 0, 0, 0, 0], [0, 0, 5, 9, 0, 0], [0, 0, 0, 0, 5, 9]], np.int32)
    labels, sizes = np.array([1, 3, 5]), [2, 3, 4]
    assert certified_accuracy(labels, labels, certified_sizes(votes), sizes).tolist() == [1, 0, 0]
    found = budgets.label_budgets(votes, labels, sizes, method="knn")
    assert certified(found.accuracy, 3) == [3, 1, 0] and found.proven.all()


@pytest.mark.parametrize("method", ["rnn", "knn"])
@pytest.mark.parametrize(
    ("tests", "classes", "most", "sizes"), [(12, 2, 5, range(8)), (15, 3, 5, range(6)), (12, 4, 4, range(4))]
)
def test_the_search_ends_at_the_best_budgets(method, tests, classes, most, sizes):
    for name in range(6):
        votes, labels = random_votes(name, tests, classes, most)
        found = budgets.label_budgets(votes, labels, list(sizes), method=method)
        expected = [slow.label_budgets(votes.tolist(), labels.tolist(), e, method) for e in sizes]
        assert found.proven.all()
        assert certified(found.accuracy, tests) == certified(found.ceiling, tests) == expected


@pytest.mark.parametrize("method", ["rnn", "knn"])
def test_curves_do_not_rise_and_stand_above_the_weaker_ones(method):
    for name in range(3):
        votes, labels = random_votes(name, 300, 6, 40)
        sizes = [70, 1, 2, 5, 10, 15, 20, 30, 40, 55, 0]
        order = np.argsort(sizes)
        found = budgets.label_budgets(votes, labels, sizes, method=method, most_nodes=300)
        weaker = certified_accuracy(predict(votes), labels, certified_sizes(votes), sizes)
        if method == "rnn":
            weaker = np.maximum(weaker, knapsack.group_free(votes, labels, sizes))
        assert (found.accuracy >= weaker).all() and (found.accuracy > weaker).any()
        assert (found.accuracy <= found.ceiling).all()
        assert (np.diff(found.accuracy[order]) <= 0).all()
        assert np.array_equal(found.proven, found.accuracy == found.ceiling)


@pytest.mark.parametrize("method", ["rnn", "knn"])
def test_limits_leave_a_sound_bound(method):
    """More boxes never certify less; all stay under the ceiling of the whole search."""
    votes, labels = random_votes(1, 400, 8, 60)
    whole = budgets.label_budgets(votes, labels, [12, 25], method=method, most_nodes=20000)
    last = np.zeros(2)
    for nodes in (0, 1, 10, 100, 1000):
        found = budgets.label_budgets(votes, labels, [12, 25], method=method, most_nodes=nodes)
        assert (found.nodes <= nodes + 1).all()
        assert (found.accuracy >= last).all() and (found.accuracy <= whole.ceiling).all()
        last = found.accuracy
    hurried = budgets.label_budgets(votes, labels, [12, 25], method=method, seconds=0.0)
    unhurried = budgets.label_budgets(votes, labels, [12, 25], method=method, most_nodes=0)
    assert np.array_equal(hurried.accuracy, unhurried.accuracy)
    if method == "rnn":
        assert np.array_equal(unhurried.accuracy, knapsack.group_free(votes, labels, [12, 25]))


def met(world, method, **rule):
    """Asserts that no attacker reaches below; returns for how many sizes one reaches it."""
    votes, labels, tests = world.votes(method, **rule), world.labels, len(world.queries)
    reached = 0
    for size in (1, 2):
        truth = slow.least_right(world.queries, world.rows, world.candidates, size, world.classes, **rule)
        found = certified(budgets.label_budgets(votes, labels, [size], method=method).accuracy, tests)[0]
        assert found <= truth
        reached += found == truth
    return reached


@pytest.mark.parametrize(
    ("rows", "classes", "radius"), [(7, 2, 1.0), (8, 2, 2.0), (7, 3, 1.0), (6, 3, 0.0), (8, 3, 1.5)]
)
def test_no_attacker_of_rnn_reaches_below_it(rows, classes, radius):
    assert sum(met(world, "rnn", radius=radius) for world in worlds(rows, classes, 6, 10)) > 0


@pytest.mark.parametrize(("rows", "classes", "tests"), [(8, 2, 3), (8, 3, 3), (9, 3, 4)])
def test_attackers_of_rnn_mostly_reach_it_where_they_can_reach_all(rows, classes, tests):
    assert sum(met(world, "rnn", radius=4) for world in stars(rows, classes, tests, 20)) >= 20


@pytest.mark.parametrize(("rows", "classes", "k"), [(6, 2, 1), (7, 2, 3), (8, 3, 3), (7, 3, 1), (4, 2, 4), (5, 3, 5)])
def test_no_attacker_of_knn_reaches_below_it(rows, classes, k):
    """k = rows: removals leave fewer than k."""
    for world in [*worlds(rows, classes, 6, 10), *stars(rows, classes, 3, 6)]:
        met(world, "knn", k=k)


def with_unseen(world, more):
    """The same rows, and candidates of `more` labels that nobody has, below all others in ties."""
    raised = [
        [(place, label + more) for place, label in part] for part in (world.rows, world.candidates, world.queries)
    ]
    places = dict.fromkeys(place for place, _ in raised[1])
    new = [(place, label) for place in places for label in range(more)]
    return World(raised[0], [*raised[1], *new], raised[2], world.classes + more)


@pytest.mark.parametrize(("method", "rule"), [("rnn", {"radius": 1.0}), ("knn", {"k": 3})])
def test_one_column_of_zeros_stands_for_all_labels_that_nobody_has(method, rule):
    """Two unseen labels come in; the certificate counts one. That of single tests is the same without any."""
    for small in worlds(6, 2, 4, 6):
        world = with_unseen(small, 2)
        votes, labels = world.votes(method, **rule), world.labels
        assert not votes[:, :2].any()
        alone = certified_accuracy(predict(votes), labels, certified_sizes(votes), [1, 2])
        assert np.array_equal(alone, certified_accuracy(
            predict(votes[:, 2:]), labels - 2, certified_sizes(votes[:, 2:]), [1, 2]
        ))  # fmt: skip
        found = budgets.label_budgets(votes[:, 1:], labels - 1, [1, 2], method=method)
        for size, certain in zip((1, 2), certified(found.accuracy, 4), strict=True):
            assert certain <= slow.least_right(world.queries, world.rows, world.candidates, size, 4, **rule)


def test_an_unseen_label_can_break_what_holds_for_known_ones():
    """Two tests of two labels, three votes each, e = 3: known labels need R_1 + A_0 >= 4 and R_0 + A_1 >= 3, which is 7
    of 6. Three additions of an unseen label and one removal of each topple both."""
    votes, labels = np.array([[0, 0, 3], [0, 3, 0]], np.int32), np.array([2, 1])
    known = budgets.label_budgets(votes[:, 1:], labels - 1, [3], method="rnn")
    unseen = budgets.label_budgets(votes, labels, [3], method="rnn")
    assert (certified(known.accuracy, 2), certified(unseen.accuracy, 2)) == ([1], [0])


def test_an_attacker_of_knn_reaches_it():
    """Three tests, far apart, labels 1, 3, 5, each with five of its own label and two of the label below among its
    seven nearest: gap 4. By this argument budgets of 2 topple two tests. Two additions do push two votes out of one
    test, and two removals let two rows of the label below into another."""
    labels = [1, 3, 5]
    found = 0
    for repeat in range(4):
        draw = stream(repeat, "crowds")
        rows, queries, axis = [], [], np.eye(3, dtype=int)
        for own, label in enumerate(labels):
            queries.append((tuple((20 * axis[own]).tolist()), label))
            below = label - 1
            crowd = [*draw.permutation([label] * 3 + [below] * 2), label, label, below, below]
            rows += [(tuple(((21 + out) * axis[own]).tolist()), int(y)) for out, y in enumerate(crowd)]
        candidates = [((0, 0, 0), label) for label in range(6)] + [(query, label - 1) for query, label in queries]
        world = World(rows, candidates, queries, 6)
        votes = world.votes("knn", k=7)
        assert votes[range(3), labels].tolist() == [5, 5, 5] and certified_sizes(votes).tolist() == [1, 1, 1]
        assert certified(budgets.label_budgets(votes, world.labels, [2], method="knn").accuracy, 3) == [1]
        found += met(world, "knn", k=7)
    assert found == 2 * 4


@pytest.mark.parametrize("method", ["rnn", "knn"])
def test_attacks_on_real_digits_stay_above_the_certificate(method):
    """For every pair of labels: the rows of one that vote in most tests go, rows of the other come in where most tests
    see them."""
    found = load_digits()
    pixels, labels = found.data.astype(np.uint8), found.target.astype(np.int64)
    train, given, tests, true = pixels[:500], labels[:500], pixels[500:560], labels[500:560]
    rule = {"k": 25, "radius": 260.0}

    def votes_of(features, label):
        everything = [np.ones(len(label), bool)]
        return getattr(vote_tables(tests, features, label, 10, subsets=everything, **rule)[0], method)

    apart = np.abs(tests[:, None].astype(int) - train[None].astype(int)).sum(2)
    reach = np.sort(apart, axis=1)[:, rule["k"] - 1 : rule["k"]] if method == "knn" else rule["radius"]
    seen = np.count_nonzero(apart <= reach, axis=0)
    sizes = [3, 8]
    curve = certified(budgets.label_budgets(votes_of(train, given), true, sizes, method=method).accuracy, 60)
    assert curve[0] > curve[1] > 0
    for size, least in zip(sizes, curve, strict=True):
        for a in range(10):
            gone = np.flatnonzero(given == a)[np.argsort(-seen[given == a], kind="stable")[:size]]
            crowd = train[[int(np.argmin(apart[true == a].sum(0)))]]
            for t in {(a + 1) % 10, 8 if a != 8 else 1}:
                place = crowd if t % 2 else train[[int(np.argmax(seen))]]
                features = np.concatenate([np.delete(train, gone, axis=0), np.repeat(place, size, axis=0)])
                label = np.append(np.delete(given, gone), np.full(size, t))
                assert np.count_nonzero(predict(votes_of(features, label)) == true) >= least


def test_bad_arguments_are_refused():
    votes, labels = np.array([[1, 0]], np.int32), np.array([0])
    for change, error, words in (
        ({"votes": -votes}, BadInput, "least number of votes is -1"),
        ({"labels": np.array([2])}, BadInput, r"label 2; must be 0\.\.1"),
        ({"votes": votes[:0], "labels": labels[:0]}, BadInput, "at least 1"),
        ({"poisoning_sizes": [-1]}, BadParams, "poisoning_sizes has -1"),
        ({"method": "dpa"}, BadParams, "method is 'dpa'; must be 'rnn' or 'knn'"),
        ({"most_nodes": -1}, BadParams, "most_nodes is -1"),
        ({"seconds": float("nan")}, BadParams, "seconds is nan"),
    ):
        given = {"votes": votes, "labels": labels, "poisoning_sizes": [1], "method": "rnn"} | change
        with pytest.raises(error, match=words):
            budgets.label_budgets(**given)
