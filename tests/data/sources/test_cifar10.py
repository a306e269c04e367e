"""CIFAR-10 from parquet files and from torchvision's folder."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize.data.arrow import decode_table, image_table
from sanitize.data.ingest import load_source
from sanitize.data.sources.cifar10 import CLASS_NAMES
from sanitize.errors import BadInput
from sanitize.params import DataParams
from tests.data.pictures import encoded, gradient, image_column


def params(folder: Path, size: int | None = None) -> DataParams:
    return DataParams(source="cifar10", folder=str(folder), image_size=size)


def test_parquet_images_stay_as_they_are_stored(tmp_path: Path) -> None:
    blobs = [encoded("RGB", (32, 32), "JPEG", 20 * row) for row in range(10)]
    table = pa.table({"img": image_column(blobs, ["x.jpg"] * 10), "id": range(10), "label": range(10)})
    pq.write_table(table, tmp_path / "train.parquet")
    pq.write_table(image_table(gradient(10, 32, 32, 3), np.arange(10), CLASS_NAMES), tmp_path / "test.parquet")
    splits = load_source(params(tmp_path), 0)
    assert splits.test is not None
    assert splits.train.column_names == ["image", "label"]
    assert [row["bytes"] for row in splits.train.column("image").to_pylist()] == blobs
    (train, columns), (test, _) = decode_table(splits.train), decode_table(splits.test)
    assert train.inputs.shape == (10, 32, 32, 3)
    assert np.array_equal(test.inputs, gradient(10, 32, 32, 3))
    assert columns.class_names == CLASS_NAMES
    assert train.labels.tolist() == test.labels.tolist() == list(range(10))
    assert decode_table(load_source(params(tmp_path, 16), 0).train)[0].inputs.shape == (10, 16, 16, 3)


def test_other_parquet_files_are_refused(tmp_path: Path) -> None:
    pq.write_table(image_table(gradient(2), np.array([0, 1]), ["a", "b"]), tmp_path / "train.parquet")
    with pytest.raises(BadInput, match=r"and the classes a, b; must hold images and CIFAR-10's classes"):
        load_source(params(tmp_path), 0)


def test_a_folder_without_the_data(tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"where cifar10 cannot be read .*; it must hold cifar-10-batches-py .*train.parq"
    ):
        load_source(params(tmp_path), 0)


def test_an_archive_that_was_changed_is_never_unpickled(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    # a pickle that would make a file if it were read
    attack = f"cos\nmkdir\n(S'{tmp_path / 'broken into'}'\ntR.".encode()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"):
        (folder / name).write_bytes(attack)
    with pytest.raises(BadInput, match="not found or corrupted"):
        load_source(params(tmp_path), 0)
    assert not (tmp_path / "broken into").exists()
