"""Distances by NumPy and by machine code: the same bits, or NumPy's."""

import numpy as np
import pytest

from sanitize.certify import kernel, twin
from sanitize.certify.distances import Ruler
from sanitize.runtime import notices

CASES = [("l1", np.uint8), ("l1", np.float32), ("l2", np.float32), ("cosine", np.float32)]


def rows(dtype, count, features=19):
    draws = np.random.default_rng(count)
    if dtype == np.uint8:
        return draws.integers(0, 256, (count, features)).astype(np.uint8)
    return draws.normal(size=(count, features)).astype(np.float32)


def keys(distance, dtype, width=None):
    queries = rows(dtype, 9)
    ruler = Ruler(queries, rows(dtype, 70), distance, width)
    return ruler.keys(slice(0, 9), ruler.buffer(9)).copy()


@pytest.mark.parametrize("distance, dtype", CASES)
@pytest.mark.parametrize("width", [None, 32])
def test_where_the_machine_code_errs_numpy_gives_the_right_keys(distance, dtype, width, monkeypatch, capsys):
    monkeypatch.setattr(notices, "_said", set())
    monkeypatch.setattr(twin, "_proved", {})
    right = keys(distance, dtype, width)
    assert set(twin._proved.values()) == {True} and capsys.readouterr().err == ""

    def wrong(of):
        def filled(*given):
            of(*given)
            given[-1][3, 40] += 1

        return filled

    monkeypatch.setattr(kernel, "sad", wrong(kernel.sad))
    monkeypatch.setattr(kernel, "fold", wrong(kernel.fold))
    assert (keys(distance, dtype, width) != right).any()  # proved before, and never asked again
    monkeypatch.setattr(twin, "_proved", {})
    np.testing.assert_array_equal(keys(distance, dtype, width), right)
    assert capsys.readouterr().err.count("distances are computed by NumPy") == 1
