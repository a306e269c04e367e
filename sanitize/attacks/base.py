"""What an attack is. Training and test tables -> the rows changed, and the test rows that carry the trigger.

An attack is a module of this folder with two names:
    Options   a pydantic model (frozen, extra="forbid") of the attack's own keys in params.yaml
    poison    poison(train, test, options, seed) -> Poisoned, a pure function of its arguments
"""

# N training rows, M of them changed, T triggered test rows
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

import sanitize.attacks
from sanitize.data.table import IntArray, Table
from sanitize.errors import BadParams
from sanitize.params import AttackParams


@dataclass(frozen=True)
class Poisoned:
    """What an attack does to a training set, and how it is put to use at test time.

    positions  int64 [M], sorted: rows of the training table that change
    inputs     their new inputs, [M, …], dtype of the training table's inputs
    labels     int64 [M], their new labels
    triggered  T test rows with the trigger applied; ids = row in the test table, labels = true labels
    targets    int64 [T], the label that the attacker wants for each triggered row
    """

    positions: IntArray
    inputs: NDArray[Any]
    labels: IntArray
    triggered: Table
    targets: IntArray


Attack = Callable[[Table, Table, int], Poisoned]


def find(params: AttackParams) -> Attack:
    """The attack that `params.name` names, bound to its options: call it as attack(train, test, seed).

    params   the section `attack` of params.yaml
    Returns  a pure function (train, test, seed) -> Poisoned
    Raises   BadParams: no such attack, or an option that is unknown, missing, of another type or out of range
    """
    present = {module.name for module in iter_modules(sanitize.attacks.__path__)}
    module = import_module(f"sanitize.attacks.{params.name}") if params.name in present else None
    if module is None or not hasattr(module, "poison"):
        raise BadParams(f"attack.name is {params.name!r}; must be one of {', '.join(names())}")
    options = _checked(module.Options, params)

    def attack(train: Table, test: Table, seed: int) -> Poisoned:
        poisoned: Poisoned = module.poison(train, test, options, seed)
        return poisoned

    return attack


def names() -> list[str]:
    """The attacks in this folder, sorted: every module that has a `poison`."""
    modules = sorted(module.name for module in iter_modules(sanitize.attacks.__path__))
    return [name for name in modules if hasattr(import_module(f"sanitize.attacks.{name}"), "poison")]


def _checked(model: type[BaseModel], params: AttackParams) -> BaseModel:
    try:
        return model.model_validate(params.options)
    except ValidationError as error:
        lines: dict[str, list[str]] = {}  # one per key: a key of several types has one complaint for each of them
        for item in error.errors():
            # a key's first part is its name; later strings only name the type that was tried
            place = [str(part) for i, part in enumerate(item["loc"]) if i == 0 or isinstance(part, int)]
            key = "attack." + ".".join(place)
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
