"""Self-training: smoothing by hand with a learner of closed form, and what is refused."""

import numpy as np
import pytest

from sanitize.boosting import RowVotes
from sanitize.errors import BadInput
from sanitize.execution import inline
from sanitize.params import resolve
from sanitize.selftrain import selftrain, trusted_rows
from tests.reference.ispl import NearestMean, blobs

ROWS = np.arange(40)
NEAREST = resolve({"learner": {"name": "sklearn", "model": "tests.reference.ispl:NearestMean"}}).learner
TWO_UPDATES = resolve({"preset": "paper"}).selftrain.model_copy(update={"epochs": 6, "every": 3})
TWO_ROUNDS = TWO_UPDATES.model_copy(update={"fresh": True, "momentum": 0.0})


class Contrary(NearestMean):
    """Of two classes it always says the other one."""

    def predict_proba(self, inputs_nD):
        return super().predict_proba(inputs_nD)[:, ::-1]


def chances(table, keep):
    return NearestMean().fit(table.inputs[keep], table.labels[keep]).predict_proba(table.inputs)


def start_of(table, wrong=(3, 8)):
    """Every other row, and labels of `wrong` rows flipped in the table."""
    table.labels[list(wrong)] = (table.labels[list(wrong)] + 1) % table.classes
    return np.arange(len(table)) % 2 == 0


def test_one_update_is_the_learners_own_probability():
    """(1 - 0.8) p, divided by its sum 0.2, is p."""
    table = blobs(40, 2)
    keep = start_of(table)
    found = selftrain(table, keep, NEAREST, TWO_UPDATES.model_copy(update={"epochs": 3}), 0, map=inline)
    assert found.dtype == np.float32
    assert found == pytest.approx(chances(table, keep), abs=1e-6)


def test_two_updates_by_hand():
    """p1 from the start, p2 from the rows that agree with p1: (0.8 x 0.2 p1 + 0.2 p2) / 0.36."""
    table = blobs(40, 2, noise=0.4)
    keep = start_of(table)
    p1 = chances(table, keep)
    agree = p1.argmax(axis=1) == table.labels
    p2 = chances(table, agree)
    assert 0 < agree.sum() < 40 and not np.allclose(p1, p2, atol=1e-5)
    found = selftrain(table, keep, NEAREST, TWO_UPDATES, 0, map=inline)
    assert found == pytest.approx((0.16 * p1 + 0.2 * p2) / 0.36, abs=1e-6)
    assert (found.argmax(axis=1) != table.labels).nonzero()[0].tolist() == [3, 8]


def test_momentum_decides_which_rows_train_next():
    """The second training set follows the smoothed prediction, not the last one: three updates by hand."""
    table = blobs(60, 3, noise=1.6)
    keep = start_of(table, wrong=range(0, 60, 7))
    smoothed = np.zeros((60, 3))
    for _ in range(3):
        smoothed = 0.8 * smoothed + 0.2 * chances(table, keep)
        keep = smoothed.argmax(axis=1) == table.labels
    found = selftrain(
        table, np.arange(60) % 2 == 0, NEAREST, TWO_UPDATES.model_copy(update={"epochs": 9}), 0, map=inline
    )
    assert found == pytest.approx(smoothed / smoothed.sum(axis=1, keepdims=True), abs=1e-5)


def test_rest_of_the_epochs_makes_one_more_update():
    """7 epochs, every 3: updates after 3, 6 and 7."""
    table = blobs(60, 3, noise=1.6)
    keep = start_of(table, wrong=range(0, 60, 7))
    found = [
        selftrain(table, keep, NEAREST, TWO_UPDATES.model_copy(update={"epochs": epochs}), 0, map=inline).tolist()
        for epochs in (6, 7, 9)
    ]
    assert found[1] == found[2] != found[0]


def test_mean_of_several_learners():
    """Networks differ by their stream; a deterministic learner does not, so its mean is its own."""
    table = blobs(40, 2)
    keep = start_of(table)
    calls = []
    one = selftrain(table, keep, NEAREST, TWO_UPDATES, 0, map=inline)
    three = selftrain(
        table,
        keep,
        NEAREST,
        TWO_UPDATES.model_copy(update={"learners": 3}),
        0,
        map=inline,
        advance=lambda: calls.append(1),
    )
    assert three == pytest.approx(one, abs=1e-6) and len(calls) == 3
    assert one.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-6)


def test_networks_of_several_numbers_are_averaged():
    table = blobs(40, 2)
    torch = resolve({"learner": {"net": "linear"}}).learner
    params = TWO_UPDATES.model_copy(update={"epochs": 2, "every": 1})
    both = selftrain(table, ROWS % 2 == 0, torch, params.model_copy(update={"learners": 2}), 0, map=inline)
    first = selftrain(table, ROWS % 2 == 0, torch, params, 0, map=inline)
    second = 2 * both - first
    assert not np.allclose(first, second, atol=1e-4)
    assert second.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-5) and (second > -1e-5).all()


def test_nothing_to_start_from_is_refused():
    with pytest.raises(BadInput, match=r"the vote kept no row"):
        selftrain(blobs(40, 2), np.zeros(40, bool), NEAREST, TWO_UPDATES, 0, map=inline)


def test_agreement_with_no_label_is_refused():
    contrary = NEAREST.model_copy(update={"model": "tests.test_selftrain:Contrary"})
    with pytest.raises(BadInput, match=r"agrees with no label after 3 epochs; lower learner\.lr"):
        selftrain(blobs(40, 2, noise=0.1), np.ones(40, bool), contrary, TWO_UPDATES, 0, map=inline)


def test_rounds_decide_together_on_the_next_rows():
    """Without momentum the result is the second round's own: fitted to the rows that agree with the first round."""
    table = blobs(40, 2, noise=0.4)
    keep = start_of(table)
    agree = chances(table, keep).argmax(axis=1) == table.labels
    calls = []
    found = selftrain(table, keep, NEAREST, TWO_ROUNDS, 0, map=inline, advance=lambda: calls.append(1))
    assert found == pytest.approx(chances(table, agree), abs=1e-6)
    assert len(calls) == TWO_ROUNDS.networks == 2


def test_momentum_smooths_over_rounds():
    table = blobs(40, 2, noise=0.4)
    keep = start_of(table)
    p1 = chances(table, keep)
    p2 = chances(table, p1.argmax(axis=1) == table.labels)
    found = selftrain(table, keep, NEAREST, TWO_ROUNDS.model_copy(update={"momentum": 0.8}), 0, map=inline)
    assert found == pytest.approx((0.16 * p1 + 0.2 * p2) / 0.36, abs=1e-6)


def test_a_round_begins_with_fresh_networks():
    """One round of two networks is the mean of the first round's; a network that goes on is another after two."""
    table = blobs(40, 2)
    torch = resolve({"learner": {"net": "linear"}}).learner
    one = TWO_ROUNDS.model_copy(update={"epochs": 1, "every": 1})
    start = ROWS % 2 == 0
    first = selftrain(table, start, torch, one, 0, map=inline)
    goes_on = selftrain(table, start, torch, TWO_UPDATES.model_copy(update={"epochs": 2, "every": 1}), 0, map=inline)
    again = selftrain(table, start, torch, one.model_copy(update={"epochs": 2}), 0, map=inline)
    assert not np.allclose(again, first, atol=1e-4) and not np.allclose(again, goes_on, atol=1e-4)


@pytest.mark.parametrize(
    ("update", "networks"),
    [({"fresh": True, "epochs": 7, "every": 3, "learners": 2}, 6), ({"fresh": False, "learners": 3}, 3)],
)
def test_networks_are_counted(update, networks):
    assert TWO_UPDATES.model_copy(update=update).networks == networks


def votes_of(support, lower_half, keep):
    """Three rows or more under four voters; only what `trusted_rows` reads matters."""
    rows = len(support)
    nothing = np.zeros(rows, np.int64)
    return RowVotes(
        [(0, component) for component in range(4)],
        np.zeros((4, rows), np.int64),
        np.zeros(rows, np.float32),
        nothing,
        nothing,
        np.array(support),
        np.array(lower_half),
        np.array(keep),
    )


def test_trusted_rows_by_hand():
    """Of four voters 0.66 are three. Row 1 has two; row 2 has one, but lies in its class's lower half; row 3 is out."""
    votes = votes_of([3, 2, 1, 3], [False, False, True, False], [True, True, True, False])
    trust = TWO_UPDATES.model_copy(update={"trust": 0.66})
    assert trusted_rows(votes, trust).tolist() == [True, False, True, False]
    assert trusted_rows(votes, TWO_UPDATES).tolist() == [True, True, True, False]
