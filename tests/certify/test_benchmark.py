"""The benchmark of nearest neighbours' votes, on few rows."""

import re
import sys

import numpy as np
import pytest

from benchmarks import neighbors as benchmark
from sanitize.errors import BadParams

SMALL = ["--rows", "300", "--queries", "20", "--slow-queries", "5", "--k", "9", "--side", "12", "--channels", "1"]


def test_the_table_has_a_line_for_each(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)  # not installed
    benchmark.main([*SMALL, "--rounds", "2", "--threads", "1"])
    said = capsys.readouterr()
    assert "L1, 20 queries, 300 rows, 81 features (made images), k = 9, 1 threads, best of 2 rounds" in said.out
    names = re.findall(r"^\| (\w.*?) \| (\d+) \|", said.out, re.MULTILINE)
    assert names == [("ours, 8 bits", "20"), ("ours, float32", "20"), ("scikit-learn, brute force", "5")]
    assert said.err.strip() == "faiss is not installed and is left out; python -m pip install faiss-cpu"


def test_seconds_are_those_of_the_best_round_scaled_to_all_queries(monkeypatch):
    clock = iter([0.0, 3.0, 3.0, 4.0, 10.0, 12.0, 20.0, 22.0])
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: next(clock))
    calls = []
    found = {"a": (10, lambda: calls.append("a")), "b": (2, lambda: calls.append("b"))}
    assert benchmark.timed(found, 10, 2) == [("a", 10, 2.0, 2.0), ("b", 2, 1.0, 5.0)]
    assert calls == ["a", "b", "b", "a"]


def test_rates_and_ratios_by_hand():
    """8e9 differences in 2 s are 4e9 a second: half of one limit, all of the other."""
    lines = [benchmark.Line("ours", 10, 2.0, 2.0), benchmark.Line("other", 5, 4.0, 8.0)]
    text = benchmark.table(lines, 8e9, (8e9, 4e9), 0.25).splitlines()
    assert text[2] == "| ours | 10 | 2.00 | 2.00 | 1.0 | 0.50 | 1.00 | 0.25 |"
    assert text[3] == "| other | 5 | 4.00 | 8.00 | 4.0 | 0.12 | 0.25 |  |"


def test_made_rows_are_the_same_each_time():
    one, two = (benchmark.made(40, 28, 1, 5, "train") for _ in range(2))
    assert np.array_equal(one.features, two.features) and one.features.shape == (40, 81)
    assert one.features.any() and set(one.labels) <= set(range(5))


def test_limits_are_of_the_right_size():
    """No processor takes under a million or over a thousand billion differences a second in one thread."""
    for rate in benchmark.peaks(1, turns=1000):
        assert 1e6 < rate < 1e12


def test_k_has_a_bound():
    with pytest.raises(BadParams, match=r"--k is 301; must be 1\.\.300"):
        benchmark.main([*SMALL, "--k", "301"])
