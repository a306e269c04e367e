"""`sanitize gate`: which conditions hold, what is none, and documents of runs that did not end well."""

import json

import pytest
from typer.testing import CliRunner

from sanitize.cli import app
from sanitize.errors import BadInput, BadParams
from sanitize.gate import Condition, Failure, failures, figures, read_condition, read_figures
from tests import small

WHOLE = {
    "schema_version": 1,
    "rows": 100,
    "kept": 88,
    "rejected": 12,
    "unreadable": 1,
    "limit_exceeded": False,
    "written": True,
    "seconds": 2.5,
    "reasons": {"outvoted": 12},
    "classes": {
        "a": {"rows": 60, "rejected": 3},
        "b>c": {"rows": 40, "rejected": 9},
        "none": {"rows": 0, "rejected": 0},
    },
}


def document(path, **changes):
    given = {**WHOLE, **changes}
    path.write_text(json.dumps({name: value for name, value in given.items() if value is not None}))
    return path


def gate(path, *conditions, more=()):
    given = [word for one in conditions for word in ("--fail-on", one)]
    return CliRunner().invoke(app, ["gate", str(path), *given, *more])


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("removed>0.05", ("removed", ">", 0.05)),
        (" removed >= 5e-2 ", ("removed", ">=", 0.05)),
        ("class:b>c>0.2", ("class:b>c", ">", 0.2)),
        ("sanitized.clean_accuracy<.9", ("sanitized.clean_accuracy", "<", 0.9)),
        ("kept<=-1", ("kept", "<=", -1.0)),
    ],
)
def test_conditions(text, condition):
    assert read_condition(text) == Condition(text.strip(), *condition)


@pytest.mark.parametrize("text", ["", "removed", "removed>", ">1", "removed=1", "removed>x", "removed>1e999", "a>--1"])
def test_what_is_no_condition(text, tmp_path):
    with pytest.raises(BadParams, match=r"--fail-on is .*; must be a name, one of > >= < <=, and a number, such as"):
        read_condition(text)
    assert gate(document(tmp_path / "s"), text).exit_code == 2


def test_figures_by_hand():
    found = figures(WHOLE)
    assert found == {
        "rows": 100, "kept": 0.88, "rejected": 12, "removed": 0.12, "unreadable": 0.01, "seconds": 2.5,
        "reasons.outvoted": 12, "class:a": 0.05, "class:b>c": 0.225,
    }  # fmt: skip
    assert figures({"a": {"tmr": 0.5, "ok": True, "bad": float("nan")}, "n": 1}) == {"a.tmr": 0.5, "n": 1.0}


@pytest.mark.parametrize(
    ("texts", "held"),
    [
        (["removed>0.12", "class:a>0.05"], []),
        (["removed>=0.12"], [("removed>=0.12", "removed")]),
        (["class:*>0.01"], [("class:*>0.01", "class:b>c"), ("class:*>0.01", "class:a")]),
        (["class:b>c>0.2", "kept<0.9"], [("class:b>c>0.2", "class:b>c"), ("kept<0.9", "kept")]),
    ],
)
def test_what_holds(texts, held):
    found = failures(WHOLE, [read_condition(text) for text in texts], "s")
    assert [(one.condition, one.figure) for one in found] == held


@pytest.mark.parametrize(("name", "pattern"), [("*", "class:*"), ("[ab]", "class:[ab]"), ("?", "class:?")])
def test_a_class_called_like_a_pattern_hides_no_others(name, pattern):
    classes = {"a": {"rows": 50, "rejected": 50}, name: {"rows": 50, "rejected": 20}}
    found = failures({**WHOLE, "classes": classes}, [read_condition(f"{pattern}>0.2")], "s")
    assert [one.figure for one in found] == ["class:a", f"class:{name}"]


def test_a_number_beyond_all_floats_is_no_figure(tmp_path):
    place = document(tmp_path / "s", seconds=10**400)
    assert "seconds" not in figures(read_figures(place)) and gate(place, "removed>0.5").exit_code == 0
    done = gate(place, "seconds>1")
    assert done.exit_code == 2 and "has no finite number 'seconds'; it has rows," in done.stderr
    place.write_text('{"tmr": NaN}')
    done = gate(place, "tmr>0.1")
    assert done.exit_code == 2 and "has no finite number 'tmr'; it has none" in done.stderr


def test_two_members_of_one_name_never_pass(tmp_path):
    place = document(tmp_path / "s")
    place.write_text(place.read_text().replace('"rejected": 12,', '"rejected": 12, "rejected": 0,', 1))
    done = gate(place, "removed>0.5")
    assert done.exit_code == 3 and "the key 'rejected' stands there twice" in done.stderr


def test_a_figure_that_is_not_there():
    for text in ("tmr>0", "class:z>0", "class:z*>0", "written>0", "classes.a.rows>0"):
        with pytest.raises(BadParams, match=r"s has no .*; it has rows, kept,"):
            failures(WHOLE, [read_condition(text)], "s")


def test_exit_codes(tmp_path):
    path = document(tmp_path / "s")
    passed, failed = gate(path, "removed>0.5"), gate(path, "removed>0.05", "class:*>0.2")
    assert (passed.exit_code, passed.stdout) == (0, f"passed: {path}, 1 conditions\n")
    assert failed.exit_code == 1
    assert failed.stdout.splitlines() == [
        "removed is 0.12: removed>0.05",
        "class:b>c is 0.225: class:*>0.2",
        f"failed: {path}, 2 conditions",
    ]
    said = json.loads(gate(path, "removed>0.05", more=["--json"]).stdout)
    assert said["passed"] is False and said["failures"][0] == {
        "condition": "removed>0.05", "figure": "removed", "value": 0.12,
    }  # fmt: skip
    assert gate(path, "tmr>1").exit_code == 2
    assert gate(document(path, limit_exceeded=True)).exit_code == 1
    metrics = tmp_path / "metrics.json"
    metrics.write_text('{"sanitized": {"tmr": 0.02}}')
    assert (gate(metrics, "sanitized.tmr>0.01").exit_code, gate(metrics, "sanitized.tmr>0.1").exit_code) == (1, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 2}, "has schema_version 2; must be 1"),
        ({"schema_version": True}, "has schema_version True; must be 1"),
        ({"rows": None}, "lacks the numbers rows, kept"),
        ({"rows": -1}, "lacks the numbers rows, kept"),
        ({"rejected": True}, "lacks the numbers rows, kept"),
        ({"limit_exceeded": None}, "or limit_exceeded"),
        ({"classes": None}, "lacks the rows and the rejected rows of each class"),
        ({"classes": {"a": {"rows": 1, "rejected": 2}}}, "lacks the rows and the rejected rows"),
        ({"kept": 89}, "100 rows, 89 kept and 12 rejected, which do not add up"),
        ({"rows": 0, "kept": 0, "rejected": 0}, "0 rows, 0 kept"),
        ({"error": "x.parquet: damaged"}, "is of a run that failed: x.parquet: damaged"),
    ],
)
def test_documents_that_never_pass(tmp_path, changes, message):
    path = document(tmp_path / "s", **changes)
    with pytest.raises(BadInput, match=message):
        read_figures(path)
    assert gate(path).exit_code == 3


@pytest.mark.parametrize("text", ["", "{", '{"schema_version": 1, "rows": 10', "[1]", "{}", "3", "[" * 100_000])
def test_what_was_cut_short_never_passes(tmp_path, text):
    path = tmp_path / "s"
    path.write_text(text)
    assert gate(path, "removed>0.5").exit_code == 3
    assert gate(tmp_path / "none").exit_code == gate(tmp_path).exit_code == 3


def test_what_data_wrote_is_no_command_of_githubs(tmp_path, monkeypatch):
    summary = tmp_path / "step"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    names = [f"x{n}\n::error::y | <b>[z](w)%0A" for n in range(300)]
    classes = {name: {"rows": 1, "rejected": 1} for name in names}
    path = document(tmp_path / "s,:", rows=300, kept=0, rejected=300, classes=classes)
    done = gate(path, "class:*>0.2", more=["--github"])
    lines = done.stdout.splitlines()
    assert done.exit_code == 1 and len(lines) == 10
    assert all(line.startswith("::error title=sanitize gate ") and line.count("::") >= 2 for line in lines)
    assert all("\n" not in line and "%2C%3A::" in line for line in lines) and "291 more conditions hold" in lines[-1]
    text = summary.read_text()
    assert text.startswith("before\n### sanitize gate: failed") and "100 more." in text and len(text) < 1 << 20
    assert "<b>" not in text and "[z]" not in text and text.count("\n<tr><td>") == 200
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    without = gate(path, more=["--github"])
    assert without.exit_code == 2 and "GITHUB_STEP_SUMMARY" in without.stderr


def test_of_a_run_of_the_filter(tmp_path):
    source = small.vector_file(tmp_path / "in.parquet")
    quick = ["--params", str(small.quick_file(tmp_path / "quick.yaml", engine="inline")), "--quiet", "--dry-run"]
    done = CliRunner().invoke(app, ["filter", str(source), "--json", *quick])
    (tmp_path / "s").write_text(done.stdout)
    found = figures(read_figures(tmp_path / "s"))
    assert found["removed"] == 4 / small.ROWS and found["class:cat"] == 3 / 43 and found["class:ant"] == 0
    assert gate(tmp_path / "s", "removed>0.05", "class:*>0.1").exit_code == 0
    assert gate(tmp_path / "s", "class:*>0.05").exit_code == 1


def test_a_limit_of_the_run_is_a_failure():
    assert failures({**WHOLE, "limit_exceeded": True}, [], "s") == [
        Failure("the run's own limit is exceeded", "limit", 1.0)
    ]
