"""Stage evaluate: a run small enough to be evaluated by hand."""

import csv
import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from sanitize.data.parquet import vector_table, write_arrow
from sanitize.data.truth import write_truth
from sanitize.errors import BadInput
from stages import evaluate

PREDICTIONS = pa.schema(
    [
        ("set", pa.string()),
        ("row", pa.int64()),
        ("label", pa.int64()),
        ("prediction", pa.int32()),
        ("probability", pa.float32()),
    ]
)
LABELS = np.array([0, 0, 1, 1, 1, 2])
POISON = np.array([False, False, False, True, True, False])
KEEP = np.array([True, False, True, False, True, True])


def said(lines):
    columns = list(zip(*lines, strict=True)) if lines else [[]] * 4
    arrays = [pa.array(list(c), f.type) for c, f in zip([*columns, [0.5] * len(lines)], PREDICTIONS, strict=True)]
    return pa.table(arrays, schema=PREDICTIONS)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("seed: 0")
    arrow = vector_table(np.eye(6, dtype=np.float32), LABELS, ("a", "b", "c"))
    write_arrow(arrow, "data/poisoned/train.parquet")
    aim = arrow.slice(0, 2).append_column("row", pa.array([0, 2])).append_column("target", pa.array([1, 1]))
    write_arrow(aim, "data/poisoned/test_triggered.parquet")
    write_truth("data/truth.parquet", POISON, np.array([0, 0, 1, 0, 0, 2]))
    reasons = ["kept" if keep else "outvoted 3 of 4" for keep in KEEP]
    suspicion = pa.array([0.0, 1.0, 0.0, 4.0, 2.0, 0.0])
    table = pa.table({"row": np.arange(6), "keep": KEEP, "reason": reasons, "suspicion": suspicion})
    write_arrow(table, "data/manifest.parquet")
    parts = {"row": np.arange(6), "run": np.zeros(6, np.int32), "component": np.array([0, 0, 0, 1, 1, -1], np.int32)}
    write_arrow(pa.table({**parts, "loss": np.zeros(6, np.float32)}), "data/partition.parquet")
    components = {
        "run": np.zeros(2, np.int32),
        "component": np.arange(2, dtype=np.int32),
        "rows": np.array([3, 2], np.int32),
        "votes_for": np.array([5, 2]),
        "votes_needed": [2.5, 2.5],
        "clean": [True, False],
        "self_error": [0.1, 0.25],
        "weight": np.array([3, 2]),
    }
    write_arrow(pa.table(components), "data/components.parquet")
    test = [("test", 0, 0, 0), ("test", 1, 1, 1), ("test", 2, 0, 1), ("test", 3, 2, 2)]
    write_arrow(said([*test, ("triggered", 0, 0, 1), ("triggered", 2, 0, 1)]), "data/predictions/undefended.parquet")
    write_arrow(said([*test, ("triggered", 0, 0, 0), ("triggered", 2, 0, 1)]), "data/predictions/sanitized.parquet")
    write_arrow(said([]), "data/predictions/oracle.parquet")
    (tmp_path / ".scratch/seconds").mkdir(parents=True)
    (tmp_path / ".scratch/seconds/vote.json").write_text('{"seconds": 1.23456789}')
    (tmp_path / ".scratch/seconds/evaluate.json").write_text('{"seconds": 9}')
    return tmp_path


def plot(folder, name):
    return list(csv.reader((folder / f"reports/plots/{name}.csv").open()))


def test_figures_by_hand(folder):
    """Undefended: rows 0 and 2 are of the source class; row 2 is wrong when clean, so TMR is 1 of 2.

    Suspicion orders the rows 3, 4, 1, 0, 2, 5: both poisoned rows first. 1% and 5% of 6 rows are none, 10% is one.
    """
    evaluate.main()
    figures = json.loads((folder / "reports/metrics.json").read_text())
    assert figures == {
        "oracle": {"clean_accuracy": None, "tmr": None},
        "undefended": {"clean_accuracy": 0.75, "tmr": 0.5},
        "sanitized": {"clean_accuracy": 0.75, "tmr": 0.0},
        "filter": {
            "rows": 6,
            "kept": 4,
            "dropped": 2,
            "fp": 1,
            "fn": 1,
            "poisoned": 2,
            "suspicion_auc": 1.0,
            "recall_at_dropped": {"0.01": 0.0, "0.05": 0.0, "0.10": 0.5},
        },
        "seconds": {"vote": 1.234568},
    }


def test_a_row_that_two_triggers_use_has_two_targets(folder):
    """Row 0 is predicted 2 under both triggers, whose targets are 1 and 2: one of two lands."""
    aim = vector_table(np.eye(2, 6, dtype=np.float32), LABELS[[0, 0]], ("a", "b", "c"))
    aim = aim.append_column("row", pa.array([0, 0])).append_column("target", pa.array([1, 2]))
    write_arrow(aim, "data/poisoned/test_triggered.parquet")
    lines = [("test", 0, 0, 0), ("triggered", 0, 0, 2), ("triggered", 0, 0, 2)]
    for model in ("undefended", "sanitized"):
        write_arrow(said(lines), f"data/predictions/{model}.parquet")
    evaluate.main()
    assert json.loads((folder / "reports/metrics.json").read_text())["sanitized"] == {"clean_accuracy": 1.0, "tmr": 0.5}


def test_plots_by_hand(folder):
    evaluate.main()
    assert plot(folder, "confusion") == [["actual", "predicted"], ["a", "a"], ["b", "b"], ["a", "b"], ["c", "c"]]
    assert plot(folder, "dropped_by_class") == [
        ["class", "rows", "poisoned", "dropped", "fp", "fn"],
        ["a", "2", "0", "1", "1", "0"],
        ["b", "3", "2", "1", "0", "1"],
        ["c", "1", "0", "0", "0", "0"],
    ]
    assert plot(folder, "components") == [
        ["run", "component", "rows", "poisoned", "clean", "votes_for", "votes_needed", "self_error"],
        ["0", "0", "3", "0", "clean", "5", "2.5", "0.1"],
        ["0", "1", "2", "2", "poisoned", "2", "2.5", "0.25"],
    ]
    header = ["row", "label", "reason", "suspicion", "poisoned"]
    assert plot(folder, "dropped_rows") == [
        header,
        ["3", "b", "outvoted 3 of 4", "4.0", "true"],
        ["1", "a", "outvoted 3 of 4", "1.0", "false"],
    ]
    assert plot(folder, "kept_rows") == [
        header,
        ["4", "b", "kept", "2.0", "true"],
        ["0", "a", "kept", "0.0", "false"],
        ["2", "b", "kept", "0.0", "false"],
        ["5", "c", "kept", "0.0", "false"],
    ]
    histogram = plot(folder, "suspicion")
    assert histogram[0] == ["bin", "clean", "poisoned"] and len(histogram) == 41
    filled = {line[0]: line[1:] for line in histogram[1:] if line[1:] != ["0", "0"]}
    assert filled == {"0.0": ["3", "0"], "1.0": ["1", "0"], "2.0": ["0", "1"], "3.9": ["0", "1"]}
    recall = dict(plot(folder, "recall")[1:])
    assert len(recall) == 101 and [recall[s] for s in ("0.0", "0.1", "0.3", "1.0")] == ["0.0", "0.5", "1.0", "1.0"]


def test_poisoned_kept_rows_are_listed_whatever_their_suspicion(folder, monkeypatch):
    """Of the kept rows 4, 0, 2, 5 the most suspicious one is listed, and row 2, which is now poisoned as well."""
    monkeypatch.setattr(evaluate, "SUSPECTS", 1)
    write_truth("data/truth.parquet", np.arange(6) == 2, np.zeros(6, np.int64))
    evaluate.main()
    assert [line[0] + line[4] for line in plot(folder, "kept_rows")[1:]] == ["4false", "2true"]


def test_without_truth_what_is_known_is_reported(folder):
    write_truth("data/truth.parquet", None)
    write_arrow(said([("test", 0, 0, 0), ("test", 1, 1, 0)]), "data/predictions/sanitized.parquet")
    evaluate.main()
    figures = json.loads((folder / "reports/metrics.json").read_text())
    assert figures["sanitized"] == {"clean_accuracy": 0.5, "tmr": None}
    assert figures["filter"] == {
        "rows": 6,
        "kept": 4,
        "dropped": 2,
        "fp": None,
        "fn": None,
        "poisoned": None,
        "suspicion_auc": None,
        "recall_at_dropped": {"0.01": None, "0.05": None, "0.10": None},
    }
    assert plot(folder, "recall") == [["dropped", "recall"]]
    assert plot(folder, "suspicion")[0] == ["bin", "all"]
    assert plot(folder, "dropped_by_class")[1] == ["a", "2", "", "1", "", ""]
    assert plot(folder, "components")[1][3] == ""
    assert [line[4] for line in plot(folder, "dropped_rows")[1:]] == ["", ""]


def test_equal_suspicion_makes_one_bin(folder):
    table = pa.table({"row": np.arange(6), "keep": KEEP, "reason": ["kept"] * 6, "suspicion": np.zeros(6)})
    write_arrow(table, "data/manifest.parquet")
    evaluate.main()
    assert plot(folder, "suspicion") == [["bin", "clean", "poisoned"], ["0.0", "4", "2"]]


def test_inconsistent_files_are_refused_and_nothing_is_written(folder):
    write_arrow(said([("test", 0, 0, 0), ("triggered", 0, 0, 1)]), "data/predictions/undefended.parquet")
    with pytest.raises(BadInput, match=r"undefended.parquet: has 1 triggered predictions for 2 triggered rows"):
        evaluate.main()
    table = pa.table({"row": np.arange(5), "keep": KEEP[:5], "suspicion": np.zeros(5)})
    write_arrow(table, "data/manifest.parquet")
    with pytest.raises(BadInput, match=r"manifest.parquet: has 5 verdicts; must have one for each .* rows 0\.\.5"):
        evaluate.main()
    (folder / ".scratch/seconds/vote.json").write_text("{}")
    assert not (folder / "reports").exists()


def test_torch_is_not_imported():
    code = "import sys, stages.evaluate; print('torch' in sys.modules, 'sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
