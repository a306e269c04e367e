"""Joint certificates of rNN over groups of tests. Votes, labels -> certified accuracy, Jia et al. 2020, theorems 3, 4.

A removed training row carries one label, and takes a vote only from tests that are predicted so. Of tests with
different predicted labels each therefore needs removals of its own: test i falls only if the attacker spends

    n_i = max(g_i - e, 0)      (e additions have closed the gap g_i as far as they can)

removals on its label, and those of a group add up. Sorted by need, at most the first w fall, w the largest number
with n_(1) + ... + n_(w) <= e.

Deviation: the paper's proof sorts a group by (s_a - s_b) I(a = y), but spends n_i, which also counts I(a > b); tests
of equal key can then stand in an order that certifies more than is true (votes (3,0,0,0), (0,3,0,0), (0,0,0,3), e = 2:
needs 1, 1, 2). Here the needs themselves are sorted, and only right tests stand in groups.

This is for rNN: in kNN a removal lets another row in, of any label.
"""

# M queries, C classes, B poisoning sizes, G groups
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sanitize.certify.margins import NO_GAP, check_sizes, right_margins
from sanitize.certify.neighbors import Votes
from sanitize.data.seeds import stream
from sanitize.data.table import IntArray


def random_groups(votes: Votes, labels: IntArray, poisoning_sizes: Sequence[int], seed: int) -> NDArray[np.float64]:
    """CA(e) with random groups (the paper's RD): the same groups for every e.

    votes            int32 [M, C] of rNN, C at least 2, M at least 1
    labels           int64 [M], true labels 0..C-1
    poisoning_sizes  B budgets e, each at least 0: max(rows removed, rows added)
    seed             of the stream ("certify", "groups"). Right tests of each predicted label are shuffled; group j
                     holds the j-th of every label
    Returns          float64 [B], 0..1: at least the individual certificate's, since a need over e never fits
    Raises           BadInput: see right_margins. BadParams: a negative poisoning size
    """
    sizes, margins = check_sizes(poisoning_sizes), right_margins(votes, labels)
    draws, nearest = stream(seed, "certify", "groups"), margins.nearest_n
    columns = [draws.permutation(nearest[margins.label_n == label]) for label in range(votes.shape[1])]
    groups = _groups(columns)
    return margins.share(np.array([len(nearest) - fallen(groups, size) for size in sizes], np.int64))


def island(votes: Votes, labels: IntArray, poisoning_sizes: Sequence[int]) -> NDArray[np.float64]:
    """CA(e) with the paper's ISLAND: groups made for each e, of tests that need alike.

    Tests that need nothing fall and tests that need more than e stand: both are set apart. Of the others group j holds
    the one with the j-th largest need of every predicted label.

    votes            int32 [M, C] of rNN, C at least 2, M at least 1
    labels           int64 [M], true labels 0..C-1
    poisoning_sizes  B budgets e, each at least 0: max(rows removed, rows added)
    Returns          float64 [B], 0..1: at least the individual certificate's
    Raises           BadInput: see right_margins. BadParams: a negative poisoning size
    """
    sizes, margins = check_sizes(poisoning_sizes), right_margins(votes, labels)
    ascending = [np.sort(margins.nearest_n[margins.label_n == label]) for label in range(votes.shape[1])]
    certified = []
    for size in sizes:
        bounds = [np.searchsorted(column, [size, 2 * size], side="right") for column in ascending]
        contested = [column[first:last][::-1] for column, (first, last) in zip(ascending, bounds, strict=True)]
        lost = sum(int(first) for first, _ in bounds)
        certified.append(len(margins.label_n) - lost - fallen(_groups(contested), size))
    return margins.share(np.array(certified, np.int64))


def fallen(groups: IntArray, size: int) -> int:
    """The most tests that a budget can topple when each group is attacked with all of it.

    groups   int64 [G, C], the tests' least gaps ascending in each group, at most one test of a label; NO_GAP = none
    size     e, at least 0
    Returns  int: in each group the largest w whose w least needs sum to at most e, over all groups
    Paper    theorem 4 with the needs in order; the sum over groups is its equation for a union of groups
    """
    return int(np.count_nonzero(np.cumsum(np.maximum(groups - size, 0), axis=1) <= size))


def _groups(columns: Sequence[IntArray]) -> IntArray:
    """Group j holds the j-th gap of every column, ascending; int64 [G, C], NO_GAP where a column has ended."""
    table = np.full((max(map(len, columns)), len(columns)), NO_GAP, np.int64)
    for number, column in enumerate(columns):
        table[: len(column), number] = column
    table.sort(axis=1)
    return table
