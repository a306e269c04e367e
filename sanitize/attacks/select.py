"""Which rows an attack changes. Labels, a class and a share -> positions, drawn from a named stream."""

# N rows, n rows of the class, M rows chosen
from __future__ import annotations

import math

import numpy as np

from sanitize.data.seeds import stream
from sanitize.data.table import IntArray, Table
from sanitize.errors import BadParams


def class_index(table: Table, given: int | str, key: str) -> int:
    """The label of the class that a parameter names.

    table    the training set, for its class names
    given    a class name, or a label 0..C-1; a string of digits that is no class name counts as a label
    key      what messages call the parameter, for instance "attack.source"
    Returns  int, 0..C-1
    Raises   BadParams: no such class
    """
    if given in table.class_names:
        return table.class_names.index(str(given))
    label = int(given) if isinstance(given, int) or given.isdecimal() else -1
    if not 0 <= label < table.classes:
        shown = ", ".join(table.class_names[:20]) + (", …" if table.classes > 20 else "")
        raise BadParams(f"{key} is {given!r}; must be a class ({shown}) or a number 0..{table.classes - 1}")
    return label


def rows_of_class(table: Table, label: int, share: float, seed: int, attack: str) -> IntArray:
    """A share of one class's rows, drawn at random.

    table    the training set
    label    0..C-1
    share    part of the class's rows, 0..1; rounded to whole rows, half upwards
    seed     the run's seed; the stream is (seed, "attack", attack, "rows")
    Returns  int64 [M], sorted positions in the table
    Raises   BadParams: the class has no rows, or the share is too small for one row (names the least share)
    """
    candidates = np.flatnonzero(table.labels == label).astype(np.int64)
    name = table.class_names[label]
    if not len(candidates):
        raise BadParams(f"class {name} has no rows in the training set; choose another source class")
    count = math.floor(share * len(candidates) + 0.5)
    if count == 0:
        least = math.ceil(0.5e6 / len(candidates)) / 1e6
        raise BadParams(
            f"attack.share is {share:g}; class {name} has {len(candidates)} rows, so that no row would be poisoned; "
            f"must be at least {least:g}"
        )
    chosen = stream(seed, "attack", attack, "rows").choice(candidates, size=count, replace=False)
    return np.sort(chosen).astype(np.int64)
