"""Certificates of ensembles. Votes or scores of base learners -> how many poisoned rows each prediction withstands.

DPA (Levine and Feizi 2021), Finite Aggregation (Wang, Levine, Feizi 2022) and Run-Off Election (Rezaei, Banihashem,
Chegini, Feizi 2023) are certain and count rows inserted plus rows deleted. Bagging (Jia, Cao, Gong 2021) holds with a
confidence and counts max(rows removed, rows added). Ties between labels go to the larger label, as everywhere here.
"""

# M queries, C classes, L base learners, S parts of the training rows, d learners that a part reaches, m of one block
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from sanitize.certify.individual import UNIT, certified_sizes
from sanitize.certify.neighbors import Votes, predict
from sanitize.data.table import BoolArray, IntArray
from sanitize.errors import BadInput, BadParams

SYMMETRIC = "rows inserted plus rows deleted: a changed row is one of each and counts 2"
NONE = -1  # size of a prediction that is not certified even without poison
_SLACK = 1e-12  # bagging: more than the rounding errors of its inequality
_BLOCK = 256  # queries at a time


class Certificates(NamedTuple):
    """What an ensemble says of M queries, and how far it can be trusted.

    prediction  int64 [M]
    size        int64 [M], poisoning size up to which the prediction stays; NONE = nothing is certified
    unit        how `size` counts
    confidence  probability that all M sizes hold at once; 1 for the deterministic ones
    """

    prediction: IntArray
    size: IntArray
    unit: str
    confidence: float


def changed_rows(found: Certificates) -> IntArray:
    """The sizes counted as kNN's are, max(rows removed, rows added): half, where a changed row counts 2. int64 [M]."""
    return np.where(found.size > 0, found.size // 2, found.size) if found.unit == SYMMETRIC else found.size


def count_votes(predictions: IntArray, classes: int) -> Votes:
    """Votes of L base learners.

    predictions  int64 [L, M], 0..C-1
    classes      C
    Returns      int32 [M, C]
    Raises       BadInput: labels outside 0..C-1, no learners or no queries
    """
    _check_predictions(predictions, classes)
    return np.stack([np.count_nonzero(predictions == label, axis=0) for label in range(classes)], 1).astype(np.int32)


def dpa(votes: Votes) -> Certificates:
    """Deep Partition Aggregation: a row inserted or deleted changes one part, and so one vote.

    votes    int32 [M, C], C at least 2, of learners that each saw one part of a partition of the rows by content
    Returns  Certificates, size floor((n_a - n_b - I(b wins ties)) / 2) for the runner-up b
    Raises   BadInput: fewer than two labels, negative votes, no queries
    Paper    Levine and Feizi 2021, theorem 1
    """
    sizes = certified_sizes(votes)  # ceil(gap / 2) - 1 is that floor: gap - 1 = n_a - n_b - I(b wins ties)
    if not len(votes):
        raise BadInput("there are no test rows to certify; add trusted test rows (data.test)")
    return Certificates(predict(votes), sizes, SYMMETRIC, 1.0)


def bagging(votes: Votes, *, rows: int, bag: int, alpha: float) -> Certificates:
    """Bagging: bags of rows drawn with replacement share no row with the poison, likely enough.

    votes    int32 [M, C], C at least 2, of learners that each saw one bag
    rows     n, training rows that the bags were drawn from, at least 1
    bag      k, rows of a bag, at least 1
    alpha    0 < alpha < 1: all M certificates hold at once with confidence 1 - alpha, over the draw of the bags. The
             M x C Clopper-Pearson bounds have alpha / (M C) each (Bonferroni), so that the predicted label may be
             chosen from the same votes
    Returns  Certificates, size the largest e <= n with
                 (n'/n)^k - 2 ((max(n, n') - e) / n)^k + 1 - p_a + p_b < 0    for all n' from n - e to n + e,
             p_a a lower bound of the predicted label's probability, p_b an upper one of every other label's, at most
             1 - p_a; NONE where e = 0 fails. The prediction is that of the ensemble of all possible bags
    Raises   BadInput: fewer than two labels, negative votes, no queries, a query without votes. BadParams: the others
    Paper    Jia, Cao, Gong 2021, theorem 1; without its rounding of p_a and p_b to multiples of n^-k, which the
             inequality does not need: P(Y in E) >= P(Y in E, no poison in Y) = (n/n')^k P(X in E, no poison in X)
    """
    if rows < 1 or bag < 1:
        raise BadParams(f"bagging has {rows} rows and bags of {bag}; both must be at least 1")
    if not 0 < alpha < 1:
        raise BadParams(f"alpha is {alpha}; must be between 0 and 1, the risk that some certificate does not hold")
    certified_sizes(votes)  # refuses what cannot be votes
    bags_M = votes.sum(axis=1, dtype=np.int64)
    if not len(votes) or bags_M.min() < 1:
        raise BadInput("bagging needs a test row, and at least one vote for every test row; train at least one bag")
    prediction, each = predict(votes), alpha / votes.size
    lower_MC, upper_MC = clopper_pearson(votes, bags_M[:, None], each)
    first_M1 = prediction[:, None]
    lower_M = np.take_along_axis(lower_MC, first_M1, axis=1)[:, 0]
    np.put_along_axis(upper_MC, first_M1, 0.0, axis=1)
    margin_M = lower_M - np.minimum(upper_MC.max(axis=1), 1 - lower_M)
    loss = _worst_loss(rows, bag)
    return Certificates(prediction, np.searchsorted(loss, margin_M - _SLACK, side="left") - 1, UNIT, 1 - alpha)


def clopper_pearson(
    successes: NDArray[Any], trials: NDArray[Any], alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One-sided bounds of a probability: each holds with confidence 1 - alpha.

    successes  integers, 0..trials
    trials     integers, at least 1, of a shape that fits
    alpha      0 < alpha < 1
    Returns    (lower, upper), float64: the alpha quantile of Beta(s, t - s + 1), 0 where s = 0; the 1 - alpha quantile
               of Beta(s + 1, t - s), 1 where s = t
    """
    won, lost = successes.astype(np.float64), (trials - successes).astype(np.float64)
    lower = np.where(won > 0, betaincinv(np.maximum(won, 1), lost + 1, alpha), 0.0)
    upper = np.where(lost > 0, 1 - betaincinv(np.maximum(lost, 1), won + 1, alpha), 1.0)
    return lower, upper


def finite_aggregation(predictions: IntArray, classes: int, spread: IntArray) -> Certificates:
    """Finite Aggregation: a row inserted or deleted changes one part, which reaches d learners.

    predictions  int64 [L, M], 0..C-1
    classes      C, at least 2
    spread       int64 [S, d], the learners that each part reaches, distinct (partitions.spread_parts)
    Returns      Certificates. Against label b a part can close at most the sum over its learners of 2 (votes a),
                 1 (votes neither) or 0 (votes b); size is the most parts, strongest first, that close less than the
                 gap, least over b
    Raises       BadInput: labels outside 0..C-1, no queries. BadParams: fewer than two classes, or a spread that
                 does not fit
    Paper        Wang, Levine, Feizi 2022, theorem 2; d = 1 gives DPA
    """
    votes = count_votes(predictions, classes)
    _check_spread(spread, len(predictions), classes)
    first_M = predict(votes)
    least = np.full(len(first_M), len(spread) + 1, np.int64)
    for part in _blocks(len(first_M)):
        for label in range(classes):
            parts = _to_close(votes[part], predictions[:, part], first_M[part], np.int64(label), spread)
            least[part] = np.minimum(least[part], np.where(first_M[part] == label, len(spread) + 1, parts))
    return Certificates(first_M, least - 1, SYMMETRIC, 1.0)


def run_off(scores: NDArray[Any], spread: IntArray | None = None) -> Certificates:
    """Run-Off Election: the two labels of most votes meet again, and every learner votes for the one it scores higher.

    scores   float [L, M, C], C at least 2, finite: probabilities or logits; equal scores prefer the larger label
    spread   int64 [S, d] as for finite_aggregation; None = a partition, learner l saw part l alone
    Returns  Certificates. The prediction a changes only if two other labels overtake it in the first round, or some w
             overtakes in the first round all labels but a, and a in the second. Each is a set of gaps to close;
             the least number of parts for each gap (and for the sum of the two, in the first case, of which a learner
             closes at most 3) is a lower bound, and size is one less than the least of them
    Raises   BadInput: scores of another shape or not finite. BadParams: a spread that does not fit
    Paper    Rezaei et al. 2023, theorems 1 to 3
    """
    if scores.ndim != 3 or not scores.shape[0] or not scores.shape[1] or scores.shape[2] < 2:
        raise BadInput(
            f"scores have shape {list(scores.shape)}; must be [learners, queries, labels] with at least one learner, "
            "one query and two labels"
        )
    if not np.isfinite(scores).all():
        raise BadInput("a score is NaN or infinite; must be finite; give probabilities or finite logits")
    learners, queries, classes = scores.shape
    chosen = np.arange(learners)[:, None] if spread is None else spread
    _check_spread(chosen, learners, classes)
    prediction, size = np.empty(queries, np.int64), np.empty(queries, np.int64)
    for part in _blocks(queries):
        prediction[part], size[part] = _run_off(scores[:, part], chosen)
    return Certificates(prediction, size, SYMMETRIC, 1.0)


def _run_off(scores_LmC: NDArray[Any], spread: IntArray) -> tuple[IntArray, IntArray]:
    """Prediction and certified size of a block of queries."""
    classes = scores_LmC.shape[2]
    rows = np.arange(scores_LmC.shape[1])
    predictions_Lm = classes - 1 - np.argmax(scores_LmC[:, :, ::-1], axis=2)
    votes = count_votes(predictions_Lm, classes)
    leader = predict(votes)
    without = votes.copy()
    without[rows, leader] = -1
    second = predict(without)
    for_second = _prefers(scores_LmC, leader, second)
    half = 2 * np.count_nonzero(for_second, axis=0) + (second > leader) > len(scores_LmC)
    winner = np.where(half, second, leader)
    never = len(spread) + 1
    first_round = np.stack(
        [_to_close(votes, predictions_Lm, winner, np.int64(b), spread) for b in range(classes)]
    )  # [C, m], parts that let b overtake the winner
    gaps = np.stack([_gap(votes, winner, np.int64(b)) for b in range(classes)])
    least = np.full(len(rows), never, np.int64)
    for w in range(classes):
        rival = np.full(len(rows), w, np.int64)
        prefers = _prefers(scores_LmC, winner, rival)
        gap = len(scores_LmC) - 2 * np.count_nonzero(prefers, axis=0) + (winner > w)
        cost = fewest(_reach(np.where(prefers, 0, 2), spread), gap, len(spread))
        for other in range(classes):
            if other != w:
                apart = winner != other
                behind = _to_close(votes, predictions_Lm, np.full(len(rows), other), np.int64(w), spread)
                cost = np.where(apart, np.maximum(cost, behind), cost)
        least = np.where(winner != w, np.minimum(least, cost), least)
        for v in range(w):  # w and v both overtake the winner in the first round
            power = np.where(predictions_Lm == winner, 3, np.where((predictions_Lm == w) | (predictions_Lm == v), 0, 1))
            both = fewest(_reach(power, spread), gaps[w] + gaps[v], len(spread))
            cost = np.maximum(both, np.maximum(first_round[w], first_round[v]))
            least = np.where((winner != w) & (winner != v), np.minimum(least, cost), least)
    return winner, least - 1


def fewest(power: IntArray, gap: IntArray, parts: int) -> IntArray:
    """The least number of parts that close a gap, strongest first.

    power    int64 [S, m], at least 0: the most that each part closes
    gap      int64 [m]
    parts    S
    Returns  int64 [m]: 0 where the gap is not over 0, S + 1 where all parts together do not close it
    """
    left, used = np.maximum(gap, 0), np.zeros(len(gap), np.int64)
    for strength in range(int(power.max(initial=0)), 0, -1):
        taken = np.minimum(np.count_nonzero(power == strength, axis=0), -(-left // strength))
        left, used = np.maximum(left - taken * strength, 0), used + taken
    return np.where(left > 0, parts + 1, used)


def _gap(votes: Votes, ahead: IntArray, label: np.int64) -> IntArray:
    """What `label` lacks to overtake `ahead` (its votes and the tie), int64 [m]."""
    given = np.take_along_axis(votes, ahead[:, None], axis=1)[:, 0].astype(np.int64)
    return np.asarray(given - votes[:, label] + (ahead > label), np.int64)


def _to_close(votes: Votes, predictions_Lm: IntArray, ahead: IntArray, label: np.int64, spread: IntArray) -> IntArray:
    """The fewest parts that let `label` overtake `ahead` in votes, int64 [m]."""
    power_Lm = 1 + (predictions_Lm == ahead).astype(np.int64) - (predictions_Lm == label)
    return fewest(_reach(power_Lm, spread), _gap(votes, ahead, label), len(spread))


def _reach(power_Lm: IntArray, spread: IntArray) -> IntArray:
    """What each part can do through all of its learners, int64 [S, m]."""
    return np.asarray(sum(power_Lm[spread[:, step]] for step in range(spread.shape[1])), np.int64)


def _prefers(scores_LmC: NDArray[Any], one: IntArray, other: IntArray) -> BoolArray:
    """Whether each learner scores `other` over `one`, bool [L, m]; equal scores prefer the larger label."""
    columns = np.arange(scores_LmC.shape[1])
    a, b = scores_LmC[:, columns, one], scores_LmC[:, columns, other]
    return np.asarray((b > a) | ((b == a) & (other > one)))


def _worst_loss(rows: int, bag: int) -> NDArray[np.float64]:
    """For every e = 0..n the left side of bagging's inequality without p_a and p_b, at its worst n'; float64 [n + 1].

    Over n' <= n it grows with n'. Beyond, its derivative in n' changes sign once, from plus to minus, at n' = e / (1 -
    2^(-1 / (k - 1))) (k > 1); for k = 1 it falls.
    """
    e = np.arange(rows + 1, dtype=np.float64)
    turn = e / (1 - 2.0 ** (-1 / (bag - 1))) if bag > 1 else np.zeros_like(e)
    worst = np.full(rows + 1, -np.inf)
    with np.errstate(over="ignore"):  # far beyond what any probability can pay for
        for total in (np.floor(turn), np.ceil(turn)):
            total = np.clip(total, rows, rows + e)
            worst = np.maximum(worst, (total / rows) ** bag - 2 * ((total - e) / rows) ** bag + 1)
    return np.maximum.accumulate(worst)


def _blocks(queries: int) -> list[slice]:
    return [slice(start, min(start + _BLOCK, queries)) for start in range(0, queries, _BLOCK)]


def _check_predictions(predictions: IntArray, classes: int) -> None:
    if predictions.ndim != 2 or not predictions.size:
        raise BadInput(
            f"predictions have shape {list(predictions.shape)}; must be [learners, queries] with at least one of each"
        )
    if predictions.min() < 0 or predictions.max() >= classes:
        raise BadInput(f"a learner predicts {predictions.min()}..{predictions.max()}; must be 0..{classes - 1}")


def _check_spread(spread: IntArray, learners: int, classes: int) -> None:
    if classes < 2:
        raise BadParams(f"there are {classes} classes; needs at least 2")
    if spread.ndim != 2 or not spread.size or spread.min() < 0 or spread.max() >= learners:
        raise BadParams(
            f"spread has shape {list(spread.shape)}; must be [parts, degree], each entry a learner 0..{learners - 1}"
        )
    ordered = np.sort(spread, axis=1)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        raise BadParams("spread names a learner twice for one part; must be distinct; see partitions.spread_parts")
