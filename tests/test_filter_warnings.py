"""Classes that lose many rows are named, with what the voters take their rows for: on stderr, in JSON, on the page."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sanitize.cli import app
from sanitize.filter_summary import Seen, Summary, Unreadable
from sanitize.filter_tally import Tally, Verdicts, count_batch
from sanitize.filtering import TRIGGER
from tests import small

CLASSES = {"ant": (100, 21), "bee": (50, 10), "cat": (10, 9), "dog": (4, 4)}
SUMMARY = Summary(
    164, 120, 44, {}, {}, CLASSES, {}, Seen("label", ("x",), "vector", ""), 1, 0.0, "", "", None,
    Unreadable(0, None, ""), written=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("against", "warnings"),
    [
        ({"ant": {"bee": 20}, "bee": {"ant": 10}}, []),  # a fifth of each
        (
            {"ant": {"bee": 9, "cat": 12}},
            ["ant: 21 of 100 rows dropped (21%): the voters cannot tell ant from cat; probably hard rows, not poison"],
        ),
        (
            {"ant": {"bee": 10, TRIGGER: 11}, "cat": {TRIGGER: 5, "ant": 4}},
            [
                "cat: 9 of 10 rows dropped (90%): 5 of them share a trigger; look at them, poison may be most of what "
                "the class holds",
                "ant: 21 of 100 rows dropped (21%): 11 of them share a trigger; look at them, poison may be most of "
                "what the class holds",
            ],
        ),
        (
            {"ant": {"bee": 12, TRIGGER: 10}},
            ["ant: 22 of 100 rows dropped (22%): the voters cannot tell ant from bee; probably hard rows, not poison"],
        ),
        (
            {"bee": {"bee": 30}},
            [
                "bee: 30 of 50 rows dropped (60%): self-training contradicts what the voters say; probably hard rows, "
                "not poison"
            ],
        ),
    ],
)
def test_warnings_by_hand(against, warnings):
    summary = replace(SUMMARY, against=against)
    assert summary.warnings == summary.as_json()["warnings"] == warnings
    assert Summary.of_json(json.loads(json.dumps(summary.plain()))) == summary


def test_rows_are_counted_by_what_is_said_of_them():
    """Kept rows, rows that cannot be read and rows without a label do not count; two batches add up."""
    reasons = ["kept", "outvoted: 3", f"{TRIGGER}: like 8", "unreadable: x", "unreadable: y", "outvoted: 4"]
    vote_n, label_n = np.array([1, 1, 1, -1, -1, 0]), np.array([0, 0, 0, 0, -1, 1])
    none = np.full(6, -1)
    keep_n = np.array([reason == "kept" for reason in reasons])
    found = Verdicts(
        keep_n,
        np.array(reasons, object),
        np.full(6, np.nan),
        vote_n,
        none,
        none,
        none,
        label_n,
        none,
        np.array([0, 1, 0, -1, -1, 1]),
        np.array([1, 0, 0, -1, -1, 1]),
    )
    whole = Tally()
    for start in (0, 6):
        tally = Tally()
        count_batch(tally, found, ["a", "b"], ["a", "b"], "f", start)
        whole.add(tally)
    assert whole.unstable == 2  # row 2 twice: rows of no group do not count
    assert whole.against == {"a": {"b": 2, TRIGGER: 2}, "b": {"a": 2}}


@pytest.mark.parametrize("files", [1, 2])
def test_the_command_warns_and_a_resumed_one_too(tmp_path, files):
    """A third of the cats are called bees: of the class bee more than a fifth goes."""
    table = pq.read_table(small.vector_file(tmp_path / "in.parquet"))
    labels = np.array(table["label"].to_pylist())
    cats = np.flatnonzero(labels == "cat")
    labels[cats[: len(cats) // 3]] = "bee"
    table = table.set_column(table.schema.get_field_index("label"), "label", pa.array(labels))
    (tmp_path / "in").mkdir()
    for number in range(files):
        pq.write_table(table.slice(number * 120 // files, 120 // files), tmp_path / "in" / f"{number}.parquet")
    quick = small.quick_file(tmp_path / "quick.yaml", engine="inline")
    page = tmp_path / "page.html"
    given = ["filter", str(tmp_path / "in"), "--params", str(quick), "--dry-run", "--report", str(page), "--json"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.stderr
    (warning,) = json.loads(done.stdout)["warnings"]
    assert warning.startswith("bee: ") and warning.endswith(
        ": the voters cannot tell bee from cat; probably hard rows, not poison"
    )
    assert f"WARNING {warning}" in done.stderr.splitlines()
    assert f"<bdi>{warning}</bdi>" in page.read_text()
    again = CliRunner().invoke(app, [*given, "--resume"])
    assert json.loads(again.stdout)["warnings"] == [warning]
