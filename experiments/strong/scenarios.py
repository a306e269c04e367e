"""Scenarios by name: data set, pair, trigger, share and seed, and the attack that they stand for.

A run is written DATA_PAIR_TRIGGER_SHARE_sSEED, or DATA_none_sSEED without an attack. PAIR is
    6-4              from class 6 to class 4
    all-4            every other class to class 4
    shift-3          every class to the one three places further
    any              labels alone, to any other class (with the trigger flip)
    6-4-and-3-5      two attacks at once; TRIGGER is then two triggers, too: square-and-stripes
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from sanitize.errors import BadParams

NONE = "none"
AND = "-and-"
TRIGGERS: dict[str, dict[str, Any]] = {
    "pixel": {"name": "patch", "shape": "pixel"},
    "L": {"name": "patch", "shape": "L"},
    "X": {"name": "patch", "shape": "X"},
    "checkerboard": {"name": "patch", "shape": "checkerboard"},
    "square": {"name": "patch", "shape": "square", "size": 4},
    "blend": {"name": "blend"},
    "stripes": {"name": "stripes"},
    "peace": {"name": "watermark", "picture": "peace"},
    "letter": {"name": "watermark", "picture": "letter"},
    "holes": {"name": "watermark", "picture": "holes"},
    "colors": {"name": "watermark", "picture": "colors"},
    "features": {"name": "features"},
    "flip": {"name": "label_flip"},
}
Key = tuple[str, str, str]  # data set, pair, trigger


@dataclass(frozen=True)
class Scenario:
    """One run. pair and trigger are NONE, and share is 0, without an attack."""

    data: str
    pair: str
    trigger: str
    share: float
    seed: int

    @property
    def name(self) -> str:
        """As `parse` reads it."""
        middle = NONE if self.pair == NONE else f"{self.pair}_{self.trigger}_{self.share:g}"
        return f"{self.data}_{middle}_s{self.seed}"

    def parts(self) -> list[Scenario]:
        """The attacks that it is made of, one scenario each."""
        pairs, triggers = self.pair.split(AND), self.trigger.split(AND)
        return [replace(self, pair=pair, trigger=trigger) for pair, trigger in zip(pairs, triggers, strict=True)]

    def keys(self) -> set[Key]:
        """What tuning and test must not share; nothing where there is no attack."""
        return {(part.data, part.pair, part.trigger) for part in self.parts() if part.pair != NONE}

    def attack(self) -> dict[str, Any]:
        """The section `attack` of the parameters."""
        parts = self.parts()
        if len(parts) > 1:
            return {"name": "several", "attacks": [part.attack() for part in parts]}
        if self.pair == NONE:
            return {"name": "none"}
        trigger = TRIGGERS[self.trigger]
        share = {"share": self.share}
        kind, _, last = self.pair.rpartition("-")
        if kind == "all":
            return {"name": "all_to_one", "target": int(last), "trigger": trigger, **share}
        if kind == "shift":
            return {"name": "all_to_all", "shift": int(last), "trigger": trigger, **share}
        pair = {} if self.pair == "any" else {"source": int(kind), "target": int(last)}
        return {**trigger, **pair, **share}


def parse(run: str) -> Scenario:
    """The scenario of a run's name. BadParams: written wrongly, or an unknown trigger."""
    words = run.split("_")
    seed = words[-1][1:]
    if words[-1][:1] == "s" and seed.isdigit():
        if len(words) == 3 and words[1] == NONE:
            return Scenario(words[0], NONE, NONE, 0.0, int(seed))
        if len(words) == 5 and re.fullmatch(r"0?\.\d+|1", words[3]):
            return _checked(Scenario(words[0], words[1], words[2], float(words[3]), int(seed)), run)
    raise BadParams(
        f"RUN is {run!r}; must be DATA_PAIR_TRIGGER_SHARE_sSEED, such as mnist5k_6-4_square_0.1_s0, or DATA_none_sSEED"
    )


def parse_key(text: str) -> Key:
    """DATA_PAIR_TRIGGER. BadParams: written wrongly."""
    (key,) = parse(f"{text}_1_s0").keys()
    return key


def _checked(scenario: Scenario, run: str) -> Scenario:
    pairs, triggers = scenario.pair.split(AND), scenario.trigger.split(AND)
    if len(pairs) != len(triggers):
        raise BadParams(f"RUN is {run!r}; it has {len(pairs)} pairs and {len(triggers)} triggers; must have as many")
    for pair, trigger in zip(pairs, triggers, strict=True):
        if trigger not in TRIGGERS:
            raise BadParams(f"RUN is {run!r}; its trigger is {trigger!r}; must be one of {', '.join(TRIGGERS)}")
        if not re.fullmatch(r"\d+-\d+|all-\d+|shift-\d+|any", pair):
            raise BadParams(f"RUN is {run!r}; its pair is {pair!r}; must be like 6-4, all-4, shift-3 or any")
        flip = trigger == "flip"
        if (pair == "any") > flip or (flip and pair.startswith(("all", "shift"))):
            raise BadParams(
                f"RUN is {run!r}; the pair any is for the trigger flip, which takes 6-4 or any; mend either"
            )
    return scenario
