"""Which rows an attack changes. Labels, classes and a share -> positions, drawn from a named stream."""

# N rows, n rows of the class or classes, M rows chosen
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sanitize.data.seeds import stream
from sanitize.data.table import BoolArray, IntArray, Table
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


def class_pair(table: Table, source: int | str, target: int | str, key: str) -> tuple[int, int]:
    """The labels of an attack's source and target class.

    table           the training set, for its class names
    source, target  as `class_index` takes them
    key             what messages call the attack's section
    Raises          BadParams: no such class, or one class twice
    """
    labels = class_index(table, source, f"{key}.source"), class_index(table, target, f"{key}.target")
    if labels[0] == labels[1]:
        raise BadParams(
            f"{key}.source and {key}.target are both class {table.class_names[labels[0]]}; must differ; "
            "choose another target"
        )
    return labels


def rows_of_class(
    table: Table,
    label: int,
    share: float,
    seed: int,
    attack: str,
    free: BoolArray | None = None,
    key: str = "attack",
) -> IntArray:
    """A share of one class's rows, drawn at random.

    table    the training set
    label    0..C-1
    share    part of the class's rows, 0..1; rounded to whole rows, half upwards
    seed     the run's seed; the stream is (seed, "attack", attack, "rows")
    free     bool [N], rows that may be drawn; None = all. The share is of all rows of the class in any case
    key      what messages call the attack's section
    Returns  int64 [M], sorted positions in the table
    Raises   BadParams: the class has no rows, the share is too small for one row (names the least share), or more
             than the free rows (names the largest)
    """
    candidates = np.flatnonzero(table.labels == label).astype(np.int64)
    name = table.class_names[label]
    if not len(candidates):
        raise BadParams(f"class {name} has no rows in the training set; choose another source class")
    what = f"class {name} has {len(candidates)} rows"
    count = count_of(share, len(candidates), f"{key}.share", what)
    return drawn(candidates, count, (seed, "attack", attack, "rows"), free, f"{key}.share is {share:g}; {what}")


def rows_of_classes(
    table: Table,
    labels: Sequence[int],
    share: float,
    seed: int,
    attack: str,
    free: BoolArray | None = None,
    key: str = "attack",
    parts: int = 1,
) -> IntArray:
    """The same share of the rows of each of several classes, drawn at random.

    table    the training set
    labels   the classes, ascending
    share    part of each class, times `parts`. Their sum is rounded to whole rows, half upwards, and each class gives
             its share of it, rounded by largest remainder (the lower label first where remainders are equal), so that
             small shares do not vanish class by class
    seed     the run's seed; the streams are (seed, "attack", attack, "rows", label)
    free, key  as in `rows_of_class`
    parts    what the parameter `share` is divided by, 1 or more
    Returns  int64 [M], sorted positions in the table
    Raises   BadParams: the classes have no rows, or too few, as in `rows_of_class`
    """
    groups = [np.flatnonzero(table.labels == label).astype(np.int64) for label in labels]
    rows = sum(map(len, groups))
    if not rows:
        raise BadParams(f"{key}: no class that it poisons has rows in the training set; choose other classes")
    what = f"the classes that it poisons have {rows} rows" + (f", of which each gives share/{parts}" * (parts > 1))
    total = count_of(share, rows, f"{key}.share", what, parts)
    exact = np.array([len(group) * total for group in groups])
    counts, remainders = exact // rows, exact % rows
    counts[np.argsort(-remainders, kind="stable")[: total - counts.sum()]] += 1
    chosen = [
        drawn(
            group,
            int(count),
            (seed, "attack", attack, "rows", label),
            free,
            f"{key}.share is {share:g}; class {table.class_names[label]} has {len(group)} rows",
            parts,
        )
        for label, group, count in zip(labels, groups, counts, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def count_of(share: float, rows: int, key: str, what: str, parts: int = 1) -> int:
    """How many rows a share is: share / parts x rows, rounded half upwards.

    share, parts  as in `rows_of_classes`
    rows          of which it is a part, at least 1
    key, what     for messages: the parameter, and whose rows these are
    Raises        BadParams: no row; names the least share
    """
    count = math.floor(share * rows / parts + 0.5)
    if count == 0:
        least = math.ceil(0.5e6 * parts / rows) / 1e6
        raise BadParams(f"{key} is {share:g}; {what}, so that no row would be poisoned; must be at least {least:g}")
    return count


def drawn(
    candidates: IntArray, count: int, names: tuple[int | str, ...], free: BoolArray | None, what: str, parts: int = 1
) -> IntArray:
    """`count` of the candidates that are free, drawn at random.

    candidates  int64 [n], sorted positions
    names       of the stream, the run's seed first
    free        bool [N], positions that may be drawn; None = all
    what, parts  for messages: the parameter, its value and whose rows these are; see `rows_of_classes`
    Returns     int64 [count], sorted
    Raises      BadParams: fewer are free; names the largest share
    """
    left = candidates if free is None else candidates[free[candidates]]
    if count > len(left):
        most = math.floor(1e6 * parts * len(left) / len(candidates)) / 1e6
        raise BadParams(
            f"{what}, of which other attacks have taken {len(candidates) - len(left)}; must be at most {most:g}"
        )
    seed, *rest = names
    return np.sort(stream(int(seed), *rest).choice(left, size=count, replace=False)).astype(np.int64)
