"""How cost grows: sizes, schedules cut short, a small real run, tables worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks import growth
from benchmarks.growth import Size, planned, rows_table, shortened, workers_table
from benchmarks.pictures import drawn, sized
from benchmarks.runs import read
from sanitize.errors import BadParams
from tests.benchmarks.results import MACHINE, TOLD


def test_sizes():
    runs = planned(4000)
    assert runs[:4] == [Size(1000, 10, 1), Size(1000, 10, 2), Size(1000, 100, 1), Size(1000, 100, 2)]
    assert {run.rows for run in runs} == {1000, 4000} and len(planned(50_000)) == 16


def test_schedules():
    whole, quarter = shortened(1.0), shortened(0.25)
    assert growth.schedule(whole) == (
        "epochs: ISPL 3 and 1, voters 6, self-training 10 with a new round every 5, groups 30"
    )
    assert growth.schedule(quarter) == (
        "epochs: ISPL 1 and 1, voters 2, self-training 3 with a new round every 2, groups 8"
    )
    assert quarter.selftrain.networks == whole.selftrain.networks == 4
    for part in (0.0, 1.5):
        with pytest.raises(BadParams, match=r"--part is .*must be in \(0, 1\]"):
            shortened(part)


def test_a_run():
    params = shortened(0.01)
    table = sized(drawn(200, side=8, channels=1, classes=2).train, 160, 2)
    found = growth.run(table, params, 1)
    assert list(found["steps"])[:3] == ["partition", "vote", "self-training"]
    assert sum(step["wall"] for step in found["steps"].values()) <= found["wall_seconds"]
    assert found["cpu_seconds"] > 0 and 0 <= found["dropped"] < 160


def costs(wall, cpu, **steps):
    taken = {name.replace("_", "-"): {"cpu": value, "wall": value} for name, value in steps.items()}
    words = {"what": "stamps", "schedule": "epochs: few", "machine": MACHINE}
    return {"wall_seconds": wall, "cpu_seconds": cpu, "steps": taken, **words}


def test_tables_by_hand():
    """2 s of partition over 1,000 rows are 2 ms each; 9 s with one worker and 5 with two are 1.8 times less."""
    found = {
        Size(1000, 10, 1): costs(9.0, 8.0, partition=2.0, vote=3.0, self_training=1.0, groups=0.5),
        Size(1000, 10, 2): costs(5.0, 8.5),
        Size(4000, 10, 1): costs(40.0, 36.0, partition=8.0),
    }
    lines = rows_table(found)
    assert lines[2:4] == [
        "| 1,000 | 10 | 2.00 | 3.00 | 1.00 | 0.50 | 8.00 | 8.0 |",
        "| 4,000 | 10 | 2.00 | 0.00 | 0.00 | 0.00 | 9.00 | 36.0 |",
    ]
    assert lines[4:] == ["", "Rows: stamps, epochs: few.", TOLD]
    assert workers_table(found)[2:] == ["| 1,000 | 10 | 9.0 | 5.0 | 1.80 | 8.0 | 8.5 |", *lines[4:]]


def test_one_run_leaves_its_result(tmp_path, monkeypatch):
    """The command that a run is, on drawn rows in place of a data set."""
    monkeypatch.setattr(growth, "source", lambda: (drawn(160, side=8, channels=1, classes=2).train, "drawn"))
    growth.main(["--part", "0.01", "--one", "160", "2", "1", str(tmp_path / "one.json")])
    found = read(tmp_path / "one.json")
    assert found is not None
    assert (found["rows"], found["classes"], found["workers"], found["what"]) == (160, 2, 1, "drawn")
    with pytest.raises(SystemExit) as left:
        growth.main(["--part", "2", "--out", str(tmp_path)])
    assert left.value.code == 2
    with pytest.raises(SystemExit):
        growth.main(["--one", "1", "2", "3"])
