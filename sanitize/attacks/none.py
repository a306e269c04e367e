"""No attack: one's own data, or a clean run. Nothing changes and no test row carries a trigger."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from sanitize.attacks.base import Poisoned
from sanitize.data.table import BoolArray, Table


class Options(BaseModel):
    """No options. Another attack's keys may stay in params.yaml, so that `-S attack.name=none` alone turns it off."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def poison(
    train: Table, test: Table, options: Options, seed: int, free: BoolArray | None = None, key: str = "attack"
) -> Poisoned:
    """Change nothing.

    train, test  any tables
    options      none
    seed, free, key  not used
    Returns      Poisoned with no positions and no triggered rows
    """
    nothing = np.zeros(0, np.int64)
    return Poisoned(nothing, train.inputs[:0], nothing, test.take(nothing), nothing)
