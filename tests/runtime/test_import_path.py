"""Code of the folder that the command runs in is never imported: not by the command, its watcher, its workers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sanitize.runtime import import_path
from sanitize.runtime.import_path import elsewhere, leave_current_folder
from tests import small
from tests.closure import ROOT

PLANTED = ("copy", "numpy", "sanitize", "sitecustomize", "socket", "json", "torch", "yaml", "pickle")


@pytest.fixture
def path(monkeypatch, tmp_path):
    """A current folder, and an import path to change."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(os, "environ", {})
    return sys.path


def test_the_current_folder_goes_however_it_is_written(path, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    kept = [str(tmp_path / "other"), str(ROOT), "/nowhere"]
    path[:] = ["", ".", str(tmp_path), "other", *kept, str(tmp_path / "link"), f"{tmp_path}/"]
    leave_current_folder()
    assert path == kept
    assert os.environ["PYTHONSAFEPATH"] == "1" and "PYTHONPATH" not in os.environ


def test_what_pythonpath_names_stays_and_its_empty_entries_go(path, tmp_path):
    os.environ["PYTHONPATH"] = f"/elsewhere::.:{tmp_path}:"
    path[:] = [str(tmp_path), "", "/elsewhere"]
    leave_current_folder()
    assert path == [str(tmp_path), "/elsewhere"]
    assert os.environ["PYTHONPATH"] == f"/elsewhere:{tmp_path}"


def test_the_folder_of_this_package_stays(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    path[:] = ["", str(ROOT)]
    leave_current_folder()
    assert path == [str(ROOT)]


def test_a_current_folder_that_is_gone(path, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    path[:] = ["", str(gone), str(ROOT)]
    leave_current_folder()
    assert str(ROOT) in path and "" not in path
    with elsewhere("/"):
        assert os.getcwd() == "/"
    with pytest.raises(FileNotFoundError):
        os.getcwd()


def test_numba_does_not_read_the_folder(tmp_path):
    """Its file would name a folder of machine code, which is executed."""
    (tmp_path / import_path.NUMBA_FILE).write_text("cache_dir: planted\ndisable_jit: 1\n")
    code = (
        "from sanitize.runtime.import_path import ignore_numba_file as ignore; print(ignore(), ignore()); "
        "from numba.core import config; config.reload_config(); print(config.CACHE_DIR, config.DISABLE_JIT)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env, check=True
    )
    assert done.stdout.split() == ["True", "False", "0"]


def test_nothing_planted_is_executed(tmp_path):
    small.vector_file(tmp_path / "in.parquet")
    small.quick_file(tmp_path / "quick.yaml")
    for name in PLANTED:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'a').write(__file__)\n")
    args = ["filter", "in.parquet", "out.parquet", "--params", "quick.yaml", "--workers", "2", "--quiet"]
    env = {**os.environ, "PYTHONPATH": f"{ROOT}::"}
    before = sorted(tmp_path.iterdir())
    done = subprocess.run(
        [sys.executable, "-P", "-S", "-c", STARTED, *args],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=env,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "out.parquet"])


# As the console script does; -S so that Python's own start, which we cannot change, does not look for sitecustomize.
INSTALLED = [entry for entry in sys.path if entry and Path(entry) != ROOT / "tests"]
STARTED = f"import sys; sys.path += {INSTALLED!r}; from sanitize.__main__ import main; main()"
