"""Stage poison: real files in, real files out."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize.data.parquet import image_table, read_table, vector_table, write_arrow
from sanitize.data.truth import read_truth
from sanitize.errors import BadInput, BadParams
from stages import poison

NAMES = ("cat", "dog", "owl")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """24 training images and 9 test images of 6 x 6 pixels, all of level 40; labels 0, 1, 2 in turn."""
    monkeypatch.chdir(tmp_path)
    for name, rows in (("train", 24), ("test", 9)):
        arrow = image_table(np.full((rows, 6, 6, 1), 40, np.uint8), np.arange(rows) % 3, NAMES)
        write_arrow(
            arrow.append_column("note", pa.array([f"row {i}" for i in range(rows)])), f"data/ingested/{name}.parquet"
        )
    return tmp_path


def params(folder, text):
    (folder / "params.yaml").write_text(text)


def test_patch_rewrites_its_rows_and_nothing_else(folder):
    params(folder, "seed: 3\nattack: {name: patch, source: cat, target: owl, share: 0.25, shape: pixel, color: [250]}")
    poison.main()
    is_poison = read_truth("data/truth.parquet")
    assert is_poison is not None and is_poison.sum() == 2  # a quarter of 8 cats
    before, after = (pq.read_table(f"data/{place}/train.parquet") for place in ("ingested", "poisoned"))
    assert after.schema.equals(before.schema, check_metadata=True)
    for row in range(24):
        changed = [name for name in before.schema.names if before[name][row] != after[name][row]]
        assert changed == (["image", "label"] if is_poison[row] else [])
    rows, _ = read_table("data/poisoned/train.parquet")
    assert set(rows.labels[is_poison]) == {2} and rows.class_names == NAMES
    assert ((rows.inputs == 250).sum(axis=(1, 2, 3)) == is_poison).all()

    triggered = pq.read_table("data/poisoned/test_triggered.parquet")
    assert triggered.schema.names == ["image", "label", "row", "target"]
    assert triggered["row"].to_pylist() == [0, 3, 6]
    assert triggered["label"].to_pylist() == [0, 0, 0] and triggered["target"].to_pylist() == [2, 2, 2]
    stamped, _ = read_table("data/poisoned/test_triggered.parquet", label="label", class_names=NAMES)
    assert np.array_equal(np.unique(stamped.inputs == 250, axis=0), (rows.inputs[is_poison] == 250)[:1])
    assert pq.read_table("data/truth.parquet")["original_label"].to_pylist() == [i % 3 for i in range(24)]


def test_same_seed_same_bytes(folder):
    params(folder, "attack: {name: patch, source: 1, target: 2, share: 0.5}")
    outputs = ["data/poisoned/train.parquet", "data/poisoned/test_triggered.parquet", "data/truth.parquet"]
    first, second = ([(poison.main(), (folder / o).read_bytes())[1] for o in outputs] for _ in range(2))
    assert first == second


def test_none_copies_byte_for_byte_and_knows_no_truth(folder):
    params(folder, "attack: {name: none, source: 1, target: 7}")
    poison.main()
    assert (folder / "data/poisoned/train.parquet").read_bytes() == (
        folder / "data/ingested/train.parquet"
    ).read_bytes()
    assert read_truth("data/truth.parquet") is None
    triggered = pq.read_table("data/poisoned/test_triggered.parquet")
    assert triggered.num_rows == 0 and triggered.schema.names == ["image", "label", "row", "target"]


def test_none_on_vectors_without_test_rows(folder):
    arrow = vector_table(np.eye(4, dtype=np.float32), np.arange(4) % 2, ("a", "b"))
    write_arrow(arrow, "data/ingested/train.parquet")
    write_arrow(arrow.slice(0, 0), "data/ingested/test.parquet")
    params(folder, "attack: none")
    poison.main()
    assert pq.read_table("data/poisoned/test_triggered.parquet").schema.names == ["features", "label", "row", "target"]


def test_errors_leave_nothing_behind(folder):
    params(folder, "attack: {name: patch, source: cat, target: cat}")
    with pytest.raises(BadParams, match="must differ"):
        poison.main()
    params(folder, "attack: none")
    (folder / "data/ingested/train.parquet").unlink()
    with pytest.raises(BadInput, match="no such file; run the ingest stage first"):
        poison.main()
    assert not list(folder.glob("data/poisoned/*")) and not (folder / "data/truth.parquet").exists()
