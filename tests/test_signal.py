"""Inputs that say nothing about the label are refused, whatever the classes; hard ones and noisy labels are not."""

from itertools import permutations

import numpy as np
import pytest

from sanitize.boosting import RowVotes
from sanitize.data.seeds import stream
from sanitize.data.table import Table
from sanitize.execution import inline
from sanitize.filtering import filter_table
from sanitize.ispl import Partition
from sanitize.params import resolve
from sanitize.signal import (
    BLOCKS,
    CLEAR,
    NoSignal,
    against_chance,
    agreement,
    ask_class_means,
    count_named,
    deal_blocks,
    deviations,
    ranks,
    refuse_unlike_fitted,
    unseen_shares,
)

NEAREST = resolve(
    {
        "preset": "fast",
        "learner": {"name": "sklearn", "model": "tests.reference.ispl:NearestMean"},
        "ispl": {"runs": 1, "components": 4, "first_epochs": 1, "epochs": 1, "extra_iterations": 0},
        "selftrain": {"epochs": 0},
    }
)


def table_of(inputs, labels, modality="vector"):
    names = tuple(f"c{number}" for number in range(int(labels.max()) + 1))
    return Table(np.arange(len(labels)), inputs, labels.astype(np.int64), names, modality)


def test_chance_is_every_way_of_dealing_the_labels():
    said_nC = stream(0, "said").random((6, 3))
    label_n = np.array([0, 0, 1, 2, 2, 2])
    rows_C = np.bincount(label_n)

    def given(labels):
        return sum(said_nC[row, label] / rows_C[label] for row, label in enumerate(labels))

    every = np.array([given(labels) for labels in permutations(label_n.tolist())])
    found = against_chance(said_nC, label_n)
    assert found.above == pytest.approx(given(label_n) - every.mean())
    assert found.variance == pytest.approx(every.var())
    assert found.right == (said_nC.argmax(axis=1) == label_n).sum()


def test_what_is_said_of_all_rows_alike_is_no_better_than_chance():
    assert deviations([against_chance(np.tile([0.9, 0.1], (50, 1)), np.arange(50) % 2)]) == 0.0


def test_ranks_of_equal_values_are_their_mean():
    assert ranks(np.array([[3.0], [1.0], [3.0], [7.0]]))[:, 0].tolist() == [0.375, 0.0, 0.375, 0.75]


def test_nobody_is_asked_about_a_row_of_its_component():
    """Two runs of two components; row 2 is left over in run 0."""
    partition = Partition(np.array([[0, 1, -1], [1, 1, 0]]), np.zeros((2, 3), np.float32))
    prediction_VN = np.array([[0, 1, 1], [0, 0, 1], [0, 1, 0], [1, 1, 1]])
    nothing = np.zeros(3, np.int64)
    votes = RowVotes(
        [(0, 0), (0, 1), (1, 0), (1, 1)],
        prediction_VN,
        nothing.astype(np.float32),
        nothing,
        nothing,
        nothing,
        nothing > 0,
        nothing > 0,
    )
    shares = unseen_shares(partition, votes, 2)
    assert shares.tolist() == [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]


def test_blocks_hold_all_rows_and_of_every_class_as_many():
    label_N = np.repeat([0, 1], [80, 9])
    block_N = deal_blocks(label_N, 0)
    assert np.bincount(block_N[:80]).tolist() == [10] * BLOCKS
    assert sorted(np.bincount(block_N[80:], minlength=BLOCKS)) == [1] * 7 + [2]


def without_signal(kind, rows, classes, seed):
    """Labels in the file's order or sorted, inputs that do not know them."""
    draws = np.random.default_rng([seed, rows, classes + 1])
    labels = np.arange(rows) % abs(classes) if classes > 0 else (np.arange(rows) < rows // 20).astype(int)
    labels = np.sort(labels) if seed % 2 else draws.permutation(labels)
    inputs = {
        "constant": lambda: np.full((rows, 4), 7.1, np.float32),
        "one column constant": lambda: np.c_[np.full(rows, 1e6), draws.normal(size=rows)].astype(np.float32),
        "gaussian": lambda: draws.normal(size=(rows, 8)).astype(np.float32),
        "few values": lambda: np.eye(5, dtype=np.float32)[draws.integers(0, 5, rows)],
        "heavy tails": lambda: draws.standard_cauchy((rows, 3)).astype(np.float32),
    }[kind]()
    return table_of(inputs, labels)


KINDS = ("constant", "one column constant", "gaussian", "few values", "heavy tails")


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_without_a_signal_are_refused(kind):
    """Balanced, and 95 : 5 (written as one class less than none)."""
    for rows, classes in ((60, 2), (120, 3), (300, -1)):
        with pytest.raises(
            NoSignal, match=r"name the given label of \d+\.\d% of them, (no|hardly) better than .*\d+\.\d%"
        ):
            filter_table(without_signal(kind, rows, classes, 1), NEAREST, map=inline)


def test_of_many_sets_without_a_signal_as_few_pass_as_chance_has():
    """400 sets, five kinds: at three of a thousand one or two may pass, more than six hardly ever do."""
    score = [
        deviations(ask_class_means(table, deal_blocks(table.labels, seed), seed))
        for seed in range(80)
        for kind in KINDS
        for table in [without_signal(kind, 120, (2, 3, -1)[seed % 3], seed)]
    ]
    assert sum(one >= CLEAR for one in score) <= 6
    drawn = np.array([one for one in score if one])
    assert len(drawn) >= 300 and abs(drawn.mean()) < 0.2 and 0.8 < drawn.std() < 1.2


def signal(rows, classes, noise, seed, share=None):
    """Classes four deviations apart, a part of the labels of other classes."""
    draws = np.random.default_rng([seed, rows])
    labels = np.arange(rows) % classes if share is None else (np.arange(rows) < share * rows).astype(int)
    inputs = (2.8 * np.eye(classes, 6)[labels] + draws.normal(size=(rows, 6))).astype(np.float32)
    wrong = draws.random(rows) < noise
    given = np.where(wrong, (labels + draws.integers(1, classes, rows)) % classes, labels)
    return table_of(inputs, given)


@pytest.mark.parametrize(
    "case",
    [(120, 3, 0.0), (120, 3, 0.2), (600, 3, 0.4), (24, 2, 0.0), (120, 2, 0.2), (1500, 2, 0.4), (300, 2, 0.0, 0.05)],
)
def test_hard_and_noisy_tables_are_judged(case):
    rows, classes, noise, *share = case
    for seed in range(3):
        found = filter_table(signal(rows, classes, noise, seed, *share), NEAREST, map=inline)
        assert len(found.manifest.keep_N) == rows


def test_the_message_names_what_is_known():
    plain, named = str(NoSignal("figures")), str(NoSignal("figures", "in.parquet", ["a", "b"], "y"))
    assert plain.startswith("the voters, asked about rows they have not seen, figures; the inputs say nothing about")
    assert (
        named.startswith("in.parquet: the voters") and "the inputs ('a', 'b') say nothing about the label 'y'" in named
    )
    assert NoSignal.exit_code == 3


def test_agreement_by_hand():
    """Classes of 2, 4 and 0 rows, against all ways of dealing the labels."""
    label_n, named_n = np.array([0, 0, 1, 1, 1, 1]), np.array([0, 1, 1, 1, 0, 2])
    counts = count_named(named_n, label_n, 3)
    assert counts == {0: (2, 2, 1), 1: (4, 3, 2), 2: (0, 1, 0)}
    every = np.array([recall(named_n, np.array(dealt)) for dealt in permutations(label_n.tolist())])
    found = agreement(counts, 3)
    assert (found.right, found.largest, found.plain) == pytest.approx((0.5, 4 / 6, 0.25))
    assert found.skill == pytest.approx((1.0 - every.mean()) / (2 - every.mean()))
    assert found.spread == pytest.approx(max(every.std() / (2 - every.mean()), 1 / np.sqrt(5)))
    longer = agreement(count_named(np.tile(named_n, 50), np.tile(label_n, 50), 3), 3)
    draws = np.random.default_rng(0)
    many = [recall(np.tile(named_n, 50), draws.permutation(np.tile(label_n, 50))) for _ in range(2000)]
    assert longer.spread == pytest.approx(max(np.std(many) / (2 - np.mean(many)), 1 / np.sqrt(299)), rel=0.06)


def recall(named_n, label_n):
    return sum((named_n[label_n == label] == label).mean() for label in np.unique(label_n))


def voted(rows, classes, right, seed, share=None):
    """Counts of voters that are right about this part of the rows, and otherwise draw lots."""
    draws = np.random.default_rng([seed, rows])
    label_n = draws.integers(0, classes, rows) if share is None else (draws.random(rows) > share).astype(int)
    return count_named(
        np.where(draws.random(rows) < right, label_n, draws.integers(0, classes, rows)), label_n, classes
    )


def refuses(counts, classes, fitted):
    try:
        refuse_unlike_fitted(counts, classes, fitted, "in", ["x"], "y")
    except NoSignal as error:
        assert "in: the voters, asked about" in str(error) and "are not what they were fitted to" in str(error)
        return True
    return False


@pytest.mark.parametrize("fitted", [0.9, None])
@pytest.mark.parametrize(("rows", "classes"), [(300, 2), (60, 10), (2000, 10), (5000, 43)])
def test_saved_voters_that_name_classes_by_lot_are_refused(rows, classes, fitted):
    assert all(refuses(voted(rows, classes, 0.0, seed), classes, fitted) for seed in range(20 if rows > 60 else 1))
    assert not any(refuses(voted(rows, classes, 0.9, seed), classes, fitted) for seed in range(50))


def test_saved_voters_judge_what_they_can_tell_little_about():
    """A few rows, rows of one class, a wrong label among a hundred rows, 45% wrong labels, and hard data."""
    assert not any(refuses(voted(5, 2, 0.0, seed), 2, 0.9) for seed in range(50))
    assert not refuses({3: (50, 45, 45), 4: (0, 5, 0)}, 10, 0.9)
    assert not refuses({0: (99, 100, 99), 1: (1, 0, 0)}, 2, 0.9)
    assert not refuses({0: (970, 1000, 970), 1: (30, 0, 0)}, 10, 0.9)
    assert not any(refuses(voted(3000, 10, 0.5, seed), 10, 0.9) for seed in range(50))
    assert not any(refuses(voted(3000, 2, 0.25, seed), 2, 0.25) for seed in range(50))
    assert not refuses({}, 2, 0.9)


def test_saved_voters_refuse_rows_of_one_class_that_they_never_name():
    assert refuses({3: (50, 2, 2), 4: (0, 48, 0)}, 10, 0.9)
    assert refuses(voted(4000, 10, 0.07, 0), 10, 0.96)  # digits in negative: better than chance, but hardly
