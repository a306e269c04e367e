"""An older summary never passes for that of a run that failed, was killed or could not begin; nothing else is lost."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sanitize import filter_file as filter_module
from sanitize.cli import app
from sanitize.errors import BadParams
from sanitize.summary_file import NOT_ENDED, mark, noted, refuse_summary
from tests import small

OLD = {"schema_version": 1, "rows": 1, "kept": 1, "rejected": 0}
MARK = {"schema_version": 1, "error": NOT_ENDED}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The small vectors, random ones, a quick params.yaml and an older summary in the current folder."""
    monkeypatch.chdir(tmp_path)
    small.vector_file(tmp_path / "in.parquet")
    noise = np.random.default_rng(0).normal(size=(small.ROWS, 5)).astype(np.float32)
    pq.write_table(
        pa.table({"x": pa.array(list(noise)), "label": [str(n % 2) for n in range(small.ROWS)]}),
        tmp_path / "noise.parquet",
    )
    (tmp_path / "damaged.parquet").write_bytes((tmp_path / "in.parquet").read_bytes()[:-100])
    small.quick_file(tmp_path / "quick.yaml", engine="inline")
    (tmp_path / "wrong.yaml").write_text("ispl: {runs: 0}")
    (tmp_path / "s.json").write_text(json.dumps(OLD))
    return tmp_path


def filtered(*args):
    return CliRunner().invoke(app, ["filter", *map(str, args), "--summary", "s.json"])


def said(folder):
    return json.loads((folder / "s.json").read_text())


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["in.parquet", "out", "--max-removed", "5"], 2, "--max-removed is 5.0; must be a number in [0, 1]"),
        (["in.parquet", "out", "--params", "wrong.yaml"], 2, "wrong.yaml: ispl.runs is 0"),
        (["in.parquet"], 2, "no place for the kept rows is given"),
        (["in.parquet", "in.parquet"], 2, "is the input in.parquet"),
        (["in.parquet", "out", "--manifest", "out"], 2, "is named twice"),
        (["none.parquet", "out"], 3, "none.parquet"),
        (["damaged.parquet", "out"], 3, "damaged.parquet"),
        (["in.parquet", "out", "--label", "none"], 3, "no column 'none'"),
        (["in.parquet", "out", "--voters", "none"], 3, "none"),
        (["noise.parquet", "out", "--params", "quick.yaml"], 3, "so nothing was judged"),
    ],
)
def test_a_run_that_fails_says_so_in_the_place_of_an_older_one(folder, args, code, words):
    done = filtered(*args)
    assert done.exit_code == code and words in done.stderr
    found = said(folder)
    assert found.keys() == {"schema_version", "error"} and words in found["error"]
    assert f"sanitize: {found['error'].splitlines()[0]}" in done.stderr
    gate = CliRunner().invoke(app, ["gate", "s.json"])
    assert gate.exit_code == 3 and "s.json: is of a run that failed: " in gate.stderr


def test_what_it_says_while_it_lasts_and_then(folder, monkeypatch):
    judge, found = filter_module._judge, []

    def judged(*args):
        found.append(said(folder))
        return judge(*args)

    monkeypatch.setattr(filter_module, "_judge", judged)
    assert filtered("in.parquet", "out", "--params", "quick.yaml").exit_code == 0
    assert found == [MARK] and said(folder)["rows"] == small.ROWS

    def fails(*args):
        raise RuntimeError("a fault")

    monkeypatch.setattr(filter_module, "_judge", fails)
    assert filtered("in.parquet", "out", "--params", "quick.yaml").exit_code == 3
    assert said(folder)["error"].startswith("this is a fault in sanitize, please report it: RuntimeError('a fault')")

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(filter_module, "_judge", interrupted)
    assert filtered("in.parquet", "out", "--params", "quick.yaml").exit_code == 130
    assert said(folder)["error"] == "interrupted; no file is half-written"


SLOW = (
    "import sys, time, sanitize.filter_file as f, sanitize.cli\n"
    "def slow(*args): open('there', 'w').close(); time.sleep(60)\n"
    "f._judge = slow\n"
    "sys.argv = ['sanitize', 'filter', 'in.parquet', 'out', '--params', 'quick.yaml', '--summary', 's.json']\n"
    "sanitize.cli.main()\n"
)


def child_of(process):
    return int(subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, check=True).stdout)


@pytest.mark.parametrize(
    ("whom", "by", "code", "words"),
    [
        ("child", signal.SIGKILL, 3, "the process was killed"),
        ("child", signal.SIGSEGV, 3, "the process ended by SIGSEGV"),
        ("parent", signal.SIGKILL, -signal.SIGKILL, NOT_ENDED),
        ("parent", signal.SIGTERM, -signal.SIGTERM, NOT_ENDED),
        ("parent", signal.SIGINT, 130, "interrupted; no file is half-written"),
    ],
)
def test_a_run_that_is_ended_from_outside(folder, whom, by, code, words):
    hears = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
    process = subprocess.Popen([sys.executable, "-c", SLOW], stderr=subprocess.DEVNULL, preexec_fn=hears)  # noqa: PLW1509
    while not (folder / "there").exists():
        assert process.poll() is None
        time.sleep(0.01)
    child = child_of(process.pid)
    os.kill(child if whom == "child" else process.pid, by)
    assert process.wait(timeout=30) == code
    assert said(folder)["error"].startswith(words)
    assert CliRunner().invoke(app, ["gate", "s.json"]).exit_code == 3


@pytest.mark.parametrize(
    "content",
    [
        '{"schema_version": 1}',
        '{"rows": 1, "kept": 1, "rejected": 0}',
        "[1]",
        "notes",
        '{"name": "package"}',
        "[" * 9999,
    ],
)
def test_a_file_that_is_no_summary_is_never_written_to(folder, content):
    (folder / "s.json").write_text(content)
    for args in (
        ["in.parquet", "out", "--params", "quick.yaml"],
        ["none", "out"],
        ["in.parquet", "out", "--voters", "n"],
    ):
        done = filtered(*args)
        assert done.exit_code in (2, 3) and (folder / "s.json").read_text() == content
    done = filtered("in.parquet", "out")
    assert (
        done.exit_code == 2 and "--summary is s.json, a file that is no summary of a run; name another" in done.stderr
    )


@pytest.mark.parametrize(
    "args",
    [
        ["s.json", "out"],
        ["*.json", "out"],
        [".", "out"],
        ["in.parquet", "s.json"],
        ["in.parquet", "out", "--manifest", "s.json"],
        ["in.parquet", "out", "--report", "./s.json"],
        ["in.parquet", "out", "--overrides", "s.json"],
        ["in.parquet", "out", "--pred-probs", "s.json"],
        ["in.parquet", "out", "--params", "s.json"],
        ["in.parquet", "out", "--voters", "s.json"],
    ],
)
def test_a_summary_that_is_something_else_of_the_run_stays(folder, args):
    assert filtered(*args, "--max-removed", "5").exit_code == 2
    assert filtered(*args).exit_code in (2, 3)
    assert said(folder) == OLD


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_is_no_file_stays(folder, kind):
    place = folder / "s.json"
    place.rename(folder / "other.json")
    {"link": lambda: place.symlink_to("other.json"), "folder": place.mkdir, "pipe": lambda: os.mkfifo(place)}[kind]()
    before = os.lstat(place)
    assert filtered("in.parquet", "out", "--max-removed", "5").exit_code == 2
    assert filtered("in.parquet", "out", "--params", "quick.yaml").exit_code in (2, 3)
    assert os.lstat(place).st_ino == before.st_ino and json.loads((folder / "other.json").read_text()) == OLD


def test_what_may_be_replaced(tmp_path):
    """A summary, what a run that failed has left, an empty file, and nothing; each is marked at once."""
    place = tmp_path / "deep" / "s.json"
    for content in (None, "", " \n", json.dumps(OLD), json.dumps(MARK)):
        if content is not None:
            place.write_text(content)
        refuse_summary(place)
        with pytest.raises(ValueError, match="no"), noted(place, [None, tmp_path / "other"], [None]):
            assert json.loads(place.read_text()) == MARK
            raise ValueError("no")
        assert "ValueError('no')" in json.loads(place.read_text())["error"]
    for place in ("s3://b/s.json", tmp_path / "s.csv"):
        with pytest.raises(BadParams, match="--summary is "):
            refuse_summary(place)
    with noted(None, []):
        pass


def test_a_run_that_ends_well_leaves_its_own(tmp_path):
    with noted(tmp_path / "s.json", [tmp_path / "voters"]):
        mark(tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text()) == MARK
