"""The filter's tables: column names and types, what is written comes back, other rows are refused."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize.artifacts import (
    read_partition,
    read_votes,
    write_components,
    write_partition,
    write_votes,
)
from sanitize.boosting import RowVotes, vote_on_components
from sanitize.errors import BadInput
from sanitize.ispl import Partition

IDS = np.arange(3)
PARTITION = Partition(np.array([[0, -1, 1], [1, 0, 0]]), np.array([[0.5, 9, 1], [2, 3, 4]], np.float32))
VOTES = RowVotes(
    [(0, 0), (0, 1), (1, 0), (1, 1), (10, 2)],
    np.arange(15).reshape(5, 3) % 3,
    np.array([0.25, 1, 7], np.float32),
    np.array([0, 1, 2]),
    np.array([2, 3, 4]),
    np.array([2, 0, 1]),
    np.array([True, False, True]),
    np.array([True, True, False]),
)


def kinds(path):
    return {field.name: str(field.type) for field in pq.read_schema(path)}


def test_partition_by_hand(tmp_path):
    write_partition(tmp_path / "p.parquet", IDS, PARTITION)
    assert kinds(tmp_path / "p.parquet") == {"row": "int64", "run": "int32", "component": "int32", "loss": "float"}
    assert pq.read_table(tmp_path / "p.parquet").to_pydict() == {
        "row": [0, 1, 2, 0, 1, 2],
        "run": [0, 0, 0, 1, 1, 1],
        "component": [0, -1, 1, 1, 0, 0],
        "loss": [0.5, 9, 1, 2, 3, 4],
    }


def test_partition_comes_back(tmp_path):
    write_partition(tmp_path / "p.parquet", IDS, PARTITION)
    back = read_partition(tmp_path / "p.parquet", IDS)
    assert back.component_RN.tolist() == PARTITION.component_RN.tolist() and back.component_RN.dtype == np.int64
    assert back.loss_RN.tolist() == PARTITION.loss_RN.tolist() and back.loss_RN.dtype == np.float32


def test_votes_by_hand(tmp_path):
    write_votes(tmp_path / "v.parquet", IDS, VOTES)
    voters = dict.fromkeys(("voter_0_0", "voter_0_1", "voter_1_0", "voter_1_1", "voter_10_2"), "int32")
    counts = dict.fromkeys(("vote", "agreement", "support"), "int32")
    expected = {"row": "int64", **voters, **counts, "loss": "float", "lower_half": "bool", "keep": "bool"}
    assert kinds(tmp_path / "v.parquet") == expected and list(kinds(tmp_path / "v.parquet")) == list(expected)
    assert pq.read_table(tmp_path / "v.parquet")["voter_0_1"].to_pylist() == [0, 1, 2]


def test_votes_come_back(tmp_path):
    write_votes(tmp_path / "v.parquet", IDS, VOTES)
    back = read_votes(tmp_path / "v.parquet", IDS)
    assert back.voters == VOTES.voters
    for name in ("prediction_VN", "loss_N", "vote_N", "agreement_N", "support_N", "lower_half_N", "keep_N"):
        read, written = getattr(back, name), getattr(VOTES, name)
        assert read.tolist() == written.tolist() and read.dtype == written.dtype


def test_components_by_hand(tmp_path):
    verdicts = vote_on_components(np.array([[0.1, 0.5], [0.2, 0.25]]), np.array([3, 4]))
    write_components(tmp_path / "c.parquet", [(0, 0), (1, 2)], verdicts)
    table = pq.read_table(tmp_path / "c.parquet")
    assert kinds(tmp_path / "c.parquet")["run"] == kinds(tmp_path / "c.parquet")["component"] == "int32"
    assert table.to_pydict() == {
        "run": [0, 1],
        "component": [0, 2],
        "rows": [3, 4],
        "votes_for": [7, 4],
        "votes_needed": [3.5, 3.5],
        "clean": [True, True],
        "self_error": [0.1, 0.25],
        "weight": [3, 4],
    }


def test_same_tables_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_partition(tmp_path / name / "p.parquet", IDS, PARTITION)
        write_votes(tmp_path / name / "v.parquet", IDS, VOTES)
    for file in ("p.parquet", "v.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("ids", [np.arange(4), np.arange(2), np.array([0, 2, 1]), np.arange(3) + 1, np.arange(6)])
def test_tables_about_other_rows_are_refused(tmp_path, ids):
    write_partition(tmp_path / "p.parquet", IDS, PARTITION)
    write_votes(tmp_path / "v.parquet", IDS, VOTES)
    with pytest.raises(BadInput, match=r"p\.parquet: is about other rows than the training table; run its stage again"):
        read_partition(tmp_path / "p.parquet", ids)
    with pytest.raises(BadInput, match=r"v\.parquet: is about other rows than the training table; run its stage again"):
        read_votes(tmp_path / "v.parquet", ids)


def test_missing_columns_are_named(tmp_path):
    pq.write_table(pa.table({"row": IDS, "run": IDS}), tmp_path / "p.parquet")
    with pytest.raises(BadInput, match=r"p\.parquet: has no column 'component'; run the stage that writes it again"):
        read_partition(tmp_path / "p.parquet", IDS)
    with pytest.raises(BadInput, match=r"has no column .voter_RUN_COMPONENT."):
        read_votes(tmp_path / "p.parquet", IDS)


def test_votes_without_voters_are_refused(tmp_path):
    write_votes(tmp_path / "v.parquet", IDS, VOTES)
    table = pq.read_table(tmp_path / "v.parquet")
    pq.write_table(
        table.drop_columns([n for n in table.column_names if n.startswith("voter_")]), tmp_path / "v.parquet"
    )
    with pytest.raises(BadInput, match=r"v\.parquet: has no column 'voter_RUN_COMPONENT'"):
        read_votes(tmp_path / "v.parquet", IDS)
