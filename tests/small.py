"""Small tables with a few wrong labels, and parameters that find them in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from sanitize.data.images import encode_images
from sanitize.data.parquet import image_table
from sanitize.data.seeds import stream

ROWS = 120
WRONG = [7, 30, 55, 100]  # rows whose label is not their class's
NAMES = ("ant", "bee", "cat")
PRESET = "fast"  # it forgives fewer wrong labels than the default
SECTIONS: dict[str, Any] = {
    "learner": {"lr": 0.05, "batch": 16, "precision": "float32"},
    "ispl": {"runs": 1, "components": 4, "first_epochs": 8, "epochs": 4, "extra_iterations": 0},
    "vote": {"epochs": 30},
    "selftrain": {"epochs": 12, "every": 2, "learners": 2},
}
QUICK: dict[str, Any] = {"preset": PRESET, **SECTIONS}


def labels() -> np.ndarray:
    """int64 [ROWS]: 0, 1, 2, 0, …, but the next class's in the rows WRONG."""
    given = np.arange(ROWS) % 3
    given[WRONG] = (given[WRONG] + 1) % 3
    return given


def vectors() -> np.ndarray:
    """float32 [ROWS, 5]: row i is 4 in place i % 3, plus noise of deviation 0.5."""
    noise = stream(0, "vectors").normal(0, 0.5, (ROWS, 5))
    return (4 * np.eye(3, 5)[np.arange(ROWS) % 3] + noise).astype(np.float32)


def images() -> np.ndarray:
    """uint8 [ROWS, 8, 8]: a bright left half, top half or middle, on noise."""
    pictures = stream(0, "images").integers(0, 60, (ROWS, 8, 8))
    pictures[0::3, :, :4] += 180
    pictures[1::3, :4, :] += 180
    pictures[2::3, 2:6, 2:6] += 180
    return pictures.astype(np.uint8)


def vector_file(path: Path) -> Path:
    """Parquet file of `vectors`, with string labels and two columns beside them, schema metadata and row groups of 50.

    Columns  id (string), features (list of float), label (string), note (list of strings, some null)
    """
    columns = {
        "id": pa.array([f"row {row}" for row in range(ROWS)]),
        "features": pa.array(list(vectors()), pa.list_(pa.float32())),
        "label": pa.array([NAMES[label] for label in labels()]),
        "note": pa.array([None if row % 7 == 0 else ["a"] * (row % 3) for row in range(ROWS)], pa.list_(pa.string())),
    }
    pq.write_table(pa.table(columns, metadata={"origin": "a test"}), path, row_group_size=50)
    return path


def image_file(path: Path) -> Path:
    """Parquet file of `images` in the Hugging Face schema."""
    pq.write_table(image_table(images()[..., np.newaxis], labels(), NAMES), path)
    return path


def quick_file(path: Path, **sections: Any) -> Path:
    """A params.yaml of QUICK, with whole sections or values in place of its own."""
    path.write_text(yaml.safe_dump({**QUICK, **sections}))
    return path


def image_blobs() -> list[bytes]:
    """`images` as PNG."""
    blobs: list[bytes] = encode_images(images()[..., np.newaxis]).to_pylist()
    return blobs
