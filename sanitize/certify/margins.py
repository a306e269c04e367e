"""What an attacker must overcome. Votes, true labels -> gap to every other label, for the tests that are right.

The joint, knapsack and budget certificates all start here. They count right tests only: a wrong one adds nothing to
certified accuracy, whatever happens to it. Jia et al. 2020, sec. 3.
"""

# M queries, C classes, B poisoning sizes, n right queries
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sanitize.certify.individual import gaps
from sanitize.certify.neighbors import Votes, predict
from sanitize.data.table import IntArray
from sanitize.errors import BadInput, BadParams

NO_GAP = 2**40  # of the predicted label to itself: more than any budget


class Margins(NamedTuple):
    """The right tests among M.

    tests      M, all tests, right or wrong
    label_n    int64 [n], their label, which is the predicted one
    gap_nC     int64 [n, C], g_it = s_a - s_t + I(a > t), at least 1; NO_GAP at the label itself
    """

    tests: int
    label_n: IntArray
    gap_nC: IntArray

    @property
    def nearest_n(self) -> IntArray:
        """g_i, int64 [n]: the least gap of each right test."""
        return np.asarray(self.gap_nC.min(axis=1, initial=NO_GAP), np.int64)

    def share(self, certified: NDArray[np.int64]) -> NDArray[np.float64]:
        """Numbers of certified tests as parts of all tests, float64, 0..1."""
        return np.asarray(certified / self.tests, np.float64)


def right_margins(votes: Votes, labels: IntArray) -> Margins:
    """The gaps of the tests that are predicted right.

    votes    int32 [M, C], C at least 2, M at least 1
    labels   int64 [M], true labels 0..C-1
    Returns  Margins
    Raises   BadInput: no tests, fewer than two labels, negative votes, unequal lengths, labels outside 0..C-1
    """
    gaps(votes)  # refuses what cannot be votes
    if not len(labels) == len(votes) > 0:
        raise BadInput(
            f"certified accuracy needs votes and a label for each test row; got {len(votes)} rows of votes and "
            f"{len(labels)} labels; must be equal and at least 1"
        )
    classes = votes.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        row = int(np.flatnonzero((labels < 0) | (labels >= classes))[0])
        raise BadInput(f"test row {row} has label {labels[row]}; must be 0..{classes - 1}, the labels that have votes")
    right = np.flatnonzero(predict(votes) == labels)
    label_n, wide_nC = labels[right].astype(np.int64), votes[right].astype(np.int64)
    rows_n = np.arange(len(right))
    gap_nC = wide_nC[rows_n, label_n][:, None] - wide_nC + (label_n[:, None] > np.arange(classes))
    gap_nC[rows_n, label_n] = NO_GAP
    return Margins(len(votes), label_n, gap_nC)


def check_sizes(poisoning_sizes: Sequence[int]) -> list[int]:
    """The poisoning sizes as integers.

    Raises   BadParams: a negative one
    """
    for size in poisoning_sizes:
        if size < 0:
            raise BadParams(f"certify.poisoning_sizes has {size}; must be at least 0")
    return [int(size) for size in poisoning_sizes]
