"""Findings: read, typed, and from one run."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sanitize.data.parquet import read_arrow, write_arrow
from sanitize.errors import BadInput
from sanitize.manifest_file import read_manifest
from sanitize.report.findings import read_findings
from tests.report.runs import KEEP, LABELS, POISON, SUPPORT, vector_run


def read(folder):
    return read_findings(
        read_manifest(folder / "data/manifest.parquet"),
        components=folder / "data/components.parquet",
        metrics=folder / "reports/metrics.json",
        certificates=folder / "reports/certificates.json",
        plots=folder / "reports/plots",
    )


@pytest.fixture
def folder(tmp_path):
    vector_run(tmp_path)
    return tmp_path


def test_all_that_was_written_is_read(folder):
    found = read(folder)
    assert found.has_truth and found.voters == 2
    assert found.label_N.tolist() == LABELS.tolist() and found.support_N.tolist() == SUPPORT.tolist()
    assert found.class_names == ["a", "b", "c"]
    assert np.array_equal(found.keep_N, KEEP) and np.array_equal(found.poisoned_N(), POISON)
    assert found.marks() == dict(enumerate(POISON.tolist()))
    assert found.components[1]["votes_for"] == 2 and found.components[1]["clean"] is False
    assert found.plots["dropped_by_class"][1] == {
        "class": "b", "rows": 3, "dropped": 1, "poisoned": 2, "fp": 0, "fn": 1,
    }  # fmt: skip
    assert found.plots["suspicion"] == [
        {"bin": 0.0, "clean": 3, "poisoned": 0},
        {"bin": 0.45, "clean": 1, "poisoned": 2},
    ]


def test_without_truth_nothing_is_marked(tmp_path):
    vector_run(tmp_path, truth=False)
    found = read(tmp_path)
    assert not found.has_truth and found.marks() == {} and not found.poisoned_N().any()
    assert found.plots["suspicion"][0] == {"bin": 0.0, "all": 3}


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("plots/recall.csv", "dropped,recall", "dropped,found", "recall.csv: has no column 'recall'"),
        ("plots/recall.csv", "0.5,1.0", "0.5,many", r"recall.csv: line 3, column 'recall' is 'many'"),
        ("plots/recall.csv", "0.5,1.0", "0.5", r"recall.csv: line 3, column 'recall' is None"),
        ("plots/dropped_rows.csv", "3,true", "3,maybe", r"column 'poisoned' is 'maybe'"),
        ("plots/dropped_rows.csv", "3,true", "2,true", "dropped_rows.csv: lists other rows than the manifest drops"),
        ("plots/kept_rows.csv", "4,true", "3,true", "kept_rows.csv: lists rows that the manifest does not keep"),
        ("plots/kept_rows.csv", "4,true", "6,true", "kept_rows.csv: lists rows that the manifest does not keep"),
        ("plots/components.csv", "0,1,2", "0,7,2", "components.csv: lists other components than the vote had"),
        ("metrics.json", '"dropped": 2', '"dropped": 3', "about 6 rows with 3 dropped, but the manifest has 6 with 2"),
        ("metrics.json", '"fn"', '"nf"', "metrics.json: has no 'fn' in 'filter'; run the evaluate stage again"),
        ("metrics.json", '"oracle"', '"seer"', "metrics.json: has no 'oracle'"),
        ("certificates.json", '"covers"', '"cover"', "certificates.json: has no 'covers' in 'raw'"),
        ("certificates.json", "{", "[", "certificates.json: cannot be read as JSON"),
    ],
)
def test_damaged_and_stale_files_are_refused(folder, name, old, new, message):
    rewrite(folder / "reports" / name, old, new)
    with pytest.raises(BadInput, match=message):
        read(folder)


def test_no_certificates_need_a_reason(folder):
    (folder / "reports/certificates.json").write_text(json.dumps({"certificates": None}))
    with pytest.raises(BadInput, match=r"certificates\.json: has no 'reason'"):
        read(folder)


def test_missing_files_name_their_stage(folder):
    (folder / "reports/plots/certified_accuracy.csv").unlink()
    with pytest.raises(BadInput, match=r"certified_accuracy.csv: cannot be read as CSV .* run the certify stage"):
        read(folder)
    (folder / "data/components.parquet").unlink()
    with pytest.raises(BadInput, match=r"components\.parquet: no such file"):
        read(folder)


def test_manifests_of_other_runs_are_refused(folder):
    path = folder / "data/manifest.parquet"
    table = read_arrow(path)
    write_arrow(table.slice(0, 5), path)
    with pytest.raises(BadInput, match=r"is about 6 rows with 2 dropped, but the manifest has 5 with 2 dropped"):
        read(folder)
    place = table.schema.get_field_index("label")
    labels = pa.array(["a", "a", "b", "b", "elk", "c"])
    write_arrow(table.set_column(place, table.schema.field(place), labels), path)
    with pytest.raises(BadInput, match=r"dropped_by_class\.csv: has no class 'elk', which the manifest has"):
        read(folder)
    place = table.schema.get_field_index("support")
    write_arrow(table.set_column(place, table.schema.field(place), pa.array([None, *[0] * 5], pa.int32())), path)
    with pytest.raises(BadInput, match="column 'support' has 1 nulls; must have none"):
        read(folder)
