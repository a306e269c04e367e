"""certify_file: a small file by hand, the same in shards, and what it refuses."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sanitize import certify_file as module
from sanitize.certify_file import certify_file
from sanitize.data.parquet import image_table, vector_table, write_arrow
from sanitize.data.seeds import stream
from sanitize.errors import BadInput, BadParams
from sanitize.execution import LocalProcesses, inline
from sanitize.params import resolve

PLACES = np.array([0] * 6 + [10] * 4, np.float32)[:, None]
LABELS = np.array([0] * 6 + [1] * 4)


@pytest.fixture
def files(tmp_path):
    """Class a at 0 (6 rows), class b at 10 (4 rows); tests at 1 (a), 9 and 9 (b)."""
    train, test = tmp_path / "train.parquet", tmp_path / "test.parquet"
    write_arrow(vector_table(PLACES, LABELS, ("a", "b")), train)
    write_arrow(vector_table(np.array([[1], [9], [9]], np.float32), np.array([0, 1, 1]), ("a", "b")), test)
    return train, test


def run(files, method="knn", out=None, shards=1, map=inline, **certify):
    params = resolve({"certify": {"k": 4, "radius": 2, "poisoning_sizes": [0, 1, 2, 3], **certify}})
    return certify_file(*files, params, method=method, out=out, shards=shards, map=map)


def test_knn_by_hand(files, tmp_path):
    """Votes (4, 0), (0, 4), (0, 4): gaps 4, 5, 5, sizes 1, 2, 2."""
    found = run(files, out=tmp_path / "radii.parquet")
    table = pq.read_table(tmp_path / "radii.parquet")
    assert table.schema.equals(module.RADII)
    assert table.to_pylist() == [
        {"row": row, "label": label, "prediction": label, "radius": radius}
        for row, label, radius in ((0, "a", 1), (1, "b", 2), (2, "b", 2))
    ]
    assert found.accuracy["individual"] == [1.0, 1.0, 0.666667, 0.0]
    assert found.clean_accuracy == 1.0 and (found.train_rows, found.test_rows) == (10, 3)
    assert found.confidence == 1.0 and found.unit.startswith("max(rows removed, rows added)")
    assert "train.parquet was chosen by a filter that saw the poison" in found.covers


def test_rnn_by_hand(files):
    """Votes (6, 0), (0, 4), (0, 4): gaps 6, 5, 5; at 3 two removals topple both tests of b, and one is left for a."""
    found = run(files, "rnn")
    assert found.accuracy["individual"] == [1.0, 1.0, 1.0, 0.0]
    assert found.accuracy["global"] == found.accuracy["label_budgets"] == [1.0, 1.0, 1.0, 0.333333]
    assert found.settings == {
        "distance": "l1",
        "features": "vector",
        "dimensions": 1,
        "bits": 32,
        "radius": 2.0,
        "radius_from": "certify.radius",
    }
    document = found.as_json()
    assert document["certified_accuracy"]["island"] == {"0": 1.0, "1": 1.0, "2": 1.0, "3": 0.333333}
    assert document["label_budgets_unproven"] == [] and document["schema_version"] == 1


@pytest.mark.parametrize("method", ["knn", "rnn"])
@pytest.mark.parametrize("distance", ["l1", "l2", "cosine"])
def test_shards_never_change_the_result(tmp_path, method, distance):
    draw = stream(0, "sharded file")
    images = draw.integers(0, 8, (60, 8, 8, 1)).astype(np.uint8) * 30
    labels = draw.integers(0, 3, 60)
    files = tmp_path / "train.parquet", tmp_path / "test.parquet"
    write_arrow(image_table(images[:50], labels[:50], ("a", "b", "c")), files[0])
    write_arrow(image_table(images[50:], labels[50:], ("a", "b", "c")), files[1])
    given = {"k": 7, "radius": None, "features": "raw", "distance": distance}
    documents = [run(files, method, shards=shards, **given).as_json() for shards in (1, 3, 50)]
    assert [{**one, "seconds": 0} for one in documents] == [{**documents[0], "seconds": 0}] * 3


def test_shards_in_processes(files, tmp_path):
    outs = []
    for shards, map in ((1, inline), (2, LocalProcesses(2, preload=()))):
        outs.append(tmp_path / f"{shards}.parquet")
        run(files, "rnn", outs[-1], shards, map)
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_ensembles(files, tmp_path):
    params = resolve(
        {
            "learner": {"name": "sklearn", "threads": 1},
            "ensemble": {"members": 3, "degree": 1},
            "certify": {"poisoning_sizes": [0, 1]},
        }
    )
    found = {
        method: certify_file(*files, params, method=method, out=tmp_path / method, map=inline)
        for method in ("dpa", "finite_aggregation", "run_off", "bagging")
    }
    assert found["dpa"].accuracy == found["finite_aggregation"].accuracy
    assert found["dpa"].unit.startswith("rows inserted plus rows deleted") and found["dpa"].confidence == 1.0
    assert found["dpa"].settings == {"learner": "logistic_regression", "members": 3, "epochs": 20}
    assert found["run_off"].settings["degree"] == 1
    # three bags prove nothing at a risk of 0.001: every radius says so
    assert found["bagging"].accuracy["individual"] == [0.0, 0.0] and found["bagging"].confidence == 0.999
    assert pq.read_table(tmp_path / "bagging")["radius"].to_pylist() == [-1, -1, -1]


def vectors(path, places, labels, names=("a", "b")):
    write_arrow(vector_table(np.array(places, np.float32), np.array(labels), names), path)


def test_more_neighbours_than_rows_are_all_rows(files):
    """k = 11 of 10 rows, as an attacker may bring it about by taking one: all vote, and that is said."""
    for shards in (1, 3):
        found = run(files, k=11, shards=shards)
        assert found.accuracy["individual"] == run(files, k=10).accuracy["individual"]
        assert found.notes == ["certify.k is 11, and there are 10 training rows: all of them vote"]


def test_labels_of_one_file_alone(files):
    """A test row whose label no training row has is wrong, and said; the others are as they were."""
    train, test = files
    vectors(test, [[1], [9], [9]], [0, 2, 1], ("a", "b", "0"))
    found = run(files)
    assert found.accuracy["individual"] == [0.666667, 0.666667, 0.333333, 0.0]
    assert found.notes == [
        f"1 of 3 rows of {test} have a label that no row of {train} has ('0'): they cannot be predicted right"
    ]


def test_labels_that_are_fixed_are_said(files):
    """One row of one test label each way: with e = 1 an unseen label may be added to both tests."""
    open, fixed = run(files, "rnn"), run(files, "rnn", labels_fixed=True)
    assert "a row may have any label, also one that no row has yet" in open.covers and not open.labels_fixed
    assert "sets with rows of another label are not covered" in fixed.covers and fixed.as_json()["labels_fixed"]


def test_bad_parameters_are_refused(files, tmp_path):
    train, test = files
    with pytest.raises(BadParams, match=r"certify.radius is -1; must be a number in \[0, inf\)"):
        run(files, radius=-1)
    with pytest.raises(BadParams, match=r"certify.poisoning_sizes.1 is -1; must be a whole number in \[0, inf\)"):
        run(files, poisoning_sizes=[5, -1])
    with pytest.raises(BadParams, match=r"method is 'svm'; must be one of knn, rnn, dpa"):
        run(files, "svm")
    with pytest.raises(BadParams, match=r"--shards is 11; must be 1\.\.10"):
        run(files, shards=11)
    with pytest.raises(BadParams, match=r"shards are counted on the CPU"):
        run(files, shards=2, device="cuda")
    before = train.read_bytes()
    for source in (train, test):
        with pytest.raises(BadParams, match=r"is the input .*; name another file"):
            run(files, out=source)
    (tmp_path / "link").symlink_to(train)
    with pytest.raises(BadParams, match=r"is the input"):
        run(files, out=tmp_path / "link")
    with pytest.raises(BadInput, match=r"is a folder; name a file"):
        run(files, out=Path(tmp_path))
    assert train.read_bytes() == before


def test_bad_input_is_refused(files):
    train, test = files
    vectors(test, [[1, 2]], [0])
    with pytest.raises(
        BadInput, match=r"train.parquet: rows are of kind vector, shape \[1\], those of .*vector, \[2\]"
    ):
        run(files)
    vectors(test, np.zeros((0, 1)), np.zeros(0, np.int64))
    with pytest.raises(BadInput, match=r"test.parquet: has no rows to certify"):
        run(files)
    vectors(test, [[1]], [2], ("a", "b", "c"))
    with pytest.raises(BadInput, match=r"test.parquet: no row has a label of .*train.parquet: labels are 'c' there"):
        run(files)
    test.unlink()
    with pytest.raises(BadInput, match=r"test.parquet: no such file"):
        run(files)
    vectors(test, [[1]], [1])
    vectors(train, [[1]], [1])
    with pytest.raises(BadInput, match=r"all rows have the label 'b'; must have at least 2 labels"):
        run(files)
    vectors(train, np.zeros((0, 1)), np.zeros(0, np.int64))
    with pytest.raises(BadInput, match=r"train.parquet: has no rows"):
        run(files)


def test_numbers_are_those_of_the_file_that_names_them(files):
    """Either file may have lost its names: 0 is a, 1 is b."""
    train, test = files
    expected = run(files).accuracy
    for lost in (train, test):
        kept = pq.read_table(lost)
        pq.write_table(kept.replace_schema_metadata(None), lost)
        found = run(files)
        assert found.accuracy == expected
        assert found.notes == [
            f"{lost}: its labels are numbers without names; they are taken as those of the other file"
        ]
        pq.write_table(kept, lost)
