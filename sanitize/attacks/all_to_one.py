"""All-to-one backdoor, dirty labels: rows of every other class get a trigger and the target's label.

Jin et al. 2023, appendix B: share/9 of each of the nine other classes, thus as many rows as 1-to-1 poisons at the same
share. At test time every row of another class gets the trigger.
"""

# N rows, C classes
from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from sanitize.attacks.backdoor import PATCH, TriggerParams, implant
from sanitize.attacks.base import Poisoned, find_trigger
from sanitize.attacks.select import class_index, rows_of_classes
from sanitize.data.table import BoolArray, Table


class Options(BaseModel):
    """The keys of `attack` in params.yaml when its name is all_to_one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: StrictInt | StrictStr = Field(description="class that the attacker wants for all others: name or label")
    share: float = Field(0.1, ge=0, le=1, description="0..1; each other class gives share / (classes - 1) of its rows")
    trigger: TriggerParams = Field(PATCH, description="a trigger's name and its own keys")


def poison(
    train: Table, test: Table, options: Options, seed: int, free: BoolArray | None = None, key: str = "attack"
) -> Poisoned:
    """Put the trigger on rows of all classes but the target, and relabel them.

    train, test  same shape of inputs, same classes
    options      see Options
    seed         the run's seed; streams (seed, "attack", "all_to_one", "rows", label), and those of the trigger
    free, key    see base.Attack
    Returns      Poisoned: see select.rows_of_classes for how many; triggered = all test rows of other classes
    Raises       BadParams: unknown target, a share of no row or of more than are free, and the trigger's reasons;
                 BadInput: test rows or classes unlike the training set's
    """
    target = class_index(train, options.target, f"{key}.target")
    others = [label for label in range(train.classes) if label != target]
    parts = max(len(others), 1)
    positions = rows_of_classes(train, others, options.share, seed, "all_to_one", free, key, parts)
    trigger = find_trigger(options.trigger, f"{key}.trigger")(train, train.labels != target, seed)
    victims = np.flatnonzero(test.labels != target).astype(np.int64)
    labels, targets = (np.full(len(rows), target, np.int64) for rows in (positions, victims))
    return implant(train, test, positions, labels, victims, targets, trigger)
