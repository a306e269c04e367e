"""Algorithm 1 the slow way: one row at a time, and a classifier with a closed form to drive it."""

# D features, C classes, c classes seen when fitting
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sanitize.data.seeds import stream
from sanitize.data.table import Table
from sanitize.params import IsplParams

LEFT_OVER = -1


class NearestMean:
    """Class probabilities fall with the squared distance from the class's mean: softmax of minus the distances.

    A scikit-learn classifier, so that `learner.model: tests.reference.ispl:NearestMean` drives the real code with it.
    """

    def fit(self, inputs_nD: NDArray[Any], label_n: NDArray[Any]) -> NearestMean:
        self.classes_ = np.unique(label_n)
        self.means_cD = np.stack([inputs_nD[label_n == label].mean(axis=0) for label in self.classes_])
        return self

    def predict_proba(self, inputs_nD: NDArray[Any]) -> NDArray[np.float64]:
        distance_nc = ((inputs_nD[:, None, :].astype(np.float64) - self.means_cD) ** 2).sum(axis=2)
        odds_nc = np.exp(distance_nc.min(axis=1, keepdims=True) - distance_nc)
        probability_nc: NDArray[np.float64] = odds_nc / odds_nc.sum(axis=1, keepdims=True)
        return probability_nc


def blobs(rows: int, classes: int, features: int = 2, noise: float = 0.6, seed: int = 0) -> Table:
    """`rows` rows, dealt to the classes in turn, around one random centre per class."""
    draws = stream(seed, "blobs")
    label_N = np.arange(rows, dtype=np.int64) % classes
    centre_CD = draws.normal(size=(classes, features)) * 2
    inputs_ND = (centre_CD[label_N] + draws.normal(size=(rows, features)) * noise).astype(np.float32)
    return Table(np.arange(rows), inputs_ND, label_N, tuple("abcdefgh"[:classes]), "vector")


def rounded_up(share: float, rows: int) -> int:
    """ceil(share x rows), where a product that should be whole is not pushed up by its last binary digit."""
    product = share * rows
    return round(product) if math.isclose(product, round(product), abs_tol=1e-9) else math.ceil(product)


def lowest(losses: Sequence[float], labels: Sequence[int], share: float, floor: float) -> set[int]:
    """Positions that Trim keeps: the lowest share of all rows (none where it is 0), and the lowest floor per class."""
    order = sorted(range(len(losses)), key=lambda row: (losses[row], row))
    kept = set(order[: rounded_up(share, len(order))])
    for label in set(labels):
        of_class = [row for row in order if labels[row] == label]
        kept |= set(of_class[: rounded_up(floor, len(of_class))])
    return kept


def one_run(table: Table, params: IsplParams, seed: int, run: int, least: float) -> tuple[list[int], list[float]]:
    """One run of ISPL with NearestMean, row by row.

    least    probability that a label has at the least (bounds the loss)
    Returns  the component of every row, and its smoothed loss when last seen
    """
    labels = [int(label) for label in table.labels]
    components = [LEFT_OVER] * len(labels)
    last_seen = [0.0] * len(labels)
    remaining = list(range(len(labels)))
    for component in range(params.components):
        share = min(1.0, params.coverage * len(labels) / params.components / len(remaining))
        draws = stream(seed, "ispl", run, component, "sample")
        kept, smoothed = list(remaining), dict.fromkeys(remaining, np.float32(0))
        for iteration in range(2 + int(min(params.extra_iterations, 1 / share))):
            picked: list[int] = []
            for label in sorted({labels[row] for row in kept}):
                of_class = [row for row in kept if labels[row] == label]
                shuffled = [of_class[place] for place in draws.permutation(len(of_class))]
                picked += shuffled[: max(1, round(params.expansion * len(of_class)))]
            picked.sort()
            model = NearestMean().fit(table.inputs[picked], table.labels[picked])
            for row in remaining:
                chances = dict(zip(model.classes_.tolist(), model.predict_proba(table.inputs[[row]])[0], strict=True))
                loss = np.float32(-math.log(max(chances.get(labels[row], 0.0), least)))
                eta, rest = np.float32(params.momentum), np.float32(1 - params.momentum)
                smoothed[row] = eta * smoothed[row] + rest * loss
            multiple = 1 + (params.beta_start - 1) * max(0.0, 1 - iteration / params.anneal) if params.anneal else 1.0
            beta = min(1.0, share * multiple)
            of_all, of_class = (0.0, beta) if params.trim == "class" else (beta, params.class_floor * share)
            losses = [float(smoothed[row]) for row in remaining]
            trimmed = lowest(losses, [labels[row] for row in remaining], of_all, of_class)
            kept = [row for place, row in enumerate(remaining) if place in trimmed]
        for row in remaining:
            last_seen[row] = float(smoothed[row])
        for row in kept:
            components[row] = component
        remaining = [row for row in remaining if components[row] == LEFT_OVER]
        if len(remaining) < 2:
            break
    return components, last_seen
