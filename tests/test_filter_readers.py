"""What the filter writes is read back equal by pandas, polars, DuckDB and Hugging Face datasets."""

import io

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests import small
from tests.voters import image_voters, scored, vector_voters

RIGHT = [row for row in range(small.ROWS) if row not in small.WRONG]
SIDES = {"kept": RIGHT, "rejected": small.WRONG}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """The small images with captions and tensors beside them, filtered."""
    folder = tmp_path_factory.mktemp("images")
    table = pq.read_table(small.image_file(folder / "plain.parquet"))
    tensors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(240, dtype=np.float32)), 2)
    table = table.append_column("pair", tensors).append_column("caption", pa.array([f"row {i}" for i in range(120)]))
    pq.write_table(table, folder / "in.parquet", row_group_size=50, compression="zstd")
    scored(folder / "in.parquet", folder, image_voters(folder))
    return folder


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors")
    source = small.vector_file(folder / "in.parquet")
    scored(source, folder, vector_voters(folder))
    return folder


@pytest.mark.parametrize("side", SIDES)
def test_pandas(vectors, side):
    given, found = (pd.read_parquet(vectors / name) for name in ("in.parquet", side))
    pd.testing.assert_frame_equal(found, given.iloc[SIDES[side]].reset_index(drop=True))


@pytest.mark.parametrize("side", SIDES)
def test_polars(vectors, images, side):
    for folder in (vectors, images):
        given, found = (pl.read_parquet(folder / name) for name in ("in.parquet", side))
        assert found.equals(given[SIDES[side]])
        assert found.schema == given.schema


@pytest.mark.parametrize("side", SIDES)
def test_duckdb(vectors, images, side):
    for folder in (vectors, images):
        given, found = (
            duckdb.sql(f"select * from read_parquet('{folder / name}')").fetchall() for name in ("in.parquet", side)
        )
        assert found == [given[row] for row in SIDES[side]]


def test_hugging_face_datasets(images, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    given = datasets.Dataset.from_parquet(str(images / "in.parquet"), cache_dir=str(tmp_path))
    for side, rows in SIDES.items():
        found = datasets.Dataset.from_parquet(str(images / side), cache_dir=str(tmp_path))
        assert found.features == given.features
        assert found.features["label"].names == list(small.NAMES)
        assert found["caption"][:] == [f"row {row}" for row in rows]
        assert found["label"][:] == small.labels()[rows].tolist()
        picture = found[0]["image"]
        assert isinstance(picture, Image.Image)
        assert np.array_equal(np.asarray(picture), small.images()[rows[0]])


def test_image_bytes_are_the_same_bytes(images):
    given, found = (pq.read_table(images / name)["image"].to_pylist() for name in ("in.parquet", "kept"))
    assert found == [given[row] for row in RIGHT]
    assert Image.open(io.BytesIO(found[0]["bytes"])).size == (8, 8)
