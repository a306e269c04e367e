"""The GPU's benchmark, as far as a CPU goes: its counting, its table, and its end where there is no CUDA."""

from __future__ import annotations

import pytest
import torch

from benchmarks import gpu, gpu_ways, peaks
from benchmarks.gpu import measure, params_of, steps_table
from benchmarks.pictures import drawn
from tests.benchmarks.results import MACHINE, TOLD, leave
from tests.test_execution_threads import CpuThreads


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_without_cuda_it_says_so(capsys):
    with pytest.raises(SystemExit) as left:
        gpu.main([])
    assert left.value.code == 2
    assert "no CUDA device can be used here" in capsys.readouterr().err


def test_parameters():
    paper, fast = (params_of(preset, "auto", "cpu") for preset in gpu.PRESETS)
    assert (paper.learner.net, paper.learner.precision, paper.selftrain.epochs) == ("preact_resnet18", "auto", 100)
    assert (paper.train.epochs, fast.learner.net, fast.engine) == (100, "auto", "inline")
    assert params_of("fast", "float32", "cpu", "resnet32").learner.net == "resnet32"
    assert paper.attack.options == {"source": 0, "target": 2, "share": 0.05, "shape": "pixel"}


def changed(whole, sections):
    """Parameters with other values in some sections."""
    return whole.model_copy(update={k: getattr(whole, k).model_copy(update=v) for k, v in sections.items()})


def test_a_scenario_is_counted(monkeypatch):
    """200 drawn pictures: the voters, the networks of self-training and the final one score what they must."""
    monkeypatch.setitem(peaks.SIDES, "cpu", 64)
    whole = params_of("fast", "float32", "cpu")
    sections = {
        "ispl": {"runs": 1, "components": 2, "first_epochs": 1, "epochs": 1},
        "vote": {"epochs": 2},
        "selftrain": {"epochs": 2, "every": 1, "learners": 1},
        "coherence": {"least": 0},
        "train": {"epochs": 3, "threads": 1},
    }
    params = changed(whole, sections)
    pictures = drawn(200, side=8, channels=3, classes=4)
    found = measure(pictures, params, seconds=0.01)
    steps = found["steps"]
    assert list(steps) == ["attack", "partition", "vote", "self-training", "final training", "test"]
    kept = 200 - found["fp"] - (found["poisoned"] - found["fn"])
    assert steps["vote"]["scored_rows"] == 400 and steps["self-training"]["scored_rows"] == 400
    assert steps["final training"]["row_epochs"] == 3 * kept
    assert steps["test"]["scored_rows"] == 40 + 10  # all test rows, and class 0's with the trigger
    for key in ("row_epochs", "scored_rows", "fit_seconds", "score_seconds"):
        assert sum(step[key] for step in steps.values()) == pytest.approx(found["done"][key])
    assert sum(step["wall"] for step in steps.values()) <= found["wall_seconds"]
    assert found["forward_flops"] == peaks.net_flops("cnn", (3, 8, 8), 4)
    assert steps_table([{**found, "machine": MACHINE}])[2].startswith("| `fast`, cnn | attack |")


def test_table_by_hand():
    """300 row-epochs and 100 rows scored, at 1,000 FLOP: 1 MFLOP in 2 s, of 1 MFLOP/s at most."""
    step = {"wall": 2.0, "cpu": 2.0, "row_epochs": 300, "scored_rows": 100, "fit_seconds": 1.0, "score_seconds": 0.25}
    idle = {**dict.fromkeys(step, 0), "wall": 0.5}
    found = {
        "preset": "paper",
        "net": "resnet",
        "at_once": 3,
        "precision": "auto",
        "what": "stamps",
        "rows": 2000,
        "steps": {"attack": idle, "vote": step},
        "wall_seconds": 4.0,
        "done": {key: step[key] for key in ("row_epochs", "scored_rows", "fit_seconds", "score_seconds")},
        "forward_flops": 1000,
        "bfloat16_peak": 1e6,
        "fp": 3,
        "fn": 1,
        "poisoned": 9,
        "tmr": None,
        "accuracy": 0.5,
        "machine": MACHINE,
    }
    lines = steps_table([found])
    assert lines[2:5] == [
        "| `paper`, resnet | attack | 0.5 | 0.0 | 0.0 |  |  |",
        "| `paper`, resnet | vote | 2.0 | 1.0 | 0.2 | 167 | 50.0% |",
        "| `paper`, resnet | all | 4.0 | 1.0 | 0.2 | 83 | 25.0% |",
    ]
    assert lines[6] == (
        "`paper`: stamps, 2,000 rows, precision auto, learners at once: 3; 1 of 9 poisoned rows kept, 3 clean rows "
        "dropped, TMR unknown, accuracy 50.0%; bfloat16 peak 0.0 TFLOP/s."
    )
    assert lines[-1] == TOLD


def test_learners_at_once_are_counted_too(monkeypatch):
    """Threads of one process: as many rows trained and scored as one after the other, and the same rows kept."""
    monkeypatch.setitem(peaks.SIDES, "cpu", 64)
    whole = params_of("fast", "float32", "cpu")
    short = {
        "ispl": {"runs": 2, "components": 2, "first_epochs": 1, "epochs": 1},
        "vote": {"epochs": 1},
        "selftrain": {"epochs": 1, "every": 1},
        "coherence": {"least": 0},
        "train": {"epochs": 1, "threads": 1},
    }
    params = changed(whole, short)
    pictures = drawn(90, side=8, channels=1, classes=3)
    alone = measure(pictures, params, seconds=0.01)
    together = measure(pictures, params, seconds=0.01, map=CpuThreads(4), at_once=4)
    counted = ("row_epochs", "scored_rows")
    assert [alone["done"][key] for key in counted] == [together["done"][key] for key in counted]
    assert [alone[key] for key in ("fp", "fn", "accuracy")] == [together[key] for key in ("fp", "fn", "accuracy")]
    assert (alone["at_once"], together["at_once"]) == (1, 4)


def refuses(*given, **named):
    raise ValueError("not today")


def test_ways_are_measured_and_told(monkeypatch, tmp_path):
    """On a processor: what a GPU would record is run."""
    monkeypatch.setitem(peaks.SIDES, "cpu", 64)
    ways = [gpu_ways.Way(1, False), gpu_ways.Way(2, True)]
    found = gpu_ways.run(40, 1, "cpu", ["cnn", "preact_resnet18"], ways)
    told = [(one["net"], one["way"]) for one in found["ways"]]
    assert told == [(n, w) for n in ("cnn", "preact_resnet18") for w in ("every step run", "recorded, 2 at once")]
    for one in found["ways"]:
        flops = peaks.TRAINING * peaks.net_flops(one["net"], (3, 32, 32), 10)
        assert one["images"] > 0 and one["flops"] == pytest.approx(flops * one["images"])
    assert str(gpu_ways.Way(1, True, compiled=True)) == "recorded, torch.compile"
    cnn = {"net": "cnn", "way": "recorded", "images": 12345.6, "before": 0.31, "flops": 2e5, "memory": 1.26}
    lost = {"net": "cnn", "way": "recorded, torch.compile", "failed": "RuntimeError: no compiler\nfor you"}
    assert gpu_ways.lines({"ways": [cnn, lost], "bfloat16_peak": 1e6, "machine": MACHINE})[2:4] == [
        "| `cnn` | recorded | 12,346 | 20.0% | 0.3 | 1.3 |",
        "| `cnn` | recorded, torch.compile | failed: RuntimeError: no compiler | | | |",
    ]
    monkeypatch.setattr(gpu_ways, "measure", refuses)
    failed = gpu_ways.run(40, 1, "cpu", ["cnn"], ways[:1])["ways"]
    assert failed == [{"net": "cnn", "way": "every step run", "failed": "ValueError: not today"}]
    assert gpu_ways.lines(None) == ["No run has been made yet."]
    leave(tmp_path / "ways.json", ways=[cnn], bfloat16_peak=1e6)
    assert list(gpu.tables(tmp_path)) == ["gpu", "gpu-ways"] and len(gpu.tables(tmp_path)["gpu-ways"]) == 5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_ways_on_cuda():
    found = gpu_ways.run(512, 1, "cuda", ["cnn"], [gpu_ways.Way(1, False), gpu_ways.Way(2, True)])
    assert all(one["images"] > 0 for one in found["ways"])
