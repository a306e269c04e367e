"""The digest of the code that computes: one for the same files and libraries, another for any change."""

import shutil
import subprocess
import sys

from sanitize.code_version import code_version
from tests.closure import ROOT

SHOW = "from sanitize.code_version import code_version; print(code_version())"


def version_in(folder):
    shown = subprocess.run([sys.executable, "-c", SHOW], cwd=folder, capture_output=True, check=True, text=True)
    return shown.stdout.strip()


def test_any_change_of_the_package_changes_it_and_nothing_else_does(tmp_path):
    shutil.copytree(ROOT / "sanitize", tmp_path / "sanitize", ignore=shutil.ignore_patterns("__pycache__"))
    first = version_in(tmp_path)
    assert len(first) == 64 and version_in(tmp_path) == first
    (tmp_path / "elsewhere.py").write_text("# not of the package")
    (tmp_path / "sanitize/notes.txt").write_text("no code")
    assert version_in(tmp_path) == first
    seen = {first}
    for name in ("ispl.py", "presets/fast.yaml"):
        with open(tmp_path / "sanitize" / name, "a") as file:
            file.write("\n# changed\n")
        seen.add(version_in(tmp_path))
    (tmp_path / "sanitize/ispl.py").rename(tmp_path / "sanitize/ispl_renamed.py")
    seen.add(version_in(tmp_path))
    assert len(seen) == 4


def test_libraries_count(monkeypatch):
    before = code_version.__wrapped__()
    assert before == code_version()
    monkeypatch.setattr("sanitize.code_version.version", lambda name: "0.0" if name == "torch" else "1")
    assert code_version.__wrapped__() != before
