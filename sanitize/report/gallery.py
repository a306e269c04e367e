"""The rows to look at: of each class the most suspicious dropped rows, and the most suspicious kept ones.

Where the truth is known, also the poisoned rows that were kept.
"""

# N training rows, n rows shown
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sanitize.data.table import IntArray, Table
from sanitize.report.findings import Findings
from sanitize.report.pictures import thumbnail
from sanitize.report.rows import Rows

SHOWN_PER_CLASS = 12
SHOWN_CLASSES = 40  # classes with a gallery of their own: those that lost most rows
SHOWN_KEPT = 24
SHOWN_VALUES = 8  # of a vector, or columns of a tabular row


@dataclass(frozen=True)
class Card:
    """One row to look at.

    row        its number in the training file
    label      the name of its given label
    keep       the verdict
    reason     in words
    suspicion  higher = worse
    poisoned   None where nobody knows
    picture    data: URI, "" for rows that are no image
    values     the first SHOWN_VALUES values of a row that is no image
    """

    row: int
    label: str
    keep: bool
    reason: str
    suspicion: float
    poisoned: bool | None
    picture: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Cards under one heading: the class's name, how many rows it has, how many it lost, how many lost ones are clean.

    clean is None where nobody knows.
    """

    label: str
    rows: int
    dropped: int
    clean: int | None
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Gallery:
    """All cards.

    groups   one per class that lost rows, most lost rows first; at most SHOWN_CLASSES
    more     classes that lost rows and have no group
    kept     the most suspicious kept rows
    missed   the most suspicious kept rows that are known to be poisoned
    names    what the values of a card are called; empty for images
    """

    groups: tuple[Group, ...]
    more: int
    kept: tuple[Card, ...]
    missed: tuple[Card, ...]
    names: tuple[str, ...]


def choose(found: Findings, rows: Rows, image_size: int | None = None) -> Gallery:
    """Pick the rows, decode them, and nothing else.

    image_size  as in Rows.take
    Raises      as Rows.take
    """
    order = np.argsort(-found.suspicion_N, kind="stable")  # worst first, of equals the earlier row
    keep_N, label_N, poisoned_N = found.keep_N, rows.labels, found.poisoned_N()
    dropped, kept = order[~keep_N[order]], order[keep_N[order]]
    lost_C = np.bincount(label_N[dropped], minlength=len(rows.columns.class_names))
    by_loss = [int(label) for label in np.argsort(-lost_C, kind="stable") if lost_C[label]]
    of_class = {label: dropped[label_N[dropped] == label] for label in by_loss[:SHOWN_CLASSES]}
    suspects, missed = kept[:SHOWN_KEPT], kept[poisoned_N[kept]][:SHOWN_KEPT]
    shown = [positions[:SHOWN_PER_CLASS] for positions in of_class.values()]
    chosen = np.unique(np.concatenate([*shown, suspects, missed]))
    cards = _cards(found, rows.take(chosen, image_size), found.marks())

    def pick(positions: IntArray) -> tuple[Card, ...]:
        return tuple(cards[int(row)] for row in positions)

    groups = tuple(
        Group(
            rows.columns.class_names[label],
            int(np.count_nonzero(label_N == label)),
            len(positions),
            int(np.count_nonzero(~poisoned_N[positions])) if found.has_truth else None,
            pick(positions[:SHOWN_PER_CLASS]),
        )
        for label, positions in of_class.items()
    )
    return Gallery(groups, len(by_loss) - len(groups), pick(suspects), pick(missed), _names(rows, cards))


def _cards(found: Findings, table: Table, marks: dict[int, bool]) -> dict[int, Card]:
    cards = {}
    for row, values, label in zip(table.ids.tolist(), table.inputs, table.labels.tolist(), strict=True):
        image = table.modality == "image"
        cards[row] = Card(
            row,
            table.class_names[label],
            bool(found.keep_N[row]),
            found.reason_N[row],
            float(found.suspicion_N[row]),
            marks.get(row) if found.has_truth else None,
            thumbnail(values) if image else "",
            () if image else tuple(f"{value:.4g}" for value in values[:SHOWN_VALUES].tolist()),
        )
    return cards


def _names(rows: Rows, cards: dict[int, Card]) -> tuple[str, ...]:
    """Columns of a table of cards."""
    if rows.columns.modality == "tabular":
        return _cut(rows.columns.inputs)
    width = max((len(card.values) for card in cards.values()), default=0)
    return tuple(f"{rows.columns.inputs[0]}[{number}]" for number in range(width))


def _cut(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(names[:SHOWN_VALUES])
