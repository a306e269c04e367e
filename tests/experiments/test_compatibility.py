"""experiments/compatibility on scikit-learn's digits: what Theorem 3.2 says a linear classifier must show."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.compatibility import run
from sanitize.compatibility import mean_by_ratio
from sanitize.errors import BadParams
from sanitize.params import resolve


def settings(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = yaml.safe_load((run.HERE / "params.yaml").read_text())
    return {**given, "data": {"source": "digits"}, **changes}


def test_the_experiment_on_digits(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(settings()))
    points, means = tmp_path / "points.csv", tmp_path / "means.csv"
    run.main(params, points, means, draws=2)
    found = run.measure(resolve(settings()), draws=2)
    assert len(found) == 2 * (1 + 5 * 2)
    with points.open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == list(run.Point._fields)
    assert [[float(cell) for cell in row] for row in rows[1:]] == [[round(v, 6) for v in point] for point in found]
    curve = mean_by_ratio(found)
    assert [mean.ratio for mean in curve] == [0.0, 0.125, 0.25, 0.5, 0.75, 1.0]
    assert curve[0].gap_source == curve[0].gap_other == 0.0
    assert curve[0].poison_error > 0.9  # clean rows do not teach the trigger
    assert curve[-1].poison_error < 0.1  # a few poisoned rows do
    with means.open() as file:
        assert [float(row["poison_error"]) for row in csv.DictReader(file)] == [round(m.poison_error, 6) for m in curve]


def test_an_attack_without_a_source_class() -> None:
    with pytest.raises(BadParams, match=r"attack.name is 'none' without attack\.source"):
        run.measure(resolve(settings(attack="none")), draws=1)
