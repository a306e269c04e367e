"""All-to-all backdoor, dirty labels: rows of every class get a trigger and the label some places further.

Jin et al. 2023, appendix B: label l becomes (l + shift) mod C for the given share of every class. At test time every
row gets the trigger.
"""

# N rows, C classes
from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from sanitize.attacks.backdoor import PATCH, TriggerParams, implant
from sanitize.attacks.base import Poisoned, find_trigger
from sanitize.attacks.select import rows_of_classes
from sanitize.data.table import BoolArray, Table
from sanitize.errors import BadParams


class Options(BaseModel):
    """The keys of `attack` in params.yaml when its name is all_to_all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shift: int = Field(1, ge=1, description="label l becomes (l + shift) mod C; the paper uses 2, 3, 5 and 7")
    share: float = Field(0.1, ge=0, le=1, description="part of every class that is poisoned, 0..1")
    trigger: TriggerParams = Field(PATCH, description="a trigger's name and its own keys")


def poison(
    train: Table, test: Table, options: Options, seed: int, free: BoolArray | None = None, key: str = "attack"
) -> Poisoned:
    """Put the trigger on rows of all classes and shift their labels.

    train, test  same shape of inputs, same classes
    options      see Options
    seed         the run's seed; streams (seed, "attack", "all_to_all", "rows", label), and those of the trigger
    free, key    see base.Attack
    Returns      Poisoned: see select.rows_of_classes for how many; triggered = all test rows, each with its own target
    Raises       BadParams: a shift that leaves labels alone, a share of no row or of more than are free, and the
                 trigger's reasons; BadInput: test rows or classes unlike the training set's
    """
    classes = train.classes
    if options.shift % classes == 0:
        raise BadParams(
            f"{key}.shift is {options.shift}; with {classes} classes every label would stay; must be no multiple of it"
        )
    positions = rows_of_classes(train, range(classes), options.share, seed, "all_to_all", free, key)
    trigger = find_trigger(options.trigger, f"{key}.trigger")(train, np.ones(len(train), np.bool_), seed)
    labels, targets = ((old + options.shift) % classes for old in (train.labels[positions], test.labels))
    return implant(train, test, positions, labels, np.arange(len(test)), targets, trigger)
