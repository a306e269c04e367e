"""Do the inputs say anything about the label? Partition, votes -> nothing, or NoSignal with both figures.

Where they say nothing (constant vectors, random ones, labels of another file), voters name classes all the same, and a
third to two thirds of the rows would be dropped for it. So the voters must do better than chance on rows that they
have not seen. Chance is every way of dealing the same labels to the same rows: a sum of one value per row and label has
a known mean and variance over all of them (Hoeffding 1951), whatever the classes' sizes.

The first question costs nothing: of each row, what the voters say whose components it is not in. Components hold what
agrees, so those voters are the ones that disagree with the row; without a signal they do worse than chance, and so
they do where a third of the labels is wrong. Where they do not clearly do better, the rows are dealt into blocks, and
what was learnt from the first ones is asked about the next. There chance is exact: whatever was learnt, the labels of
the next block would be dealt at random, so that the blocks' deviations from their means add up like those of
independent draws. Two learners are asked: the nearest class mean, which noise in the labels hardly misleads, and the
table's own. Not in the papers.
"""

# N rows, V voters, C classes, n rows asked about
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sanitize.boosting import RowVotes, count_votes
from sanitize.data.seeds import stream
from sanitize.data.table import IntArray, Table
from sanitize.errors import BadInput
from sanitize.execution import OrderedMap
from sanitize.ispl import LEFT_OVER, Partition
from sanitize.learners.base import make_learner
from sanitize.params import LearnerParams, VoteParams

CLEAR = 2.75  # deviations above chance: of a thousand sets without a signal three have as much
BLOCKS = 8
NO_BLOCK = -1
LEAST_VARIANCE = 1e-12  # of chance, where said_nC is in 0..1: below it what differs is rounding
UNKNOWN_SKILL = 0.5  # of voters whose file does not tell it
SURE = 3.0  # deviations
MOST_ROWS = 20_000  # that blocks are dealt from


Named = tuple[int, int, int]  # of a class: rows that bear it, rows of which it is named, both


class NoSignal(BadInput):
    """The inputs say nothing about the label, as far as the voters can tell.

    figures  both, in words
    origin   where the rows come from; inputs, label: the columns' names; "" and () = not known
    voters   whether they were fitted before, to other rows
    """

    def __init__(
        self, figures: str, origin: str = "", inputs: Sequence[str] = (), label: str = "", *, voters: bool = False
    ) -> None:
        self.figures = figures
        what = f"the inputs ({', '.join(map(repr, inputs))})" if inputs else "the inputs"
        which = f"the label {label!r}" if label else "the label"
        cause = f"{what} say nothing about {which}"
        remedy = "name other columns with data.inputs (--inputs) or data.label (--label)"
        if voters:
            cause = f"{what} or {which} are not what they were fitted to"
            remedy = "check the file, or fit voters to it (without --voters)"
        super().__init__(
            f"{origin}{': ' * bool(origin)}the voters, asked about rows they have not seen, {figures}; {cause}, so "
            f"nothing was judged; {remedy}"
        )


class BlockTask(NamedTuple):
    """What a worker needs besides the block's number.

    block_N  int64 [N], 0..BLOCKS-1, or NO_BLOCK
    """

    table: Table
    block_N: IntArray
    learner: LearnerParams
    params: VoteParams
    seed: int


class Chance(NamedTuple):
    """What rows are given, against labels dealt at random.

    above     by how much it exceeds chance's mean
    variance  of chance
    right     rows whose most probable class is the given label
    """

    above: float
    variance: float
    right: int = 0


def against_chance(said_nC: NDArray[np.float64], label_n: IntArray) -> Chance:
    """What rows are given of what is said of them, beside what they are given where labels are dealt at random.

    said_nC  float64 [n, C], how much is said for each class of each row, in any unit
    label_n  int64 [n], 0..C-1
    It is the sum over the classes of the mean of said_nC[i, c] over the rows i of class c, so that a small class counts
    as much as a large one; mean and variance are over all permutations of label_n.
    """
    rows_C = np.bincount(label_n, minlength=said_nC.shape[1])
    present = np.flatnonzero(rows_C)
    n = len(label_n)
    row_n = said_nC[:, present].sum(axis=1) / n
    mean = float(row_n.mean())
    above, variance = -mean * n, 0.0
    for label in present.tolist():
        value_n = said_nC[:, label] / rows_C[label]
        above += float(value_n[label_n == label].sum())
        variance += float(rows_C[label] * np.square(value_n - row_n - value_n.mean() + mean).sum())
    return Chance(above, variance / max(1, n - 1), int((said_nC.argmax(axis=1) == label_n).sum()))


def deviations(parts: Sequence[Chance]) -> float:
    """By how many deviations parts are above chance together; 0.0 where all labels are given the same."""
    variance = sum(part.variance for part in parts)
    return sum(part.above for part in parts) / float(np.sqrt(variance)) if variance > LEAST_VARIANCE else 0.0


def unseen_shares(partition: Partition, votes: RowVotes, classes: int) -> NDArray[np.float64]:
    """Of the voters that have not seen a row, the part that says each class: float64 [N, C].

    votes   of one voter per component of the partition
    """
    said_NC = count_votes(votes.prediction_VN, classes).astype(np.float64)
    place = {voter: number for number, voter in enumerate(votes.voters)}
    for run, component_N in enumerate(partition.component_RN):
        own_N = np.array([place.get((run, c), LEFT_OVER) for c in range(int(component_N.max(initial=0)) + 1)])
        seen = np.flatnonzero(component_N != LEFT_OVER)
        said_NC[seen, votes.prediction_VN[own_N[component_N[seen]], seen]] -= 1
    total_N1: NDArray[np.float64] = said_NC.sum(axis=1, keepdims=True)
    shares_NC: NDArray[np.float64] = said_NC / np.maximum(total_N1, 1)
    return shares_NC


def deal_blocks(label_N: IntArray, seed: int) -> IntArray:
    """Rows of each class dealt into blocks, MOST_ROWS of all at most: int64 [N], NO_BLOCK where a row is in none."""
    draws = stream(seed, "signal", "blocks")
    block_N = np.full(len(label_N), NO_BLOCK, np.int64)
    part = min(1.0, MOST_ROWS / len(label_N))
    for label in np.unique(label_N).tolist():
        members = draws.permutation(np.flatnonzero(label_N == label))
        members = members[: max(BLOCKS, round(part * len(members)))]
        block_N[members] = (np.arange(len(members)) + draws.integers(BLOCKS)) % BLOCKS
    return block_N


def ask_block(task: BlockTask, block: int) -> Chance:
    """What the table's own learner, fitted to the blocks before, says of the rows of this one."""
    table, params = task.table, task.params
    learner = make_learner(task.learner.slowed(params.lr_factor), table, task.seed)
    learner.start("signal", block)
    before = np.flatnonzero((task.block_N >= 0) & (task.block_N < block))
    learner.fit(before, params.epochs, total=params.epochs)
    rows = _rows_of(task.block_N, block, task.seed)
    probability_nC, label_n = learner.probabilities(table.inputs[rows]), table.labels[rows]
    right = int((probability_nC.argmax(axis=1) == label_n).sum())
    return against_chance(ranks(probability_nC), label_n)._replace(right=right)


def _rows_of(block_N: IntArray, block: int, seed: int) -> IntArray:
    """A block's rows in random order: an answer's last bits may depend on the place in a batch."""
    return stream(seed, "signal", "order", block).permutation(np.flatnonzero(block_N == block))


def ask_class_means(table: Table, block_N: IntArray, seed: int) -> list[Chance]:
    """What the nearest class mean says of each block but the first: the mean over the blocks before, in deviations."""
    features = int(np.prod(table.inputs.shape[1:]))
    rows_C, sum_CD, squares_D = np.zeros(table.classes), np.zeros((table.classes, features)), np.zeros(features)
    zero_D = table.inputs[0].reshape(-1).astype(np.float64)  # a feature that is constant is exactly 0 from here
    found = []
    for block in range(BLOCKS):
        rows = _rows_of(block_N, block, seed)
        x_nD, label_n = table.inputs[rows].reshape(len(rows), -1) - zero_D, table.labels[rows]
        if block:
            centre_D = sum_CD.sum(axis=0) / rows_C.sum()
            spread_D = np.sqrt(np.maximum(squares_D / rows_C.sum() - centre_D**2, 0.0))
            scale_D = np.where(spread_D > 0, spread_D, np.inf)
            mean_CD = (sum_CD / np.maximum(rows_C, 1)[:, None] - centre_D) / scale_D
            mean_CD[rows_C == 0] = 0.0
            said_nC = (x_nD - centre_D) / scale_D @ mean_CD.T - np.square(mean_CD).sum(axis=1) / 2
            found.append(against_chance(ranks(said_nC), label_n))
        sum_CD += np.eye(table.classes)[label_n].T @ x_nD
        rows_C += np.bincount(label_n, minlength=table.classes)
        squares_D += np.square(x_nD).sum(axis=0)
    return found


def ranks(value_nC: NDArray[Any]) -> NDArray[np.float64]:
    """The place of each value in its column's order, 0..1; of equal ones the mean: float64 [n, C]."""
    found = np.empty(value_nC.shape)
    for column in range(value_nC.shape[1]):
        _, inverse, counts = np.unique(value_nC[:, column], return_inverse=True, return_counts=True)
        found[:, column] = (np.cumsum(counts) - (counts + 1) / 2)[inverse] / max(1, len(value_nC))
    return found


def refuse_without_signal(
    table: Table,
    partition: Partition,
    votes: RowVotes,
    learner: LearnerParams,
    params: VoteParams,
    seed: int,
    *,
    map: OrderedMap,
    origin: str = "",
) -> None:
    """Refuse a table about whose labels nothing can be learnt from its inputs.

    votes    of the partition's voters alone
    map      how learners of blocks are executed, where they are needed; the result does not depend on it
    origin   where the rows come from, for the message
    Raises   NoSignal: neither voters nor learners of blocks are `CLEAR` deviations above chance on unseen rows
    """
    if deviations([against_chance(unseen_shares(partition, votes, table.classes), table.labels)]) >= CLEAR:
        return
    block_N = deal_blocks(table.labels, seed)
    if deviations(ask_class_means(table, block_N, seed)) >= CLEAR:
        return
    said = list(map(ask_block, BlockTask(table, block_N, learner, params, seed), range(1, BLOCKS)))
    if deviations(said) < CLEAR:
        asked_N = block_N > 0
        right = sum(part.right for part in said) / int(asked_N.sum())
        raise NoSignal(compared(right, table.labels[asked_N]), origin)


def compared(right: float, label_n: IntArray) -> str:
    """Both figures in words: the part of the rows whose label was named, and the largest class's."""
    return in_words(right, float(np.bincount(label_n).max()) / len(label_n))


def in_words(right: float, largest: float) -> str:
    """See `compared`."""
    named = f"name the given label of {right:.1%} of them"
    if right <= largest:
        return f"{named}, no better than the largest class, {largest:.1%}"
    return f"{named}, hardly better than chance; the largest class has {largest:.1%}"


class Agreement(NamedTuple):
    """How often voters name the given label of rows that they have not seen.

    right    part of the rows, 0..1
    largest  the largest class's part
    plain    how much `right` is above one class in C: 1 = always right, 0 = as by drawing lots
    skill    the same class by class, above what as many rows of each class are given where they are dealt at random
    spread   deviation of the skill by chance
    """

    right: float
    largest: float
    plain: float
    skill: float
    spread: float


def count_named(named_n: IntArray, label_n: IntArray, classes: int) -> dict[int, Named]:
    """Of every class that is borne or named: see Named. int64 [n], 0..C-1, each."""
    bear_C, named_C = (np.bincount(array_n, minlength=classes) for array_n in (label_n, named_n))
    both_C = np.bincount(label_n[label_n == named_n], minlength=classes)
    present = np.flatnonzero(bear_C + named_C).tolist()
    return {place: (int(bear_C[place]), int(named_C[place]), int(both_C[place])) for place in present}


def agreement(counts: Mapping[Any, Named], classes: int) -> Agreement:
    """How often voters are right, from what `count_named` counted; at least one row.

    Where all rows bear one class, dealing them at random says nothing; then chance is one class in C.
    """
    bear, named, both = (np.array(column, np.float64) for column in zip(*counts.values(), strict=True))
    rows = bear.sum()
    right, lot = float(both.sum() / rows), 1 / classes
    plain = (right - lot) / (1 - lot)
    borne = bear > 0
    if borne.sum() == 1:
        return Agreement(right, 1.0, plain, plain, float(np.sqrt(lot / (1 - lot) / rows)))
    bear, named, both, kinds = bear[borne], named[borne], both[borne], int(borne.sum())
    known = named.sum()  # rows of which a class is named that is borne by any
    scale = kinds - known / rows
    skill = ((both / bear).sum() - known / rows) / scale
    # what `against_chance` adds up for a row, 1 / bear for the class named, summed over rows named alike
    other = -1 / rows - named / (rows * bear) + known / rows**2
    squares = named * (1 / bear + other) ** 2 + (known - named) * other**2 + (rows - known) * (other + 1 / rows) ** 2
    variance = (bear * squares).sum() / (rows - 1)
    # where one class alone is named nothing varies; then as if classes were named as often as they are borne
    least = 1 / ((kinds - 1) * (rows - 1))
    spread = float(np.sqrt(max(variance / scale**2, least)))
    return Agreement(right, float(bear.max() / rows), plain, float(skill), spread)


def refuse_unlike_fitted(
    counts: Mapping[str, Named], classes: int, fitted: float | None, origin: str, inputs: Sequence[str], label: str
) -> None:
    """Refuse rows of which voters that were fitted before name the label no better than chance.

    counts   of the rows that they judged
    fitted   the voters' skill where they were fitted; None = not known
    origin, inputs, label  where the rows come from, and the columns, for the message
    Raises   NoSignal: by lot and class by class, less than half of that skill is left, and, class by class, either
             nothing that chance does not give, of so many rows that half would show; or surely less than a third
    So a file with few rows, of nearly one class, or with many wrong labels is judged.
    """
    if not counts:
        return
    found, known = agreement(counts, classes), UNKNOWN_SKILL if fitted is None else fitted
    nothing = found.skill < CLEAR * found.spread and SURE * found.spread < known / 2
    little = found.skill + SURE * found.spread < known / 3
    if found.plain < known / 2 and (nothing or little):
        raise NoSignal(in_words(found.right, found.largest), origin, inputs, label, voters=True)
