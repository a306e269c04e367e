"""sanitize.compatibility against enumeration (tests/reference/theory.py) and values worked out by hand."""

# N rows, E draws
from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from sanitize.compatibility import (
    Gap,
    Point,
    Sampling,
    compatible,
    expansion_sample,
    expansion_size,
    gap,
    incompatibility_experiment,
    mean_by_ratio,
    self_expansion_error,
    wrong_by_draw,
)
from sanitize.data.table import Table
from sanitize.errors import BadInput, BadParams
from tests.reference.theory import (
    Learn,
    Told,
    arbitrary,
    cell_majority,
    expansion_error,
    expansion_error_apart,
)

HALF = Fraction(1, 2)


def table_of(labels: Sequence[int]) -> Table:
    rows = len(labels)
    names = tuple(f"class {label}" for label in range(max(labels) + 1))
    return Table(np.arange(rows) + 100, np.zeros((rows, 1), np.float32), np.array(labels), names, "vector")


def told(learn: Learn, labels: Sequence[int]) -> tuple[Told, Table]:
    return Told(learn, labels), table_of(labels)


def rows(*positions: int) -> np.ndarray:
    return np.array(positions, dtype=np.int64)


@pytest.mark.parametrize(
    ("count", "alpha", "size"), [(1, 0.01, 1), (4, 0.5, 2), (8, 0.25, 2), (7, 0.5, 4), (10, 1.0, 10), (3, 0.1, 1)]
)
def test_an_alpha_share_in_whole_rows(count: int, alpha: float, size: int) -> None:
    assert expansion_size(count, alpha) == size
    picked = expansion_sample(np.arange(count) + 5, np.zeros(count + 5, np.int64), Sampling(alpha, 1, 1, 0), 0, 0)
    assert len(picked) == len(set(picked.tolist())) == size
    assert picked.tolist() == sorted(picked.tolist())
    assert set(picked.tolist()) <= set(range(5, count + 5))


def test_a_share_of_every_class() -> None:
    label_N = np.array([0] * 8 + [1] * 4 + [2])
    for draw in range(10):
        picked = expansion_sample(np.arange(13), label_N, Sampling(0.25, 1, 1, 0, per_class=True), draw, 0)
        assert np.bincount(label_N[picked]).tolist() == [2, 1, 1]


def test_every_sample_is_as_likely_as_any_other() -> None:
    sampling = Sampling(0.5, 1, 1, 3)
    drawn = [tuple(expansion_sample(np.arange(4), np.zeros(4, np.int64), sampling, d, 0)) for d in range(1200)]
    counts = [drawn.count(pair) for pair in sorted(set(drawn))]
    assert len(counts) == 6
    # 200 expected each, deviation sqrt(1200 x 1/6 x 5/6) = 13
    assert max(abs(count - 200) for count in counts) < 5 * 13


@pytest.mark.parametrize("seed", range(3))
def test_the_estimate_is_the_enumerated_error(seed: int) -> None:
    labels = [0, 1, 1, 0, 2, 1, 0, 2]
    learn = arbitrary(seed, rows=8, classes=3)
    learner, table = told(learn, labels)
    s, t, sampling = (0, 2, 4, 5), (1, 3, 6, 7), Sampling(0.5, 800, 1, seed)
    exact = {
        "alone": expansion_error(learn, labels, s, HALF),
        "together": expansion_error(learn, labels, s, HALF, t),
        "apart": expansion_error_apart(learn, labels, s, [s, t], HALF),
    }
    found = {
        "alone": self_expansion_error(learner, table, rows(*s), sampling),
        "together": self_expansion_error(learner, table, rows(*s), sampling, given=rows(*t)),
        "apart": self_expansion_error(learner, table, rows(*s), sampling, given=rows(*t), apart=True),
    }
    for name, estimate in found.items():
        assert abs(estimate.error - float(exact[name])) < 4 * estimate.standard_error
        assert estimate.error == pytest.approx(estimate.by_draw_E.mean())
        assert estimate.standard_error == pytest.approx(estimate.by_draw_E.std(ddof=1) / math.sqrt(800))


def test_alpha_one_leaves_nothing_to_chance() -> None:
    labels = [0, 1, 1, 0, 1]
    learn = arbitrary(1, rows=5, classes=2)
    learner, table = told(learn, labels)
    estimate = self_expansion_error(learner, table, rows(4, 0, 1), Sampling(1.0, 3, 1, 0))
    expected = float(expansion_error(learn, labels, (0, 1, 4), Fraction(1)))
    assert estimate.by_draw_E.tolist() == [expected] * 3
    assert estimate.standard_error == 0


def test_a_single_draw_has_no_standard_error() -> None:
    learner, table = told(arbitrary(1, rows=3, classes=2), [0, 1, 1])
    assert math.isnan(self_expansion_error(learner, table, rows(0, 1, 2), Sampling(0.5, 1, 1, 0)).standard_error)


# Two cells, two clean rows in each; twins of the rows with the same labels, and the same with labels swapped.
CELLS = (0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1)
LABELS = (0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0)
CLEAN, TWINS, SWAPPED = rows(0, 1, 2, 3), rows(4, 5, 6, 7), rows(8, 9, 10, 11)


def test_twins_help_and_swapped_labels_do_not() -> None:
    learn = cell_majority(CELLS, LABELS, default=2)
    learner, table = told(learn, LABELS)
    sampling = Sampling(0.5, 400, 1, 0)
    helped = gap(learner, table, CLEAN, TWINS, sampling)
    # Alone: 2 of the 6 pairs leave a cell out, and half of the rows wrong: 1/6. With twins both halves must leave the
    # same cell out: (2/6 x 1/6) x 1/2 = 1/36.
    assert expansion_error_apart(learn, LABELS, (0, 1, 2, 3), [(0, 1, 2, 3)], HALF) == Fraction(1, 6)
    exact = expansion_error_apart(learn, LABELS, (0, 1, 2, 3), [(0, 1, 2, 3), (4, 5, 6, 7)], HALF)
    assert exact == Fraction(1, 36)
    assert helped.gap == pytest.approx(helped.given - helped.alone)
    assert abs(helped.gap - float(exact - Fraction(1, 6))) < 4 * helped.standard_error
    assert compatible(helped)
    assert compatible(helped, sigmas=3)
    harmed = gap(learner, table, CLEAN, SWAPPED, sampling)
    assert harmed.alone == helped.alone  # the same draws of S
    assert harmed.gap > 0
    assert not compatible(harmed)


def test_compatible_asks_for_as_many_standard_errors_as_it_is_told() -> None:
    found = Gap(alone=0.5, given=0.4, gap=-0.1, standard_error=0.05)
    assert compatible(found, sigmas=1.9)
    assert not compatible(found, sigmas=2.1)
    assert not compatible(Gap(0.2, 0.2, 0.0, 0.0))
    assert compatible(Gap(0.2, 0.1, -0.1, 0.0), sigmas=2)
    with pytest.raises(BadParams, match="take more draws"):
        compatible(Gap(0.2, 0.1, -0.1, math.nan), sigmas=2)
    with pytest.raises(BadParams, match="sigmas is -1"):
        compatible(found, sigmas=-1)


def test_the_first_part_is_drawn_the_same_whatever_follows() -> None:
    seen: list[set[int]] = []

    def learn(sample: tuple[int, ...]) -> np.ndarray:
        seen.append(set(sample))
        return np.zeros(12, np.int64)

    learner, table = told(learn, LABELS)
    for parts in ([CLEAN], [CLEAN, TWINS], [CLEAN, SWAPPED]):
        wrong_by_draw(learner, table, parts, CLEAN, Sampling(0.5, 5, 1, 0))
    of_clean = [sample & {0, 1, 2, 3} for sample in seen]
    assert of_clean[:5] == of_clean[5:10] == of_clean[10:]
    assert [len(sample) for sample in seen] == [2] * 5 + [4] * 10
    seen.clear()
    wrong_by_draw(learner, table, [CLEAN], CLEAN, Sampling(0.5, 5, 1, 0, names=("another",)))
    assert [sample & {0, 1, 2, 3} for sample in seen] != of_clean[:5]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0.0, 1, 1), r"alpha is 0.0; must be in \(0, 1\]"),
        ((1.4, 1, 1), "alpha is 1.4"),
        ((0.5, 0, 1), "draws is 0; must be at least 1"),
        ((0.5, 1, 0), "epochs is 0; must be at least 1"),
    ],
)
def test_settings_out_of_range(values: tuple[float, int, int], message: str) -> None:
    with pytest.raises(BadParams, match=message):
        Sampling(*values, seed=0)


def test_sets_that_are_empty_or_overlap() -> None:
    learner, table = told(arbitrary(0, rows=12, classes=2), LABELS)
    sampling = Sampling(0.5, 1, 1, 0)
    with pytest.raises(BadInput, match="at least one row in each"):
        self_expansion_error(learner, table, rows(), sampling)
    with pytest.raises(BadInput, match="at least one row in each"):
        gap(learner, table, CLEAN, rows(), sampling)
    with pytest.raises(BadInput, match="at least one row in each"):
        wrong_by_draw(learner, table, [], CLEAN, sampling)
    with pytest.raises(BadInput, match="row 103 is given twice"):  # named by its id
        gap(learner, table, CLEAN, rows(3, 4), sampling)


# The experiment: 16 clean rows of two classes, cells 0 and 1. Poison is made of class 0 and labelled 1: with a trigger
# that the learner sees (cell 2), or without one (cell 0).


def experiment_of(poison_cell: int, **changes: object) -> list[Point]:
    labels = [0] * 8 + [1] * 8 + [1] * 8
    cells = [0] * 8 + [1] * 8 + [poison_cell] * 8
    learner, table = told(cell_majority(cells, labels, default=0), labels)
    settings = {"epochs": 1, "seed": 0, "clean_share": 0.5, "ratios": (0.0, 0.5, 1.0), **changes}
    return incompatibility_experiment(
        learner, table, np.arange(16), np.arange(16, 24), np.arange(8), source=0, **settings
    )


def test_the_experiment_with_a_trigger_that_the_learner_sees() -> None:
    points = experiment_of(poison_cell=2)
    assert [(p.ratio, p.clean_draw, p.poison_draw) for p in points[:11]] == [
        (0.0, 0, 0),
        *[(0.5, 0, draw) for draw in range(5)],
        *[(1.0, 0, draw) for draw in range(5)],
    ]
    assert len(points) == 5 * 11
    assert {(p.ratio, p.clean_rows, p.poison_rows) for p in points} == {(0.0, 8, 0), (0.5, 8, 2), (1.0, 8, 4)}
    # Nobody is ever wrong on clean rows; the trigger's cell is unknown (default 0, label 1) until poison is added.
    assert {p[5:9] for p in points} == {(0.0, 0.0, 0.0, 0.0)}
    assert mean_by_ratio(points) == [(0.0, 0.0, 0.0, 1.0), (0.5, 0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)]


def test_the_experiment_without_a_trigger() -> None:
    """Ratio 0.5: 2 rows in the cell say 0, 1 says 1. Ratio 2: 2 against 4, and the source class is lost."""
    points = experiment_of(poison_cell=0, ratios=(0.5, 2.0), clean_share=0.25, clean_draws=3, poison_draws=2)
    assert len(points) == 3 * 2 * 2
    assert {p.poison_rows for p in points} == {1, 4}
    # C has 2 source rows, of which 1 is drawn; P' has 1 row (drawn) or 4 (2 drawn): 1 against 1 is a tie, for class 0.
    assert mean_by_ratio(points) == [(0.5, 0.0, 0.0, 1.0), (2.0, 1.0, 0.0, 0.0)]


def test_no_poison_is_made_of_a_row_of_c() -> None:
    seen: list[tuple[int, ...]] = []
    labels = [0] * 8 + [1] * 8 + [1] * 8

    def learn(sample: tuple[int, ...]) -> np.ndarray:
        seen.append(sample)
        return np.zeros(24, np.int64)

    learner, table = told(learn, labels)
    incompatibility_experiment(
        learner,
        table,
        np.arange(16),
        np.arange(16, 24),
        np.arange(8),
        source=0,
        epochs=1,
        seed=0,
        clean_share=0.5,
        alpha=1.0,
        ratios=(1.0,),
    )
    for sample in seen:  # alpha 1: the samples are C and P' themselves
        assert not {row - 16 for row in sample if row >= 16} & {row for row in sample if row < 8}
    assert {len(sample) for sample in seen} == {8, 12}


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"ratios": ()}, BadParams, "one or more numbers"),
        ({"ratios": (-0.5,)}, BadParams, "at least 0"),
        ({"clean_draws": 0}, BadParams, "clean_draws and poison_draws are 0 and 5"),
        ({"clean_share": 0.0}, BadParams, r"clean_share is 0.0; must be in \(0, 1\]"),
        ({"ratios": (1.5,)}, BadInput, "a ratio of 1.5 needs 6 poisoned rows .* got 4"),
        ({"clean_share": 1.0}, BadInput, "a ratio of 0.0 needs 1 poisoned rows .* got 0"),
    ],
)
def test_an_experiment_that_cannot_be_run(changes: dict[str, object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        experiment_of(2, **changes)


def test_an_experiment_without_rows_to_compare() -> None:
    learner, table = told(arbitrary(0, rows=4, classes=2), [0, 0, 1, 1])
    clean, poison = rows(0, 1), rows(2, 3)
    with pytest.raises(BadInput, match="1 origins; needs some of each"):
        incompatibility_experiment(learner, table, clean, poison, rows(0), 0, epochs=1, seed=0)
    with pytest.raises(BadInput, match="class 0 must be one of two or more"):
        incompatibility_experiment(learner, table, clean, poison, rows(0, 1), 0, epochs=1, seed=0)
