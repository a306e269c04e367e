"""What attacks and triggers are, and how they are found by name.

An attack is a module of this folder with two names. Training and test tables -> the rows changed, and the test rows
that carry the trigger:
    Options   a pydantic model (frozen, extra="forbid") of the attack's own keys in params.yaml
    poison    poison(train, test, options, seed, free, key) -> Poisoned, a pure function of its arguments; see Attack
              for the first four and `free`; key = what messages call its section of params.yaml

A trigger is a module with two other names, and any attack that takes a `trigger` can use it:
    TriggerOptions  a pydantic model of the trigger's own keys
    trigger         trigger(train, carriers, options, seed, key) -> Trigger, which draws what is left to chance; see
                    DrawTrigger
Most triggers are attacks as well: from one source class to one target class (backdoor.one_to_one).
"""

# N training rows, M of them changed, T triggered test rows
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Protocol

from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

import sanitize.attacks
from sanitize.data.table import BoolArray, IntArray, Table
from sanitize.errors import BadParams
from sanitize.params import AttackParams, refuse_truth_value

Trigger = Callable[[NDArray[Any]], NDArray[Any]]  # inputs [n, …] -> a copy that carries it, same shape and dtype
DrawTrigger = Callable[[Table, BoolArray, int], Trigger]  # training set, bool [N] rows that may carry it, seed


@dataclass(frozen=True)
class Poisoned:
    """What an attack does to a training set, and how it is put to use at test time.

    positions  int64 [M], sorted: rows of the training table that change
    inputs     their new inputs, [M, …], dtype of the training table's inputs
    labels     int64 [M], their new labels
    triggered  T test rows with the trigger applied; ids = row in the test table (one that several triggers can use
               stands there once for each), labels = true labels
    targets    int64 [T], the label that the attacker wants for each triggered row
    """

    positions: IntArray
    inputs: NDArray[Any]
    labels: IntArray
    triggered: Table
    targets: IntArray


class Attack(Protocol):
    """An attack bound to its options: a pure function of training set, test set, seed and the rows that are free."""

    def __call__(self, train: Table, test: Table, seed: int, free: BoolArray | None = None) -> Poisoned:
        """Attack. free: bool [N], training rows that may change, because no other attack has taken them; None = all."""


def find(params: AttackParams, key: str = "attack") -> Attack:
    """The attack that `params.name` names, bound to its options: call it as attack(train, test, seed).

    params   the section `attack` of params.yaml, or an entry of several attacks
    key      what messages call that section
    Returns  see Attack
    Raises   BadParams: no such attack, or an option that is unknown, missing, of another type or out of range
    """
    module = _module(params, "poison", key)
    options = _checked(module.Options, params, key)

    def attack(train: Table, test: Table, seed: int, free: BoolArray | None = None) -> Poisoned:
        poisoned: Poisoned = module.poison(train, test, options, seed, free, key)
        return poisoned

    return attack


def find_trigger(params: AttackParams, key: str = "attack.trigger") -> DrawTrigger:
    """The trigger that `params.name` names, bound to its options.

    params   the key `trigger` of an attack: the trigger's name and its own keys
    key      what messages call that section
    Returns  see DrawTrigger
    Raises   BadParams: as `find`
    """
    module = _module(params, "trigger", key)
    options = _checked(module.TriggerOptions, params, key)

    def draw(train: Table, carriers: BoolArray, seed: int) -> Trigger:
        trigger: Trigger = module.trigger(train, carriers, options, seed, key)
        return trigger

    return draw


def names(kind: str = "poison") -> list[str]:
    """The modules of this folder that have a function called `kind`, sorted: "poison" attacks, "trigger" triggers."""
    modules = sorted(module.name for module in iter_modules(sanitize.attacks.__path__))
    return [name for name in modules if hasattr(import_module(f"sanitize.attacks.{name}"), kind)]


def _module(params: AttackParams, kind: str, key: str) -> ModuleType:
    present = {module.name for module in iter_modules(sanitize.attacks.__path__)}
    module = import_module(f"sanitize.attacks.{params.name}") if params.name in present else None
    if module is None or not hasattr(module, kind):
        raise BadParams(f"{key}.name is {params.name!r}; must be one of {', '.join(names(kind))}")
    return module


def _checked(model: type[BaseModel], params: AttackParams, section: str) -> BaseModel:
    try:
        for name, value in params.options.items():
            refuse_truth_value(model, name, value)
    except ValueError as error:
        raise BadParams(f"{section}.{name} is {json.dumps(value)}; {error}; give a number or a name") from error
    try:
        return model.model_validate(params.options, context={"key": section})
    except ValidationError as error:
        lines: dict[str, list[str]] = {}  # one per key: a key of several types has one complaint for each of them
        for item in error.errors():
            # a key's first part is its name; later strings only name the type that was tried
            place = [str(part) for i, part in enumerate(item["loc"]) if i == 0 or isinstance(part, int)]
            key = f"{section}." + ".".join(place)
            if item["type"] == "extra_forbidden":
                known = ", ".join(sorted(model.model_fields))
                start = f"{key} is no parameter of {params.name}"
                reason = f"{known} are; remove it or mend its spelling"
            elif item["type"] == "missing":
                start, reason = f"{key} is missing", f"add it, or choose another attack than {params.name}"
            else:
                start, reason = f"{key} is {item['input']!r}", item["msg"][0].lower() + item["msg"][1:]
            if reason not in lines.setdefault(start, []):
                lines[start].append(reason)
        raise BadParams("\n".join(f"{start}; {', or '.join(reasons)}" for start, reasons in lines.items())) from error
