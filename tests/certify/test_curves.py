"""Curves of a table of votes: by hand, and in the order that the theory gives."""

import numpy as np
import pytest

from sanitize.certify.curves import CERTIFICATES, neighbor_curves
from sanitize.certify.individual import certified_accuracy, certified_sizes
from sanitize.certify.neighbors import predict
from sanitize.data.seeds import stream
from sanitize.errors import BadParams

VOTES = np.array([[6, 1], [0, 4], [0, 4]], np.int32)
LABELS = np.array([0, 1, 1])


def test_rnn_by_hand():
    """Gaps 5, 5, 5: alone all stand up to 2. Together at 3: two removals for each label, three cannot serve both."""
    found = neighbor_curves(VOTES, LABELS, [2, 3, 5], method="rnn", seed=0, most_nodes=100)
    assert tuple(found.accuracy) == CERTIFICATES["rnn"]
    assert found.accuracy["individual"].tolist() == [1, 0, 0]
    for name in CERTIFICATES["rnn"][1:]:
        assert found.accuracy[name].tolist() == [1, 1 / 3, 0], name
    assert found.proven.tolist() == [True] * 3


def test_knn_by_hand():
    """max(e + A_t, e + R_a) >= 5: at 3 two rows of either kind topple all three, since labels 0 and 1 need R and A."""
    found = neighbor_curves(VOTES, LABELS, [2, 3], method="knn", seed=0, most_nodes=100)
    assert tuple(found.accuracy) == CERTIFICATES["knn"]
    assert [found.accuracy[name].tolist() for name in found.accuracy] == [[1, 0], [1, 0]]


@pytest.mark.parametrize("method", ["knn", "rnn"])
def test_later_certificates_are_stronger_and_none_grows(method):
    draw = stream(3, "votes")
    votes = draw.integers(0, 30, (80, 4)).astype(np.int32)
    labels = np.where(draw.random(80) < 0.7, predict(votes), draw.integers(0, 4, 80))
    sizes = [0, 1, 2, 4, 8, 12, 20]
    found = neighbor_curves(votes, labels, sizes, method=method, seed=0, most_nodes=300).accuracy
    alone = certified_accuracy(predict(votes), labels, certified_sizes(votes), sizes)
    assert found["individual"].tolist() == alone.tolist()
    for shares in found.values():
        assert (shares >= alone).all() and (np.diff(shares) <= 0).all()
    if method == "rnn":
        assert (found["global"] >= np.maximum(found["island"], found["random_groups"])).all()
        assert (found["label_budgets"] >= found["global"]).all()


def test_a_search_that_is_stopped_says_so():
    votes = stream(0, "stopped").integers(0, 40, (200, 6)).astype(np.int32)
    labels = predict(votes)
    short = neighbor_curves(votes, labels, [6], method="rnn", seed=0, most_nodes=0)
    long = neighbor_curves(votes, labels, [6], method="rnn", seed=0, most_nodes=5000)
    assert not short.proven[0]
    assert short.accuracy["label_budgets"][0] <= long.accuracy["label_budgets"][0]


def test_other_votes_have_other_certificates():
    with pytest.raises(BadParams, match="method is 'dpa'; must be 'knn' or 'rnn'"):
        neighbor_curves(VOTES, LABELS, [1], method="dpa", seed=0, most_nodes=0)
