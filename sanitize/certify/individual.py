"""Individual certificates of kNN and rNN. Votes -> how many poisoned rows each prediction withstands.

Jia et al. 2020, theorems 1 and 2. The poisoning size counts max(rows removed, rows added): a budget of e buys e
removals and e additions, and a changed row is one of each (their eq. 1).
"""

# M queries, C classes, B poisoning sizes
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sanitize.certify.neighbors import Votes, predict
from sanitize.data.table import IntArray
from sanitize.errors import BadInput, BadParams

UNIT = "max(rows removed, rows added), eq. 1 of Jia et al. 2020: a changed row is one of each and counts 1"


def runner_up(votes: Votes) -> IntArray:
    """The label that overtakes the predicted one soonest: most votes of the others, ties to the larger label.

    votes    int32 [M, C], C at least 2
    Returns  int64 [M]
    Raises   BadInput: fewer than two labels, negative votes
    """
    _check(votes)
    others = votes.astype(np.int64)
    others[np.arange(len(votes)), predict(votes)] = -1
    return np.asarray(votes.shape[1] - 1 - np.argmax(others[:, ::-1], axis=1), np.int64)


def gaps(votes: Votes) -> IntArray:
    """g_i: the least over labels t other than the predicted a of s_a - s_t + I(a > t).

    votes    int32 [M, C], C at least 2
    Returns  int64 [M], at least 1: a prediction with equal votes wins by its larger label
    Raises   BadInput: fewer than two labels, negative votes
    Paper    theorem 1; of tied runners-up the larger label is nearer, because it wins ties sooner
    """
    second = runner_up(votes)
    rows, first = np.arange(len(votes)), predict(votes)
    wide = votes.astype(np.int64)
    return np.asarray(wide[rows, first] - wide[rows, second] + (first > second), np.int64)


def certified_sizes(votes: Votes) -> IntArray:
    """e*_i: the largest poisoning size that cannot change a query's prediction, right or wrong.

    Each unit of the budget takes at most one vote from the predicted label and gives at most one to another.

    votes    int32 [M, C], C at least 2
    Returns  int64 [M], at least 0: ceil(g_i / 2) - 1
    Raises   BadInput: fewer than two labels, negative votes
    Paper    theorems 1 (kNN) and 2 (rNN)
    """
    return np.asarray((gaps(votes) + 1) // 2 - 1, np.int64)


def certified_accuracy(
    prediction: IntArray, label: IntArray, certified: IntArray, poisoning_sizes: Sequence[int]
) -> NDArray[np.float64]:
    """CA(e): the least share of queries that stay right, whatever e poisoned rows do.

    prediction       int64 [M]
    label            int64 [M], true labels
    certified        int64 [M], e* of each prediction
    poisoning_sizes  B budgets e, each at least 0
    Returns          float64 [B], 0..1: mean of I(prediction = label) I(e <= e*); does not grow with e
    Raises           BadInput: no queries, unequal lengths. BadParams: a negative poisoning size
    """
    if not len(label) == len(prediction) == len(certified) > 0:
        raise BadInput(
            f"certified accuracy needs a prediction, a label and a size for each test row; got {len(prediction)}, "
            f"{len(label)} and {len(certified)}; must be equal and at least 1"
        )
    for size in poisoning_sizes:
        if size < 0:
            raise BadParams(f"certify.poisoning_sizes has {size}; must be at least 0")
    right = prediction == label
    return np.array([np.mean(right & (size <= certified)) for size in poisoning_sizes], np.float64)


def _check(votes: Votes) -> None:
    if votes.ndim != 2 or votes.shape[1] < 2:
        raise BadInput(f"votes have shape {list(votes.shape)}; must be [queries, labels] with at least two labels")
    if len(votes) and votes.min() < 0:
        raise BadInput(f"the least number of votes is {votes.min()}; must be at least 0")
