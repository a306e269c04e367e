"""What Jin et al. 2023 prove, as docs/theory.md states it, held against this code and against enumeration."""

# N rows, K components, D features
from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest

from sanitize.boosting import vote_on_components
from sanitize.data.seeds import stream
from sanitize.ispl import peel
from sanitize.params import IsplParams, resolve
from tests.reference.theory import (
    CellFrequencies,
    Learn,
    Mean,
    Rows,
    Traced,
    arbitrary,
    cell_majority,
    clean_components,
    expansion_error,
    expansion_error_apart,
    maximum_margin,
    nonempty_subsets,
    wrong,
)

HALF = Fraction(1, 2)

# Lemma A.1: the error of a union is the mean of what its parts suffer in it, weighted by their sizes.


@pytest.mark.parametrize("alpha", [Fraction(1, 4), HALF, Fraction(3, 4), Fraction(1)])
@pytest.mark.parametrize("seed", range(4))
def test_lemma_a1_holds_for_any_learner_whatsoever(seed: int, alpha: Fraction) -> None:
    labels = [int(v) for v in stream(seed, "labels").integers(3, size=7)]
    learn = arbitrary(seed, rows=7, classes=3)
    for size in range(1, 7):
        for a in combinations(range(7), size):
            b = tuple(row for row in range(7) if row not in a)
            in_union = size * expansion_error(learn, labels, a, alpha, b)
            in_union += (7 - size) * expansion_error(learn, labels, b, alpha, a)
            assert expansion_error(learn, labels, a + b, alpha) == in_union / 7


def test_lemma_a1_holds_when_the_parts_are_drawn_apart() -> None:
    labels, learn, a, b = [0, 1, 1, 0, 2, 1], arbitrary(5, rows=6, classes=3), (0, 2, 3, 5), (1, 4)
    on = [expansion_error_apart(learn, labels, scored, [a, b], HALF) for scored in (a, b, a + b)]
    assert on[2] == (4 * on[0] + 2 * on[1]) / 6


# Theorem 2.3: a subset of least self-expansion error lies wholly in one of two incompatible sets.

# Two cells. Clean rows (A): cell 0 is class 0, cell 1 is class 1, three rows each. Poison (B): the other way round,
# two rows each. Rows come in blocks of one row per cell, and candidates are unions of blocks.
CELLS = (0, 1, 0, 1, 0, 1, 0, 1, 0, 1)
LABELS = (0, 1, 0, 1, 0, 1, 1, 0, 1, 0)
A = ((0, 1), (2, 3), (4, 5))
B = ((6, 7), (8, 9))


def unions(blocks: Sequence[Rows]) -> list[Rows]:
    return [sum(chosen, ()) for chosen in nonempty_subsets(blocks)]


def errors_of_unions(learn: Learn, labels: Sequence[int]) -> tuple[dict[Rows, Fraction], dict[Rows, Fraction]]:
    pure = {rows: expansion_error(learn, labels, rows, HALF) for rows in unions(A) + unions(B)}
    mixed = {a + b: expansion_error(learn, labels, a + b, HALF) for a, b in product(unions(A), unions(B))}
    return pure, mixed


def test_theorem_2_3_the_best_subset_lies_in_one_of_two_incompatible_sets() -> None:
    learn = cell_majority(CELLS, LABELS, default=0)
    pure, mixed = errors_of_unions(learn, LABELS)
    for a, b in product(unions(A), unions(B)):  # the premise: A and B are incompatible, strictly
        assert expansion_error(learn, LABELS, a, HALF, b) > pure[a]
        assert expansion_error(learn, LABELS, b, HALF, a) > pure[b]
    assert min(pure.values()) < min(mixed.values())
    # All of A is the only minimiser. It errs when the three rows drawn of six are all in cell 0 (1 way of 20): then
    # cell 1, half of the rows, gets the default: 1/20 x 1/2.
    assert [rows for rows, error in pure.items() if error == min(pure.values())] == [(0, 1, 2, 3, 4, 5)]
    assert pure[0, 1, 2, 3, 4, 5] == Fraction(1, 40)


def test_theorem_2_3_needs_incompatibility() -> None:
    agreeing = (0, 1) * 5  # "poison" with the clean rows' labels: now everything helps everything
    pure, mixed = errors_of_unions(cell_majority(CELLS, agreeing, default=0), agreeing)
    # 10 rows, 5 drawn, all in cell 0: 1 way of 252, half of the rows wrong.
    assert min(mixed.values()) == Fraction(1, 504) < min(pure.values())


@pytest.mark.parametrize("seed", range(6))
def test_theorem_2_3_pair_by_pair_for_any_learner(seed: int) -> None:
    """Where two parts do not help each other, their union is no better than the better part."""
    labels = [int(v) for v in stream(seed, "labels").integers(2, size=6)]
    learn = arbitrary(seed, rows=6, classes=2)
    held = 0
    for a, b in product(nonempty_subsets((0, 1, 2)), nonempty_subsets((3, 4, 5))):
        alone = expansion_error(learn, labels, a, HALF), expansion_error(learn, labels, b, HALF)
        added = expansion_error(learn, labels, a, HALF, b), expansion_error(learn, labels, b, HALF, a)
        if added[0] >= alone[0] and added[1] >= alone[1]:
            held += 1
            assert expansion_error(learn, labels, a + b, HALF) >= min(alone)
    assert held


# Proposition 2.4: with alpha = 1, eta = 0 and an exact minimiser, ISPL's objective never rises.


def ispl_params(**changes: object) -> IsplParams:
    exact = {"expansion": 1.0, "momentum": 0.0, "trim": "global", "class_floor": 0.0, "extra_iterations": 16}
    return resolve({"ispl": {**exact, **changes}}).ispl


def traced_learners(seed: int) -> Iterator[Traced]:
    draws = stream(seed, "rows")
    yield Mean(np.concatenate([draws.normal(0, 1, (60, 2)), draws.normal(4, 2, (40, 2))]))
    yield CellFrequencies(draws.integers(9, size=100), draws.integers(4, size=100), classes=4)


@pytest.mark.parametrize("trim", ["global", "class"])
@pytest.mark.parametrize("anneal", [0, 2, 6])
@pytest.mark.parametrize("seed", range(6))
def test_proposition_2_4_the_objective_never_rises(seed: int, anneal: int, trim: str) -> None:
    labels = stream(seed, "labels").permutation(np.repeat(np.arange(4), [40, 30, 20, 10]))
    for learner in traced_learners(seed):
        params = ispl_params(anneal=anneal, beta_start=3.0, trim=trim)
        kept, _ = peel(learner, np.arange(100), labels, 0.1, params, seed, ("identity", seed))
        assert len(kept) == 10
        if trim == "class":
            assert np.bincount(labels[kept]).tolist() == [4, 3, 2, 1]
        # 12 iterations, one half-step more than two for each but the last
        assert len(learner.objectives) == 2 * 12 - 1
        assert (np.diff(learner.objectives) <= 1e-4).all()  # ISPL ranks losses as float32
        assert learner.objectives[-1] < learner.objectives[0] - 0.1


def test_proposition_2_4_by_hand() -> None:
    """Numbers on a line, the four nearest of five kept: the outlier goes, the mean settles."""
    learner = Mean(np.array([[0.0], [1.0], [2.0], [3.0], [14.0]]))
    params = ispl_params(anneal=0, extra_iterations=1)
    kept, loss = peel(learner, np.arange(5), np.zeros(5, np.int64), 0.8, params, 0, ("by hand",))
    # theta = 4: 16 + 9 + 4 + 1 + 100; the four nearest: 30; theta = 1.5: 2.25 + .25 + .25 + 2.25
    assert learner.objectives == [130.0, 30.0, 5.0, 5.0, 5.0]
    assert kept.tolist() == [0, 1, 2, 3]
    assert loss.tolist() == [2.25, 0.25, 0.25, 2.25, 156.25]


def test_proposition_2_4_needs_a_set_of_fixed_size() -> None:
    """A class floor adds rows to the cut, so that the objective may rise: the proposition is for a floor of zero."""
    learner = Mean(np.array([[0.0], [1.0], [2.0], [30.0]]))
    params = ispl_params(anneal=0, extra_iterations=1, class_floor=0.9)
    peel(learner, np.arange(4), np.array([0, 0, 0, 1]), 0.5, params, 0, ("floor",))
    plain = Mean(learner.inputs_ND)
    peel(plain, np.arange(4), np.array([0, 0, 0, 1]), 0.5, ispl_params(anneal=0, extra_iterations=1), 0, ("floor",))
    assert learner.sizes[-1] > plain.sizes[-1]
    assert learner.objectives[-1] > plain.objectives[-1]


# Theorem 3.2: a backdoor along a direction that clean rows do not use is incompatible with them.

TRIGGER = np.array([0.0, 0.0, 1.5])


def backdoored() -> tuple[np.ndarray, list[int], Rows, Rows]:
    """Clean rows at -1 (class 0, the source) and +1 (class 1, the target), and class 0 with a trigger and label 1."""
    height = (-0.3, -0.1, 0.1, 0.3)
    clean = [(side, h, 0.0) for side in (-1.0, 1.0) for h in height]
    poison = [np.array(clean[row]) + TRIGGER for row in (1, 2)]
    return np.array([*clean, *poison]), [0] * 4 + [1] * 4 + [1] * 2, tuple(range(8)), (8, 9)


def test_theorem_3_2_clean_and_poisoned_rows_are_incompatible() -> None:
    inputs_ND, labels, clean, poison = backdoored()
    learn, alpha = maximum_margin(inputs_ND, labels), Fraction(3, 4)
    assert wrong(learn, labels, clean + poison, clean + poison) == 0  # the attack succeeds: both are learned
    alone = expansion_error(learn, labels, clean, alpha), expansion_error(learn, labels, poison, alpha)
    assert alone == (0, 0)  # six of eight hold both classes; poison has one label
    assert expansion_error(learn, labels, clean, alpha, poison) >= alone[0]
    # 8 of 10 drawn: 1 sample of 45 is without poison and gets both poisoned rows wrong; any other holds one and
    # finds the other by the trigger.
    assert expansion_error(learn, labels, poison, alpha, clean) == Fraction(1, 45) > alone[1]


def test_theorem_3_2_neither_set_teaches_the_other() -> None:
    inputs_ND, labels, clean, poison = backdoored()
    learn = maximum_margin(inputs_ND, labels)
    # An alpha share of the clean rows alone gets every poisoned row wrong; the poison alone every source row.
    assert expansion_error_apart(learn, labels, poison, [clean], Fraction(3, 4)) == 1
    assert expansion_error_apart(learn, labels, clean[:4], [poison], Fraction(3, 4)) == 1
    assert expansion_error_apart(learn, labels, clean, [poison], Fraction(3, 4)) == HALF


@pytest.mark.parametrize("seed", range(5))
def test_theorem_3_2_the_better_on_the_source_class_the_worse_on_its_poison(seed: int) -> None:
    """A margin found on clean rows cannot see the trigger: errors on poison and on its origins add up to one."""
    draws = stream(seed, "clean")
    clean_ND = np.concatenate([draws.normal(0, 1, (14, 3)), np.zeros((14, 1))], axis=1)
    true = [int(x[0] + 0.5 * x[1] > 0) for x in clean_ND]
    origins = tuple(row for row in range(14) if true[row] == 0)
    inputs_ND = np.concatenate([clean_ND, clean_ND[list(origins)] + [0, 0, 0, 2.0]])
    labels = true + [1] * len(origins)
    poison = tuple(range(14, len(labels)))
    learn = maximum_margin(inputs_ND, labels)
    some = 0
    for draw in range(20):
        sample = tuple(int(row) for row in stream(seed, "sample", draw).permutation(14)[:5])
        on_origins, on_poison = wrong(learn, labels, sample, origins), wrong(learn, labels, sample, poison)
        assert on_origins + on_poison == len(origins)
        some += 0 < on_origins < len(origins)
    assert some  # samples that know the source class only in part are among them


# Theorem 3.4: Algorithm 2 returns exactly the clean components.


@pytest.mark.parametrize("seed", range(60))
def test_theorem_3_4_exactly_the_clean_components(seed: int) -> None:
    draws = stream(seed, "components")
    count = int(draws.integers(2, 12))
    weights = draws.integers(1, 100, size=count)
    clean = draws.random(count) < 0.7
    while 2 * weights[clean].sum() <= weights.sum():  # clean rows are to be more than half
        clean[draws.choice(np.flatnonzero(~clean))] = True
    # Property 3.3: clean voters are right on clean components, not on poisoned ones; poisoned voters as they please.
    right, not_right = draws.uniform(0, 0.499, (count, count)), draws.uniform(0.5, 1, (count, count))
    not_right[draws.random((count, count)) < 0.3] = 0.5  # exactly a half is no vote
    error_KK = np.where(clean[:, None], np.where(clean, right, not_right), draws.random((count, count)))
    verdicts = vote_on_components(error_KK, weights)
    assert verdicts.clean_K.tolist() == clean.tolist()
    assert verdicts.clean_K.tolist() == clean_components(error_KK.tolist(), weights.tolist())
    assert verdicts.votes_for_K[clean].min() >= weights[clean].sum() > verdicts.votes_needed


@pytest.mark.parametrize("bits", range(2**4))
def test_theorem_3_4_whatever_the_poisoned_voters_say(bits: int) -> None:
    """Three clean components of 4, 3 and 2 rows, a poisoned one of 8: 9 of 17 rows are clean."""
    says = [0.0 if bits >> k & 1 else 1.0 for k in range(4)]
    error_KK = np.array([[0.0, 0.2, 0.4, 0.5]] * 3 + [says])
    verdicts = vote_on_components(error_KK, np.array([4, 3, 2, 8]))
    assert verdicts.clean_K.tolist() == [True, True, True, False]
    assert verdicts.votes_needed == 8.5
    assert verdicts.votes_for_K.tolist() == [9 + 8 * (says[k] == 0) for k in range(3)] + [8 * (says[3] == 0)]


def test_theorem_3_4_needs_a_majority() -> None:
    """Eight clean rows against eight: half of the weight is not more than half, and nothing is called clean."""
    error_KK = np.array([[0.0, 0.2, 0.5], [0.1, 0.0, 0.5], [1.0, 1.0, 0.0]])
    assert vote_on_components(error_KK, np.array([5, 3, 8])).clean_K.tolist() == [False, False, False]


@pytest.mark.parametrize("seed", range(20))
def test_algorithm_2_equals_the_slow_version_on_any_errors(seed: int) -> None:
    draws = stream(seed, "errors")
    error_KK, weights = draws.integers(0, 5, (9, 9)) / 4, draws.integers(1, 50, size=9)
    expected = clean_components(error_KK.tolist(), weights.tolist())
    assert vote_on_components(error_KK, weights).clean_K.tolist() == expected
