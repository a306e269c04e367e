"""Feature backdoor for vectors and tables, dirty labels: a few columns take values that rarely meet.

The patch of data without pixels: chosen columns of a share of the source class are set to fixed values, by default each
column's 99% quantile in the training data, and the labels become the target's; at test time the same columns of every
row of the source class.
"""

# N rows, n rows of any table, D features, P columns of the trigger
from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sanitize.attacks.backdoor import OneToOne, one_to_one
from sanitize.attacks.base import Poisoned, Trigger
from sanitize.data.seeds import stream
from sanitize.data.table import BoolArray, FloatArray, IntArray, Table
from sanitize.errors import BadParams

Column = Annotated[int, Field(strict=True, ge=0)]
Value = Annotated[float, Field(ge=-3e38, le=3e38)]  # what a float32 can hold


class TriggerOptions(BaseModel):
    """The trigger's own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: Literal["random"] | Annotated[list[Column], Field(min_length=1)] = Field(
        "random", description="or numbers of the features that are set, from 0, in the order of data.inputs"
    )
    count: int = Field(3, ge=1, description="columns: random: how many")
    values: Literal["quantile"] | Annotated[list[Value], Field(min_length=1)] = Field(
        "quantile", description="or one value for each column"
    )
    quantile: float = Field(0.99, gt=0, le=1, description="values: quantile: which one of the training data's column")


class Options(OneToOne, TriggerOptions):
    """The keys of `attack` in params.yaml when its name is features."""


def poison(
    train: Table, test: Table, options: Options, seed: int, free: BoolArray | None = None, key: str = "attack"
) -> Poisoned:
    """Set the columns in a share of the source class and relabel those rows.

    train, test  vectors or tabular rows, same number of features
    options      see Options
    seed         the run's seed; streams (seed, "attack", "features", "rows" | "columns")
    free, key    see base.Attack
    Returns      Poisoned: round(share x rows of the source class) rows; triggered = all test rows of the source class
    Raises       as backdoor.one_to_one and `trigger`
    """

    def draw(carriers: BoolArray) -> Trigger:
        return trigger(train, carriers, options, seed, key)

    return one_to_one(train, test, options, draw, seed, "features", free, key)


def trigger(train: Table, carriers: BoolArray, options: TriggerOptions, seed: int, key: str) -> Trigger:
    """The columns and their values, drawn once for the whole attack.

    train     vectors or tabular rows
    carriers  bool [N], training rows that may carry it, at least one. With quantiles, random columns are drawn from
              those where more than half of these rows lie below the quantile: others would be hardly any trigger
    options   see TriggerOptions; a quantile is a value of the column (the least that the share does not exceed), so
              that whole numbers stay whole
    seed      the run's seed; stream (seed, "attack", "features", "columns")
    key       what messages call the section
    Returns   float32 [n, D] -> a copy with those columns set
    Raises    BadParams: images, a column out of range or named twice, another number of values than columns, too few
              columns to draw from, values that every carrier has already
    """
    if train.modality == "image":
        raise BadParams(f"{key}.name is 'features'; the data are images; must be vectors or a table; use patch instead")
    rows_nD = train.inputs[carriers]
    if options.values == "quantile":
        value_D = _quantile(train.inputs, options.quantile)
        column_P = _columns(options, np.flatnonzero(_quantile(rows_nD, 0.5) < value_D), train, seed, key)
        value_P = value_D[column_P]
    else:
        column_P = _columns(options, np.arange(train.inputs.shape[1]), train, seed, key)
        value_P = np.array(options.values, np.float32)
        if len(value_P) != len(column_P):
            raise BadParams(
                f"{key}.values has {len(value_P)} values for {len(column_P)} columns; must have one for each"
            )
    if (rows_nD[:, column_P] == value_P).all():
        raise BadParams(
            f"{key}: features {column_P.tolist()} are {value_P.tolist()} already in every row that may carry the "
            "trigger; choose other columns or values"
        )

    def put(inputs: NDArray[Any]) -> NDArray[Any]:
        changed = inputs.copy()
        changed[:, column_P] = value_P
        return changed

    return put


def _quantile(rows_nD: FloatArray, share: float) -> FloatArray:
    """float32 [D], values of the rows: no interpolation."""
    return np.quantile(rows_nD, share, axis=0, method="inverted_cdf").astype(np.float32)


def _columns(options: TriggerOptions, candidates: NDArray[Any], train: Table, seed: int, key: str) -> IntArray:
    """int64 [P], as given, or drawn and sorted."""
    features = train.inputs.shape[1]
    if options.columns != "random":
        if max(options.columns) >= features:
            raise BadParams(f"{key}.columns is {options.columns}; must be in 0..{features - 1}, the data's features")
        if len(set(options.columns)) < len(options.columns):
            raise BadParams(f"{key}.columns is {options.columns}; must name each column once")
        return np.array(options.columns, np.int64)
    if len(candidates) < options.count:
        why = "" if options.values != "quantile" else f" with more than half of the rows below {key}.quantile"
        raise BadParams(
            f"{key}.count is {options.count}; the data have {len(candidates)} features{why}; must be at most that"
            "; lower it, or give columns and values"
        )
    draw = stream(seed, "attack", "features", "columns")
    return np.sort(draw.choice(candidates, size=options.count, replace=False)).astype(np.int64)
