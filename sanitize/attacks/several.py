"""Several attacks on one training set: no row is changed by two of them. attacks: [{name: patch, …}, {…}].

Each draws from streams of its own, so that the same attack twice takes other rows, and, where these are random, another
place and colour. Every share is of all rows of its class, whatever the attacks before have taken.
"""

# N training rows, M of them changed, T triggered test rows
from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from sanitize.attacks.backdoor import section
from sanitize.attacks.base import Poisoned, find
from sanitize.data.seeds import stream_seed
from sanitize.data.table import BoolArray, Table
from sanitize.params import AttackParams


class Options(BaseModel):
    """The keys of `attack` in params.yaml when its name is several."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attacks: list[Annotated[AttackParams, BeforeValidator(section)]] = Field(
        min_length=2, description="two or more, each as the section `attack` would have it"
    )

    @field_validator("attacks")
    @classmethod
    def _find_all(cls, attacks: list[AttackParams], info: ValidationInfo) -> list[AttackParams]:
        """Find them now, so that their options are checked before any data are read."""
        for number, params in enumerate(attacks):
            find(params, f"{(info.context or {}).get('key', 'attack')}.attacks.{number}")
        return attacks


def poison(
    train: Table, test: Table, options: Options, seed: int, free: BoolArray | None = None, key: str = "attack"
) -> Poisoned:
    """Attack again and again; a row that one attack has taken is not free for the next.

    train, test  as the attacks need them
    options      see Options
    seed         the run's seed; attack number i, from 0, runs under the seed of stream (seed, "attack", "several", i)
    free, key    see base.Attack
    Returns      Poisoned: all rows of all attacks; triggered = those of the first attack, of the second, and so on, so
                 that a test row, and its id, can stand there more than once, with other triggers and targets
    Raises       as the attacks; BadParams also where too few rows are left for one
    """
    left = np.ones(len(train), np.bool_) if free is None else free.copy()
    done = []
    for number, params in enumerate(options.attacks):
        attack = find(params, f"{key}.attacks.{number}")
        done.append(attack(train, test, stream_seed(seed, "attack", "several", number), left.copy()))
        assert left[done[-1].positions].all(), f"{params.name} takes rows that are not free"
        left[done[-1].positions] = False
    positions = np.concatenate([part.positions for part in done])
    order = np.argsort(positions)
    triggered = [part.triggered for part in done]
    return Poisoned(
        positions[order],
        np.concatenate([part.inputs for part in done])[order],
        np.concatenate([part.labels for part in done])[order],
        Table(
            np.concatenate([rows.ids for rows in triggered]),
            np.concatenate([rows.inputs for rows in triggered]),
            np.concatenate([rows.labels for rows in triggered]),
            test.class_names,
            test.modality,
        ),
        np.concatenate([part.targets for part in done]),
    )
