"""What the experiment is run with: params.yaml -> settings, and the parameters of one run and method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from experiments.peers import base as peers
from experiments.strong.scenarios import Scenario, parse, parse_key
from sanitize.errors import BadParams
from sanitize.params import Params, Section, preset_names, read_values, resolve

HERE = Path("experiments/strong")
REFERENCE = "reference"  # what a cell is called that trains the models without a filter


class Bounds(Section):
    """When a scenario counts: a model trained on clean rows resists the trigger, an undefended one does not."""

    oracle_tmr_under: float = Field(gt=0, le=1)
    undefended_share_over: float = Field(
        ge=0,
        le=1,
        description="undefended TMR over the part of the same test rows that the model gets right when clean",
    )


class Costs(Section):
    """CPU seconds of a cell, for the plan: of each method on a data set of factor 1, and the factors."""

    start: float = Field(ge=0, description="of every cell, whatever it does")
    methods: dict[str, float]
    data_sets: dict[str, float]
    other_method: float = Field(gt=0, description="of a method that is not named")

    def of(self, data: str, method: str) -> float:
        """CPU seconds of one cell."""
        return self.start + self.methods.get(method, self.other_method) * self.data_sets.get(data, 1.0)


class Settings(Section):
    """All of params.yaml.

    models     parameters of the models that are trained before and after a filter, the same for every method
    filters    parameters laid over those of every preset
    variants   methods that are a preset with other values: name -> {preset: …, section: …}
    peers      options of each peer
    seen       data set, pair and trigger on which `fast` was tuned before this experiment, as in a run's name
    tuning     runs to choose values on; every other list is one of test runs, the most telling first
    compared   test runs on which the peers run, too
    ablation   variants of `strong`, each without one ingredient or with another value
    ablated    tuning runs on which they run
    trainings  of the sanitized model; its TMR and accuracy are their means
    """

    folders: dict[str, str | None]
    models: dict[str, Any]
    filters: dict[str, Any]
    variants: dict[str, dict[str, Any]]
    peers: dict[str, dict[str, Any]]
    counts: Bounds
    trainings: int = Field(ge=1)
    costs: Costs
    data_sets: list[str]
    methods: list[str]
    peer_methods: list[str]
    ablation: list[str]
    seen: list[str]
    tuning: list[str]
    ablated: list[str]
    test: list[str]
    compared: list[str]
    more: list[str]

    def lists(self) -> dict[str, list[str]]:
        """The lists of runs by name."""
        return {
            "test": self.test,
            "compared": self.compared,
            "more": self.more,
            "ablation": self.ablated,
            "tuning": self.tuning,
        }

    def methods_of(self, name: str) -> list[str]:
        """The methods that run on a list's runs."""
        if name == "ablation":
            return [*self.methods, *self.ablation]
        return self.peer_methods if name == "compared" else self.methods

    def is_tuning(self, run: str) -> bool:
        """Whether the run, or another of its data set, pair and trigger, is one to choose values on, or was seen."""
        chosen = {parse_key(key) for key in self.seen}.union(*(parse(other).keys() for other in self.tuning))
        return run in self.tuning or bool(parse(run).keys() & chosen)

    def final(self, seed: int) -> Params:
        """Parameters of the models."""
        return resolve({**self.models, "engine": "inline", "seed": seed}, "models")

    def attack(self, scenario: Scenario) -> Params:
        """The same with the scenario's attack."""
        given = {**self.models, "engine": "inline", "seed": scenario.seed, "attack": scenario.attack()}
        return resolve(given, "models")

    def filter(self, method: str, seed: int) -> Params | None:
        """Parameters of a preset or variant; None for a peer. BadParams: neither."""
        values = self.variants.get(method)
        if values is None:
            if method in peers.names():
                return None
            if method not in preset_names():
                known = [*preset_names(), *self.variants, *peers.names()]
                raise BadParams(
                    f"METHOD is {method!r}; must be a preset, a variant of params.yaml, a peer or {REFERENCE!r}: "
                    f"{', '.join(known)}"
                )
            values = {"preset": method}
        given = _over(self.filters, values)
        return resolve({**given, "engine": "inline", "seed": seed}, f"variants.{method}")


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`, section by section."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = {**old, **value} if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def read_settings(path: Path) -> Settings:
    """params.yaml of the experiment. BadParams: another key or value, or a run that cannot be read."""
    try:
        settings = Settings.model_validate(read_values(path))
    except ValidationError as error:
        raise BadParams(f"{path}: {error}") from error
    for runs in settings.lists().values():
        for run in runs:
            parse(run)
    return settings
