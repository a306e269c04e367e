"""What tasks share, laid into memory once: comes back equal, is shared, is nobody else's to change, leaves nothing."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from sanitize.execution_shared import ALIGNMENT, Place, laid_out, taken


@pytest.fixture(params=["nameless", "temporary file", "no /proc"])
def system(request, monkeypatch, tmp_path):
    """Systems with files without a name, and without."""
    if request.param == "temporary file":
        monkeypatch.delattr(os, "memfd_create", raising=False)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if request.param == "no /proc":
        exists = os.path.exists
        monkeypatch.setattr(os.path, "exists", lambda path: not str(path).startswith("/proc") and exists(path))
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return request.param


def test_comes_back_equal(system):
    sent = {
        "table": np.arange(1000, dtype=np.uint8).reshape(10, 100),
        "columns": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        "every other": np.arange(10)[::2],
        "none": np.zeros((0, 3), np.float32),
        "names": ("a", "b"),
    }
    with laid_out(sent) as place:
        got = taken(place)
    assert list(got) == list(sent) and got["names"] == ("a", "b")
    for name in list(sent)[:4]:
        assert np.array_equal(got[name], sent[name]) and got[name].dtype == sent[name].dtype


def test_each_taker_may_write_and_no_other_sees_it(system):
    sent = np.zeros(5000, np.int64)
    with laid_out(sent) as place:
        first, second = taken(place), taken(place)
        first += 7
        assert first.sum() == 35_000 and second.sum() == 0 and sent.sum() == 0 and taken(place).sum() == 0


def test_arrays_are_mapped_not_copied():
    """Two takers of 64 MiB: neither has more than a few pages of its own until it writes."""
    with laid_out(np.ones(64 * 2**20, np.uint8)) as place:
        first, second = taken(place), taken(place)
        assert (first.sum(), second.sum()) == (64 * 2**20, 64 * 2**20)
        before = own_bytes()
        first[: 32 * 2**20] = 2
        assert 31 * 2**20 < own_bytes() - before < 40 * 2**20
        assert second[0] == 1


def own_bytes():
    """Memory of this process that belongs to no file: pages of a mapped file that it has written to are among it."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))


def test_parts_begin_at_multiples_of_a_cache_line():
    with laid_out([np.ones(3, np.uint8), np.ones(5)]) as place:
        assert place.sizes[1:] == (3, 40)
        assert Path(place.path).stat().st_size == -(-place.sizes[0] // ALIGNMENT) * ALIGNMENT + ALIGNMENT + 40


def test_nothing_is_left(system, tmp_path):
    with laid_out("text") as place:
        assert isinstance(place, Place) and Path(place.path).exists()
    assert not Path(place.path).exists() and not list(tmp_path.iterdir())
