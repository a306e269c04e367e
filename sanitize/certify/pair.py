"""Two files of the same data. Training file, test file -> tables with the same columns, shape and columns of votes.

Whatever is chosen by looking at a file is chosen by the test file, whose rows can be trusted: an attacker who changes
training rows must not move the choice.
"""

# N training rows, M test rows
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from sanitize.certify.classes import Classes, columns
from sanitize.data.columns import listed
from sanitize.data.label_values import reading_of
from sanitize.data.parquet import read_table
from sanitize.data.plain_columns import Columns
from sanitize.data.table import Table
from sanitize.errors import BadInput
from sanitize.params import DataParams
from sanitize.whereabouts import told

MOST_NAMED = 5


class Pair(NamedTuple):
    """What certificates are made from.

    train    N rows, labelled by column of votes
    test     M rows, likewise
    classes  the columns of votes
    columns  the files' columns
    notes    what the user ought to know of the labels, in words
    """

    train: Table
    test: Table
    classes: Classes
    columns: Columns
    notes: list[str]


def read_pair(train: Path, test: Path, data: DataParams, *, unseen: int) -> Pair:
    """Read both files.

    train, test  parquet files with the same label and input columns
    data         label, inputs and image_size count; what is null is found in the test file
    unseen       see classes.columns
    Returns      Pair; a test file without rows is fine
    Raises       BadInput: files that cannot be read, rows of another kind or shape, no label that both have, one label
                 in all
    """
    trusted, found = _read(test, data)
    named = data.model_copy(update={"label": found.label, "inputs": list(found.inputs)})
    like = found if len(trusted) else None
    table, seen = _read(train, named, like=like)
    notes = []
    if found.numbered != seen.numbered:  # names for numbers in one file alone: they are for the other's numbers, too
        declared = seen if seen.numbered else found
        other = test if seen.numbered else train
        if _numbers(other, found.label):
            one, _ = _read(other, named, declared, like=like)
            trusted, table = (one, table) if seen.numbered else (trusted, one)
            notes.append(f"{other}: its labels are numbers without names; they are taken as those of the other file")
    if not len(table):
        raise BadInput(f"{train}: has no rows; must have at least 1")
    if (seen.modality, table.inputs.shape[1:]) != (found.modality, trusted.inputs.shape[1:]) and len(trusted):
        raise BadInput(
            f"{train}: rows are of kind {seen.modality}, shape {list(table.inputs.shape[1:])}, those of {test} "
            f"{found.modality}, {list(trusted.inputs.shape[1:])}; must be the same; for images of several sizes give "
            "--image-size"
        )
    classes = columns(table, trusted, unseen)
    pair = classes.of(table), classes.of(trusted)
    mine, theirs = (set(np.unique(one.labels).tolist()) for one in pair)
    if len(trusted):
        names = [classes.names[label] for label in sorted(theirs - mine)]
        if not mine & theirs:
            raise BadInput(
                f"{test}: no row has a label of {train}: labels are {listed(names[:MOST_NAMED])} there and "
                f"{listed(classes.others[:MOST_NAMED])} in {train}; must have some in common; mend the label columns"
            )
        if len(mine | theirs) < 2:
            raise BadInput(
                f"{train} and {test}: all rows have the label {classes.trusted[0]!r}; must have at least 2 labels; add "
                "rows of others, or name another label column"
            )
        if names:
            rows = int(np.isin(pair[1].labels, sorted(theirs - mine)).sum())
            notes.append(
                f"{rows} of {len(trusted)} rows of {test} have a label that no row of {train} has "
                f"({listed(names[:MOST_NAMED])}): they cannot be predicted right"
            )
    return Pair(*pair, classes, replace(found, class_names=classes.names), notes)


def _numbers(path: Path, label: str) -> bool:
    """Whether a file's labels are numbers by their type."""
    return reading_of(pq.read_schema(path), label, str(path)).family == "number"


def _read(
    path: Path, data: DataParams, names: Columns | None = None, like: Columns | None = None
) -> tuple[Table, Columns]:
    """A file's table, its labels by the names given, or its own; its inputs as the columns `like` are read."""
    with told("doing", f"read {path}"):
        return read_table(
            path,
            label=data.label,
            inputs=data.inputs,
            like=like,
            image_size=data.image_size,
            class_names=names.class_names if names else None,
            numbered=names is not None,
            allow_empty=True,
            least_classes=0,
        )
