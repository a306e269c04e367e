"""Label flips: rows get a wrong label and nothing else. Without classes given: symmetric label noise."""

# N rows, C classes, M flipped rows
from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from sanitize.attacks.base import Poisoned
from sanitize.attacks.select import class_index, class_pair, count_of, drawn
from sanitize.data.seeds import stream
from sanitize.data.table import BoolArray, IntArray, Table
from sanitize.errors import BadParams


class Options(BaseModel):
    """The keys of `attack` in params.yaml when its name is label_flip."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: StrictInt | StrictStr | None = Field(None, description="class whose labels change; null = every class")
    target: StrictInt | StrictStr | None = Field(None, description="their new class; null = any other, at random")
    share: float = Field(0.1, ge=0, le=1, description="part of the rows that could change whose labels do, 0..1")


def poison(
    train: Table, test: Table, options: Options, seed: int, free: BoolArray | None = None, key: str = "attack"
) -> Poisoned:
    """Give a share of the rows another label.

    train, test  any tables
    options      see Options; the share is of the source class, or of all rows (of other classes than the target)
    seed         the run's seed; streams (seed, "attack", "label_flip", "rows" | "labels")
    free, key    see base.Attack
    Returns      Poisoned: inputs as they are, no triggered rows, since there is no trigger
    Raises       BadParams: unknown or equal classes, a share of no row or of more than are free, one class only
    """
    source, target = _classes(train, options, key)
    if source is not None:
        could, what = train.labels == source, f"class {train.class_names[source]} has"
    elif target is not None:
        could, what = train.labels != target, f"the classes other than {train.class_names[target]} have"
    else:
        could, what = np.ones(len(train), np.bool_), "the training set has"
    candidates = np.flatnonzero(could).astype(np.int64)
    what = f"{what} {len(candidates)} rows"
    if not len(candidates):
        raise BadParams(f"{key}: {what} in the training set; choose other classes")
    if train.classes < 2:
        raise BadParams(f"{key}.name is 'label_flip'; the data have one class only; must have at least 2")
    count = count_of(options.share, len(candidates), f"{key}.share", what)
    stream_names = (seed, "attack", "label_flip", "rows")
    positions = drawn(candidates, count, stream_names, free, f"{key}.share is {options.share:g}; {what}")
    labels = np.full(count, target) if target is not None else _others(train, positions, seed)
    nothing = np.zeros(0, np.int64)
    return Poisoned(positions, train.inputs[positions], labels, test.take(nothing), nothing)


def _classes(train: Table, options: Options, key: str) -> tuple[int | None, int | None]:
    """Source and target; None where any will do."""
    if options.source is not None and options.target is not None:
        return class_pair(train, options.source, options.target, key)
    given = (("source", options.source), ("target", options.target))
    source, target = (None if of is None else class_index(train, of, f"{key}.{name}") for name, of in given)
    return source, target


def _others(train: Table, positions: IntArray, seed: int) -> IntArray:
    """int64 [M], for each row any label but its own, all equally likely."""
    step = stream(seed, "attack", "label_flip", "labels").integers(1, train.classes, len(positions))
    return (train.labels[positions] + step) % train.classes
