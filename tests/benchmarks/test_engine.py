"""The filter beside the plain script: order of runs, one real run of each kind, tables worked out by hand."""

from __future__ import annotations

import json

import pytest

from benchmarks import engine, engine_run, peaks, plain
from benchmarks.engine import Run, planned
from sanitize.errors import BadParams
from tests.benchmarks.results import MACHINE, TOLD, leave

FIRST = "1-7-checkerboard-0.1"
RATES = {
    "forward_flops": 1000,
    "flops": {
        "product float32-1": 1e9,
        "product float32-2": 2e9,
        "product bfloat16-1": 4e9,
        "product bfloat16-2": 8e9,
        "fit float32-1": 5e8,
        "score plain-2": 1e9,
    },
}


def result(wall, cpu, **figures):
    return {"wall_seconds": wall, "cpu_seconds": cpu, "fp": 5, "fn": 1, "tmr": 0.0, "machine": MACHINE, **figures}


def test_order_of_runs():
    """The same work first, plain beside each; then seed by seed; nothing twice."""
    runs = planned(2, 2)
    assert [run.method for run in runs[:6]] == ["plain", "paper", "paper-float32"] * 2
    assert {run[1:3] for run in runs[:6]} == {(FIRST, 0)} and [run.turn for run in runs[:6]] == [0] * 3 + [1] * 3
    assert [run[:3] for run in runs[6:11]] == [
        ("fast", FIRST, 0),
        ("strong", FIRST, 0),
        ("plain", "4-9-pixel-0.05", 0),
        ("fast", "4-9-pixel-0.05", 0),
        ("strong", "4-9-pixel-0.05", 0),
    ]
    seeds = [run.seed for run in runs]
    assert seeds == sorted(seeds) and len(set(runs)) == len(runs) == 6 + 8 + 9


def test_parameters_of_methods():
    paper, single, fast = (engine_run.params_of(m, FIRST, 3) for m in ("paper", "paper-float32", "fast"))
    assert (paper.learner.net, paper.learner.crop, paper.learner.flip) == ("cnn", plain.Settings().crop, False)
    assert (paper.learner.precision, single.learner.precision) == ("auto", "float32")
    assert (paper.preset, single.preset, fast.preset, fast.seed) == ("paper", "paper", "fast", 3)
    assert fast.attack.options == {"source": 1, "target": 7, "shape": "checkerboard", "share": 0.1}
    with pytest.raises(BadParams, match="method is 'slow'; must be one of plain, paper"):
        engine_run.params_of("slow", FIRST, 0)


def short(method):
    """Parameters on digits whose run takes seconds."""
    whole = engine_run.params_of(method, FIRST, 0, "digits")
    sections = {
        "ispl": {"runs": 1, "components": 2, "first_epochs": 1, "epochs": 1},
        "vote": {"epochs": 2},
        "selftrain": {"epochs": 2, "every": 1},
        "coherence": {"least": 0},
    }
    return whole.model_copy(update={k: getattr(whole, k).model_copy(update=v) for k, v in sections.items()})


def test_a_run_of_ours_and_of_the_script():
    settings = plain.Settings(runs=1, components=2, first_epochs=1, epochs=1, vote_epochs=2, selftrain_epochs=2)
    own = engine_run.run(short("plain"), settings, 1)
    ours = engine_run.run(short("fast"), workers=1)
    for found in (own, ours):
        assert found["rows"] == 1437 and found["shape"] == [8, 8, 1] and found["poisoned"] > 0
        assert 0 <= found["fn"] <= found["poisoned"] and 0 <= found["fp"] <= 1437
        assert 0 <= found["tmr"] <= 1 and 0.2 < found["accuracy"] <= 1
        assert 0 < sum(found["steps"].values()) <= found["wall_seconds"]
        assert found["cpu_seconds"] > 0
        json.dumps(found)
    assert list(ours["steps"]) == ["partition", "vote", "self-training"] == list(own["steps"])
    assert own["scored_rows"] > 4 * 1437  # two voters and two updates score all rows, and so does ISPL


def test_rates_are_measured(monkeypatch):
    monkeypatch.setitem(peaks.SIDES, "cpu", 64)
    found = engine_run.rates(turns=1, seconds=0.01, rows=64, source="digits")
    assert {name.split()[0] for name in found["flops"]} == {"fit", "score", "product"}
    assert len(found["flops"]) == 12 and all(rate > 0 for rate in found["flops"].values())


def test_same_work_by_hand():
    """100 row-epochs and 60 rows scored of 1,000 FLOP: 360,000 FLOP in 0.001 s of wall are 0.36 GFLOP/s."""
    work = {"row_epochs": 100, "scored_rows": 60}
    found = {
        Run("plain", FIRST, 0, 0): result(0.002, 0.004, **work),
        Run("plain", FIRST, 0, 1): result(0.001, 0.005, **work),
        Run("paper", FIRST, 0, 0): result(0.00025, 0.0005, fp=3, tmr=0.125),
        Run("plain", "4-9-pixel-0.05", 0, 0): result(9, 9, **work),  # another scenario
    }
    lines = engine.same_table(found, RATES)
    assert [line.split(" | ")[1:] for line in lines[2:4]] == [
        ["2", "0.0", "0.0", "1.00", "1.00", "0", "18%", "4%", "5", "1", "0.0% |"],
        ["1", "0.0", "0.0", "4.00", "8.00", "1", "72%", "18%", "3", "1", "12.5% |"],
    ]
    assert lines[4:] == ["", TOLD]


def test_rates_by_hand():
    lines = engine.rates_table({**RATES, "machine": MACHINE})
    assert lines[6] == "| training, float32 | 1 | 0.5 | 50% | 12% |"
    assert lines[7] == "| scoring, plain script, float32 | 2 | 1.0 | 50% | 12% |"
    assert lines[2] == "| product of two matrices, float32 | 1 | 1.0 | 100% | 25% |"


def test_presets_by_hand():
    found = {
        Run("plain", FIRST, 0, 0): result(100.0, 150.0, fp=10, fn=2, tmr=0.02),
        Run("fast", FIRST, 0, 0): result(10.0, 15.0, fp=4, fn=0, tmr=0.0),
        Run("plain", FIRST, 1, 0): result(90.0, 150.0, fp=11, fn=1, tmr=0.0),
        Run("fast", FIRST, 1, 0): result(15.0, 10.0, fp=5, fn=3, tmr=0.01),
        Run("fast", "4-9-pixel-0.05", 1, 0): result(1.0, 1.0),  # its plain run is not there yet
    }
    lines = engine.preset_table(found, 2)
    assert (
        lines[2]
        == f"| `fast` | {FIRST} | 0 | 10.0 | 100.0 | 10.00 | 15.0 | 150.0 | 10.00 | 4 | 10 | 0 | 2 | 0.0% | 2.0% |"
    )
    assert lines[4] == (
        "| `fast`, all 2 | median (least) ratio, sums, means |  | 25 | 190 | 8.0 (6.0) | 25 | 300 | 12.5 (10.0) "
        "| 9 | 21 | 3 | 3 | 0.5% | 1.0% |"
    )
    assert len({line.count("|") for line in lines[:5]}) == 1
    assert lines[5:] == ["", TOLD]


def test_tables_of_what_is_there(tmp_path, capsys):
    """--most 0 makes no run; what lies there is shown."""
    leave(tmp_path / "plain_1-7-checkerboard-0.1_s0_t0.json", **result(2.0, 3.0, row_epochs=1, scored_rows=1))
    engine.main(["--most", "0", "--out", str(tmp_path)])
    said = capsys.readouterr().out
    assert "| plain script, float32, 2 threads | 1 | 2.0 | 3.0 | 1.00 | 1.00 |  |  |  | 5 | 1 | 0.0% |" in said
    assert said.count("No run has been made yet.") == 2
    (tmp_path / "rates.json").write_text("{}")
    with pytest.raises(SystemExit) as left:
        engine.main(["--most", "0", "--out", str(tmp_path)])
    assert left.value.code == 3 and "names no machine" in capsys.readouterr().err
