"""Individual certificates: by hand, and against an attacker who tries everything."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sanitize.certify import individual
from sanitize.certify.neighbors import predict, vote_tables
from sanitize.data.seeds import stream
from sanitize.errors import BadInput, BadParams
from tests.reference import neighbors as slow
from tests.reference.certificates import can_change, poisoned_sets, true_size

VOTES = np.array(
    [
        [3, 5, 3],  # 1 leads; 2 needs one vote less than 0 to win: gap 5 - 3 + 0 = 2
        [5, 3, 3],  # 0 leads and loses ties: gap 2
        [1, 3, 9],  # 2 leads and wins ties: gap 9 - 3 + 1 = 7
        [0, 0, 0],  # nobody votes: label 2, gap 1
        [4, 4, 0],  # tie: label 1, gap 1
        [9, 0, 0],  # gap 9
        [0, 4, 3],  # gap 1
        [4, 5, 3],  # both labels at gap 2: 5 - 4 + 1 and 5 - 3 + 0
    ],
    np.int32,
)


def test_predictions_gaps_and_sizes_by_hand():
    assert predict(VOTES).tolist() == [1, 0, 2, 2, 1, 0, 1, 1]
    assert individual.runner_up(VOTES).tolist() == [2, 2, 1, 1, 0, 2, 2, 0]
    assert individual.gaps(VOTES).tolist() == [2, 2, 7, 1, 1, 9, 1, 2]
    assert individual.certified_sizes(VOTES).tolist() == [0, 0, 3, 0, 0, 4, 0, 0]


def test_gap_is_the_least_over_all_other_labels():
    votes = stream(0, "gap").integers(0, 6, (500, 4)).astype(np.int32)
    for row, gap in zip(votes, individual.gaps(votes), strict=True):
        a = slow.predict(row.tolist())
        assert gap == min(row[a] - row[t] + (a > t) for t in range(4) if t != a)


def test_certified_accuracy_by_hand():
    prediction, label = np.array([0, 1, 2, 1]), np.array([0, 1, 2, 0])
    certified = np.array([0, 2, 5, 9])
    curve = individual.certified_accuracy(prediction, label, certified, [0, 1, 2, 3, 5, 6, 9])
    assert curve.tolist() == [0.75, 0.5, 0.5, 0.25, 0.25, 0.0, 0.0]


def instances(rows, classes, places, repeats):
    """Training sets of one integer feature, most rows of one label; the query stands at 10."""
    for repeat in range(repeats):
        draw = stream(repeat, "instance", rows, classes)
        labels = np.where(draw.random(rows) < 0.6, repeat % classes, draw.integers(0, classes, rows))
        yield [((int(place),), int(label)) for place, label in zip(draw.choice(places, rows), labels, strict=True)]


def tables(training, classes, k, radius):
    features = np.array([row[0] for row in training], np.uint8)
    labels = np.array([row[1] for row in training], np.int64)
    everything = [np.ones(len(training), bool)]
    return vote_tables(np.array([[10]], np.uint8), features, labels, classes, k=k, radius=radius, subsets=everything)[0]


@pytest.mark.parametrize(("rows", "classes", "k"), [(6, 2, 1), (7, 2, 3), (6, 3, 3), (5, 3, 1), (4, 2, 4)])
def test_knn_is_sound_everywhere(rows, classes, k):
    """Places 8..12, the query's own among them: ties at the k-th distance, even at distance 0."""
    places = [8, 9, 10, 11]
    candidates = [((place,), label) for place in (9, 10, 11) for label in range(classes)]
    seen = set()
    for training in instances(rows, classes, places, 25):
        votes = tables(training, classes, k, 0.0).knn
        assert votes[0].tolist() == slow.knn_votes((10,), training, classes, k)
        certified = int(individual.certified_sizes(votes)[0])
        seen.add(certified)
        attacked = min(certified, 2)
        assert not can_change(
            training, candidates, attacked, lambda s: slow.predict(slow.knn_votes((10,), s, classes, k))
        )
    assert k == 1 or max(seen) == (k + 1 + 1) // 2 - 1  # a unanimous neighbourhood whose label wins ties


@pytest.mark.parametrize(("rows", "classes", "k"), [(6, 2, 1), (6, 2, 3), (5, 3, 3)])
def test_knn_is_tight_where_no_row_equals_the_query(rows, classes, k):
    candidates = [((10,), label) for label in range(classes)]
    for training in instances(rows, classes, [7, 8, 9, 11, 12], 12):
        votes = tables(training, classes, k, 0.0).knn
        found = true_size(training, candidates, 2, lambda s: slow.predict(slow.knn_votes((10,), s, classes, k)))
        assert found == min(2, int(individual.certified_sizes(votes)[0]))


@pytest.mark.parametrize(("rows", "classes", "radius"), [(6, 2, 1.0), (7, 2, 1.5), (5, 3, 1.0), (4, 3, 0.0)])
def test_rnn_is_sound_and_tight(rows, classes, radius):
    """Radius 0 leaves most neighbourhoods empty; the smaller instances have rows on the rim."""
    candidates = [((place,), label) for place in (10, 11, 12) for label in range(classes)]
    sizes = set()
    for training in instances(rows, classes, [8, 9, 10, 11, 12], 20):
        votes = tables(training, classes, 1, radius).rnn
        assert votes[0].tolist() == slow.rnn_votes((10,), training, classes, radius)
        found = true_size(training, candidates, 2, lambda s: slow.predict(slow.rnn_votes((10,), s, classes, radius)))
        sizes.add(found)
        assert found == min(2, int(individual.certified_sizes(votes)[0]))
    assert sizes >= ({0, 1} if radius else {0})


@pytest.fixture(scope="module")
def digits():
    """scikit-learn's digits, levels 0..16: 600 training rows, 40 queries."""
    found = load_digits()
    pixels, labels = found.data.astype(np.uint8), found.target.astype(np.int64)
    return pixels[:600], labels[:600], pixels[600:640]


@pytest.mark.parametrize("method", ["knn", "rnn"])
def test_attacks_on_real_digits_succeed_just_past_the_certificate(digits, method):
    """The attacker of the proof: removes the nearest rows of the predicted label, adds runners-up at the query."""
    train, labels, queries = digits
    setting = {"k": 15, "radius": 180.0}

    def votes_of(query, features, given):
        everything = [np.ones(len(given), bool)]
        return getattr(vote_tables(query[None], features, given, 10, subsets=everything, **setting)[0], method)

    for query in queries:
        votes = votes_of(query, train, labels)
        certified, before = int(individual.certified_sizes(votes)[0]), int(predict(votes)[0])
        order = np.argsort(np.abs(train.astype(int) - query.astype(int)).sum(1), kind="stable")
        for size, changed in ((certified, False), (certified + 1, True)):
            gone = order[labels[order] == before][:size]
            features = np.concatenate([np.delete(train, gone, axis=0), np.repeat(query[None], size, axis=0)])
            given = np.append(np.delete(labels, gone), np.full(size, individual.runner_up(votes)[0]))
            assert (int(predict(votes_of(query, features, given))[0]) != before) == changed


def test_exhaustive_attacker_counts_by_hand():
    """1 row, 1 candidate, size 1: {r}, {r, c}, {}, {c}. 2 rows, 2 candidates, size 1: (1 + 2) x (1 + 2)."""
    r, c = ((1,), 0), ((2,), 1)
    assert list(poisoned_sets([r], [c], 1)) == [[r], [r, c], [], [c]]
    assert len(list(poisoned_sets([r, r], [c, r], 1))) == 9
    assert len(list(poisoned_sets([r, r], [c, r], 2))) == (1 + 2 + 1) * (1 + 2 + 3)


@pytest.mark.parametrize("votes", [np.zeros((2, 1), np.int32), np.zeros(3, np.int32), np.array([[1, -1]], np.int32)])
def test_bad_votes_are_refused(votes):
    with pytest.raises(BadInput, match="votes"):
        individual.gaps(votes)


def test_bad_curves_are_refused():
    one, none = np.array([1]), np.zeros(0, np.int64)
    with pytest.raises(BadInput, match="at least 1"):
        individual.certified_accuracy(none, none, none, [0])
    with pytest.raises(BadParams, match="poisoning_sizes has -1"):
        individual.certified_accuracy(one, one, one, [0, -1])
