"""Stage report: from files to one page."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sanitize.errors import BadInput
from stages import report
from tests.report.runs import image_run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image_run(tmp_path)
    return tmp_path


def test_the_page_is_written_and_written_again_the_same(folder):
    report.main()
    first = (folder / "reports/index.html").read_bytes()
    assert b"<h1>1 of 2 poisoned rows found</h1>" in first
    report.main()
    assert (folder / "reports/index.html").read_bytes() == first


def test_a_missing_file_ends_with_its_message_and_no_page(folder):
    (folder / "reports/plots/recall.csv").unlink()
    with pytest.raises(BadInput, match=r"recall\.csv: cannot be read as CSV"):
        report.main()
    assert not list((folder / "reports").glob("*index*"))


def test_the_command_leaves_with_the_exit_code(folder):
    (folder / "data/manifest.parquet").unlink()
    home = {**os.environ, "PYTHONPATH": str(Path(report.__file__).parents[1])}
    command = [sys.executable, "-m", "stages.report"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=home)
    assert done.returncode == 3 and done.stderr == "report: data/manifest.parquet: no such file; check the path\n"


def test_neither_torch_nor_scikit_learn_nor_the_truth_is_imported():
    code = "import sys, stages.report as r; print([m for m in sys.modules if m in %r])"
    names = ("torch", "sklearn", "matplotlib", "sanitize.data.truth", "sanitize.attacks")
    done = subprocess.run([sys.executable, "-c", code % (names,)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
