"""Backdoor under true labels: rows of the target class get a trigger and keep their label.

The plain form of a clean-label attack (Turner et al. 2018; with stripes it is SIG, Barni et al. 2019): a model learns
the trigger beside the class's own features, or not. At test time rows of other classes get the trigger.
"""

# N rows
from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from sanitize.attacks.backdoor import PATCH, TriggerParams, implant
from sanitize.attacks.base import Poisoned, find_trigger
from sanitize.attacks.select import class_index, class_pair, rows_of_class
from sanitize.data.table import BoolArray, Table


class Options(BaseModel):
    """The keys of `attack` in params.yaml when its name is same_label."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: StrictInt | StrictStr = Field(description="class that carries the trigger and that the attacker wants")
    source: StrictInt | StrictStr | None = Field(
        None, description="class whose test rows get the trigger; null = all others"
    )
    share: float = Field(0.1, ge=0, le=1, description="part of the target class that carries the trigger, 0..1")
    trigger: TriggerParams = Field(PATCH, description="a trigger's name and its own keys")


def poison(
    train: Table, test: Table, options: Options, seed: int, free: BoolArray | None = None, key: str = "attack"
) -> Poisoned:
    """Put the trigger on a share of the target class.

    train, test  same shape of inputs, same classes
    options      see Options
    seed         the run's seed; streams (seed, "attack", "same_label", "rows"), and those of the trigger
    free, key    see base.Attack
    Returns      Poisoned: round(share x rows of the target class) rows; triggered = test rows of the source class, or
                 of all classes but the target
    Raises       BadParams: unknown or equal classes, a share of no row or of more than are free, and the trigger's
                 reasons; BadInput: test rows or classes unlike the training set's
    """
    if options.source is None:
        target = class_index(train, options.target, f"{key}.target")
        victims = np.flatnonzero(test.labels != target).astype(np.int64)
    else:
        source, target = class_pair(train, options.source, options.target, key)
        victims = np.flatnonzero(test.labels == source).astype(np.int64)
    positions = rows_of_class(train, target, options.share, seed, "same_label", free, key)
    trigger = find_trigger(options.trigger, f"{key}.trigger")(train, train.labels == target, seed)
    labels, targets = (np.full(len(rows), target, np.int64) for rows in (positions, victims))
    return implant(train, test, positions, labels, victims, targets, trigger)
