"""Triggers that a fitted table gave away, looked for in other rows: findings -> triggers, stored and read -> findings.

What rows share was found among the fitted ones (coherence.py, hunt.py), by features or by networks, each fitted to one
half of them. A row that was not there is a carrier if it bears the group's label and both halves' rules, or the mean of
both networks, take it for one of the group.
"""

# n rows of a batch, F features that tell, D features of a row, C classes
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sanitize.coherence import GROUP, KINDS, LIKELY, OTHERS, Finding, Group
from sanitize.common_features import Rule
from sanitize.data.table import BoolArray, IntArray, Modality, Table
from sanitize.evidence.base import Evidence
from sanitize.evidence.groups import UNGROUPED
from sanitize.learners.base import Learner, make_learner
from sanitize.params import LearnerParams

State = dict[str, NDArray[Any]]
BAR = "bar"


class TriggerAbout(BaseModel):
    """What is stored of a trigger beside its arrays.

    label, says      the group's: see `Group`
    size             rows that it had in the fitted table
    recognised       part of them that was recognised, 0..1
    rules, networks  how many of each
    group            number of its group, UNGROUPED where it is not named what the rows share
    evidence         what they share, in words
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: int = Field(ge=0)
    says: int = Field(ge=OTHERS)
    size: int = Field(ge=1)
    recognised: float = Field(ge=0, le=1)
    rules: int = Field(ge=0, le=2)
    networks: int = Field(ge=0, le=2)
    group: int = Field(UNGROUPED, ge=UNGROUPED)
    evidence: str = ""


@dataclass(frozen=True)
class Trigger:
    """What a group of rows shares, so that other rows can be told that share it."""

    about: TriggerAbout
    rules: tuple[Rule, ...]
    networks: tuple[State, ...]

    def state(self) -> State:
        """Its arrays by name."""
        arrays: State = {}
        for number, rule in enumerate(self.rules):
            for name, value in rule._asdict().items():
                arrays[f"rule/{number}/{name}"] = np.array([value]) if name == BAR else value
        for number, network in enumerate(self.networks):
            arrays |= {f"network/{number}/{name}": value for name, value in network.items()}
        return arrays


def triggers_of(findings: Iterable[Finding]) -> list[Trigger]:
    """Those of the findings that have carriers, and by which others can be told."""
    return [
        Trigger(
            TriggerAbout(
                label=one.group.label,
                says=one.group.says,
                size=one.group.size,
                recognised=one.recognised,
                rules=len(one.rules),
                networks=len(one.networks),
                group=one.number,
                evidence=one.evidence.text if one.evidence is not None and one.strong else "",
            ),
            one.rules,
            one.networks,
        )
        for one in findings
        if len(one.carriers) and (one.rules or one.networks)
    ]


def read_trigger(about: TriggerAbout, state: State, shape: Sequence[int], classes: int) -> Trigger:
    """A trigger from what `Trigger.state` gave.

    shape    of one row of the inputs
    classes  C
    Raises   ValueError: not what it gives for such inputs, in words
    """
    if max(about.label, about.says) >= classes:
        raise ValueError(f"a trigger of class {max(about.label, about.says)}, of {classes} classes")
    rules = [dict[str, NDArray[Any]]() for _ in range(about.rules)]
    networks = [dict[str, NDArray[Any]]() for _ in range(about.networks)]
    for key, value in state.items():
        kind, number, name = key.split("/", 2)
        found = {"rule": rules, "network": networks}.get(kind, [])
        if not number.isdecimal() or int(number) >= len(found):
            raise ValueError(f"a trigger with the array {key!r}, which its description does not have")
        found[int(number)][name] = value
    return Trigger(about, tuple(_rule(one, int(np.prod(shape))) for one in rules), tuple(networks))


def _rule(arrays: State, features: int) -> Rule:
    if arrays.keys() != set(Rule._fields):
        raise ValueError(f"a trigger's rule with the arrays {sorted(arrays)}, which must be {sorted(Rule._fields)}")
    feature_F = arrays["feature_F"]
    few = feature_F.shape
    shapes = {"feature_F": few, "mean_3F": (3, *few), "variance_3F": (3, *few), BAR: (1,), "scale_F": few}
    for name, value in arrays.items():
        kind = np.int64 if name == "feature_F" else np.float64
        if value.shape != shapes[name] or value.dtype != kind or len(few) != 1 or not np.isfinite(value).all():
            raise ValueError(f"a trigger's rule whose {name} is {value.dtype} {list(value.shape)}, or not finite")
    inside = bool(((feature_F >= 0) & (feature_F < features)).all())
    if not inside or not (arrays["variance_3F"] > 0).all() or not (arrays["scale_F"] > 0).all():
        raise ValueError(f"a trigger's rule beyond {features} features, or with a spread that is not positive")
    return Rule(**{**arrays, BAR: float(arrays[BAR][0])})  # type: ignore[arg-type]


class Detector:
    """Triggers made ready. May be used by several threads at once.

    shape, modality  of the inputs' rows
    learner, seed    what the networks were made with; `learner.device` is used
    Raises           BadParams: a network's arrays do not fit
    """

    def __init__(
        self,
        triggers: Sequence[Trigger],
        shape: Sequence[int],
        modality: Modality,
        learner: LearnerParams,
        seed: int,
    ) -> None:
        kind = np.uint8 if modality == "image" else np.float32
        stub = Table(np.arange(2), np.zeros((2, *shape), kind), np.zeros(2, np.int64), KINDS, modality)
        self.triggers = [
            (one, [_loaded(make_learner(learner, stub, seed), s) for s in one.networks]) for one in triggers
        ]

    def findings(self, inputs: NDArray[Any], label_n: IntArray) -> list[Finding]:
        """What is found of each trigger in n rows: its carriers among them."""
        found = []
        for trigger, networks in self.triggers:
            about = trigger.about
            asked = np.flatnonzero(label_n == about.label)
            carriers = asked[_carry(trigger, networks, inputs[asked])] if len(asked) else asked
            group = Group(about.label, about.says, np.empty(0, np.int64), elsewhere=about.size)
            evidence = Evidence(True, about.evidence, group.rows) if about.group != UNGROUPED else None
            found.append(Finding(group, "coherent", about.recognised, carriers, evidence=evidence, number=about.group))
        return found


def _loaded(learner: Learner, state: State) -> Learner:
    learner.load(state)
    return learner


def _carry(trigger: Trigger, networks: Sequence[Learner], inputs: NDArray[Any]) -> BoolArray:
    carry_n: BoolArray = np.ones(len(inputs), np.bool_)
    for rule in trigger.rules:
        carry_n &= rule.recognises(inputs)
    if networks:
        share_n = np.stack([network.probabilities(inputs)[:, GROUP] for network in networks]).mean(axis=0)
        carry_n &= share_n > LIKELY
    return carry_n
