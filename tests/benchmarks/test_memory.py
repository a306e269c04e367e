"""Peak memory of stages: commands as DVC has them, a few real stages on small data, tables worked out by hand."""

from __future__ import annotations

import pytest
import yaml

from benchmarks import memory
from benchmarks.memory import LARGE, SHORT, commands, full_size, peak, table
from sanitize.errors import BadInput
from sanitize.params import resolve
from tests.benchmarks.results import MACHINE, TOLD
from tests.closure import ROOT


def test_commands_are_the_pipelines():
    found = commands()
    assert found["ingest"] == ["-m", "stages.ingest"]
    assert found["train@oracle"] == ["-m", "stages.train", "oracle", "data/truth.parquet"]
    assert {name.partition("@")[0] for name in found} == set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    assert set(LARGE) <= set(found)


def test_peak_of_a_command_and_its_child(tmp_path):
    """A process that holds nothing much and whose child holds 200 MB."""
    child = "x = bytearray(b'x') * 200_000_000; import time; time.sleep(0.5)"
    (tmp_path / "parent.py").write_text(f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])\n")
    found = peak(["parent.py"], tmp_path)
    assert 0.2 < found["gb"] < 0.26
    assert found["seconds"] >= 0.5 and found["looks"] > 3
    with pytest.raises(BadInput, match="python -c raise SystemExit"):
        peak(["-c", "raise SystemExit(4)"], tmp_path)


def test_stages_run_outside_the_checkout(tmp_path, monkeypatch):
    """The first stages at full size's parameters, with 200 rows; nothing of the checkout's data changes."""
    monkeypatch.delenv("CIFAR10_FOLDER", raising=False)
    before = {path: path.stat().st_mtime_ns for path in (ROOT / "data").rglob("*")} if (ROOT / "data").exists() else {}
    params, what = full_size(tmp_path, 200)
    assert what == "200 drawn pictures, 32 x 32 x 3"
    assert resolve(params).vote.epochs == SHORT["vote"]["epochs"] == 1
    folder = tmp_path / "run"
    folder.mkdir()
    found = memory.stages(params, ("ingest", "poison"), folder)
    assert list(found) == ["ingest", "poison"] and all(0.02 < one["gb"] < 2 for one in found.values())
    assert (folder / "data/poisoned/train.parquet").is_file()
    after = {path: path.stat().st_mtime_ns for path in (ROOT / "data").rglob("*")} if (ROOT / "data").exists() else {}
    assert after.keys() == before.keys()


def test_tables_by_hand():
    stages = {"ingest": {"gb": 0.456, "seconds": 2.0, "looks": 9}, "vote": {"gb": 3.2, "seconds": 10.04, "looks": 9}}
    found = {"what": "stamps", "workers": 2, "stages": stages, "machine": MACHINE}
    lines = table(found, 3.0)
    assert lines[2:4] == ["| ingest | 0.46 | 2.0 |", "| vote | 3.20 | 10.0 |"]
    assert lines[4:] == ["", "Rows: stamps; 2 workers.", "Over 3 GB: vote.", TOLD]
    assert table(found, 4.0)[6] == "All are under 4 GB."
    assert table(found)[6] == TOLD
