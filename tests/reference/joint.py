"""Attackers of several tests at once who try everything, and the joint certificates as they are defined, in full."""

# n training rows, K candidates, T tests, C classes
from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, combinations_with_replacement, product

import numpy as np

from tests.reference.neighbors import Row, distance, rank


def presence(rows: int, candidates: int, size: int) -> np.ndarray:
    """Every poisoning of at most this size, one a line: which rows stay and how often each candidate is added."""
    removals = [
        [i not in gone for i in range(rows)]
        for r in range(min(size, rows) + 1)
        for gone in combinations(range(rows), r)
    ]
    additions = [
        [new.count(c) for c in range(candidates)]
        for a in range(size + 1)
        for new in combinations_with_replacement(range(candidates), a)
    ]
    return np.array([[*kept, *new] for kept in removals for new in additions], int)


def votes_everywhere(
    query: Sequence[int],
    rows: Sequence[Row],
    candidates: Sequence[Row],
    copies: np.ndarray,
    classes: int,
    **rule: float,
) -> np.ndarray:
    """Votes for one query on every poisoned set, [sets, C]; rule is k=… or radius=…."""
    pool = [*rows, *candidates]
    order = sorted(range(len(pool)), key=lambda i: rank(pool[i]), reverse=True)
    order.sort(key=lambda i: distance(query, pool[i]))
    copies = copies[:, order]
    if "k" in rule:
        before = np.cumsum(copies, axis=1) - copies
        copies = np.clip(int(rule["k"]) - before, 0, copies)
    else:
        copies = copies * [distance(query, pool[i]) <= rule["radius"] for i in order]
    label = np.array([pool[i][1] for i in order])
    return np.stack([copies[:, label == c].sum(1) for c in range(classes)], 1)


def least_right(
    queries: Sequence[tuple[Sequence[int], int]],
    rows: Sequence[Row],
    candidates: Sequence[Row],
    size: int,
    classes: int,
    **rule: float,
) -> int:
    """The fewest tests (query, label) that are right on any poisoned set of at most this size."""
    copies = presence(len(rows), len(candidates), size)
    right = np.zeros(len(copies), int)
    for query, label in queries:
        votes = votes_everywhere(query, rows, candidates, copies, classes, **rule)
        right += classes - 1 - votes[:, ::-1].argmax(1) == label
    return int(right.min())


def budgets(classes: int, size: int) -> Iterator[tuple[int, ...]]:
    """Every vector of `classes` integers, at least 0, that sums to at most `size`."""
    return (b for b in product(range(size + 1), repeat=classes) if sum(b) <= size)


def gap(votes: Sequence[int], a: int, t: int) -> int:
    """g_it = s_a - s_t + I(a > t)."""
    return int(votes[a]) - int(votes[t]) + (a > t)


def winner(votes: Sequence[int]) -> int:
    """The label of most votes, ties to the larger label."""
    return max(range(len(votes)), key=lambda label: (votes[label], label))


def group_free(votes: Sequence[Sequence[int]], labels: Sequence[int], size: int) -> int:
    """Certified tests: right ones, less the most that fall over all removal budgets per label."""
    classes, right = len(votes[0]), [(v, y) for v, y in zip(votes, labels, strict=True) if winner(v) == y]
    needs = [(y, max(min(gap(v, y, t) for t in range(classes) if t != y) - size, 0)) for v, y in right]
    return len(right) - max(sum(n <= R[y] for y, n in needs) for R in budgets(classes, size))


def label_budgets(votes: Sequence[Sequence[int]], labels: Sequence[int], size: int, method: str) -> int:
    """Certified tests: right ones, less the most that fall over all budgets per label of removals and additions."""
    classes, right = len(votes[0]), [(v, y) for v, y in zip(votes, labels, strict=True) if winner(v) == y]
    most = 0
    for R in budgets(classes, size):
        for A in budgets(classes, size):
            most = max(most, sum(any(falls(v, y, t, R, A, method) for t in range(classes) if t != y) for v, y in right))
    return len(right) - most


def falls(v: Sequence[int], a: int, t: int, R: Sequence[int], A: Sequence[int], method: str) -> bool:
    """Whether budgets R, A let a test predicted a turn to t."""
    spent = R[a] + A[t] if method == "rnn" else max(sum(A) + A[t], sum(R) + R[a])
    return spent >= gap(v, a, t)


def needs_of_groups(groups: Sequence[Sequence[int]], size: int) -> int:
    """Theorem 4: of each group's least gaps, the largest w whose w least needs sum to at most e; over all groups."""
    total = 0
    for group in groups:
        needs = sorted(max(g - size, 0) for g in group)
        total += max(w for w in range(len(needs) + 1) if sum(needs[:w]) <= size)
    return total


def island_groups(right: Sequence[tuple[int, int]], size: int) -> list[list[int]]:
    """Groups of the least gaps of right tests (label, gap): those certain to fall or to stand alone, then by need."""
    groups = [[g] for _, g in right if not size < g <= 2 * size]
    left = sorted(((y, g) for y, g in right if size < g <= 2 * size), key=lambda pair: -pair[1])
    while left:
        group, seen = [], set()
        for y, g in list(left):
            if y not in seen:
                seen.add(y)
                group.append(g)
                left.remove((y, g))
        groups.append(group)
    return groups
