"""Ensembles the slow way: attackers who may make the learners they reach say anything, and formulas in fractions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations, permutations, product
from typing import Any


def winner(votes: Sequence[int]) -> int:
    """The label of most votes, ties to the larger label."""
    return max(range(len(votes)), key=lambda label: (votes[label], label))


def plurality(said: Sequence[int], classes: int) -> int:
    """What learners elect that vote for one label each."""
    return winner([list(said).count(label) for label in range(classes)])


def run_off(rankings: Sequence[Sequence[int]], classes: int) -> int:
    """What learners elect in two rounds; each ranks all labels, best first."""
    votes = [sum(ranking[0] == label for ranking in rankings) for label in range(classes)]
    first = winner(votes)
    second = max((label for label in range(classes) if label != first), key=lambda label: (votes[label], label))
    for_first = sum(list(ranking).index(first) < list(ranking).index(second) for ranking in rankings)
    for_second = len(rankings) - for_first
    return max((for_first, first), (for_second, second))[1]


def ranking(scores: Sequence[float]) -> list[int]:
    """Labels by falling score, equal scores to the larger label."""
    return sorted(range(len(scores)), key=lambda label: (scores[label], label), reverse=True)


def true_size(
    said: Sequence[Any],
    spread: Sequence[Sequence[int]],
    sayings: Sequence[Any],
    elect: Callable[[list[Any]], int],
    most: int,
) -> int:
    """The largest number of parts, at most `most`, whose learners cannot change the election whatever they say."""
    before = elect(list(said))
    for size in range(1, most + 1):
        for parts in combinations(range(len(spread)), size):
            reached = sorted({learner for part in parts for learner in spread[part]})
            for new in product(sayings, repeat=len(reached)):
                changed = list(said)
                for learner, saying in zip(reached, new, strict=True):
                    changed[learner] = saying
                if elect(changed) != before:
                    return size - 1
    return most


def every_ranking(classes: int) -> list[tuple[int, ...]]:
    """All orders of the labels."""
    return list(permutations(range(classes)))


def bagging_size(rows: int, bag: int, lower: Fraction, upper: Fraction) -> int:
    """The largest e for which the inequality holds at every n' (and at every smaller e); -1 for none."""
    for e in range(rows + 1):
        for total in range(rows - e, rows + e + 1):
            clean = max(rows, total) - e
            if Fraction(total, rows) ** bag - 2 * Fraction(clean, rows) ** bag + 1 - lower + upper >= 0:
                return e - 1
    return rows


def at_least(successes: int, trials: int, probability: float) -> float:
    """P(Binomial >= successes), term by term."""
    from math import comb

    return sum(
        comb(trials, s) * probability**s * (1 - probability) ** (trials - s) for s in range(successes, trials + 1)
    )
