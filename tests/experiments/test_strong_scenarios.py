"""experiments/strong: names of runs, the lists of runs, the plan and dvc.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from experiments.strong import plan
from experiments.strong.data import DATA_SETS
from experiments.strong.scenarios import TRIGGERS, Scenario, parse, parse_key
from experiments.strong.settings import HERE, read_settings
from sanitize.attacks.base import find
from sanitize.errors import BadParams
from sanitize.params import AttackParams

SETTINGS = read_settings(HERE / "params.yaml")
CHOSEN = SETTINGS.tuning
REPORTED = [*SETTINGS.test, *SETTINGS.compared, *SETTINGS.more]


def test_names_are_read_and_written() -> None:
    assert parse("mnist5k_6-4_square_0.1_s2") == Scenario("mnist5k", "6-4", "square", 0.1, 2)
    for run in (*CHOSEN, *REPORTED):
        assert parse(run).name == run


def test_attacks_of_names() -> None:
    square = {"name": "patch", "shape": "square", "size": 4}
    assert parse("a_6-4_square_0.1_s0").attack() == {**square, "source": 6, "target": 4, "share": 0.1}
    assert parse("a_all-4_square_0.2_s0").attack() == {
        "name": "all_to_one",
        "target": 4,
        "trigger": square,
        "share": 0.2,
    }
    assert parse("a_shift-3_blend_0.2_s0").attack() == {
        "name": "all_to_all",
        "shift": 3,
        "trigger": {"name": "blend"},
        "share": 0.2,
    }
    assert parse("a_any_flip_0.05_s0").attack() == {"name": "label_flip", "share": 0.05}
    assert parse("a_none_s0").attack() == {"name": "none"}
    both = parse("a_6-4-and-3-5_stripes-and-peace_0.1_s0")
    assert both.attack() == {
        "name": "several",
        "attacks": [
            {"name": "stripes", "source": 6, "target": 4, "share": 0.1},
            {"name": "watermark", "picture": "peace", "source": 3, "target": 5, "share": 0.1},
        ],
    }
    assert both.keys() == {("a", "6-4", "stripes"), ("a", "3-5", "peace")}
    assert parse_key("a_6-4_stripes") == ("a", "6-4", "stripes")


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ("mnist5k_6-4_square_0.1", "must be DATA_PAIR_TRIGGER_SHARE_sSEED"),
        ("mnist5k_6-4_square_2_s0", "must be DATA_PAIR_TRIGGER_SHARE_sSEED"),
        ("mnist5k_6-4_circle_0.1_s0", "its trigger is 'circle'; must be one of pixel, L"),
        ("mnist5k_6_square_0.1_s0", "its pair is '6'; must be like 6-4"),
        ("mnist5k_any_square_0.1_s0", "any is for the trigger flip"),
        ("mnist5k_all-4_flip_0.1_s0", "any is for the trigger flip"),
        ("mnist5k_6-4-and-3-5_square_0.1_s0", "it has 2 pairs and 1 triggers"),
    ],
)
def test_wrong_names_are_refused(run: str, why: str) -> None:
    with pytest.raises(BadParams, match=why):
        parse(run)


def test_tuning_and_test_share_no_data_set_pair_and_trigger() -> None:
    chosen = {parse_key(key) for key in SETTINGS.seen}.union(*(parse(run).keys() for run in CHOSEN))
    reported = set().union(*(parse(run).keys() for run in REPORTED))
    assert len(chosen) > 10 and len(reported) > 10 and not chosen & reported
    assert not set(CHOSEN) & set(REPORTED)  # data without an attack: other seeds
    assert not any(SETTINGS.is_tuning(run) for run in REPORTED) and all(SETTINGS.is_tuning(run) for run in CHOSEN)
    assert SETTINGS.is_tuning("mnist5k_7-2_L_0.05_s9") and SETTINGS.is_tuning("mnist5k_1-7_pixel_0.3_s0")


def test_the_lists_cover_what_they_should() -> None:
    runs = [parse(run) for run in SETTINGS.test]
    assert {run.data for run in runs} == set(SETTINGS.data_sets) == set(DATA_SETS)
    triggers = {part.trigger for run in runs for part in run.parts()}
    families = {TRIGGERS[trigger]["name"] for trigger in triggers - {"none"}}
    assert families == {"patch", "blend", "stripes", "watermark", "features", "label_flip"}
    kinds = {run.attack()["name"] for run in runs}
    assert {"all_to_one", "all_to_all", "several", "none"} <= kinds
    assert {0.01, 0.05, 0.1, 0.2, 0.3} <= {run.share for run in runs}
    assert {run.seed for run in runs} == {0, 1, 2}
    for of in SETTINGS.lists().values():
        assert len(set(of)) == len(of)
    assert set(SETTINGS.compared) <= {*SETTINGS.test, *SETTINGS.more}
    assert not set(SETTINGS.test) & set(SETTINGS.more)


@pytest.mark.parametrize("run", [*CHOSEN, *REPORTED])
def test_every_attack_is_one(run: str) -> None:
    assert callable(find(AttackParams(**parse(run).attack())))


def test_the_plan_adds_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = yaml.safe_load((HERE / "params.yaml").read_text())
    given |= {"test": ["digits_6-4_square_0.1_s0"], "compared": ["digits_6-4_square_0.1_s0"], "more": [], "tuning": []}
    given["ablated"] = []
    given |= {"methods": ["fast", "new"], "peer_methods": ["spectral"]}
    given["costs"] = {
        "start": 1,
        "methods": {"reference": 10, "fast": 20, "spectral": 60},
        "data_sets": {"digits": 0.5},
        "other_method": 100,
    }
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(given))
    plan.main(results=tmp_path, params=params)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "test      digits_6-4_square_0.1_s0 reference: 6 s, 0 min",
        "test      digits_6-4_square_0.1_s0 fast: 11 s, 0 min",
        "test      digits_6-4_square_0.1_s0 new: 51 s, 1 min",
        "compared  digits_6-4_square_0.1_s0 spectral: 31 s, 2 min",
    ]
    assert lines[-1] == "without a result: 4 cells, 2 CPU minutes"  # 6 + 11 + 51 + 31 = 99 s
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells/digits_6-4_square_0.1_s0-fast.json").write_text("{}")
    (tmp_path / "cells/digits_6-4_square_0.1_s0-new.json").write_text('{"skipped": "not there"}')
    plan.main(results=tmp_path, params=params)
    assert capsys.readouterr().out.splitlines()[-1] == "without a result: 3 cells, 1 CPU minutes"
    with pytest.raises(BadParams, match="--lists is 'best'; must be some of test,compared,more,ablation,tuning"):
        plan.main("best", params=params)


def test_stages_depend_on_the_code_that_they_run() -> None:
    stages = yaml.safe_load((HERE / "dvc.yaml").read_text())["stages"]
    for name, stage in stages.items():
        deps = set(stage["deps"])
        assert all(Path(dep).exists() for dep in deps if not dep.startswith("reports/")), name
        module = stage["cmd"].split()[2]
        assert f"{module.replace('.', '/')}.py" in deps
        keys = {key for part in stage.get("params", []) for keys in part.values() for key in keys}
        assert keys <= set(type(SETTINGS).model_fields)
        for listed in stage.get("matrix", {}).values():
            assert isinstance(getattr(SETTINGS, listed.strip("${}")), list)
    places = {cell.out(plan.RESULTS) for cell in plan.cells(SETTINGS)}
    patterns = {out for stage in stages.values() for outs in stage["outs"] for out in outs}
    run = "digits_any_flip_0.05_s0"
    for out in ("reports/strong/reference/${item.run}.json", "reports/strong/cells/${item.run}-${item.method}.json"):
        assert out in patterns
        assert Path(out.replace("${item.run}", run).replace("${item.method}", "fast")) in places
