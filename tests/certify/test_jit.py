"""Compiled code: right with and without a folder to keep it in, and not loaded by those who do not need it."""

import subprocess
import sys

import pytest
from numba.core import caching

from sanitize.certify.jit import compiled


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


@pytest.mark.parametrize("module", ["sanitize.cli", "sanitize.certify.neighbors", "sanitize.certify.features"])
def test_the_compiler_is_loaded_when_needed(module):
    subprocess.run([sys.executable, "-c", f"import {module}, sys; assert 'numba' not in sys.modules"], check=True)
