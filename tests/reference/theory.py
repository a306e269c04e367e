"""Slow, obviously right: self-expansion errors by enumeration, learners with closed forms, Algorithm 2 in loops.

A learner is here a function: a tuple of training positions -> a prediction for every row of the set.
"""

# N rows, K components, D features, G cells, C classes
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC

from sanitize.data.seeds import stream
from sanitize.learners.base import Scores

Rows = tuple[int, ...]
Learn = Callable[[Rows], NDArray[np.int64]]


def nonempty_subsets(items: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """All 2**n - 1 of them, small ones first."""
    return chain.from_iterable(combinations(items, size) for size in range(1, len(items) + 1))


def share(rows: Rows, alpha: Fraction) -> int:
    """An alpha share of the rows, in whole rows, at least one; halves to the even number, as Python rounds."""
    return max(1, round(alpha * len(rows)))


def wrong(learn: Learn, labels: Sequence[int], sample: Rows, scored: Rows) -> int:
    """How many of the scored rows are misclassified after training on the sample."""
    prediction = learn(tuple(sorted(sample)))
    return sum(int(prediction[row]) != labels[row] for row in scored)


def expansion_error(learn: Learn, labels: Sequence[int], rows: Rows, alpha: Fraction, given: Rows = ()) -> Fraction:
    """eps(S|T), exactly: the mean over every alpha share of S and T together. eps(S) without T."""
    union = rows + given
    samples = list(combinations(union, share(union, alpha)))
    return Fraction(sum(wrong(learn, labels, sample, rows) for sample in samples), len(samples) * len(rows))


def expansion_error_apart(
    learn: Learn, labels: Sequence[int], scored: Rows, parts: Sequence[Rows], alpha: Fraction
) -> Fraction:
    """The error on `scored`, exactly, when an alpha share of each part is drawn and their union is learned."""
    samples: list[Rows] = [()]
    for part in parts:
        samples = [taken + more for taken in samples for more in combinations(part, share(part, alpha))]
    return Fraction(sum(wrong(learn, labels, sample, scored) for sample in samples), len(samples) * len(scored))


def arbitrary(seed: int, rows: int, classes: int) -> Learn:
    """A learner without any sense: its prediction is a random function of the training set."""

    def learn(sample: Rows) -> NDArray[np.int64]:
        return stream(seed, "arbitrary", *sample).integers(classes, size=rows)

    return learn


def cell_majority(cells: Sequence[int], labels: Sequence[int], default: int) -> Learn:
    """Each row is in a cell; the prediction is the cell's most frequent label in training, ties to the smaller one."""

    def learn(sample: Rows) -> NDArray[np.int64]:
        known = {
            cell: np.bincount([labels[row] for row in sample if cells[row] == cell]).argmax()
            for cell in {cells[row] for row in sample}
        }
        return np.array([known.get(cell, default) for cell in cells], dtype=np.int64)

    return learn


def maximum_margin(inputs_ND: NDArray[np.float64], labels: Sequence[int]) -> Learn:
    """The hard-margin linear classifier (C = 1e4: no slack); one class alone is always predicted."""
    known: dict[Rows, NDArray[np.int64]] = {}

    def learn(sample: Rows) -> NDArray[np.int64]:
        if sample not in known:
            seen = [labels[row] for row in sample]
            if len(set(seen)) == 1:
                known[sample] = np.full(len(inputs_ND), seen[0], dtype=np.int64)
            else:
                model = SVC(kernel="linear", C=1e4, tol=1e-6).fit(inputs_ND[list(sample)], seen)
                known[sample] = model.predict(inputs_ND).astype(np.int64)
        return known[sample]

    return learn


class Told:
    """A function above as a sanitize.learners.base.Learner."""

    def __init__(self, learn: Learn, labels: Sequence[int]) -> None:
        self.learn, self.label_N = learn, np.array(labels)

    def start(self, *names: str | int) -> None:
        self.prediction_N: NDArray[np.int64] | None = None

    def fit(self, rows: NDArray[np.int64], epochs: int, *, done: int = 0, total: int | None = None) -> None:
        self.prediction_N = self.learn(tuple(sorted(int(row) for row in rows)))

    def score(self, rows: NDArray[np.int64]) -> Scores:
        assert self.prediction_N is not None
        prediction = self.prediction_N[rows]
        return Scores((prediction != self.label_N[rows]).astype(np.float32), prediction)

    def probabilities(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        raise NotImplementedError("only rows of the set are known")

    def state(self) -> dict[str, NDArray[Any]] | None:
        return None

    def load(self, state: dict[str, NDArray[Any]]) -> None:
        raise NotImplementedError("nothing is ever stored")


class Traced(Told):
    """A learner that minimises the sum of its loss over the rows exactly, and notes the objective of ISPL as it goes.

    objectives  F after every half-step: after a fit on S_t, F(theta_t+1, S_t); and, when the next fit shows which rows
                were chosen, F(theta_t+1, S_t+1). float64
    """

    def __init__(self) -> None:
        self.objectives: list[float] = []
        self.sizes: list[int] = []

    def start(self, *names: str | int) -> None:
        self.fitted = False

    def fit(self, rows: NDArray[np.int64], epochs: int, *, done: int = 0, total: int | None = None) -> None:
        if self.fitted:
            self.objectives.append(float(self.losses()[rows].sum()))
        self.minimise(rows)
        self.fitted = True
        self.objectives.append(float(self.losses()[rows].sum()))
        self.sizes.append(len(rows))

    def score(self, rows: NDArray[np.int64]) -> Scores:
        return Scores(self.losses()[rows].astype(np.float32), np.zeros(len(rows), dtype=np.int64))

    def minimise(self, rows: NDArray[np.int64]) -> None:
        raise NotImplementedError

    def losses(self) -> NDArray[np.float64]:
        raise NotImplementedError


class Mean(Traced):
    """Loss of a row: its squared distance from theta. The minimiser is the mean."""

    def __init__(self, inputs_ND: NDArray[np.float64]) -> None:
        super().__init__()
        self.inputs_ND = inputs_ND

    def minimise(self, rows: NDArray[np.int64]) -> None:
        self.theta_D = self.inputs_ND[rows].mean(axis=0)

    def losses(self) -> NDArray[np.float64]:
        distance: NDArray[np.float64] = ((self.inputs_ND - self.theta_D) ** 2).sum(axis=1)
        return distance


class CellFrequencies(Traced):
    """Loss of a row: cross-entropy, the prediction depending on the row's cell alone, each class at least at `least`.

    The minimiser gives every class its frequency in the cell. Frequencies below `least` are lifted to it in the loss:
    rows of the set fitted have frequencies of at least 1 / N, so that the minimum is not touched.
    """

    def __init__(self, cells: NDArray[np.int64], labels: NDArray[np.int64], classes: int, least: float = 1e-7) -> None:
        super().__init__()
        self.cell_N, self.label_N, self.classes, self.least = cells, labels, classes, least

    def minimise(self, rows: NDArray[np.int64]) -> None:
        counts_GC = np.zeros((int(self.cell_N.max()) + 1, self.classes))
        np.add.at(counts_GC, (self.cell_N[rows], self.label_N[rows]), 1)
        counts_GC[counts_GC.sum(axis=1) == 0] = 1  # any parameters minimise the loss of a cell without rows
        self.theta_GC = counts_GC / counts_GC.sum(axis=1, keepdims=True)

    def losses(self) -> NDArray[np.float64]:
        loss: NDArray[np.float64] = -np.log(np.maximum(self.theta_GC[self.cell_N, self.label_N], self.least))
        return loss


def clean_components(error_KK: Sequence[Sequence[float]], weights: Sequence[int]) -> list[bool]:
    """Algorithm 2 as written: voter i, of weight |S_i|, votes for k when its 0-1 loss on k is under a half."""
    verdicts = []
    for k in range(len(weights)):
        votes = 0
        for i in range(len(weights)):
            if error_KK[i][k] < 0.5:
                votes += weights[i]
        verdicts.append(votes > sum(weights) / 2)
    return verdicts
