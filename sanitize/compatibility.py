"""Self-expansion error and (in)compatibility of sets of rows. Learner, Table, positions -> errors. Jin et al. 2023.

Its sections 2 and 4.1. Definitions, theorems and proofs are in docs/theory.md; tests/reference/theory.py has the same
errors by enumeration.
"""

# N rows of the table, n rows scored, E draws of an expansion sample
from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sanitize.data.seeds import stream
from sanitize.data.table import BoolArray, IntArray, Table
from sanitize.errors import BadInput, BadParams
from sanitize.ispl import sample_per_class
from sanitize.learners.base import Learner

Names = tuple[str | int, ...]


@dataclass(frozen=True)
class Sampling:
    """How expansion samples are drawn and learned.

    alpha      share that is drawn, 0 < alpha <= 1
    draws      E, samples, at least 1
    epochs     of each training, at least 1
    seed       of the run
    names      of the streams: sample e of part k comes from ("compatibility", *names, e, k), so that what is drawn from
               the first part does not depend on the parts that follow
    per_class  an alpha share of every class (appendix C) instead of one of all rows (the definitions)
    Raises     BadParams: out of range
    """

    alpha: float
    draws: int
    epochs: int
    seed: int
    names: Names = ()
    per_class: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 1:
            raise BadParams(f"alpha is {self.alpha}; must be in (0, 1]; the paper uses 0.5 for its experiment")
        for name, value in (("draws", self.draws), ("epochs", self.epochs)):
            if value < 1:
                raise BadParams(f"{name} is {value}; must be at least 1")


class Expansion(NamedTuple):
    """A self-expansion error, estimated.

    error           0..1, mean over the draws
    standard_error  of that mean, from the spread of the draws; NaN for a single draw
    by_draw_E       float64 [E], 0..1
    """

    error: float
    standard_error: float
    by_draw_E: NDArray[np.float64]


class Gap(NamedTuple):
    """What adding T does to the error of S.

    alone           eps(S), 0..1
    given           eps(S|T), 0..1
    gap             eps(S|T) - eps(S), -1..1; below zero: T helps S, they are compatible
    standard_error  of the gap, from draws paired one by one; NaN for a single draw
    """

    alone: float
    given: float
    gap: float
    standard_error: float


class Point(NamedTuple):
    """One draw of C and of P' at one poison ratio.

    ratio                         rows of P' per source-class row of C
    clean_draw, poison_draw       which draws
    clean_rows, poison_rows       |C|, |P'|
    alone_source, alone_other     eps(C) on C's rows of the source class and on its other rows, 0..1
    given_source, given_other     eps(C|P') on the same rows
    poison_given                  eps(P'|C); at ratio 0 the error on all of P, none of which was trained on
    """

    ratio: float
    clean_draw: int
    poison_draw: int
    clean_rows: int
    poison_rows: int
    alone_source: float
    alone_other: float
    given_source: float
    given_other: float
    poison_given: float


class RatioMean(NamedTuple):
    """Means of all draws at one poison ratio: the curves of the experiment.

    gap_source, gap_other  eps(C|P') - eps(C), -1..1
    poison_error           eps(P'|C), 0..1
    """

    ratio: float
    gap_source: float
    gap_other: float
    poison_error: float


def expansion_size(rows: int, alpha: float) -> int:
    """How many rows an alpha share of `rows` is: rounded to the nearest whole number, at least one."""
    return max(1, round(alpha * rows))


def expansion_sample(rows: IntArray, label_N: IntArray, sampling: Sampling, draw: int, part: int) -> IntArray:
    """An alpha share of the rows, drawn uniformly without replacement.

    rows        int64 [n], positions, n >= 1
    label_N     int64 [N]
    draw, part  numbers of the draw and of the set that it is drawn from; they name the stream
    Returns     int64, positions, ascending
    """
    draws = stream(sampling.seed, "compatibility", *sampling.names, draw, part)
    if sampling.per_class:
        return sample_per_class(rows, label_N, sampling.alpha, draws)
    return np.sort(draws.permutation(rows)[: expansion_size(len(rows), sampling.alpha)])


def wrong_by_draw(
    learner: Learner, table: Table, parts: Sequence[IntArray], scored: IntArray, sampling: Sampling
) -> BoolArray:
    """Which rows are misclassified after training on expansion samples.

    learner   bound to `table`; started afresh for every draw
    parts     one or more sets of positions, int64, none empty, disjoint; each draw trains on the union of one alpha
              share of each
    scored    int64 [n], positions to predict
    Returns   bool [E, n], True = wrong
    Raises    BadInput: an empty part, a row in two parts
    """
    if not parts or min(len(part) for part in parts) == 0:
        raise BadInput("a set of rows is empty; the self-expansion error needs at least one row in each")
    positions, times = np.unique(np.concatenate(parts), return_counts=True)
    if times.max() > 1:
        row = int(table.ids[positions[times > 1][0]])
        raise BadInput(f"row {row} is given twice; the sets must be disjoint and name every row once")
    wrong_En = np.zeros((sampling.draws, len(scored)), dtype=np.bool_)
    for draw in range(sampling.draws):
        picked = [expansion_sample(part, table.labels, sampling, draw, number) for number, part in enumerate(parts)]
        learner.start("compatibility", *sampling.names, draw)
        learner.fit(np.sort(np.concatenate(picked)), sampling.epochs, total=sampling.epochs)
        wrong_En[draw] = learner.score(scored).prediction != table.labels[scored]
    return wrong_En


def self_expansion_error(
    learner: Learner,
    table: Table,
    rows: IntArray,
    sampling: Sampling,
    *,
    given: IntArray | None = None,
    apart: bool = False,
) -> Expansion:
    """eps(S), or eps(S|T): the error on S of a learner trained on an alpha share of S, or of S and T together.

    learner   bound to `table`
    rows      S, int64, positions, at least one
    given     T, int64, positions, disjoint from S; None = eps(S)
    apart     False: one alpha share of the union of S and T (Lemma A.1 and Theorem 2.3 then hold exactly);
              True: an alpha share of each, the one of S being the same with and without T (less noise in gaps)
    Returns   Expansion over the draws
    Raises    BadInput: as wrong_by_draw
    Paper     Definition 2.1
    """
    parts = [rows]
    if given is not None:
        parts = [rows, given] if apart else [np.concatenate([rows, given])]
    by_draw_E = wrong_by_draw(learner, table, parts, rows, sampling).mean(axis=1)
    return Expansion(float(by_draw_E.mean()), _standard_error(by_draw_E), by_draw_E)


def gap(learner: Learner, table: Table, rows: IntArray, given: IntArray, sampling: Sampling) -> Gap:
    """eps(S|T) - eps(S), with the same draws of S in both (an alpha share of each set).

    rows, given  S and T, int64, positions, disjoint, neither empty
    Raises       BadInput: as wrong_by_draw
    Paper        Definition 2.2; sec. 4.1 plots it
    """
    alone = self_expansion_error(learner, table, rows, sampling)
    together = self_expansion_error(learner, table, rows, sampling, given=given, apart=True)
    difference_E = together.by_draw_E - alone.by_draw_E
    return Gap(alone.error, together.error, float(difference_E.mean()), _standard_error(difference_E))


def compatible(found: Gap, *, sigmas: float = 0.0) -> bool:
    """Does T help S?

    found    from `gap`
    sigmas   standard errors that the gap must lie below zero; 0 = the definition taken at its word. With a single draw
             there is no standard error, and only 0 can be answered
    Returns  True = compatible, False = incompatible (T does not lower the error of S)
    Raises   BadParams: sigmas below zero, or above zero with a single draw
    Paper    Definition 2.2
    """
    if sigmas < 0 or (sigmas and math.isnan(found.standard_error)):
        raise BadParams(f"sigmas is {sigmas}; must be at least 0, and 0 for a gap of one draw; take more draws")
    return found.gap < 0 and (not sigmas or found.gap < -sigmas * found.standard_error)


def incompatibility_experiment(
    learner: Learner,
    table: Table,
    clean: IntArray,
    poison: IntArray,
    origin: IntArray,
    source: int,
    *,
    epochs: int,
    seed: int,
    ratios: Sequence[float] = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0),
    clean_share: float = 0.125,
    alpha: float = 0.5,
    clean_draws: int = 5,
    poison_draws: int = 5,
) -> list[Point]:
    """Are clean and poisoned rows incompatible? The errors of both with more and more poison.

    learner       bound to `table`
    table         clean and poisoned rows together
    clean         int64, positions of the clean rows
    poison        int64 [P], positions of the poisoned rows, with the labels that the attacker gave them
    origin        int64 [P], position of the clean row that each was made of; no row of P' has its origin in C
    source        class that the poison was made of, 0..C-1
    ratios        rows of P' per source-class row of C, each at least 0
    clean_share   C is this share of every class
    alpha         of C and of P', drawn per class and apart
    Returns       one Point per ratio, draw of C and draw of P' (ratio 0: one per draw of C), in this order
    Raises        BadParams: a ratio below 0, draws below 1; BadInput: too little poison for a ratio, C without the
                  source class or without others
    Paper         sec. 4.1; the size of P' as a share of C's source-class rows is our reading
    """
    if not len(clean) or not len(poison) or len(origin) != len(poison):
        raise BadInput(
            f"got {len(clean)} clean rows, {len(poison)} poisoned rows and {len(origin)} origins; needs some of each, "
            "and one origin per poisoned row"
        )
    if not 0 < clean_share <= 1:
        raise BadParams(f"clean_share is {clean_share}; must be in (0, 1]; the paper uses 0.125")
    if min(ratios, default=-1.0) < 0:
        raise BadParams(f"ratios are {list(ratios)}; must be one or more numbers of at least 0")
    if min(clean_draws, poison_draws) < 1:
        raise BadParams(f"clean_draws and poison_draws are {clean_draws} and {poison_draws}; must be at least 1")
    points = []
    for clean_draw in range(clean_draws):
        chosen = sample_per_class(clean, table.labels, clean_share, stream(seed, "compatibility", "clean", clean_draw))
        of_source = table.labels[chosen] == source
        if not of_source.any() or of_source.all():
            raise BadInput(
                f"class {source} must be one of two or more classes among the clean rows; name another source"
            )
        eligible = poison[~np.isin(origin, chosen)]
        sizes = [_poison_rows(ratio, int(of_source.sum()), len(eligible)) for ratio in ratios]
        sampling = Sampling(alpha, 1, epochs, seed, ("experiment", clean_draw), per_class=True)
        errors = _Trial(learner, table, chosen, of_source, sampling)
        alone_source, alone_other, untrained = errors.of(None, eligible)
        for ratio, size in zip(ratios, sizes, strict=True):
            if size == 0:
                measured: Iterable[tuple[float, float, float]] = [(alone_source, alone_other, untrained)]
            else:
                measured = (
                    errors.of(drawn, drawn)
                    for poison_draw in range(poison_draws)
                    for drawn in [_shuffled(eligible, seed, clean_draw, poison_draw)[:size]]
                )
            points += [
                Point(ratio, clean_draw, number, len(chosen), size, alone_source, alone_other, *three)
                for number, three in enumerate(measured)
            ]
    return points


def mean_by_ratio(points: Sequence[Point]) -> list[RatioMean]:
    """The mean over the draws of C and P' at every ratio, ascending."""
    means = []
    for ratio in sorted({point.ratio for point in points}):
        of_ratio = [point for point in points if point.ratio == ratio]
        means.append(
            RatioMean(
                ratio,
                float(np.mean([point.given_source - point.alone_source for point in of_ratio])),
                float(np.mean([point.given_other - point.alone_other for point in of_ratio])),
                float(np.mean([point.poison_given for point in of_ratio])),
            )
        )
    return means


class _Trial(NamedTuple):
    """One draw of C; its training sample is the same whatever is added to it."""

    learner: Learner
    table: Table
    chosen: IntArray
    of_source: BoolArray
    sampling: Sampling

    def of(self, added: IntArray | None, scored: IntArray) -> tuple[float, float, float]:
        """Errors on C's source class, C's other classes, and `scored`, when `added` joins C in training."""
        parts = [self.chosen] if added is None else [self.chosen, added]
        asked = np.concatenate([self.chosen, scored])
        wrong_n = wrong_by_draw(self.learner, self.table, parts, asked, self.sampling)[0]
        clean_n, scored_n = wrong_n[: len(self.chosen)], wrong_n[len(self.chosen) :]
        return float(clean_n[self.of_source].mean()), float(clean_n[~self.of_source].mean()), float(scored_n.mean())


def _poison_rows(ratio: float, source_rows: int, eligible: int) -> int:
    size = max(1, round(ratio * source_rows)) if ratio else 0
    if max(1, size) > eligible:
        raise BadInput(
            f"a ratio of {ratio} needs {max(1, size)} poisoned rows whose origins are not in C; got {eligible}; "
            "lower the ratio, or poison more rows"
        )
    return size


def _shuffled(eligible: IntArray, seed: int, clean_draw: int, poison_draw: int) -> IntArray:
    """One order per pair of draws: a larger P' holds the smaller one."""
    return stream(seed, "compatibility", "poison", clean_draw, poison_draw).permutation(eligible)


def _standard_error(by_draw_E: NDArray[np.float64]) -> float:
    if len(by_draw_E) < 2:
        return math.nan
    return float(by_draw_E.std(ddof=1) / math.sqrt(len(by_draw_E)))
