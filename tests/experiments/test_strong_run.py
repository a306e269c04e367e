"""experiments/strong/run.py: real cells on scikit-learn's digits with a tiny preset, and figures worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from experiments.scenario import poisoned
from experiments.strong import run
from experiments.strong.data import load
from experiments.strong.scenarios import parse
from experiments.strong.settings import HERE, Bounds, read_settings
from sanitize import metrics
from sanitize.errors import BadInput, BadParams
from sanitize.execution import inline
from sanitize.filtering import filter_table
from sanitize.train import train_model

RUN = "digits64_3-8_features_0.2_s0"
TINY = {
    "preset": "fast",
    "ispl": {"runs": 1, "components": 3, "first_epochs": 2, "epochs": 1, "extra_iterations": 0},
    "vote": {"epochs": 2},
    "selftrain": {"epochs": 2, "every": 1, "learners": 1},
    "coherence": {"least": 0},
}


@pytest.fixture
def params(tmp_path: Path) -> Path:
    given: dict[str, Any] = yaml.safe_load((HERE / "params.yaml").read_text())
    given["models"] = {"preset": "fast", "train": {"epochs": 3, "threads": 1}, "learner": {"precision": "float32"}}
    given["filters"]["learner"]["precision"] = "float32"
    given["variants"] = {"tiny": TINY}
    given["trainings"] = 2
    given["folders"] = {"cifar10": str(tmp_path / "none")}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(given))
    return path


def of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_cells_on_digits(params: Path, tmp_path: Path) -> None:
    reference, out = tmp_path / "reference.json", tmp_path / "tiny.json"
    run.main(RUN, "reference", reference, params=params)
    run.main(RUN, "tiny", out, reference, params)
    found, models = of(out), of(reference)
    settings, scenario = read_settings(params), parse(RUN)
    train, test = load("digits64", {})
    table, is_poison_N, triggered, targets = poisoned(settings.attack(scenario), train, test)
    assert found["rows"] == 1437 and found["poisoned"] == is_poison_N.sum() == round(0.2 * (train.labels == 3).sum())
    assert (found["pair"], found["trigger"], found["share"], found["method"]) == ("3-8", "features", 0.2, "tiny")

    given = settings.filter("tiny", 0)
    assert given is not None and given.ispl.components == 3 and given.learner.flip is False
    manifest = filter_table(table, given, map=inline).manifest
    assert found["fp"] == int((~manifest.keep_N & ~is_poison_N).sum())
    assert found["fn"] == int((manifest.keep_N & is_poison_N).sum())
    assert found["auc"] == metrics.suspicion_auc(manifest.suspicion_N, is_poison_N)
    assert found["recall_5"] == metrics.recall_at_dropped(manifest.suspicion_N, is_poison_N, [0.05])[0]
    assert sum(found["reasons"].values()) == found["fp"] + found["poisoned"] - found["fn"]
    assert len(found["fp_at_fn"]) == found["poisoned"] and found["fp_at_fn"] == sorted(found["fp_at_fn"], reverse=True)

    final, tmrs, rights = settings.final(0), [], []
    for trial in range(2):
        learner = train_model(table, manifest.keep_N, final, trial=trial)
        clean_T = learner.probabilities(test.inputs).argmax(axis=1)
        said_T = learner.probabilities(triggered.inputs).argmax(axis=1)
        rights.append(float((clean_T == test.labels).mean()))
        tmrs.append(float(((clean_T[triggered.ids] == 3) & (said_T == targets)).mean()))
    assert found["sanitized_tmr"] == sum(tmrs) / 2 and found["sanitized_accuracy"] == sum(rights) / 2

    for name, keep_N in (("oracle", ~is_poison_N), ("undefended", np.ones(1437, np.bool_))):
        learner = train_model(table, keep_N, final)
        clean_T = learner.probabilities(test.inputs[triggered.ids]).argmax(axis=1) == 3
        hit_T = learner.probabilities(triggered.inputs).argmax(axis=1) == 8
        assert found[f"{name}_tmr"] == models[f"{name}_tmr"] == (clean_T & hit_T).mean()
    assert found["undefended_right"] == clean_T.mean()
    assert found["counts"] is bool(
        models["oracle_tmr"] < 0.05 and models["undefended_tmr"] > 0.5 * models["undefended_right"]
    )


def test_a_peer_and_the_same_bytes(params: Path, tmp_path: Path) -> None:
    reference = tmp_path / "reference.json"
    run.main("cancer_0-1_features_0.3_s0", "reference", reference, params=params)
    found = []
    for number in (0, 1):
        out = tmp_path / f"{number}.json"
        run.main("cancer_0-1_features_0.3_s0", "spectral", out, reference, params)
        found.append(of(out))
        found[-1].pop("cpu_seconds")
    assert found[0] == found[1]
    dropped = found[0]["fp"] + found[0]["poisoned"] - found[0]["fn"]
    assert abs(dropped - 0.2 * 427) <= 1 and found[0]["reasons"] == {"spectral": dropped}


def test_data_without_an_attack(params: Path, tmp_path: Path) -> None:
    reference, out = tmp_path / "reference.json", tmp_path / "out.json"
    run.main("cancer_none_s1", "reference", reference, params=params)
    run.main("cancer_none_s1", "spectral", out, reference, params)
    found = of(out)
    assert found["oracle_accuracy"] == found["undefended_accuracy"] > 0.8
    assert found["poisoned"] == found["fn"] == 0 and found["fp"] == found["reasons"]["spectral"]
    assert found["fp_at_fn"] == []
    for key in ("counts", "oracle_tmr", "undefended_tmr", "sanitized_tmr", "auc", "recall_1"):
        assert found[key] is None


def test_cells_whose_data_are_not_there(
    params: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CIFAR10_FOLDER", raising=False)  # it goes before the folder of params.yaml
    for method in ("reference", "fast"):
        out = tmp_path / f"{method}.json"
        run.main("cifar10k_8-6_square_0.1_s0", method, out, tmp_path / "reference.json", params)
        assert "data set cifar10k is not there" in of(out)["skipped"]
    assert "cifar10k_8-6_square_0.1_s0 fast is skipped: data set cifar10k is not there" in capsys.readouterr().err


def test_what_is_missing_or_wrong(params: Path, tmp_path: Path) -> None:
    out, reference = tmp_path / "out.json", tmp_path / "reference.json"
    with pytest.raises(BadParams, match="--reference is missing; name the file that METHOD reference wrote"):
        run.main(RUN, "tiny", out, params=params)
    with pytest.raises(BadInput, match="no such file; make it with METHOD reference"):
        run.main(RUN, "tiny", out, reference, params)
    reference.write_text(json.dumps({"run": "digits64_none_s0"}))
    with pytest.raises(BadInput, match=f"holds 'digits64_none_s0'; must hold the reference of '{RUN}'"):
        run.main(RUN, "tiny", out, reference, params)
    reference.write_text(json.dumps({"run": RUN, **dict.fromkeys(run.OF_REFERENCE)}))
    with pytest.raises(BadParams, match=r"METHOD is 'slow'; must be a preset, a variant of params\.yaml, a peer or"):
        run.main(RUN, "slow", out, reference, params)
    assert not out.exists()


def test_when_a_run_counts() -> None:
    bounds = Bounds(oracle_tmr_under=0.05, undefended_share_over=0.5)
    assert run.does_count(0.0, 0.5, 0.9, bounds) is True  # over 0.45
    assert run.does_count(0.0, 0.45, 0.9, bounds) is False
    assert run.does_count(0.05, 0.9, 0.9, bounds) is False
    assert run.does_count(None, None, None, bounds) is None


def test_fp_at_fn_by_hand() -> None:
    """In order of suspicion clean, poison, clean, clean, poison: the second poisoned row goes with three clean ones."""
    suspicion = np.array([0.2, 0.9, 0.8, 0.5, 0.5])
    is_poison = np.array([True, False, True, False, False])
    assert run.fp_at_fn(suspicion, is_poison) == [3, 1]
    assert run.fp_at_fn(np.zeros(3), np.array([False, True, False])) == [1]  # equal rows by position
