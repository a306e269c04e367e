"""Compiled code: right with and without a folder to keep it in, and not loaded by those who do not need it."""

import subprocess
import sys

import pytest
from numba.core import caching

from sanitize.jit import compiled


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


def loaded_after(code):
    """Whether a fresh process has loaded the compiler after this code."""
    command = [sys.executable, "-c", f"{code}\nimport sys; print('numba' in sys.modules)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "True"


@pytest.mark.parametrize("module", ["sanitize.cli", "sanitize.certify.neighbors", "sanitize.certify.features"])
def test_the_compiler_is_loaded_when_needed(module):
    assert not loaded_after(f"import {module}")


def test_the_compiler_is_loaded_by_what_it_compiles():
    assert loaded_after("import sanitize.jit")
