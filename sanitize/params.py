"""params.yaml as pydantic models, one per section. A key left out, or null, takes the preset's value."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from sanitize.config.yaml_file import read_yaml
from sanitize.errors import BadParams

DEFAULT_PRESET = "strong"
# Cannot change which rows of a file are kept: where and how the work is done, and what other commands do.
NO_VERDICT: dict[str, Any] = {
    **dict.fromkeys(("preset", "engine", "workers", "address", "attack", "train", "certify", "ensemble"), True),
    "data": {"source", "folder", "train", "test", "overrides"},
}


def refuse_truth_value(kind: type[BaseModel], name: str | None, value: Any) -> Any:
    """The value of a model's field. ValueError: it is true or false, which YAML makes of yes and on, for a number."""
    field = kind.model_fields.get(name or "")
    values = value if isinstance(value, list) else [value]
    if field is not None and any(isinstance(item, bool) for item in values) and "bool" not in str(field.annotation):
        raise ValueError("true and false are no numbers")
    return value


class Section(BaseModel):
    """A section of params.yaml: unknown keys are refused, values are checked, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value(cls, value: Any, info: ValidationInfo) -> Any:
        return refuse_truth_value(cls, info.field_name, value)


class DataParams(Section):
    """Where the rows come from."""

    source: str = Field("mnist5k", description="module in sanitize/data/sources")
    folder: str | None = Field(None, description="where a public data set lies; null = downloaded into data/downloads")
    train: str | None = Field(None, description="parquet file, for source: parquet")
    test: str | None = Field(None, description="parquet file with trusted test rows, for source: parquet; optional")
    label: str | None = Field(None, description="label column; null = found")
    inputs: list[str] | None = Field(None, description="input columns; null = found")
    image_size: int | None = Field(None, ge=4, le=1024, description="resize images to this many pixels square")
    overrides: str | list[str] | None = Field(
        None, description="review files of the pipeline: what people decided about rows of data/poisoned/train.parquet"
    )


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
    drops: list[Annotated[float, Field(ge=0, le=1)]] = Field(description="fractions of the schedule, 0..1")
    flip: bool = Field(description="random left-right flips of images")
    crop: Literal["auto"] | Annotated[int, Field(ge=0, le=64)] = Field(
        description="random shifts by up to this many pixels; auto = a fourteenth of the shorter side"
    )

    def slowed(self, lr_factor: float) -> LearnerParams:
        """The same with its learning rate times `lr_factor`."""
        return self.model_copy(update={"lr": self.lr * lr_factor})


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
    class_floor: float = Field(ge=0, lt=1, description="part of p that every class keeps")
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
    fresh: bool = Field(description="every update begins with fresh networks, which decide on the next one together")
    trust: float = Field(
        ge=0,
        le=1,
        description="start from rows that this part of the voters supports, or of their class's lower half by loss; "
        "0 = from the vote's verdict",
    )
    momentum: float = Field(ge=0, lt=1, description="of the predictions")
    tolerance: float = Field(
        gt=0,
        le=1,
        description="keep a row whose label has this part of the most probable class's probability; 1 = it is",
    )
    learners: int = Field(ge=1, le=16, description="independent networks whose predictions are averaged")
    lr_factor: float = Field(gt=0, le=100, description="learner.lr times this")

    @property
    def networks(self) -> int:
        """Networks that are trained in all."""
        return self.learners * (math.ceil(self.epochs / self.every) if self.fresh else 1)


class CoherenceParams(Section):
    """Groups of doubted rows that share a trigger."""

    least: int = Field(ge=0, le=10**6, description="rows that a group must have to be looked at; 0 = none is")
    common: float = Field(gt=0, le=1, description="part of a cluster that must be recognised by its common features")
    most: int = Field(ge=0, le=1000, description="other groups that networks look at, the most firmly doubted first")
    epochs: int = Field(ge=1, le=1000)
    recognised: float = Field(ge=0, le=1, description="part of a group that networks must recognise")
    unclear: float = Field(ge=0, le=1, description="part from which a group's rows get no leniency; 1 = they all do")
    lr_factor: float = Field(gt=0, le=100, description="learner.lr times this")
    lenient: float = Field(gt=0, le=1, description="selftrain.tolerance of rows that share nothing")
    hunted: Literal["auto"] | Annotated[int, Field(ge=0, le=100)] = Field(
        description="undoubted clusters of each class that are looked at; auto: 4, or none of images, which take longer"
    )


class TrainParams(Section):
    """Final training of oracle, undefended and sanitized."""

    epochs: int = Field(ge=1, le=1000)
    lr_factor: float = Field(gt=0, le=100, description="learner.lr times this")
    threads: int = Field(ge=1, le=256, description="in place of learner.threads: the models are trained one by one")


class CertifyParams(Section):
    """Nearest-neighbour certificates."""

    features: Literal["hog", "raw"] = Field(description="of images; vectors and columns are taken as they are")
    quantise: bool = Field(description="images' features in 8 bits: several times faster, distances exact")
    distance: Literal["l1", "l2", "cosine"]
    device: Literal["auto", "cpu", "cuda"] = Field(description="auto = cuda where there is one; never changes a result")
    k: int = Field(ge=1)
    radius: float | None = Field(ge=0, description="of rNN, in the features' unit; null = chosen from the test rows")
    poisoning_sizes: list[Annotated[int, Field(ge=0)]] = Field(description="where the curves are tabulated")
    most_nodes: int = Field(ge=0, le=10**7, description="search steps of label budgets for one poisoning size")
    labels_fixed: bool = Field(description="whether only labels of the training and the test rows occur: vouched for")


class EnsembleParams(Section):
    """Certified ensembles of base learners: `sanitize certify --method dpa`, and so on."""

    members: int = Field(ge=1, le=10**6, description="base learners; parts of the partition, or bags")
    degree: int = Field(ge=1, description="finite_aggregation, run_off: base learners that each part reaches")
    bag: int = Field(ge=1, description="bagging: rows of a bag")
    alpha: float = Field(gt=0, lt=1, description="bagging: risk that some certificate does not hold")
    epochs: int = Field(ge=1, le=1000, description="of each base learner")


class Params(Section):
    """All of params.yaml."""

    preset: str
    seed: int = Field(0, ge=0, lt=2**63)
    engine: Literal["inline", "processes", "ray"] = "processes"
    workers: int | None = Field(None, ge=1, le=1024, description="null = one per core, 4 per GPU; ray: all it takes")
    address: str | None = Field(None, description="ray: HOST:PORT of a running cluster; null = a private one")
    data: DataParams = DataParams()
    attack: AttackParams = AttackParams()
    learner: LearnerParams
    ispl: IsplParams
    vote: VoteParams
    selftrain: SelftrainParams
    coherence: CoherenceParams
    train: TrainParams
    certify: CertifyParams
    ensemble: EnsembleParams

    def sha256(self) -> str:
        """SHA-256 (hex) of all values that can change the kept rows, the preset resolved: all but NO_VERDICT."""
        values = self.model_dump(mode="json", exclude=NO_VERDICT)
        asked = {name: value for name, value in values.pop("data").items() if value is not None}
        values |= {"image_size": asked.pop("image_size", None)} | asked
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def preset_names() -> list[str]:
    """The presets that come with the package: every YAML file in sanitize/presets."""
    return sorted(f.name.removesuffix(".yaml") for f in files("sanitize.presets").iterdir() if f.name.endswith(".yaml"))


def _preset(name: str, origin: str = "") -> dict[str, Any]:
    if name not in preset_names():
        known = ", ".join(preset_names())
        raise BadParams(f"{origin}: preset is {name!r}; must be one of {known}; the default is {DEFAULT_PRESET!r}")
    values: dict[str, Any] = yaml.safe_load((files("sanitize.presets") / f"{name}.yaml").read_text("utf-8"))
    return values


def _over(below: Any, above: Any) -> Any:
    """`above` laid over `below`, section by section; null leaves what is below."""
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return {key: _over(below.get(key), above.get(key)) for key in [*below, *(k for k in above if k not in below)]}
    return below if above is None else above


def resolve(given: Mapping[str, Any], origin: str = "params.yaml") -> Params:
    """Parameters from a nested mapping: the preset that it names, with its own values laid over.

    given    as read from YAML; `preset` defaults to DEFAULT_PRESET; `attack` may be the string "none"
    origin   what messages call the place where the values stand
    Raises   BadParams: unknown key, wrong type, out of range; names the key, the value and the bound
    """
    given = dict(given)
    if isinstance(given.get("attack"), str):
        given["attack"] = {"name": given["attack"]}
    for section, value in given.items():
        if section in Params.model_fields and _is_section(section) and not isinstance(value, Mapping | None):
            raise BadParams(f"{origin}: {section} is {value!r}; must be a section of keys and values")
    given["preset"] = given.get("preset") or DEFAULT_PRESET
    merged = _over(_preset(str(given["preset"]), origin), given)
    try:
        return Params.model_validate(_pruned(merged))
    except ValidationError as error:
        raise BadParams(_messages(error.errors(), origin)) from error


def _is_section(name: str) -> bool:
    kind = Params.model_fields[name].annotation
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _pruned(values: Any) -> Any:
    """Without nulls inside sections, so that pydantic's own defaults apply."""
    if isinstance(values, Mapping):
        return {k: _pruned(v) for k, v in values.items() if v is not None or k == "radius"}
    return values


def _messages(errors: Sequence[Any], origin: str) -> str:
    """One line per wrong key; a key that may be this or that has an error for each, which say the same."""
    return "\n".join(dict.fromkeys(_message(error, origin) for error in errors))


def _message(error: Any, origin: str) -> str:
    """The key's name, its value, what it must be, and a value that works."""
    path = tuple(str(part) for part in error["loc"][:2])
    name = ".".join(path)
    level = _fields(Params.model_fields[path[0]]) if len(path) > 1 else Params.model_fields
    if path[-1] not in level:
        close = get_close_matches(path[-1], level, 1)
        remedy = f"did you mean {'.'.join([*path[:-1], *close])}?" if close else "mend its spelling, or remove it"
        return f"{origin}: {name} is no parameter; {', '.join(sorted(level))} are; {remedy}"
    if error["type"] == "missing":
        return f"{origin}: {name} is missing; add it, or name a preset that has it"
    field = level[path[-1]]
    kind = field.annotation
    if len(error["loc"]) > 2 and isinstance(error["loc"][2], int):  # one value of a list
        name = f"{name}.{error['loc'][2]}"
        kind = next(get_args(part)[0] for part in (kind, *get_args(kind)) if get_origin(part) is list)
    bound = _bound(kind, field.metadata)
    return f"{origin}: {name} is {_shown(error['input'])}; must be {bound}; {_works(path, field)}"


def _works(path: Sequence[str], field: FieldInfo) -> str:
    """A value that works: the paper preset's, or the default where the presets have none."""
    value: Any = _preset("paper")
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is not None:
        return f"the paper preset uses {_shown(value)}"
    return f"the default is {_shown(None if field.is_required() else field.default)}"


def _fields(section: FieldInfo) -> dict[str, FieldInfo]:
    kind = section.annotation
    return kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else {}


def _shown(value: Any) -> str:
    """As YAML has it."""
    return repr(value) if isinstance(value, str) else json.dumps(value, default=repr)


def _bound(kind: Any, limits: Sequence[Any]) -> str:
    """What a field of this annotation takes, in words; null is always allowed and stands for the preset's value."""
    parts = get_args(kind)
    if get_origin(kind) is Annotated:
        return _bound(parts[0], parts[1].metadata)
    if get_origin(kind) is Literal:
        return " or ".join([", ".join(map(repr, parts[:-1])), repr(parts[-1])] if parts[1:] else map(repr, parts))
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_bound(part, limits) for part in parts if part is not NoneType)
    if get_origin(kind) is list:
        return f"a list, each of it {_bound(parts[0], [])}"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[kind]
    return words + _interval(limits)


def _interval(limits: Sequence[Any]) -> str:
    low, high = "", ""
    for limit in limits:
        match limit:
            case Ge(ge=value):
                low = f"[{_shown(value)}"
            case Gt(gt=value):
                low = f"({_shown(value)}"
            case Le(le=value):
                high = f"{_shown(value)}]"
            case Lt(lt=value):
                high = f"{_shown(value)})"
    return f" in {low or '(-inf'}, {high or 'inf)'}" if limits else ""


def load_params(path: str | Path) -> Params:
    """Read and check a params.yaml.

    Raises   BadParams: no such file, not YAML, or any of `resolve`'s reasons
    """
    return resolve(read_values(path), str(path))


def read_values(path: str | Path) -> dict[str, Any]:
    """What stands in a params.yaml, not checked yet.

    Raises   BadParams: as `read_yaml`; no keys and values
    """
    path = Path(path)
    values = read_yaml(path)
    if not isinstance(values, Mapping | None):
        raise BadParams(f"{path}: must hold keys and values; got {type(values).__name__}")
    return dict(values or {})
