"""A certified ensemble from start to end. Table, test rows, parameters -> certificates of the test rows.

Deals the rows out, trains the base learners, counts their votes or scores, certifies. Its parts stand in partitions.py
and ensembles.py, for those who have votes already.
"""

# M queries, C classes, L base learners
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sanitize.certify.ensembles import Certificates, bagging, count_votes, dpa, finite_aggregation, run_off
from sanitize.certify.partitions import bag_shares, partition_shares, predicted, spread_parts, train_members
from sanitize.data.table import IntArray, Table
from sanitize.errors import BadInput, BadParams
from sanitize.execution import OrderedMap
from sanitize.params import EnsembleParams, LearnerParams

Ensemble = Literal["dpa", "bagging", "finite_aggregation", "run_off"]


def certify_ensemble(
    table: Table,
    inputs: NDArray[Any],
    method: Ensemble,
    settings: EnsembleParams,
    learner: LearnerParams,
    *,
    seed: int,
    map: OrderedMap,
    advance: Callable[[], None] = lambda: None,
    known: IntArray | None = None,
) -> Certificates:
    """Train an ensemble on a table and certify its predictions.

    table     N training rows. Its labels must be columns of classes.columns (run_off: with 2 unseen labels, the others
              with 1), so that labels which no row has yet are counted on; else the certificate is about sets without
              new labels, and their names' order must not move with the rows
    inputs    test rows as in Table.inputs, [M, …], M at least 1
    method    "dpa", "bagging", "finite_aggregation" or "run_off"; run_off with degree 1 has a partition
    settings  members, degree (finite_aggregation, run_off), bag and alpha (bagging), epochs
    learner   any learner of this project
    seed      of the deal and of the learners
    map       where the training runs
    advance   called after each base learner
    known     labels that every learner has outputs for; see partitions.train_members
    Returns   Certificates, which name their unit and confidence
    Raises    BadParams: another method, a degree over the number of members. BadInput: no test rows, test rows of
              another shape than the training rows
    """
    if method not in get_args(Ensemble):
        raise BadParams(f"method is {method!r}; must be one of {', '.join(get_args(Ensemble))}")
    if not len(inputs):
        raise BadInput("there are no test rows to certify; add trusted test rows")
    members, reached = settings.members, settings.degree if method in ("finite_aggregation", "run_off") else 1
    if method == "bagging":
        shares = bag_shares(len(table), settings.bag, members, seed)
    else:
        shares = partition_shares(table, members, reached, seed)
    scores, said = [], []
    trained = train_members(table, inputs, shares, learner, epochs=settings.epochs, seed=seed, map=map, known=known)
    for probabilities in trained:
        said.append(predicted(probabilities))
        if method == "run_off":
            scores.append(probabilities)
        advance()
    predictions: IntArray = np.stack(said)
    if method == "run_off":
        return run_off(np.stack(scores), spread_parts(members, reached, seed))
    if method == "finite_aggregation":
        return finite_aggregation(predictions, table.classes, spread_parts(members, reached, seed))
    votes = count_votes(predictions, table.classes)
    if method == "dpa":
        return dpa(votes)
    return bagging(votes, rows=len(table), bag=settings.bag, alpha=settings.alpha)
