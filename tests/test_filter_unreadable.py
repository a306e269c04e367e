"""Rows that cannot be read are few, or nothing is written; and an output without rows is no success."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize.errors import BadParams
from sanitize.evidence.groups import UNGROUPED
from sanitize.filter_options import Rules, make_options
from sanitize.filter_summary import Seen, Summary, Unreadable
from sanitize.filter_tally import Tally, Verdicts, count_batch
from tests import small
from tests.voters import scored, vector_voters


@pytest.fixture(scope="module")
def voters(tmp_path_factory):
    return vector_voters(tmp_path_factory.mktemp("voters"))


def damaged(path, rows):
    """`small.vector_file` with vectors of 3 numbers in place of 5 in so many rows."""
    table = pq.read_table(small.vector_file(path))
    vectors = table["features"].to_pylist()
    vectors[:rows] = [vector[:3] for vector in vectors[:rows]]
    column = pa.array(vectors, table.schema.field("features").type)
    pq.write_table(table.set_column(table.column_names.index("features"), "features", column), path)
    return path


@pytest.mark.parametrize("rule", ["reject", "keep"])
@pytest.mark.parametrize(("rows", "exceeded"), [(6, False), (7, True), (small.ROWS, True)])
def test_more_than_a_twentieth_of_unreadable_rows_is_no_success(voters, tmp_path, rows, exceeded, rule):
    done = scored(damaged(tmp_path / "in", rows), tmp_path, voters, rules=Rules(on_bad_row=rule))
    assert (done.unreadable.rows, done.exceeded, done.written) == (rows, exceeded, not exceeded)
    assert (tmp_path / "kept").exists() == (not exceeded) and (tmp_path / "manifest").exists()
    assert (done.outputs["kept"] is None) == exceeded and done.outputs["rejected"].rows == done.rejected
    if exceeded:
        message = done.limits[0]
        assert f"{rows} of 120 rows cannot be read, more than --max-unreadable 0.05 of all; " in message
        assert f"{rows} of them like in, row 0: " in message
        assert "has 3 values, others have 5" in message
        assert (
            "label column 'label' one of 'ant', 'bee', 'cat'; column 'features' vector of 5 finite numbers" in message
        )


def test_the_bound_can_be_set_and_forced(voters, tmp_path):
    source = damaged(tmp_path / "in", 1)
    assert not scored(source, tmp_path, voters).exceeded
    assert scored(source, tmp_path, voters, max_unreadable=0.0).exceeded
    done = scored(damaged(tmp_path / "in", 60), tmp_path, voters, max_unreadable=0.5)
    assert (done.exceeded, done.written, done.as_json()["max_unreadable"]) == (False, True, 0.5)
    done = scored(damaged(tmp_path / "in", 61), tmp_path, voters, max_unreadable=0.5, force=True)
    assert (done.exceeded, done.written, done.as_json()["unreadable"]) == (True, True, 61)


@pytest.mark.parametrize("part", [-0.1, 1.1, float("nan")])
def test_a_part_is_a_part(part):
    others = {"on_bad_row": "keep", "on_small_class": "keep", "least_class": 10, "image_root": None}
    with pytest.raises(BadParams, match=r"--max-unreadable is .*; must be a number in \[0, 1\]"):
        make_options(**others, max_unreadable=part)


@pytest.mark.parametrize(
    ("bad", "rows", "most", "exceeds"),
    [
        (1, 1, None, False),
        (1, 3, None, False),
        (2, 3, None, True),
        (2, 39, None, True),
        (2, 40, None, False),
        (1, 10, 0.05, True),
        (0, 0, None, False),
        (10, 10, 1.0, False),
    ],
)
def test_one_row_alone_does_not_exceed_the_default(bad, rows, most, exceeds):
    assert Unreadable(bad, most, "").exceeds(rows) == exceeds


def test_an_output_without_rows_is_no_success():
    seen = Seen("label", ("x",), "vector", "")
    whole = Summary(9, 9, 0, {}, {}, {}, {}, seen, 1, 0.0, "", "", None, Unreadable(0, 1.0, ""), written=True)
    assert whole.limits == []
    assert replace(whole, kept=0, rejected=9).limits == ["none of 9 rows would be kept"]
    assert replace(whole, rows=0, kept=0).limits == []
    assert Summary.of_json(whole.plain()) == whole


def test_the_commonest_cause_is_told_without_its_values():
    tally = Tally()
    reasons = [
        "kept",
        "unreadable: is 'a', no class",
        "unreadable: is null",
        "unreadable: is 'it\\'s', no class",
        "outvoted: 3",
    ]
    keep = np.array([True, False, True, False, False])
    none = np.full(5, -1)
    label, group = np.array([0, -1, -1, -1, 0]), np.full(5, UNGROUPED)
    counts = (none, none, none, none, label, none, group, none)
    found = Verdicts(keep, np.array(reasons, object), np.full(5, np.nan), *counts)
    for first in (0, 5):
        count_batch(tally, found, ["a"], ["a"], "f", first)
    assert tally.unreadable == 6
    assert tally.commonest == "4 of them like f, row 1: is 'a', no class"
    assert tally.reasons == Counter({"unreadable": 4, "outvoted": 2})
