"""Train and test rows of a source: the pair, a fixed stratified split, and both as tables of images."""

# N rows, C classes, H x W pixels, K channels
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sanitize.data.arrow import image_table
from sanitize.data.images import Pixels, resize_images
from sanitize.data.seeds import stream
from sanitize.data.table import IntArray

SPLIT_SEED = 0  # a split belongs to the data set, not to a run: the run's seed must not change it


@dataclass(frozen=True)
class Splits:
    """What a source gives.

    train  Arrow table, at least one row
    test   Arrow table with the same label and input columns; None = the source has no test rows
    """

    train: pa.Table
    test: pa.Table | None


def stratified_split(labels: IntArray, test_rows: int, name: str) -> tuple[IntArray, IntArray]:
    """A fixed split with the classes in proportion, the train rows in a fixed shuffled order.

    labels     int64 [N], 0..C-1
    test_rows  number of test rows, 0 < test_rows < N; each class gives its share, rounded by largest remainder
               (the lower class first where remainders are equal)
    name       of the data set: its random stream
    Returns    positions of the train rows (shuffled) and of the test rows (ascending), both int64; together 0..N-1
    """
    assert 0 < test_rows < len(labels)
    counts = np.bincount(labels)
    shares = counts * test_rows
    quota = shares // len(labels)
    remainders = shares % len(labels)
    quota[np.argsort(-remainders, kind="stable")[: test_rows - quota.sum()]] += 1
    chosen = [
        stream(SPLIT_SEED, name, "split", number).permutation(np.flatnonzero(labels == number))[:rows]
        for number, rows in enumerate(quota)
    ]
    test = np.sort(np.concatenate(chosen)).astype(np.int64)
    train = np.setdiff1d(np.arange(len(labels), dtype=np.int64), test)
    return stream(SPLIT_SEED, name, "order").permutation(train), test


def image_splits(
    train: tuple[Pixels, IntArray],
    test: tuple[Pixels, IntArray],
    class_names: Sequence[str],
    image_size: int | None = None,
) -> Splits:
    """Splits from decoded images.

    train, test  images uint8 [N, H, W, K] and labels int64 [N], 0..C-1
    image_size   resize to this many pixels square; None = as they are
    """
    tables = [image_table(resize_images(images, image_size), labels, class_names) for images, labels in (train, test)]
    return Splits(*tables)
