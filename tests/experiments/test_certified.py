"""experiments/certified on scikit-learn's digits, and its figures from curves written by hand."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from experiments.certified import ensembles, figures, neighbors
from experiments.certified.settings import HERE, Line, read_settings, vectors, write_lines
from sanitize.certify.ensembles import changed_rows, count_votes, dpa
from sanitize.certify.individual import certified_accuracy, certified_sizes
from sanitize.certify.neighbors import predict, vote_tables
from sanitize.certify.partitions import partition_shares, predicted, train_members
from sanitize.data.table import Table
from sanitize.errors import BadInput, BadParams
from sanitize.execution import inline
from sanitize.params import resolve

DIGITS: dict[str, Any] = {
    "data": {"source": "digits"},
    "match": 0.8,
    "ks": [5, 50],
    "k": 50,
    "radii": [2.0, 3.0],
    "radius": 3.0,
}
DIGITS["learners"] = dict.fromkeys(("dpa", "bagging"), "logistic_regression")


@pytest.fixture
def params(tmp_path: Path) -> Path:
    given: dict[str, Any] = yaml.safe_load((HERE / "params.yaml").read_text())
    given |= {"test_rows": 60, "ensemble_test_rows": 30, "most_nodes": 50, "poisoning_sizes": [0, 2, 10], "bags": 5}
    place = tmp_path / "params.yaml"
    place.write_text(yaml.safe_dump({**given, "data_sets": {"digits": DIGITS}}))
    return place


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_neighbors_on_digits(params: Path, tmp_path: Path) -> None:
    out = tmp_path / "curves.csv"
    neighbors.main("digits", out, params)
    settings, chosen = read_settings(params, "digits")
    rows = vectors(settings, chosen, 60)
    votes = vote_tables(
        rows.test, rows.train, rows.labels, 10, k=50, radius=3 * 255, subsets=[np.ones(len(rows.train), bool)]
    )[0]
    for method, setting in (("knn", "k = 50"), ("rnn", "r = 3")):
        table = getattr(votes, method)
        alone = certified_accuracy(predict(table), rows.truth, certified_sizes(table), [0, 2, 10])
        written = [
            float(line["certified_accuracy"])
            for line in lines_of(out)
            if (line["method"], line["setting"], line["tests"], line["certificate"])
            == (method, setting, "60", "individual")
        ]
        assert written == [round(float(share), 6) for share in alone]
    found = lines_of(out)
    joint = {(line["method"], line["setting"]) for line in found if line["certificate"] == "label_budgets"}
    assert {("knn", "k = 50"), ("rnn", "r = 3")} <= joint and len(joint) <= 4
    assert len(lines_of(out)) == len({tuple(line.values())[:7] for line in found})  # nothing twice
    neighbors.main("digits", tmp_path / "again.csv", params)
    assert (tmp_path / "again.csv").read_bytes() == out.read_bytes()


def test_ensembles_on_digits(params: Path, tmp_path: Path) -> None:
    ensembles.main("digits", "dpa-6", tmp_path / "dpa.csv", params)
    ensembles.main("digits", "bagging-40", tmp_path / "bagging.csv", params)
    settings, chosen = read_settings(params, "digits")
    rows = vectors(settings, chosen, 30)
    train = rows.train.astype(np.float32) / np.float32(255)
    table = Table(np.arange(len(train)), train, rows.labels, rows.class_names, "vector")
    learner = resolve({"learner": {"name": "sklearn", "threads": 1}}).learner
    said = train_members(
        table,
        rows.test.astype(np.float32) / np.float32(255),
        partition_shares(table, 6, 1, 0),
        learner,
        epochs=1,
        seed=0,
        map=inline,
    )
    found = dpa(count_votes(np.stack([predicted(one) for one in said]), 10))
    expected = certified_accuracy(found.prediction, rows.truth, changed_rows(found), [0, 2, 10])
    written = [line for line in lines_of(tmp_path / "dpa.csv") if line["method"] == "dpa"]
    assert [float(line["certified_accuracy"]) for line in written] == [round(float(v), 6) for v in expected]
    assert {line["setting"] for line in written} == {"6 parts, logistic_regression"}
    bags = lines_of(tmp_path / "bagging.csv")
    assert [line["certified_accuracy"] for line in bags] == ["0.0"] * 3  # five bags prove nothing
    assert float(bags[0]["clean_accuracy"]) > 0.5


def test_wrong_names_are_refused(params: Path, tmp_path: Path) -> None:
    with pytest.raises(BadParams, match="has no data set 'mnist'; must be one of digits"):
        neighbors.main("mnist", tmp_path / "x.csv", params)
    with pytest.raises(BadParams, match="ENSEMBLE is 'dpa'; must be dpa-PARTS or bagging-ROWS"):
        ensembles.main("digits", "dpa", tmp_path / "x.csv", params)
    params.write_text(params.read_text().replace("dpa: logistic_regression", "dp: logistic_regression"))
    with pytest.raises(BadParams, match=r"digits\.learners has no dpa; name a scikit-learn model"):
        ensembles.main("digits", "dpa-5", tmp_path / "x.csv", params)


def test_the_page_takes_the_setting_nearest_to_the_match(params: Path, tmp_path: Path) -> None:
    def curve(method: str, setting: str, tests: int, clean: float, certificate: str, shares: list[float]) -> list[Line]:
        head = ("digits", method, setting, tests, clean, certificate)
        return [Line(*head, e, share) for e, share in zip((0, 50), shares, strict=True)]

    lines = [
        *curve("knn", "k = 5", 30, 0.9, "individual", [0.9, 0.2]),
        *curve("knn", "k = 50", 30, 0.75, "individual", [0.75, 0.5]),
        *curve("knn", "k = 50", 30, 0.75, "label_budgets", [0.75, 0.625]),
        *curve("dpa", "6 parts", 30, 0.7, "individual", [0.7, 0.0]),
        *curve("knn", "k = 50", 60, 0.7, "individual", [0.7, 0.25]),
        *curve("knn", "k = 50", 60, 0.7, "label_budgets", [0.7, 0.3]),
        *curve("rnn", "r = 3", 60, 0.6, "individual", [0.6, 0.125]),
        *curve("rnn", "r = 3", 60, 0.6, "label_budgets", [0.6, 0.5]),
    ]
    write_lines(tmp_path / "curves/digits.csv", lines)
    made = []
    for place in ("one", "two"):
        figures.main(tmp_path / "curves", tmp_path / place, tmp_path / f"{place}.md", params)
        made.append([(tmp_path / f"{place}.md").read_bytes(), *(p.read_bytes() for p in _svgs(tmp_path / place))])
    assert made[0] == made[1] and len(made[0]) == 1 + 5
    page = (tmp_path / "one.md").read_text()
    assert (
        "| kNN, k = 50 | 75.0% | 50.0% |\n| kNN, k = 50, label budgets (ours) | 75.0% | 62.5% |\n| DPA, 6 parts" in page
    )
    assert "| rNN, r = 3, label budgets (ours) | 60.0% | 50.0% |" in page
    assert "k = 5 |" not in page.split("### Figure 3")[0]
    svg = (tmp_path / "one/digits-methods.svg").read_text()
    assert "DPA, 6 parts" in svg and "<dc:date>" not in svg


def _svgs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.svg"))


def test_no_curves_no_page(params: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no curves; run the stages neighbors and ensembles first"):
        figures.main(tmp_path, tmp_path / "figures", tmp_path / "page.md", params)
    assert not (tmp_path / "page.md").exists()
