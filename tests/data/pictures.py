"""Small pictures and files of pictures for the tests here."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from sanitize.data.arrow import IMAGE


def encoded(mode: str = "L", size: tuple[int, int] = (4, 3), form: str = "PNG", color: int = 7) -> bytes:
    """One image of one colour, width x height."""
    buffer = io.BytesIO()
    Image.new("L", size, color).convert(mode).save(buffer, form)
    return buffer.getvalue()


def image_column(blobs: Sequence[bytes | None], paths: Sequence[str | None] | None = None) -> pa.Array:
    """A struct column in the Hugging Face convention."""
    paths = paths or [None] * len(blobs)
    return pa.array([{"bytes": blob, "path": path} for blob, path in zip(blobs, paths, strict=True)], IMAGE)


def image_file(path: Path, blobs: Sequence[bytes | None], paths: Sequence[str | None] | None = None) -> Path:
    """A parquet file of images with the labels 0, 1, 0, 1, …"""
    labels = [row % 2 for row in range(len(blobs))]
    pq.write_table(pa.table({"image": image_column(blobs, paths), "label": labels}), path)
    return path


def gradient(rows: int, height: int = 5, width: int = 4, channels: int = 1) -> np.ndarray:
    """uint8 [rows, height, width, channels], every value another up to 255."""
    return (np.arange(rows * height * width * channels) % 251).astype(np.uint8).reshape(rows, height, width, channels)
