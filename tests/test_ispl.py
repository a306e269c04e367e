"""Algorithm 1: trimming, sampling and the schedule by hand; whole runs against the slow version."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanitize.data.seeds import stream
from sanitize.data.table import Table
from sanitize.errors import BadInput
from sanitize.execution import inline
from sanitize.ispl import (
    LEFT_OVER,
    Partition,
    beta,
    iterations,
    keep_lowest,
    partition,
    peel,
    refuse_too_small,
    sample_per_class,
)
from sanitize.learners.base import all_rows, make_learner
from sanitize.learners.sklearn_learner import LEAST_PROBABILITY
from sanitize.params import IsplParams, resolve
from tests.reference import ispl as slow

PAPER = IsplParams(
    runs=3,
    components=8,
    coverage=0.96,
    expansion=0.25,
    momentum=0.9,
    beta_start=3.0,
    anneal=2,
    extra_iterations=3,
    first_epochs=8,
    epochs=4,
    trim="global",
    class_floor=0.125,
    lr_factor=1.0,
)
NEAREST = resolve({"learner": {"name": "sklearn", "model": "tests.reference.ispl:NearestMean"}}).learner
SMALL = PAPER.model_copy(update={"runs": 2, "components": 4, "expansion": 0.5, "first_epochs": 1, "epochs": 1})


def losses(*values):
    return np.array(values, dtype=np.float32)


def test_paper_preset_is_appendix_c():
    assert resolve({"preset": "paper"}).ispl == PAPER


def test_first_round_of_appendix_c():
    """p = 1/8: N = 2 + min(3, 8) = 5; beta from 3/8 to 1/8 over the next two iterations."""
    assert iterations(1 / 8, PAPER) == 5
    assert [beta(i, 1 / 8, PAPER) for i in range(5)] == [3 / 8, 2 / 8, 1 / 8, 1 / 8, 1 / 8]


def test_last_round_of_appendix_c():
    """p = 1: N = 2 + min(3, 1) = 3; beta is capped at 1."""
    assert iterations(1.0, PAPER) == 3
    assert [beta(i, 1.0, PAPER) for i in range(3)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("share", "expected"), [(0.12, 5), (1 / 3, 5), (0.35, 4), (0.5, 4), (0.51, 3), (0.99, 3)])
def test_number_of_iterations_takes_the_integer_part(share, expected):
    assert iterations(share, PAPER) == expected


def test_without_annealing_beta_is_the_share():
    params = PAPER.model_copy(update={"anneal": 0})
    assert [beta(i, 0.2, params) for i in range(3)] == [0.2, 0.2, 0.2]


def test_lowest_share_is_rounded_up():
    """30% of five rows is one and a half: two are kept."""
    kept = keep_lowest(losses(5, 1, 4, 2, 3), np.zeros(5, np.int64), 0.3, 0.0)
    assert kept.tolist() == [False, True, False, True, False]


@pytest.mark.parametrize(("share", "rows"), [(0.3, 10), (0.1, 30), (0.7, 10), (0.12, 25), (0.24, 25)])
def test_a_whole_number_of_rows_is_not_rounded_up(share, rows):
    kept = keep_lowest(np.arange(rows, dtype=np.float32), np.zeros(rows, np.int64), share, 0.0)
    assert kept.sum() == round(share * rows)


def test_every_class_keeps_its_floor():
    """Half of eight rows are the four of class 0; the floor, an eighth of class 1's four rows, adds its lowest one."""
    label_N = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    kept = keep_lowest(losses(1, 2, 3, 4, 9, 7, 8, 6), label_N, 0.5, 0.125)
    assert kept.tolist() == [True, True, True, True, False, False, False, True]


def test_trim_by_class_keeps_the_share_of_every_class_and_no_floor():
    label_N = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    kept = keep_lowest(losses(1, 2, 3, 4, 9, 7, 8, 6), label_N, 0.5, 0.125, "class")
    assert kept.tolist() == [True, True, False, False, False, True, False, True]


def test_ties_go_to_the_earlier_row():
    assert keep_lowest(losses(1, 0, 1, 1), np.zeros(4, np.int64), 0.5, 0.0).tolist() == [True, True, False, False]


def test_nan_and_unequal_lengths_are_refused():
    with pytest.raises(BadInput, match=r"loss of row 1 is NaN.*lower learner\.lr"):
        keep_lowest(losses(1, np.nan), np.zeros(2, np.int64), 0.5, 0.0)
    with pytest.raises(BadInput, match="3 losses for 2 labels"):
        keep_lowest(losses(1, 2, 3), np.zeros(2, np.int64), 0.5, 0.0)


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=30),
    share=st.integers(1, 20).map(lambda n: n / 20),
    part=st.integers(0, 4).map(lambda n: n / 4),
)
def test_keep_lowest_equals_the_slow_version(rows, share, part):
    loss, label = zip(*rows, strict=True)
    kept = keep_lowest(losses(*loss), np.array(label), share, share * part)
    assert set(np.flatnonzero(kept)) == slow.lowest(loss, label, share, share * part)


def test_sample_takes_a_share_of_every_class():
    """A quarter of 8, of 4 and of 1 rows: 2, 1, and 1 because no class is left out."""
    label_N = np.array([0] * 8 + [1] * 4 + [2])
    rows = all_rows(Table(np.arange(13), np.zeros((13, 1), np.float32), label_N, ("a", "b", "c"), "vector"))
    picked = sample_per_class(rows, label_N, 0.25, stream(0, "sample"))
    assert Counter(label_N[picked].tolist()) == {0: 2, 1: 1, 2: 1}
    assert picked.tolist() == sorted(set(picked.tolist()))


def test_sample_stays_within_the_rows_and_follows_its_stream():
    label_N = np.arange(40) % 2
    rows = np.arange(0, 40, 3)
    first, again, other = (sample_per_class(rows, label_N, 0.5, stream(0, name)) for name in ("a", "a", "b"))
    assert set(first) <= set(rows) and first.tolist() == again.tolist() != other.tolist()
    assert sample_per_class(rows, label_N, 1.0, stream(0, "c")).tolist() == rows.tolist()


def test_sample_is_uniform():
    """Each of 8 rows is in half of the samples: 400 of 800, five standard deviations of 14 either way."""
    label_N = np.zeros(8, np.int64)
    draws = stream(0, "uniform")
    counts = sum(np.bincount(sample_per_class(np.arange(8), label_N, 0.5, draws), minlength=8) for _ in range(800))
    assert counts.sum() == 3200 and (abs(counts - 400) < 70).all()


def test_peel_smooths_the_loss_with_momentum():
    """Learning from all rows every time, the loss of a row is the same l in all N iterations: (1 - eta^N) l."""
    table = slow.blobs(24, 3)
    params = SMALL.model_copy(update={"expansion": 1.0, "beta_start": 1.0})
    learner = make_learner(NEAREST, table, 0)
    taken, smoothed = peel(learner, all_rows(table), table.labels, 1.0, params, 0, ("ispl", 0, 0))
    assert taken.tolist() == list(range(24))
    expected = (1 - 0.9 ** iterations(1.0, params)) * learner.score(all_rows(table)).loss
    assert smoothed == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("trim", ["global", "class"])
@pytest.mark.parametrize("seed", [0, 1])
def test_partition_equals_the_slow_version(trim, seed):
    table = slow.blobs(90, 3, seed=seed)
    params = SMALL.model_copy(update={"trim": trim})
    found = partition(table, NEAREST, params, seed, map=inline)
    for run in range(params.runs):
        components, last_seen = slow.one_run(table, params, seed, run, LEAST_PROBABILITY)
        assert found.component_RN[run].tolist() == components
        assert found.loss_RN[run] == pytest.approx(np.array(last_seen), rel=1e-4, abs=1e-6)


def test_components_cover_what_they_should():
    """Trimmed class by class, four components of 24% each: 22 of 90 rows, rounded up class by class (8 of 30)."""
    table = slow.blobs(90, 3)
    found = partition(table, NEAREST, SMALL.model_copy(update={"trim": "class"}), 0, map=inline)
    assert found.components() == [(run, component) for run in range(2) for component in range(4)]
    first = found.members(0, 0)
    assert Counter(table.labels[first].tolist()) == {0: 8, 1: 8, 2: 8}
    assert (found.component_RN != LEFT_OVER).mean() >= 0.96


def test_runs_differ_and_advance_is_called_after_each():
    calls = []
    table = slow.blobs(90, 3)
    found = partition(table, NEAREST, SMALL, 0, map=inline, advance=lambda: calls.append(1))
    assert len(calls) == 2
    assert (found.component_RN[0] != found.component_RN[1]).any()


def test_members_and_components_by_hand():
    found = Partition(np.array([[0, 2, -1, 0], [-1, 1, 1, -1]]), np.zeros((2, 4), np.float32))
    assert found.components() == [(0, 0), (0, 2), (1, 1)]
    assert found.members(0, 0).tolist() == [0, 3]
    assert found.members(1, 1).tolist() == [1, 2]
    assert found.members(0, 1).tolist() == []


def test_too_few_rows_or_classes_are_refused():
    one_class = slow.blobs(20, 1)
    with pytest.raises(BadInput, match=r"one class only \(a\); needs at least two"):
        refuse_too_small(one_class, SMALL)
    with pytest.raises(BadInput, match=r"one class only \(none\)"):
        refuse_too_small(one_class.take(np.arange(0)), SMALL)
    table = slow.blobs(20, 2)
    rare = table.take(np.array([0, 2, 4, 6, 8, 1, 3, 5]))
    with pytest.raises(BadInput, match=r"class 'b' has 3 rows; .* at least 4, one per component; lower ispl\.compon"):
        partition(rare, NEAREST, SMALL, 0, map=inline)
    refuse_too_small(table.take(np.array([0, 2, 4, 6, 1, 3, 5, 7])), SMALL)
    absent = Table(table.ids, table.inputs, table.labels, ("a", "b", "absent"), "vector")
    refuse_too_small(absent, SMALL)
