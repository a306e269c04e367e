"""What the experiment is run with: params.yaml -> settings, and a data set's HOG features."""

# N training rows, M test rows, D features
from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from experiments.scenario import load_tables
from sanitize.certify.features import compute
from sanitize.data.table import IntArray
from sanitize.errors import BadParams
from sanitize.io.atomic import atomic_write
from sanitize.params import DataParams, Section, resolve

HERE = Path("experiments/certified")


class DataSet(Section):
    """One data set: where it lies, CA(0) of figure 2, the settings of neighbours, each ensemble's base learner."""

    data: DataParams
    match: float = Field(gt=0, lt=1)
    ks: list[int]
    k: int
    radii: list[float]
    radius: float
    learners: dict[str, str]


class Settings(Section):
    """All of params.yaml."""

    seed: int
    test_rows: int = Field(ge=1)
    ensemble_test_rows: int = Field(ge=1)
    most_nodes: int = Field(ge=0)
    poisoning_sizes: list[int]
    bags: int = Field(ge=1)
    alpha: float = Field(gt=0, lt=1)
    data_sets: dict[str, DataSet]


class Vectors(NamedTuple):
    """HOG features in 8 bits and labels: uint8 [N, D], int64 [N], uint8 [M, D], int64 [M], and the classes' names."""

    train: NDArray[Any]
    labels: IntArray
    test: NDArray[Any]
    truth: IntArray
    class_names: tuple[str, ...]


class Line(NamedTuple):
    """One point of a curve; poisoning sizes are max(rows removed, rows added)."""

    dataset: str
    method: str
    setting: str
    tests: int
    clean_accuracy: float
    certificate: str
    poisoning_size: int
    certified_accuracy: float


def read_settings(path: Path, name: str) -> tuple[Settings, DataSet]:
    """params.yaml, and in it the data set called `name`. BadParams: another key or value, no such data set."""
    try:
        settings = Settings.model_validate(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        raise BadParams(f"{path}: {error}") from error
    if name not in settings.data_sets:
        raise BadParams(f"{path}: has no data set {name!r}; must be one of {', '.join(settings.data_sets)}")
    return settings, settings.data_sets[name]


def vectors(settings: Settings, chosen: DataSet, tests: int) -> Vectors:
    """All training rows and the first `tests` test rows, as HOG features in 8 bits."""
    train, test = load_tables(resolve({"data": chosen.data.model_dump(), "seed": settings.seed}))
    test = test.take(np.arange(min(tests, len(test))))
    return Vectors(
        compute(train, "hog").values, train.labels, compute(test, "hog").values, test.labels, train.class_names
    )


def curve(
    head: tuple[str, str, str, int, float], certificate: str, sizes: list[int], shares: NDArray[np.float64]
) -> list[Line]:
    """The lines of one curve."""
    return [Line(*head, certificate, e, round(float(share), 6)) for e, share in zip(sizes, shares, strict=True)]


def write_lines(out: Path, lines: list[Line]) -> None:
    """A CSV file of lines."""
    with atomic_write(out) as (draft,), draft.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([Line._fields, *lines])
