"""Label budgets: joint certificates of rNN and kNN that also count what each added row can do. Votes -> accuracy.

Beyond Jia et al. 2020. A row carries one label, whether it is removed or added. With R_l removals of label l and A_l
additions, sum R_l <= e and sum A_l <= e, a right test predicted a can turn to t

    in rNN only if  R_a + A_t >= g_it,
        because a removal takes a vote from a only if it is of label a, and an addition gives t one only if it is of t;
    in kNN only if  max(e + A_t, e + R_a) >= g_it.
        Rows that are pushed out of a neighbourhood and rows that move up into it cannot both be: if x added rows enter
        and r leave by removal, then either x >= r, no clean row moves up, and g_it falls by at most x + A_t (a loses
        no more than the x - r pushed out and the r removed), or x < r, none is pushed out, and g_it falls by at most
        r + R_a. It holds with fewer than k rows too: a neighbourhood that takes all rows in pushes none out.

So at most max over (R, A) of the number of right tests with such a t fall. For one A the best R is a knapsack over
labels (see knapsack.py), and a larger A topples no less. Hence for a box of A the knapsack at the largest A_t that the
box and the sum allow bounds all of it, and a best-first branch and bound closes in on the maximum. Every bound of the
attacker is a sound certificate: stopped early, the search gives what it has proven by then.
"""

# M queries, C classes, B poisoning sizes, n contested queries
from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sanitize.certify.knapsack import best_total
from sanitize.certify.margins import Margins, check_sizes, right_margins
from sanitize.certify.neighbors import Votes
from sanitize.data.table import BoolArray, IntArray
from sanitize.errors import BadParams
from sanitize.jit import compiled

Method = Literal["rnn", "knn"]
MOST_NODES = 5000
_DEEP = 6  # turns of the search for a good attack from one label's additions
_TRY_EVERY = 8  # nodes between two attempts at a better attack


class BudgetCurve(NamedTuple):
    """The certificates, and how far they may be from the best that this argument can give.

    accuracy  float64 [B], 0..1, certified
    ceiling   float64 [B], 0..1, what the best budgets found leave: no search could certify more by this argument
    proven    bool [B], accuracy = ceiling
    nodes     int64 [B], boxes that were bounded
    """

    accuracy: NDArray[np.float64]
    ceiling: NDArray[np.float64]
    proven: BoolArray
    nodes: IntArray


def label_budgets(
    votes: Votes,
    labels: IntArray,
    poisoning_sizes: Sequence[int],
    *,
    method: Method,
    most_nodes: int = MOST_NODES,
    seconds: float | None = None,
) -> BudgetCurve:
    """CA(e) by label budgets.

    votes            int32 [M, C], C at least 2, M at least 1
    labels           int64 [M], true labels 0..C-1
    poisoning_sizes  B budgets e, each at least 0: max(rows removed, rows added)
    method           whose votes: "rnn" or "knn"
    most_nodes       boxes to bound for one poisoning size, at least 0; a limit that is the same on every machine
    seconds          another limit for one poisoning size; with it the result depends on the machine. None = none
    Returns          BudgetCurve; accuracy is at least group_free's (rnn) and the individual certificate's (both), and
                     does not grow with e: what withstands a larger size withstands a smaller one
    Raises           BadInput: see right_margins. BadParams: a negative poisoning size or limit, another method
    """
    if method not in ("rnn", "knn"):
        raise BadParams(f"method is {method!r}; must be 'rnn' or 'knn'")
    if most_nodes < 0:
        raise BadParams(f"most_nodes is {most_nodes}; must be at least 0")
    if seconds is not None and not seconds >= 0:
        raise BadParams(f"seconds is {seconds}; must be at least 0, or null for no limit")
    sizes, margins = check_sizes(poisoning_sizes), right_margins(votes, labels)
    everything = votes.shape[1] * int(margins.nearest_n.max(initial=0))  # buys the widest gap at every label
    searches = [_Search(margins, min(e, everything), method == "knn").run(most_nodes, seconds) for e in sizes]
    bound, reached, nodes = np.array(searches, np.int64).reshape(len(sizes), 3).T
    order = np.argsort(sizes, kind="stable")
    bound[order] = np.minimum.accumulate(bound[order][::-1])[::-1]
    right = len(margins.label_n)
    return BudgetCurve(margins.share(right - bound), margins.share(right - reached), bound == reached, nodes)


class _Search:
    """The branch and bound for one poisoning size."""

    def __init__(self, margins: Margins, size: int, knn: bool) -> None:
        contested = margins.nearest_n <= 2 * size  # nothing else falls, whatever the budgets
        self.gap_nC = np.ascontiguousarray(margins.gap_nC[contested])
        self.label_n = margins.label_n[contested]
        self.size, self.knn = size, knn
        self.labels = margins.gap_nC.shape[1]
        self.reached = 0  # the most tests that budgets found so far topple

    def run(self, most_nodes: int, seconds: float | None) -> tuple[int, int, int]:
        """(an upper bound of what falls, what some budgets topple, boxes bounded)."""
        nodes, deadline = 0, None if seconds is None else time.monotonic() + seconds
        low, high = np.zeros(self.labels, np.int64), np.full(self.labels, self.size, np.int64)
        bound = self._total(high, exact=True)[1]
        if self.size == 0 or bound == 0 or bound == len(self.label_n) == self._evenly():
            return bound, bound, nodes
        for label in range(self.labels):
            only = np.zeros(self.labels, np.int64)
            only[label] = self.size
            self._improve(only, _DEEP)
        heap = [(-bound, 0, low, high)]
        while heap and -heap[0][0] > self.reached and nodes < most_nodes:
            if deadline is not None and time.monotonic() >= deadline:
                break
            above, _, low, high = heapq.heappop(heap)
            for part in self._halves(low, high):
                nodes += 1
                least, most = part
                feasible = int(most.sum()) <= self.size  # then it is the best of its box
                reached, bound, _ = self._total(most, exact=feasible)
                if feasible:
                    self.reached = max(self.reached, reached)
                elif bound > self.reached:
                    heapq.heappush(heap, (max(-bound, above), nodes, least, most))
                    if nodes % _TRY_EVERY == 0:
                        self._improve(least + (most - least) * (self.size - least.sum()) // (most - least).sum(), 2)
        return max(self.reached, -heap[0][0] if heap else 0), self.reached, nodes

    def _evenly(self) -> int:
        """What falls when the additions are spread over all labels alike."""
        share = np.full(self.labels, self.size // self.labels, np.int64)
        self.reached = max(self.reached, self._total(share, exact=False)[0])
        return self.reached

    def _total(self, added: IntArray, exact: bool) -> tuple[int, int, IntArray]:
        """The knapsack over removals when A = added; see best_total."""
        return best_total(_levels(self.gap_nC, self.label_n, added, self.size, self.knn), self.size, exact)

    def _improve(self, added: IntArray, turns: int) -> None:
        """Climb: the best removals for the additions, good additions for those removals, and so on."""
        for _ in range(turns):
            reached, _, removed = self._total(added, exact=False)
            self.reached = max(self.reached, reached)
            answer = best_total(
                _answer_levels(self.gap_nC, self.label_n, removed, self.size, self.knn), self.size, False
            )[2]
            answer[np.argmax(answer)] += self.size - answer.sum()
            if np.array_equal(answer, added):
                break
            added = answer

    def _halves(self, low: IntArray, high: IntArray) -> list[tuple[IntArray, IntArray]]:
        """The box cut in two along its widest label, each half shrunk to what sum A = e leaves of it."""
        label = int(np.argmax(high - low))
        middle = int(low[label] + high[label]) // 2
        halves = []
        for start, stop in ((low[label], middle), (middle + 1, high[label])):
            least, most = low.copy(), high.copy()
            least[label], most[label] = start, stop
            if least.sum() <= self.size:
                most = np.minimum(most, self.size - (least.sum() - least))
                least = np.maximum(least, self.size - (most.sum() - most))
                halves.append((least, most))
        return halves


@compiled
def _levels(gap_nC: IntArray, label_n: IntArray, added_C: IntArray, size: int, knn: bool) -> IntArray:
    """int64 [C, size + 1]: right tests predicted l that fall when R_l = x and A = added_C."""
    classes = gap_nC.shape[1]
    levels = np.zeros((classes, size + 1), np.int64)
    for i in range(len(label_n)):
        need, nearest = gap_nC[i, 0] - added_C[0], gap_nC[i, 0]
        for t in range(1, classes):
            need = min(need, gap_nC[i, t] - added_C[t])
            nearest = min(nearest, gap_nC[i, t])
        if knn:
            need = 0 if need <= size else nearest - size
        need = max(need, 0)
        if need <= size:
            levels[label_n[i], need] += 1
    for label in range(classes):
        for x in range(1, size + 1):
            levels[label, x] += levels[label, x - 1]
    return levels


@compiled
def _answer_levels(gap_nC: IntArray, label_n: IntArray, removed_C: IntArray, size: int, knn: bool) -> IntArray:
    """int64 [C, size + 1]: tests that fall to A_t = x when R = removed_C, each counted at its nearest label alone."""
    classes = gap_nC.shape[1]
    levels = np.zeros((classes, size + 1), np.int64)
    for i in range(len(label_n)):
        nearest = 0
        for t in range(1, classes):
            if gap_nC[i, t] < gap_nC[i, nearest]:
                nearest = t
        need = gap_nC[i, nearest] - removed_C[label_n[i]]
        if knn:
            need = 0 if need <= size else gap_nC[i, nearest] - size
        need = max(need, 0)
        if need <= size:
            levels[nearest, need] += 1
    for label in range(classes):
        for x in range(1, size + 1):
            levels[label, x] += levels[label, x - 1]
    return levels
