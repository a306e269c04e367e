"""Measures of a filter and of the models trained after it. Arrays -> fractions and counts; NumPy only.

The names are Jin et al.'s: FP = clean rows dropped, FN = poisoned rows kept, TMR = targeted misclassification rate.
"""

# N training rows, M test rows, T triggered test rows, C classes
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sanitize.data.table import BoolArray, IntArray
from sanitize.errors import BadInput, BadParams


@dataclass(frozen=True)
class ClassCounts:
    """What a filter did to the rows of one class, by given label. poisoned, fp and fn are None without truth."""

    label: int
    rows: int
    dropped: int
    poisoned: int | None
    fp: int | None
    fn: int | None


def clean_accuracy(prediction: NDArray[Any], label: NDArray[Any]) -> float | None:
    """Share of rows whose prediction is the label.

    prediction, label  integers [M]
    Returns            0..1, or None for no rows
    Raises             BadInput: unequal lengths
    """
    _same_length(prediction=prediction, label=label)
    return float(np.mean(prediction == label)) if len(label) else None


def tmr(clean: NDArray[Any], triggered: NDArray[Any], label: NDArray[Any], target: NDArray[Any]) -> float | None:
    """Targeted misclassification rate.

    clean      integers [T], predictions for the source class's test rows as they are
    triggered  integers [T], predictions for the same rows with the trigger
    label      integers [T], true labels
    target     integers [T], the labels that the attacker wants
    Returns    0..1: share of rows right when clean and the target when triggered; None for no rows
    Raises     BadInput: unequal lengths
    Paper      Jin et al. 2023, sec. 5: of all source-class test rows, not only of those right when clean
    """
    _same_length(clean=clean, triggered=triggered, label=label, target=target)
    return float(np.mean((clean == label) & (triggered == target))) if len(label) else None


def false_positives(keep: BoolArray, is_poison: BoolArray) -> int:
    """FP: clean rows that were dropped. keep, is_poison: bool [N]. Raises BadInput: unequal lengths."""
    _same_length(keep=keep, is_poison=is_poison)
    return int(np.count_nonzero(~keep & ~is_poison))


def false_negatives(keep: BoolArray, is_poison: BoolArray) -> int:
    """FN: poisoned rows that were kept. keep, is_poison: bool [N]. Raises BadInput: unequal lengths."""
    _same_length(keep=keep, is_poison=is_poison)
    return int(np.count_nonzero(keep & is_poison))


def class_counts(keep: BoolArray, labels: IntArray, classes: int, is_poison: BoolArray | None) -> list[ClassCounts]:
    """A filter's counts for each class, by given label.

    keep       bool [N], True = kept
    labels     int64 [N], given labels, 0..C-1
    classes    C
    is_poison  bool [N], or None where nobody knows
    Returns    C counts, label 0 first
    Raises     BadInput: unequal lengths
    """
    _same_length(keep=keep, labels=labels)
    if is_poison is None:
        return [
            ClassCounts(label, int(np.sum(labels == label)), int(np.sum(~keep[labels == label])), None, None, None)
            for label in range(classes)
        ]
    _same_length(keep=keep, is_poison=is_poison)
    counts = []
    for label in range(classes):
        kept, poison = keep[labels == label], is_poison[labels == label]
        fp, fn = false_positives(kept, poison), false_negatives(kept, poison)
        counts.append(ClassCounts(label, len(kept), int(np.sum(~kept)), int(np.sum(poison)), fp, fn))
    return counts


def suspicion_auc(suspicion: NDArray[np.float64], is_poison: BoolArray) -> float | None:
    """Area under the ROC curve of suspicion as a score for poison.

    suspicion  float64 [N], higher = worse, no NaN
    is_poison  bool [N]
    Returns    0..1: chance that a poisoned row is more suspicious than a clean one, ties counting half (Mann-Whitney);
               None where either kind has no rows
    Raises     BadInput: unequal lengths, NaN
    """
    _check_suspicion(suspicion, is_poison)
    poisoned = int(np.sum(is_poison))
    clean = len(is_poison) - poisoned
    if not poisoned or not clean:
        return None
    _, group, size = np.unique(suspicion, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(size) - (size - 1) / 2  # ranks from 1; rows of equal suspicion share their mean
    rank_sum = float(np.sum(mean_rank[group][is_poison]))
    return (rank_sum - poisoned * (poisoned + 1) / 2) / (poisoned * clean)


def recall_at_dropped(
    suspicion: NDArray[np.float64], is_poison: BoolArray, shares: Sequence[float]
) -> list[float | None]:
    """Share of the poisoned rows found if the most suspicious rows alone were dropped.

    suspicion  float64 [N], higher = worse, no NaN
    is_poison  bool [N]
    shares     parts of all rows to drop, 0..1; rounded to whole rows, half upwards
    Returns    one recall 0..1 for each share; None where no row is poisoned. Of rows equally suspicious the one with
               the smaller position goes first, so that the figure is the same everywhere
    Raises     BadInput: unequal lengths, NaN. BadParams: a share outside 0..1
    """
    _check_suspicion(suspicion, is_poison)
    for share in shares:
        if not 0 <= share <= 1:
            raise BadParams(f"share to drop is {share:g}; must be in [0, 1]")
    poisoned = int(np.sum(is_poison))
    if not poisoned:
        return [None] * len(shares)
    order = np.argsort(-suspicion, kind="stable")
    found = np.concatenate([[0], np.cumsum(is_poison[order])])
    return [float(found[math.floor(share * len(suspicion) + 0.5)]) / poisoned for share in shares]


def _same_length(**arrays: NDArray[Any]) -> None:
    if len({len(values) for values in arrays.values()}) > 1:
        lengths = ", ".join(f"{name} {len(values)}" for name, values in arrays.items())
        raise BadInput(f"measures compare row by row; got lengths {lengths}; must be equal")


def _check_suspicion(suspicion: NDArray[np.float64], is_poison: BoolArray) -> None:
    _same_length(suspicion=suspicion, is_poison=is_poison)
    if np.isnan(suspicion).any():
        row = int(np.flatnonzero(np.isnan(suspicion))[0])
        raise BadInput(f"row {row} has suspicion NaN; must be a number (infinities are allowed)")
