"""params.yaml as pydantic models, one per section. A key left out, or null, takes the preset's value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanitize.errors import BadParams


class Section(BaseModel):
    """A section of params.yaml: unknown keys are refused, values are checked, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataParams(Section):
    """Where the rows come from."""

    source: str = Field("mnist5k", description="module in sanitize/data/sources")
    folder: str | None = Field(None, description="where a public data set lies; null = downloaded into data/downloads")
    train: str | None = Field(None, description="parquet file, for source: parquet")
    test: str | None = Field(None, description="parquet file with trusted test rows, for source: parquet; optional")
    label: str | None = Field(None, description="label column; null = found")
    inputs: list[str] | None = Field(None, description="input columns; null = found")
    image_size: int | None = Field(None, ge=4, le=1024, description="resize images to this many pixels square")


class AttackParams(BaseModel):
    """Which attack poisons the data; the other keys are the attack's own and checked by its module."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field("none", description="module in sanitize/attacks, or none for one's own data")

    @property
    def options(self) -> dict[str, Any]:
        """The attack's own keys."""
        return dict(self.model_extra or {})


class LearnerParams(Section):
    """The learning algorithm A and its optimiser."""

    name: str = Field(description="module sanitize/learners/NAME_learner.py: torch or sklearn")
    net: str = Field(description="torch: module in sanitize/learners/nets; auto = cnn for images, mlp for others")
    model: str = Field(description="sklearn: logistic_regression, hist_gradient_boosting, or module:Class")
    device: Literal["auto", "cpu", "cuda"] = Field(description="auto = cuda where there is one")
    precision: Literal["auto", "float32", "bfloat16"] = Field(description="auto = bfloat16 where the device has it")
    threads: int = Field(ge=1, le=256, description="threads inside one learner; workers are `workers`")
    lr: float = Field(gt=0, le=10)
    momentum: float = Field(ge=0, lt=1)
    nesterov: bool
    weight_decay: float = Field(ge=0, le=1)
    batch: int = Field(ge=2, le=65536)
    schedule: Literal["step", "triangle"] = Field(description="step: x 0.1 at `drops`; triangle: up, then to zero")
    drops: list[float] = Field(description="fractions of the schedule, 0..1")
    flip: bool = Field(description="random left-right flips of images")
    crop: Literal["auto"] | Annotated[int, Field(ge=0, le=64)] = Field(
        description="random shifts by up to this many pixels; auto = a fourteenth of the shorter side"
    )


class IsplParams(Section):
    """Algorithm 1."""

    runs: int = Field(ge=1, le=64)
    components: int = Field(ge=2, le=256)
    coverage: float = Field(gt=0, le=1, description="part of all rows that the components cover together")
    expansion: float = Field(gt=0, le=1, description="alpha")
    momentum: float = Field(ge=0, lt=1, description="eta, of the losses")
    beta_start: float = Field(ge=1, le=16, description="first beta, as a multiple of the component's share p")
    anneal: int = Field(ge=0, le=16, description="iterations over which beta falls from beta_start x p to p")
    extra_iterations: int = Field(ge=0, le=16, description="N = 2 + min(extra_iterations, 1/p)")
    first_epochs: int = Field(ge=1, le=1000)
    epochs: int = Field(ge=1, le=1000)
    trim: Literal["global", "class"] = Field(description="lowest beta share of all rows, or of every class")
    class_floor: float = Field(ge=0, le=1, description="part of p that every class keeps")
    lr_factor: float = Field(gt=0, le=100, description="learner.lr times this")


class VoteParams(Section):
    """Weak learners and their votes."""

    epochs: int = Field(ge=1, le=1000)
    lr_factor: float = Field(gt=0, le=100, description="learner.lr times this")
    lower_half: bool = Field(description="rows in the lower half of their class by loss are kept")
    least_agreement: int = Field(ge=1, le=64, description="voters that must share the modal prediction to keep a row")


class SelftrainParams(Section):
    """Self-training: win clean rows back."""

    epochs: int = Field(ge=0, le=1000, description="0 = the vote stands")
    every: int = Field(ge=1, le=1000, description="epochs between two updates of the training set")
    momentum: float = Field(ge=0, lt=1, description="of the predictions")
    learners: int = Field(ge=1, le=16, description="independent networks whose predictions are averaged")
    lr_factor: float = Field(gt=0, le=100, description="learner.lr times this")


class TrainParams(Section):
    """Final training of oracle, undefended and sanitized."""

    epochs: int = Field(ge=1, le=1000)
    threads: int = Field(ge=1, le=256, description="in place of learner.threads: the models are trained one by one")


class CertifyParams(Section):
    """Nearest-neighbour certificates."""

    features: Literal["hog", "raw"] = "hog"
    k: int = Field(ge=1)
    radius: float | None = Field(ge=0, description="rNN's L1 radius; null = chosen from the test rows")
    poisoning_sizes: list[int] = Field(description="where the curve is tabulated")


class Params(Section):
    """All of params.yaml."""

    preset: str
    seed: int = Field(0, ge=0, lt=2**63)
    engine: Literal["inline", "processes"] = "processes"
    workers: int | None = Field(None, ge=1, le=1024, description="null = one per core")
    data: DataParams = DataParams()
    attack: AttackParams = AttackParams()
    learner: LearnerParams
    ispl: IsplParams
    vote: VoteParams
    selftrain: SelftrainParams
    train: TrainParams
    certify: CertifyParams

    def sha256(self) -> str:
        """SHA-256 (hex) of all values that can change the kept rows: the filter's sections, the preset resolved."""
        sections = {"seed", "learner", "ispl", "vote", "selftrain"}
        text = json.dumps(self.model_dump(mode="json", include=sections), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def preset_names() -> list[str]:
    """The presets that come with the package: every YAML file in sanitize/presets."""
    return sorted(f.name.removesuffix(".yaml") for f in files("sanitize.presets").iterdir() if f.name.endswith(".yaml"))


def _preset(name: str) -> dict[str, Any]:
    if name not in preset_names():
        raise BadParams(f"preset is {name!r}; must be one of {', '.join(preset_names())}")
    values: dict[str, Any] = yaml.safe_load((files("sanitize.presets") / f"{name}.yaml").read_text())
    return values


def _over(below: Any, above: Any) -> Any:
    """`above` laid over `below`, section by section; null leaves what is below."""
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return {key: _over(below.get(key), above.get(key)) for key in [*below, *(k for k in above if k not in below)]}
    return below if above is None else above


def resolve(given: Mapping[str, Any], origin: str = "params.yaml") -> Params:
    """Parameters from a nested mapping: the preset that it names, with its own values laid over.

    given    as read from YAML; `preset` defaults to "fast"; `attack` may be the string "none"
    origin   what messages call the place where the values stand
    Raises   BadParams: unknown key, wrong type, out of range; names the key, the value and the bound
    """
    given = dict(given)
    if isinstance(given.get("attack"), str):
        given["attack"] = {"name": given["attack"]}
    for section, value in given.items():
        if section in Params.model_fields and _is_section(section) and not isinstance(value, Mapping | None):
            raise BadParams(f"{origin}: {section} is {value!r}; must be a section of keys and values")
    given["preset"] = given.get("preset") or "fast"
    merged = _over(_preset(str(given["preset"])), given)
    try:
        return Params.model_validate(_pruned(merged))
    except ValidationError as error:
        raise BadParams("\n".join(_message(e, origin) for e in error.errors())) from error


def _is_section(name: str) -> bool:
    kind = Params.model_fields[name].annotation
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _pruned(values: Any) -> Any:
    """Without nulls inside sections, so that pydantic's own defaults apply."""
    if isinstance(values, Mapping):
        return {k: _pruned(v) for k, v in values.items() if v is not None or k == "radius"}
    return values


def _message(error: Any, origin: str) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        section = Params.model_fields.get(str(error["loc"][0]))
        kind = section.annotation if section else None
        known = kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else Params.model_fields
        return f"{origin}: {key} is no parameter; {', '.join(sorted(known))} are; remove it or mend its spelling"
    if error["type"] == "missing":
        return f"{origin}: {key} is missing; add it, or name a preset that has it"
    return f"{origin}: {key} is {error['input']!r}; {error['msg'][0].lower()}{error['msg'][1:]}"


def load_params(path: str | Path) -> Params:
    """Read and check a params.yaml.

    Raises   BadParams: no such file, not YAML, or any of `resolve`'s reasons
    """
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise BadParams(f"{path}: no such file; `sanitize init` writes one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadParams(f"{path}: cannot be read ({error})") from error
    except yaml.YAMLError as error:
        raise BadParams(f"{path}: is not YAML: {error}") from error
    if not isinstance(values, Mapping | None):
        raise BadParams(f"{path}: must hold keys and values; got {type(values).__name__}")
    return resolve(values or {}, str(path))
