"""Ensembles for certificates: which rows each base learner sees, and its training. Table, learner -> probabilities.

A certificate counts how many base learners a row can reach. For that to be so, what a learner says may depend on the
rows of its own share alone: not on their order, not on other rows, not on how many there are, not on the labels that
others have. So rows are dealt out and ordered by a hash of their content, each base learner is bound to a table of its
own rows (which fixes its scaling too) and to their labels, and its random stream is named after its number. Levine and
Feizi 2021 (DPA); Wang, Levine, Feizi 2022 (Finite Aggregation); Jia, Cao, Gong 2021 (bagging).
"""

# N training rows, M queries, C classes, L base learners, S parts, d learners that a part reaches, k rows of a bag
from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sanitize.certify.classes import tokens
from sanitize.data.seeds import stream, stream_seed
from sanitize.data.table import FloatArray, IntArray, Table
from sanitize.errors import BadInput, BadParams
from sanitize.execution import OrderedMap
from sanitize.learners.base import all_rows, make_learner
from sanitize.params import LearnerParams


class Share(NamedTuple):
    """What one base learner sees: its number among L, and the positions of its rows, int64, in the order given."""

    number: int
    rows: IntArray


class MemberTask(NamedTuple):
    """What a worker needs besides the learner's Share; see train_members."""

    table: Table
    inputs: NDArray[Any]
    learner: LearnerParams
    epochs: int
    seed: int
    known: IntArray


def split(table: Table, parts: int, seed: int) -> list[IntArray]:
    """The rows dealt out to parts by their content.

    table    N rows
    parts    S, at least 1
    seed     salts the hash: another seed deals the rows out otherwise
    Returns  S arrays int64, positions, in order of the hash: SHA-256 of the salt (8 bytes), the label's token
             (classes.tokens, 8 bytes, both little endian) and the input's bytes. A row's part is the hash modulo S, so
             that it depends on that row alone; rows of equal content share one, and their order does not matter
    Raises   BadParams: no parts
    """
    if parts < 1:
        raise BadParams(f"an ensemble has {parts} parts; must be at least 1")
    salt = stream_seed(seed, "certify", "split").to_bytes(8, "little")
    digests = [
        hashlib.sha256(salt + int(token).to_bytes(8, "little", signed=True) + row.tobytes()).digest()
        for row, token in zip(np.ascontiguousarray(table.inputs), tokens(table.class_names)[table.labels], strict=True)
    ]
    dealt: list[list[int]] = [[] for _ in range(parts)]
    for row in sorted(range(len(digests)), key=digests.__getitem__):
        dealt[int.from_bytes(digests[row], "little") % parts].append(row)
    return [np.array(rows, np.int64) for rows in dealt]


def spread_parts(parts: int, degree: int, seed: int) -> IntArray:
    """Finite Aggregation's spread: the learners that each part reaches, of as many learners as there are parts.

    parts    S = L
    degree   d, 1..S; 1 is DPA
    seed     of the stream ("certify", "spread"), which draws d distinct offsets; part s reaches learner s + offset, so
             that every learner sees d parts
    Returns  int64 [S, d], distinct in each row; [[0], [1], …] for d = 1
    Raises   BadParams: a degree outside 1..S
    """
    if not 1 <= degree <= parts:
        raise BadParams(f"the spread's degree is {degree}; must be 1..{parts}, the number of parts")
    others = stream(seed, "certify", "spread").permutation(np.arange(1, parts))[: degree - 1]
    offsets = np.concatenate([[0], np.sort(others)]).astype(np.int64)
    return (np.arange(parts, dtype=np.int64)[:, None] + offsets) % parts


def partition_shares(table: Table, parts: int, degree: int, seed: int) -> list[Share]:
    """The rows of each base learner of DPA (degree 1) or Finite Aggregation.

    table    N rows
    parts    S = L, at least 1. Finite Aggregation's papers write k d for it, and 1 / k of the rows go to each learner
    degree   d, 1..S, learners that each part reaches
    seed     of split and spread_parts
    Returns  L Shares, rows in order of their part and hash; a share may be empty
    Raises   BadParams: see split and spread_parts
    """
    dealt, spread = split(table, parts, seed), spread_parts(parts, degree, seed)
    return [
        Share(number, np.concatenate([dealt[part] for part in np.flatnonzero((spread == number).any(axis=1))]))
        for number in range(parts)
    ]


def bag_shares(rows: int, bag: int, bags: int, seed: int) -> list[Share]:
    """The rows of each base learner of bagging.

    rows     N, at least 1
    bag      k, rows drawn uniformly with replacement for each learner, at least 1
    bags     L, at least 1
    seed     of the streams ("certify", "bag", number); bagging's certificate is over this draw, which an attacker must
             not know
    Returns  L Shares of k rows
    Raises   BadInput: no rows. BadParams: a bag or an ensemble of nothing
    """
    if rows < 1:
        raise BadInput("there are no training rows to draw bags from; needs at least 1")
    if bag < 1 or bags < 1:
        raise BadParams(f"bagging has {bags} bags of {bag} rows; both must be at least 1")
    return [Share(n, stream(seed, "certify", "bag", n).integers(0, rows, bag)) for n in range(bags)]


def train_members(
    table: Table,
    inputs: NDArray[Any],
    shares: Sequence[Share],
    learner: LearnerParams,
    *,
    epochs: int,
    seed: int,
    map: OrderedMap,
    known: IntArray | None = None,
) -> Iterator[FloatArray]:
    """Train every base learner on its share, and let it score the test rows.

    table    N training rows
    inputs   test rows as in Table.inputs, [M, …]
    shares   L, of partition_shares or bag_shares
    learner  any learner of this project
    epochs   passes over the share, the whole of the schedule, at least 1
    seed     of the learners' streams ("certify", "member", number)
    map      where the training runs
    known    labels that every learner has outputs for, int64; those of its own rows it always has. They must not
             depend on the training rows; None = none
    Returns  L arrays float32 [M, C], class probabilities, in order; 0 for a label that is neither known nor among the
             learner's rows. Rows of one label give that label without training. An empty share, and a learner whose
             answer is not finite, gives every label the same probability
    Raises   BadParams: no epochs, no shares. BadInput: test rows of another shape than the training rows
    """
    if epochs < 1:
        raise BadParams(f"epochs is {epochs}; must be at least 1")
    if not shares:
        raise BadParams("an ensemble has no base learners; needs at least 1")
    if inputs.shape[1:] != table.inputs.shape[1:]:
        raise BadInput(f"test rows have shape {list(inputs.shape[1:])}, training rows {list(table.inputs.shape[1:])}")
    fixed = np.zeros(0, np.int64) if known is None else known
    return map(train_member, MemberTask(table, inputs, learner, epochs, seed, fixed), shares)


def train_member(task: MemberTask, share: Share) -> FloatArray:
    """One base learner's class probabilities of the test rows, float32 [M, C]; see train_members."""
    own = task.table.take(share.rows)
    present = np.unique(own.labels)
    if len(present) < 2:
        certain = np.full(own.classes, 1 / own.classes) if not len(present) else np.eye(own.classes)[present[0]]
        return np.tile(certain.astype(np.float32), (len(task.inputs), 1))
    # Rows and labels are numbered afresh: their numbers in the file tell of the rows before and of others' labels.
    heads = np.union1d(present, task.known)
    names = tuple(own.class_names[label] for label in heads)
    own = Table(all_rows(own), own.inputs, np.searchsorted(heads, own.labels), names, own.modality)
    learner = make_learner(task.learner, own, task.seed)
    learner.start("certify", "member", share.number)
    learner.fit(all_rows(own), task.epochs, total=task.epochs)
    said = learner.probabilities(task.inputs)
    found = np.zeros((len(said), task.table.classes), np.float32)
    found[:, heads] = said
    found[~np.isfinite(said).all(axis=1)] = 1 / task.table.classes
    return found


def predicted(probabilities: FloatArray) -> IntArray:
    """The most probable label, ties to the larger label: float32 [..., C] -> int64 [...]."""
    return np.asarray(probabilities.shape[-1] - 1 - np.argmax(probabilities[..., ::-1], axis=-1), np.int64)
