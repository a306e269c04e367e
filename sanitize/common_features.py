"""What a group's rows have in common: some features whose values they share and other rows lack. Rows -> a cluster.

A trigger sets features to the same values in every row that carries it. So a Gaussian per feature is fitted to half of
the group, and to half of the rows of the two classes that the group lies between; the features in which it differs
most are kept; and the other half is asked who is likelier of the group. Who answers becomes the group, and so on until
nothing changes: a group that was a mixture of poisoned and hard rows shrinks to those that share something, and
carriers that nobody doubted join. Hard clean rows, each hard in its own way, fall apart.

Not in the papers. Assumes that the trigger's place is fixed in the row (networks, in coherence.py, need not), and that
of the class's other rows fewer than a tenth and of the other class fewer than a hundredth look as if they carried it.
"""

# N rows, D features, n rows of one of three kinds: G of the group, S of the said class, T of the label's class
from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sanitize.data.table import BoolArray, FloatArray, IntArray, Modality, Table

FLOOR = 0.05**2  # variance that every Gaussian has at least, in variances of the table
FEATURES = (1, 2, 4, 32, 256)  # how many are kept: patches have few, blends many
FEW_FEATURES = (1, 2, 4)  # of them for clusters that begin at one value
ROUNDS = 4
SOURCE_BAR, TARGET_BAR = 0.99, 0.9  # quantiles of the other rows' likelihood ratio that a carrier exceeds
LEAST_OTHERS = 10  # rows that each of the two classes must have
LEAST_HALF = 3  # rows of a cluster that a Gaussian is fitted to
MOST_ROWS = 1000  # of each kind in which piles are looked for
MOST_VALUES = 2**24  # of those rows' features
LEAST_RISE = 0.1  # of a cluster in its last round, at most: it has come to rest
PILES = 6  # values at which rows pile up that a cluster may begin at
PILE_WIDTH = 0.05  # of a bin, in deviations of the table; a pile is two bins wide
LEAST_PILE = 6  # rows
MOST_PILES = 12  # the same, of all rows of a label
MOST_SHARE = 0.3  # of a label's rows that a cluster among them may have
OVERLAP = 0.5
MARGIN = 1.0  # nats


class Rule(NamedTuple):
    """How a row of the label is told that belongs to a cluster: by a few features, of the cluster and of two classes.

    feature_F    int64 [F], the features that tell
    mean_3F      float64 [3, F], of the cluster, the other class, and the label's class
    variance_3F  float64 [3, F], likewise; above 0
    bar          nats that the logarithm of the likelihood ratio must reach
    scale_F      float64 [F], what the inputs are divided by before they are compared with these means; above 0
    """

    feature_F: IntArray
    mean_3F: NDArray[np.float64]
    variance_3F: NDArray[np.float64]
    bar: float
    scale_F: NDArray[np.float64]

    def ratio(self, x_ND: FloatArray, rows: IntArray) -> NDArray[np.float64]:
        """ln p(row | cluster) - max over the two classes of ln p(row | class), float64 [n]; x_ND is scaled already."""
        return self._ratio(x_ND[rows[:, None], self.feature_F].astype(np.float64))

    def recognises(self, inputs: NDArray[Any]) -> BoolArray:
        """Of rows that were not there when the rule was made, those that reach its bar, bool [n].

        inputs  as Table.inputs
        """
        flat_nF = inputs.reshape(len(inputs), -1)[:, self.feature_F].astype(np.float32)
        scaled_nF = (flat_nF / self.scale_F).astype(np.float32)  # as `scaled` does it
        reached_n: BoolArray = self._ratio(scaled_nF.astype(np.float64)) >= self.bar
        return reached_n

    def _ratio(self, x_nF: NDArray[np.float64]) -> NDArray[np.float64]:
        own_n, *others = (
            _density(x_nF, mean_F, variance_F).sum(axis=1)
            for mean_F, variance_F in zip(self.mean_3F, self.variance_3F, strict=True)
        )
        found: NDArray[np.float64] = own_n - np.maximum(*others)
        return found


@dataclass(frozen=True)
class Cluster:
    """Rows of one label that share features.

    rows        int64, ascending positions
    recognised  part of them that a Gaussian fitted to the other half recognised, 0..1
    margin      nats by which the least likely of them is above every other row asked; negative where it is not
    rules       by which the rows of each half were recognised
    """

    rows: IntArray
    recognised: float
    margin: float
    rules: tuple[Rule, ...] = ()


class Rows(NamedTuple):
    """Who is compared with whom, positions; the folds are of all rows of the table.

    group     int64 [n], rows of the label that are doubted together
    source    int64 [n], undoubted rows of the class that they look like
    own       int64 [n], all rows of the label
    doubted_N  bool [N]
    fold_N    int64 [N], 0 or 1
    """

    group: IntArray
    source: IntArray
    own: IntArray
    doubted_N: BoolArray
    fold_N: IntArray


def scaled(table: Table) -> FloatArray:
    """Features of deviation 1, float32 [N, D]: an image's pixels by one scale, columns each by its own."""
    x_ND = table.inputs.reshape(len(table), -1).astype(np.float32)
    scaled_ND: FloatArray = (x_ND / _scale(table.modality, x_ND)).astype(np.float32)
    return scaled_ND


def _scale(modality: Modality, x_ND: FloatArray) -> NDArray[np.float64]:
    """What `scaled` divides by, float64 [D], or one number for all pixels of images."""
    deviation = np.sqrt(np.var(x_ND, axis=None if modality == "image" else 0, dtype=np.float64))
    return np.where(deviation > 0, deviation, 1.0)


def for_new_rows(table: Table, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The rules of a cluster found in `scaled(table)`, for inputs that are not scaled."""
    x_ND = table.inputs.reshape(len(table), -1).astype(np.float32)
    scale_D = np.broadcast_to(_scale(table.modality, x_ND), x_ND.shape[1:])
    return tuple(rule._replace(scale_F=scale_D[rule.feature_F].copy()) for rule in rules)


def find_cluster(x_ND: FloatArray, rows: Rows, least: int, recognised: float) -> Cluster | None:
    """The cluster that the group's rows come to, if there is one.

    x_ND        float32 [N, D], from `scaled`
    least       rows that it must have
    recognised  part of it that must be recognised, 0..1
    Returns     of the clusters at rest the one with the largest recognised x sqrt(rows), the first of equals; None
                where there is none, or fewer than 10 undoubted rows of either class
    Among thousands of pixels one always has a value that some rows share by chance, with others close by, and the next
    pixel has nothing to say. So a cluster counts only with a margin of `MARGIN`, or if it stays when it is asked with
    twice as many features.
    """
    target = rows.own[~rows.doubted_N[rows.own]]
    if min(len(rows.source), len(target)) < LEAST_OTHERS:
        return None
    search = _Search(x_ND, rows, target)
    best, best_worth = None, 0.0
    for first, features in _beginnings(x_ND, rows, target):
        cluster = search.at_rest(first, features)
        if cluster is None or len(cluster.rows) < least or cluster.recognised < recognised:
            continue
        worth = cluster.recognised * math.sqrt(len(cluster.rows))
        if worth <= best_worth:
            continue
        if cluster.margin >= MARGIN or _stays(search.at_rest(cluster.rows, 2 * features), cluster, recognised):
            best, best_worth = cluster, worth
    return best


def _stays(again: Cluster | None, cluster: Cluster, recognised: float) -> bool:
    """Whether a cluster that began with all rows of another one is recognised and has at least half of them."""
    if again is None or again.recognised < recognised:
        return False
    return len(np.intersect1d(again.rows, cluster.rows)) >= OVERLAP * len(cluster.rows)


def _beginnings(x_ND: FloatArray, rows: Rows, target: IntArray) -> Iterator[tuple[IntArray, int]]:
    """(rows to begin with, features to keep): the whole group, then the rows at values where they pile up."""
    for features in FEATURES:
        yield rows.group, features
    for pile in piles(x_ND, rows.group, [rows.source, target], LEAST_PILE, len(rows.group))[:PILES]:
        for features in FEW_FEATURES:
            yield pile, features


def clusters_of_label(
    x_ND: FloatArray, own: IntArray, source: IntArray, fold_N: IntArray, least: int, most: int, recognised: float
) -> list[Cluster]:
    """Clusters among all rows of a label, whether doubted or not, begun at values where they pile up.

    own, source  positions of the label's rows and of other rows
    fold_N       int64 [N], 0 or 1
    least        rows that a cluster must have
    most         clusters that are returned
    recognised   part of it that must be recognised, 0..1
    Returns      the clusters of the highest piles first, none larger than `MOST_SHARE` of the label, no two of which
                 have `OVERLAP` of the smaller one in common
    """
    search = _Search(x_ND, Rows(own[:0], source, own, np.zeros(len(x_ND), np.bool_), fold_N), own)
    largest = int(MOST_SHARE * len(own))
    found: list[Cluster] = []
    for pile in piles(x_ND, own, [source], least, largest):
        for features in FEW_FEATURES:
            if len(found) == most:
                return found
            cluster = search.at_rest(pile, features)
            if cluster is None or not least <= len(cluster.rows) <= largest or cluster.recognised < recognised:
                continue
            shared = [len(np.intersect1d(cluster.rows, f.rows)) / min(len(cluster.rows), len(f.rows)) for f in found]
            if max(shared, default=0.0) < OVERLAP:
                found.append(cluster)
    return found


def piles(x_ND: FloatArray, group: IntArray, others: list[IntArray], least: int, most: int) -> list[IntArray]:
    """Rows of the group that have nearly the same value in one feature, where the others rarely do.

    least, most  rows of a pile
    Returns      at most `MOST_PILES` sets of positions, one per feature, by falling standard score of their number
                 against what the others would give, each kind for itself
    """
    bins = [np.floor(_few(x_ND, kind) / PILE_WIDTH).astype(np.int64) for kind in (group, *others)]
    lowest = min(int(b.min()) for b in bins)
    width = max(int(b.max()) for b in bins) - lowest + 1
    if width * x_ND.shape[1] > MOST_VALUES:  # wild values: no table of counts for them
        return []
    own_DB, *other_DBs = [_counts(b - lowest, width) for b in bins]
    score_DB = np.full(own_DB.shape, np.inf)
    for other_DB, b in zip(other_DBs, bins[1:], strict=True):
        share_DB = (other_DB + 0.5) / (len(b) + 1)
        deviation_DB = np.sqrt(len(bins[0]) * share_DB * np.maximum(1 - share_DB, 0) + 0.25)
        score_DB = np.minimum(score_DB, (own_DB - len(bins[0]) * share_DB) / deviation_DB)
    sampled = len(bins[0]) / len(group)
    score_DB[(own_DB < least * sampled) | (own_DB > most * sampled)] = -np.inf
    value_D = score_DB.argmax(axis=1)
    score_D = score_DB[np.arange(len(value_D)), value_D]
    found = []
    for feature in np.argsort(-score_D, kind="stable")[:MOST_PILES].tolist():
        value = int(value_D[feature]) + lowest
        bin_n = np.floor(x_ND[group, feature] / PILE_WIDTH).astype(np.int64)
        pile = group[(bin_n == value) | (bin_n == value + 1)]
        if len(pile) >= least and np.isfinite(score_D[feature]):
            found.append(pile)
    return found


def _counts(bins_nD: IntArray, width: int) -> NDArray[np.float64]:
    """Rows in every two neighbouring bins of every feature, float64 [D, width]."""
    features = bins_nD.shape[1]
    flat = np.bincount((bins_nD + np.arange(features) * width).ravel(), minlength=features * width)
    counts_DB = flat.reshape(features, width).astype(np.float64)
    counts_DB[:, :-1] += counts_DB[:, 1:].copy()
    return counts_DB


@dataclass(frozen=True)
class _Moments:
    """Mean and variance of every feature over some rows, float64 [D], and the sums that they come from."""

    rows: int
    sum_D: NDArray[np.float64]
    squares_D: NDArray[np.float64]

    @property
    def mean_D(self) -> NDArray[np.float64]:
        return self.sum_D / self.rows

    def variance_D(self, lost: int = 0) -> NDArray[np.float64]:
        """Over the rows, or (lost = 1) of what they are a sample of; at least FLOOR."""
        mean_D = self.mean_D
        spread_D = np.maximum(self.squares_D / self.rows - mean_D * mean_D, 0.0)
        return spread_D * (self.rows / (self.rows - lost)) + FLOOR

    def without(self, other: _Moments) -> _Moments:
        return _Moments(self.rows - other.rows, self.sum_D - other.sum_D, self.squares_D - other.squares_D)


def _moments(x_nD: FloatArray) -> _Moments:
    return _Moments(len(x_nD), x_nD.sum(axis=0, dtype=np.float64), np.square(x_nD).sum(axis=0, dtype=np.float64))


class _Search:
    """The search for clusters of one group: what does not change from one beginning to the next is summed up once."""

    def __init__(self, x_ND: FloatArray, rows: Rows, target: IntArray) -> None:
        """target: int64, the undoubted rows of the label."""
        self.x_ND = x_ND
        self.rows = rows
        self.target = target
        self.source_by_fold = [_moments(x_ND[self._half(rows.source, fold)]) for fold in (0, 1)]
        self.target_by_fold = [_moments(x_ND[self._half(self.target, fold)]) for fold in (0, 1)]

    def _half(self, positions: IntArray, fold: int) -> IntArray:
        half: IntArray = positions[self.rows.fold_N[positions] == fold]
        return half

    def at_rest(self, first: IntArray, features: int) -> Cluster | None:
        """What a cluster that begins with `first` comes to in at most `ROUNDS` rounds; None = it falls apart."""
        member_N = np.zeros(len(self.x_ND), np.bool_)
        member_N[first] = True
        hit_N, recognised, rise, margin = member_N, 0.0, np.inf, -np.inf
        rules: tuple[Rule, ...] = ()
        for _ in range(ROUNDS):
            member = np.flatnonzero(member_N)
            target = self.target[~member_N[self.target]]
            halves = [len(self._half(member, fold)) for fold in (0, 1)]
            if min(halves) < LEAST_HALF or len(target) < LEAST_OTHERS:
                return None
            hit_N, margin, rules = self._recognised(member, target, features)
            recognised = float(hit_N[member].mean())
            rise = np.count_nonzero(hit_N & ~member_N) / len(member)
            if not hit_N.any() or (hit_N == member_N).all():
                break
            member_N = hit_N
        if not hit_N.any() or rise > LEAST_RISE:
            return None
        return Cluster(np.flatnonzero(hit_N), recognised, margin, rules)

    def _recognised(
        self, member: IntArray, target: IntArray, features: int
    ) -> tuple[BoolArray, float, tuple[Rule, ...]]:
        """Rows of the label that Gaussians fitted to the other half take for the cluster's, bool [N]; margin; rules."""
        hit_N = np.zeros(len(self.x_ND), np.bool_)
        margin = np.inf
        rules = []
        for fold in (0, 1):
            seen = self._half(member, 1 - fold)
            group = _moments(self.x_ND[seen])
            joined = seen[~self.rows.doubted_N[seen]]  # undoubted rows that have become members
            undoubted = self.target_by_fold[1 - fold].without(_moments(self.x_ND[joined]))
            rule = _likelihood_ratio(group, [self.source_by_fold[1 - fold], undoubted], features)
            asked = [self._half(part, fold) for part in (member, self.rows.source, target, self.rows.own)]
            member_n, source_n, target_n, own_n = (rule.ratio(self.x_ND, part) for part in asked)
            bar = max(float(np.quantile(source_n, SOURCE_BAR)), float(np.quantile(target_n, TARGET_BAR)), 0.0)
            above_n = member_n[member_n > bar]
            least = float(above_n.min()) if len(above_n) else -np.inf
            margin = min(margin, least - max(float(source_n.max()), float(target_n.max())))
            if len(above_n):  # others must be as likely as the least likely member
                hit_N[asked[3][own_n >= least]] = True  # which is above the bar
                rules.append(rule._replace(bar=least))
        return hit_N, margin, tuple(rules)


def _likelihood_ratio(group: _Moments, classes: list[_Moments], features: int) -> Rule:
    """The ratio in the features that tell the group best, as a rule without a bar, of features that are scaled."""
    mean_D = group.mean_D
    others = [(other.mean_D, other.variance_D()) for other in classes]
    # what is shared concentrates: rows that merely scatter more than others have nothing in common
    variance_D = np.minimum(group.variance_D(lost=1), np.maximum(*(spread_D for _, spread_D in others)))
    apart_D = np.full(len(mean_D), np.inf)
    for other_D, spread_D in others:
        # the ratio of two Gaussians' logarithms is a x^2 + b x + c; its mean and variance where x is Gaussian
        a_D = 0.5 / spread_D - 0.5 / variance_D
        b_D = mean_D / variance_D - other_D / spread_D
        inside_D, outside_D = (
            a_D * (v_D + m_D * m_D) + b_D * m_D for m_D, v_D in ((mean_D, variance_D), (other_D, spread_D))
        )
        variances = [
            2 * (a_D * v_D) ** 2 + v_D * (2 * a_D * m_D + b_D) ** 2
            for m_D, v_D in ((mean_D, variance_D), (other_D, spread_D))
        ]
        apart_D = np.minimum(apart_D, (inside_D - outside_D) / (np.sqrt(variances[0] + variances[1]) + 1))
    best = np.argsort(-apart_D, kind="stable")[:features]
    means = np.stack([mean_D[best], *(other_D[best] for other_D, _ in others)])
    variances_3F = np.stack([variance_D[best], *(spread_D[best] for _, spread_D in others)])
    return Rule(best, means, variances_3F, -np.inf, np.ones(len(best)))


def _density(
    x_nD: NDArray[np.float64], mean_D: NDArray[np.float64], variance_D: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Gaussian log density of every feature, but for a constant, [n, D]."""
    density_nD: NDArray[np.float64] = -0.5 * ((x_nD - mean_D) ** 2 / variance_D + np.log(variance_D))
    return density_nD


def _few(x_ND: FloatArray, rows: IntArray) -> FloatArray:
    """The features of the rows, or of as many as memory should hold, evenly spread over them."""
    most = max(2 * LEAST_OTHERS, min(MOST_ROWS, MOST_VALUES // x_ND.shape[1]))
    few = rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
    return x_ND[few]
