"""Compiled code: right with and without a folder to keep it in, and not loaded by those who do not need it."""

import os
import subprocess
import sys

import pytest
from numba.core import caching

from sanitize.jit import compiled, refuse_shared
from tests.closure import ROOT


def total(numbers):
    found = 0
    for number in range(numbers):
        found += number
    return found


@pytest.mark.parametrize("folder", [True, False])
def test_a_folder_for_machine_code_is_not_needed(monkeypatch, tmp_path, folder):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    if not folder:
        monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert compiled(total)(11) == 55
    assert any(tmp_path.rglob("*.nbi")) == folder


@pytest.mark.parametrize(("mode", "kept"), [(0o700, True), (0o755, True), (0o1777, True), (0o777, False)])
def test_no_machine_code_from_where_others_may_write(monkeypatch, tmp_path, mode, kept):
    """Of a folder with the sticky bit, the own folder in it will do."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code").chmod(mode)
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path / "code"))
    assert compiled(total)(11) == 55
    assert any(tmp_path.rglob("*.nbi")) == kept
    for folder in (tmp_path / "code").iterdir():  # its own, opened to all
        folder.chmod(0o777)
        with pytest.raises(PermissionError, match="another user may write there"):
            refuse_shared(folder)


def asked(folder):
    """What the package in `folder` computes in a fresh process, and what it took from disk."""
    code = "from own.outer import twice\nfrom own.seen import hit\n"
    code += "print(twice(5), hit(1), *twice.stats.cache_hits.values())"
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "NUMBA_CACHE_DIR": ""}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_change_in_another_file_of_the_folder_takes_effect(tmp_path):
    """`outer` calls a function of `within`, and numba alone would look at `outer` only."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "__init__.py").write_text("")
    (own / "within.py").write_text("from sanitize.jit import inner\n@inner\ndef one(x):\n    return 2 * x\n")
    outer = (
        "from sanitize.jit import compiled\nfrom own.within import one\n@compiled\ndef twice(x):\n    return one(x)\n"
    )
    (own / "outer.py").write_text(outer)
    seen = (
        "import ctypes\nfrom numba import types\nfrom sanitize.jit import callable_from_outside\n"
        "from own.within import one\nfound = ctypes.c_int64(0)\n"
        "@callable_from_outside(types.int64(types.int64))\ndef hit(x):\n    return one(x)\n"
        "hit = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(hit.address)\n"
    )
    (own / "seen.py").write_text(seen)
    assert asked(tmp_path) == ["10", "2"]
    assert asked(tmp_path) == ["10", "2", "1"]
    (own / "within.py").write_text("from sanitize.jit import inner\n@inner\ndef one(x):\n    return 3 * x\n")
    assert asked(tmp_path) == ["15", "3"]


def loaded_after(code):
    """Whether a fresh process has loaded the compiler after this code."""
    command = [sys.executable, "-c", f"{code}\nimport sys; print('numba' in sys.modules)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "True"


@pytest.mark.parametrize("module", ["sanitize.cli", "sanitize.certify.neighbors", "sanitize.certify.features"])
def test_the_compiler_is_loaded_when_needed(module):
    assert not loaded_after(f"import {module}")


def test_the_compiler_is_loaded_by_what_it_compiles():
    assert loaded_after("import sanitize.jit")
