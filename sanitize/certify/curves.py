"""Certified accuracy as curves. A table of votes, true labels -> one curve for every certificate that holds for it.

The table is all that is needed: whoever counts the votes of another kNN or rNN can certify it here. Ensembles, whose
rows reach whole learners, have ensembles.py.
"""

# M queries, C classes, B poisoning sizes
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sanitize.certify.budgets import Method, label_budgets
from sanitize.certify.individual import certified_accuracy, certified_sizes
from sanitize.certify.joint import island, random_groups
from sanitize.certify.knapsack import group_free
from sanitize.certify.neighbors import Votes, predict
from sanitize.data.table import BoolArray, IntArray
from sanitize.errors import BadParams

CERTIFICATES: dict[Method, tuple[str, ...]] = {  # from the weakest to the strongest
    "knn": ("individual", "label_budgets"),
    "rnn": ("individual", "random_groups", "island", "global", "label_budgets"),
}


class Curves(NamedTuple):
    """The certificates of one classifier.

    accuracy  certificate -> float64 [B], 0..1, certified accuracy; the names of CERTIFICATES, in their order
    proven    bool [B], whether the label budgets' search ended: if not, their curve is sound but may be too low
    """

    accuracy: dict[str, NDArray[np.float64]]
    proven: BoolArray


def neighbor_curves(
    votes: Votes, labels: IntArray, poisoning_sizes: Sequence[int], *, method: Method, seed: int, most_nodes: int
) -> Curves:
    """Every certificate of kNN's or rNN's votes.

    votes            int32 [M, C], C at least 2, M at least 1
    labels           int64 [M], true labels 0..C-1
    poisoning_sizes  B budgets e, each at least 0: max(rows removed, rows added)
    method           whose votes: "knn" or "rnn"; the joint certificates hold for rNN alone, but for label budgets
    seed             of the random groups
    most_nodes       boxes that label budgets bound for one poisoning size
    Returns          Curves; a later certificate is never below the individual one
    Raises           BadInput: see margins.right_margins. BadParams: a negative poisoning size or limit, another method
    """
    if method not in CERTIFICATES:
        raise BadParams(f"method is {method!r}; must be 'knn' or 'rnn'; ensembles.py has the others'")
    budgets = label_budgets(votes, labels, poisoning_sizes, method=method, most_nodes=most_nodes)
    alone = certified_accuracy(predict(votes), labels, certified_sizes(votes), poisoning_sizes)
    accuracy = {"individual": alone}
    if method == "rnn":
        accuracy["random_groups"] = random_groups(votes, labels, poisoning_sizes, seed)
        accuracy["island"] = island(votes, labels, poisoning_sizes)
        accuracy["global"] = group_free(votes, labels, poisoning_sizes)
    accuracy["label_budgets"] = budgets.accuracy
    return Curves(accuracy, budgets.proven)
