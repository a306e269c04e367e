"""Backdoors: chosen training rows get a trigger and perhaps another label, and so do test rows at test time.

What all attacks with a trigger share: the 1-to-1 scheme (one source class, one target class), the key `trigger`, and
putting the trigger on the rows that a scheme has chosen.
"""

# N training rows, M poisoned rows, T triggered test rows
from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StrictStr, ValidationInfo

from sanitize.attacks.base import Poisoned, Trigger, find_trigger
from sanitize.attacks.select import class_pair, rows_of_class
from sanitize.data.table import BoolArray, IntArray, Table
from sanitize.errors import BadInput
from sanitize.params import AttackParams


class OneToOne(BaseModel):
    """The keys of an attack from one class to another; a trigger's own keys come beside them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: StrictInt | StrictStr = Field(description="class whose rows get the trigger: name or label")
    target: StrictInt | StrictStr = Field(description="class that the attacker wants for them: name or label")
    share: float = Field(0.1, ge=0, le=1, description="part of the source class that is poisoned, 0..1")


def section(value: Any) -> Any:
    """A name alone, such as "stripes", stands for a section with that name; all else stays as it is."""
    return {"name": value} if isinstance(value, str) else value


def _checked(value: AttackParams, info: ValidationInfo) -> AttackParams:
    """Find the trigger now, so that its options are checked with the attack's, before any data are read."""
    find_trigger(value, f"{(info.context or {}).get('key', 'attack')}.{info.field_name}")
    return value


TriggerParams = Annotated[AttackParams, BeforeValidator(section), AfterValidator(_checked)]
PATCH = AttackParams(name="patch")


def one_to_one(
    train: Table,
    test: Table,
    options: OneToOne,
    draw: Callable[[BoolArray], Trigger],
    seed: int,
    name: str,
    free: BoolArray | None,
    key: str,
) -> Poisoned:
    """Put a trigger on a share of the source class and give those rows the target's label.

    train, test  same shape of inputs, same classes
    options      see OneToOne
    draw         makes the trigger, given the rows of the source class as bool [N]
    seed         the run's seed; stream (seed, "attack", name, "rows"), and those of the trigger
    free, key    see base.Attack
    Returns      Poisoned: round(share x rows of the source class) rows; triggered = all test rows of the source class
    Raises       BadParams: unknown or equal classes, a share of no row or of more than are free, and the trigger's
                 reasons; BadInput: test rows or classes unlike the training set's
    """
    source, target = class_pair(train, options.source, options.target, key)
    positions = rows_of_class(train, source, options.share, seed, name, free, key)
    trigger = draw(train.labels == source)
    victims = np.flatnonzero(test.labels == source).astype(np.int64)
    labels, targets = (np.full(len(rows), target, np.int64) for rows in (positions, victims))
    return implant(train, test, positions, labels, victims, targets, trigger)


def implant(
    train: Table,
    test: Table,
    positions: IntArray,
    labels: IntArray,
    victims: IntArray,
    targets: IntArray,
    trigger: Trigger,
) -> Poisoned:
    """Put a trigger on chosen training and test rows.

    train, test  same shape of inputs, same classes; a test set without rows may have any
    positions    int64 [M], sorted training rows
    labels       int64 [M], their new labels
    victims      int64 [T], test rows
    targets      int64 [T], the label that the attacker wants for each
    Raises       BadInput: test rows or classes unlike the training set's
    """
    _refuse_unlike(train, test)
    triggered = test.take(victims)
    inputs = trigger(train.inputs[positions])
    # a test set without rows does not know how large its images would be
    stamped = trigger(triggered.inputs) if len(triggered) else triggered.inputs
    return Poisoned(
        positions,
        inputs,
        labels,
        Table(triggered.ids, stamped, triggered.labels, test.class_names, test.modality),
        targets,
    )


def _refuse_unlike(train: Table, test: Table) -> None:
    if not len(test):
        return
    shapes = test.inputs.shape[1:], train.inputs.shape[1:]
    if shapes[0] != shapes[1] and train.modality == "image":
        raise BadInput(
            f"test images are {list(shapes[0])}, training images {list(shapes[1])} "
            "(height, width, channels); must be the same; data.image_size resizes both"
        )
    if shapes[0] != shapes[1]:
        raise BadInput(
            f"test rows have {shapes[0][0]} features, training rows {shapes[1][0]}; must be the same; "
            "give both the same columns"
        )
    if test.class_names != train.class_names:
        raise BadInput(
            f"the test set's classes are {', '.join(test.class_names)}, the training set's "
            f"{', '.join(train.class_names)}; must be the same, in the same order"
        )
