"""GLOBAL: a joint certificate of rNN without groups. Votes, labels -> certified accuracy.

Beyond Jia et al. 2020. A removed training row of label l takes votes only from tests predicted l. So let R_l be the
removals spent on label l, with sum R_l <= e: whatever rows they are, no more of the right tests predicted l fall than
those whose need n_i = max(g_i - e, 0) is at most R_l. The attacker's best total is a multiple-choice knapsack over the
labels,

    max  sum over l of F_l(R_l)    with sum R_l <= e,    F_l(R) = number of right tests predicted l with n_i <= R,

and every test beyond it is certified. It never certifies less than any grouping: with R fixed, a group has at most one
test of each label, so those of it that fall have needs that sum to at most e, and the group's own bound counts as many.

How it is solved, exactly: the concave hulls of the F_l give the linear relaxation, whose integer part bounds the total
from above; going down the hulls gives a total that is reached. Where the two differ, a dynamic program over the labels
settles it, on those steps of each F_l alone whose reduced cost lets a better total be.
"""

# M queries, C classes, B poisoning sizes, e budget
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sanitize.certify.margins import check_sizes, right_margins
from sanitize.certify.neighbors import Votes
from sanitize.data.table import IntArray
from sanitize.jit import compiled


def group_free(votes: Votes, labels: IntArray, poisoning_sizes: Sequence[int]) -> NDArray[np.float64]:
    """CA(e) of rNN without groups.

    votes            int32 [M, C] of rNN, C at least 2, M at least 1
    labels           int64 [M], true labels 0..C-1
    poisoning_sizes  B budgets e, each at least 0: max(rows removed, rows added)
    Returns          float64 [B], 0..1: at least the individual, random_groups' and island's
    Raises           BadInput: see right_margins. BadParams: a negative poisoning size
    """
    sizes, margins = check_sizes(poisoning_sizes), right_margins(votes, labels)
    nearest = margins.nearest_n
    widest = int(nearest.max(initial=0))
    count = np.zeros((votes.shape[1], 2 * widest + 1), np.int64)
    np.add.at(count, (margins.label_n, nearest), 1)
    up_to = np.cumsum(count, axis=1)  # [C, …]: right tests of each label with a gap of at most so much
    certified = []
    for size in sizes:  # a budget as wide as the widest gap topples everything
        reached = len(nearest) if size >= widest else best_total(up_to[:, size : 2 * size + 1], size, True)[0]
        certified.append(len(nearest) - reached)
    return margins.share(np.array(certified, np.int64))


def best_total(levels: IntArray, budget: int, exact: bool) -> tuple[int, int, IntArray]:
    """The multiple-choice knapsack over labels.

    levels   int64 [C, budget + 1], levels[l, R]: what R spent on label l buys; does not fall with R, at least 0
    budget   at least 0
    exact    whether to settle the total where the relaxation leaves it open
    Returns  (a total that is reached, an upper bound of all totals, int64 [C] the spending of the hulls' solution).
             exact: both numbers are the best total
    """
    reached, bound, spent = _best_total(np.ascontiguousarray(levels), budget, exact)
    return int(reached), int(bound), spent


@compiled
def _best_total(levels: IntArray, budget: int, exact: bool) -> tuple[int, int, IntArray]:
    classes = levels.shape[0]
    hull = np.zeros((classes, budget + 1), np.int64)  # corners of each label's concave hull
    corners = np.ones(classes, np.int64)
    for label in range(classes):
        for x in range(1, budget + 1):
            if levels[label, x] == levels[label, x - 1]:
                continue
            n = corners[label]
            while n > 1:
                a, b = hull[label, n - 2], hull[label, n - 1]
                if (levels[label, b] - levels[label, a]) * (x - b) > (levels[label, x] - levels[label, b]) * (b - a):
                    break
                n -= 1
            hull[label, n] = x
            corners[label] = n + 1
    at = np.zeros(classes, np.int64)  # corner that each label stands on
    spent = np.zeros(classes, np.int64)
    reached, left = 0, budget
    for label in range(classes):
        reached += levels[label, 0]
    rise, run, part = 0, 1, 0  # slope of the step that the budget cuts, and what it still buys of it
    while True:
        best, best_rise, best_run = -1, 0, 1
        for label in range(classes):
            if at[label] + 1 < corners[label]:
                a, b = hull[label, at[label]], hull[label, at[label] + 1]
                if (levels[label, b] - levels[label, a]) * best_run > best_rise * (b - a):
                    best, best_rise, best_run = label, levels[label, b] - levels[label, a], b - a
        if best < 0:
            break
        if best_run > left:
            rise, run, part = best_rise, best_run, left * best_rise // best_run
            break
        left -= best_run
        reached += best_rise
        at[best] += 1
        spent[best] = hull[best, at[best]]
    bound = reached + part
    while left > 0:  # what is left buys no whole step of a hull, but perhaps a single test
        best, gain = -1, 0
        for label in range(classes):
            more = levels[label, min(budget, spent[label] + left)] - levels[label, spent[label]]
            if more > gain:
                best, gain = label, more
        if best < 0:
            break
        goal = levels[best, spent[best]] + gain
        while levels[best, spent[best]] < goal:
            spent[best] += 1
            left -= 1
        reached += gain
    if not exact or reached == bound:
        return reached, bound, spent

    # A total over `reached` can lose at most `slack` (in units of 1 / run) against the relaxation, so that steps which
    # lose more by themselves are left out.
    slack = rise * budget - run * (reached + 1)
    top = np.zeros(classes, np.int64)
    for label in range(classes):
        for n in range(corners[label]):
            top[label] = max(top[label], run * levels[label, hull[label, n]] - rise * hull[label, n])
        slack += top[label]
    total = np.full(budget + 1, -1, np.int64)  # best with exactly so much spent; -1 = cannot be
    total[0] = 0
    for label in range(classes):
        grown = np.full(budget + 1, -1, np.int64)
        for x in range(budget + 1):
            if x > 0 and levels[label, x] == levels[label, x - 1]:
                continue
            if top[label] - (run * levels[label, x] - rise * x) > slack:
                continue
            for y in range(budget + 1 - x):
                if total[y] >= 0 and total[y] + levels[label, x] > grown[x + y]:
                    grown[x + y] = total[y] + levels[label, x]
        total = grown
    for x in range(budget + 1):
        reached = max(reached, total[x])
    return reached, reached, spent
