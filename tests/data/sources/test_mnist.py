"""MNIST and Fashion-MNIST from folders of idx files."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from sanitize.data.arrow import decode_table
from sanitize.data.ingest import load_source
from sanitize.errors import BadInput
from sanitize.params import DataParams


def idx(array: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()
    )


def fill(folder: Path, zipped: bool, labels: tuple[int, int] = (0, 9)) -> np.ndarray:
    """Two train images and two test images, which are 100 brighter."""
    folder.mkdir(parents=True, exist_ok=True)
    images = np.arange(2 * 28 * 28).reshape(2, 28, 28) % 100
    for part, brighter in (("train", 0), ("t10k", 100)):
        for name, array in (("images-idx3", images + brighter), ("labels-idx1", np.array(labels))):
            content = idx(array)
            if zipped:
                (folder / f"{part}-{name}-ubyte.gz").write_bytes(gzip.compress(content))
            else:
                (folder / f"{part}-{name}-ubyte").write_bytes(content)
    return images


@pytest.mark.parametrize("source", ["mnist", "fashion_mnist"])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("below", [True, False])
def test_folders(tmp_path: Path, source: str, zipped: bool, below: bool) -> None:
    name = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}[source]
    images = fill(tmp_path / name / "raw" if below else tmp_path, zipped)
    splits = load_source(DataParams(source=source, folder=str(tmp_path)), 0)
    assert splits.test is not None
    (train, columns), (test, _) = decode_table(splits.train), decode_table(splits.test)
    assert np.array_equal(train.inputs[..., 0], images)
    assert np.array_equal(test.inputs[..., 0], images + 100)
    assert train.labels.tolist() == test.labels.tolist() == [0, 9]
    assert columns.class_names[9] == {"mnist": "9", "fashion_mnist": "Ankle boot"}[source]


def test_folders_without_the_files(tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"data.folder is '.*', where mnist cannot be read \(no train-images-idx3-ubyte\); "
    ):
        load_source(DataParams(source="mnist", folder=str(tmp_path)), 0)
    fill(tmp_path, True)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(BadInput, match=r"no t10k-labels-idx1-ubyte\); it must hold train-images-idx3-ubyte\[.gz\], "):
        load_source(DataParams(source="mnist", folder=str(tmp_path)), 0)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([1, 2, 3]), "has 2 images, .* 3 labels; fetch them again"),
        (np.array([0, 10]), r"holds label 10; must be 0\.\.9; fetch it again"),
        (np.zeros((2, 2)), r"have 3 and 2 dimensions; must have 3 \(images\) and 1 \(labels\)"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, array: np.ndarray, message: str) -> None:
    fill(tmp_path, False)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(array))
    with pytest.raises(BadInput, match=message):
        load_source(DataParams(source="mnist", folder=str(tmp_path)), 0)
