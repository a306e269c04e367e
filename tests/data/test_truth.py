"""The truth, written and read."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize.data.parquet import write_arrow
from sanitize.data.truth import read_truth, write_truth
from sanitize.errors import BadInput


def test_there_and_back(tmp_path: Path) -> None:
    write_truth(tmp_path / "truth", np.array([False, True, False]), np.array([4, 1, 7]))
    assert pq.read_table(tmp_path / "truth").to_pydict() == {
        "row": [0, 1, 2],
        "is_poison": [False, True, False],
        "original_label": [4, 1, 7],
    }
    truth = read_truth(tmp_path / "truth")
    assert truth is not None
    assert (truth.dtype, truth.tolist()) == (np.bool_, [False, True, False])


def test_no_attack_is_no_truth(tmp_path: Path) -> None:
    write_truth(tmp_path / "truth", None)
    assert pq.read_table(tmp_path / "truth").to_pydict() == {"row": [], "is_poison": [], "original_label": []}
    assert read_truth(tmp_path / "truth") is None


def test_other_files_are_refused(tmp_path: Path) -> None:
    write_arrow(pa.table({"row": [0], "keep": [True]}), tmp_path / "f")
    with pytest.raises(BadInput, match="columns are row, keep; must be row, is_poison, original_label"):
        read_truth(tmp_path / "f")
    write_arrow(pa.table({"row": [0, 2], "is_poison": [True, False], "original_label": [1, 1]}), tmp_path / "f")
    with pytest.raises(BadInput, match=r"one verdict for each of rows 0\.\.1"):
        read_truth(tmp_path / "f")
    with pytest.raises(BadInput, match="no such file"):
        read_truth(tmp_path / "missing")
