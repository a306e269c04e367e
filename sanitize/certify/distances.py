"""L1 distances between queries and training rows, in blocks: memory is bounded, and no sum depends on the blocks."""

# M queries, N training rows, D features, m queries of one block
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from sanitize.errors import BadInput, BadParams

BLOCK_BYTES = 32 * 2**20  # of one block of distances


def blocks(
    queries: NDArray[Any], train: NDArray[Any], block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """L1 distances from every query to every training row, some queries at a time.

    queries      uint8 or float32 [M, D]
    train        uint8 or float32 [N, D]
    block_bytes  size of one block of distances; a block has at least one query
    Yields       (slice of the queries, float64 [m, N]) in the queries' order. Each distance is one sum over its own
                 pair, so that it is the same number in every block; for 8-bit features it is an exact integer
    Raises       BadInput: another number of features. BadParams: block_bytes under 1
    """
    if queries.ndim != 2 or train.ndim != 2 or queries.shape[1] != train.shape[1]:
        raise BadInput(
            f"test rows have features {list(queries.shape[1:])}, training rows {list(train.shape[1:])}; "
            "must be vectors of the same length"
        )
    if block_bytes < 1:
        raise BadParams(f"block_bytes is {block_bytes}; must be at least 1")
    rows = max(1, block_bytes // (8 * max(1, len(train))))  # 8 bytes a distance
    columns = max(1, block_bytes // (8 * max(1, train.shape[1])))  # training rows widened to float64 at a time
    for start in range(0, len(queries), rows):
        part = slice(start, min(start + rows, len(queries)))
        wide = queries[part].astype(np.float64)
        found = np.empty((len(wide), len(train)))
        for first in range(0, len(train), columns):
            near = slice(first, first + columns)
            found[:, near] = cdist(wide, train[near].astype(np.float64), "cityblock")
        yield part, found
