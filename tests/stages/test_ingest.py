"""Stage ingest: a source's rows, or the user's own files untouched."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from sanitize.data.parquet import read_table
from stages import ingest
from tests import small

TRAIN, TEST = "data/ingested/train.parquet", "data/ingested/test.parquet"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args, **data):
    with open("params.yaml", "w") as file:
        yaml.safe_dump({"data": data}, file)
    done = CliRunner().invoke(ingest.app, args)
    assert (done.exit_code, done.output) == (0, "")


def test_digits(folder):
    """scikit-learn's digits are 1,797; 360 of them, about 36 of each class, are for the test."""
    run(source="digits")
    (train, columns), (test, _) = read_table(TRAIN), read_table(TEST)
    assert train.inputs.shape == (1437, 8, 8, 1)
    assert test.inputs.shape == (360, 8, 8, 1)
    assert columns.class_names == tuple("0123456789")
    counts = np.bincount(np.concatenate([train.labels, test.labels]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    np.testing.assert_allclose(np.bincount(test.labels) / counts, 360 / 1797, atol=0.005)


def test_digits_at_another_size(folder):
    run(source="digits", image_size=12)
    assert read_table(TRAIN)[0].inputs.shape == (1437, 12, 12, 1)


def test_own_files_are_as_they_were(folder):
    given = pq.read_table(small.vector_file(folder / "own.parquet"))
    test = given.take(list(range(30)))
    pq.write_table(test, "own_test.parquet")
    run(source="parquet", train="own.parquet", test="own_test.parquet")
    assert pq.read_table(TRAIN).equals(given, check_metadata=True)
    assert pq.read_table(TEST).equals(test, check_metadata=True)


def test_without_test_rows_there_is_an_empty_table(folder):
    given = pq.read_table(small.vector_file(folder / "own.parquet"))
    run(source="parquet", train="own.parquet")
    test = pq.read_table(TEST)
    assert test.num_rows == 0
    assert test.schema.equals(given.schema, check_metadata=True)


def test_places_can_be_named_and_bytes_are_the_same_again(folder):
    run(source="digits")
    run("--train", "again/a.parquet", "--test", "again/b.parquet", source="digits")
    for first, again in ((TRAIN, "a"), (TEST, "b")):
        assert (folder / first).read_bytes() == (folder / f"again/{again}.parquet").read_bytes()
    assert not list(folder.rglob("*.tmp"))
