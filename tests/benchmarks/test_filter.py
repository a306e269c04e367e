"""The speed of the filter, as the page says it: CPU seconds against CPU seconds."""

import numpy as np
import pytest

from benchmarks.filter import CLASSES, Cost, speed_table, timed, vectors
from benchmarks.repro import table_of as repro_table
from benchmarks.scaling import KINDS, Work, counted, rows_of, table_of
from sanitize.learners.base import make_learner
from sanitize.learners.torch_learner import TorchLearner
from sanitize.params import resolve


def test_a_share_is_of_cpu_seconds_whatever_the_workers():
    costs = {"copy": Cost(0.5, 0.4), "networks": Cost(2.0, 2.0), "filter": Cost(1.0, 1.6)}
    for workers in (2, 64):
        lines = speed_table(costs, 1000, workers, "3 voters", 0.4)
        assert lines[-3].endswith(f"{workers} workers | 1.60 | 625 | 25% | 1.00 |")
    assert lines[-1] == "The voters do not all say the same of 40% of these 1,000 rows."


def test_costs_are_of_this_process():
    cost = timed(lambda: sum(range(3_000_000)))
    assert 0 < cost.cpu < 10 and cost.wall > 0


def test_rows_are_digits_of_deviation_one():
    values, digits = vectors(20)
    assert values.shape == (4000, 20) and values.std() == pytest.approx(1, abs=0.01)
    assert np.unique(digits).tolist() == list(range(CLASSES))


def test_work_is_counted_and_learners_are_as_before():
    before = TorchLearner.fit
    table = rows_of(KINDS[2], 60)
    learner = make_learner(resolve({"learner": {"device": "cpu", "net": "linear"}}).learner, table, 0)
    with counted() as found:
        learner.start("a")
        learner.fit(np.arange(50), 3, total=3)
        learner.fit(np.arange(10), epochs=2)
        learner.score(np.arange(7))
        learner.probabilities(table.inputs[:5])
    assert (found["fit"][0], found["score"][0]) == (170, 12) and TorchLearner.fit is before


def test_the_pages_tables():
    work = Work(fitted=6000, scored=5000, fit=0.15, score=0.01, whole=0.2)
    line = table_of({("384 numbers", "fast"): work}, 100)[2]
    assert line == "| 384 numbers | `fast` | 60 N | 50 N | 25 us | 2.0 us | 2.00 ms | 20% |"
    lines = repro_table((60.0, 100.0), {"ingest": 1.0, "vote": 42.0}, (2.0, 1.5))
    assert lines[4] == "| of it the start of their processes, and DVC | 17.0 | |"
