"""Sums of distances by NumPy, one feature after another: what the machine code of `kernel` must give to the bit.

Once per process, operation and type of key the machine code is asked about a few rows. Where it says otherwise (a
processor or a compiler that it was not written for), NumPy does the work, and one line on stderr says so.
"""

# M queries, B bricks of 32 training rows, G groups of values
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sanitize.certify import kernel
from sanitize.data.seeds import stream
from sanitize.runtime.notices import notice

SAD = -1  # beside kernel.L1, L2 and DOT: of 8-bit rows
PROBE = 5  # groups
_proved: dict[tuple[int, str], bool] = {}


def sums(queries: NDArray[Any], bricks: NDArray[Any], operation: int, out: NDArray[Any]) -> None:
    """Fill `out` by machine code that has proved itself, or by NumPy.

    queries    uint8 [M, 8 G] or float32 [M, G], M a multiple of 6
    bricks     uint8 [B, G, 32, 8] or float32 [B, G, 32, 1]
    operation  SAD for 8 bits, L1, L2 or DOT for floats
    out        uint16 or uint32, float32 [M, 32 B]
    """
    key = operation, out.dtype.str
    if key not in _proved:
        _proved[key] = _same(operation, out.dtype)
        if not _proved[key]:
            notice(
                "certify: distances are computed by NumPy, which is slower: the machine code for them gives others here"
            )
    (_fast if _proved[key] else plain)(queries, bricks, operation, out)


def plain(queries: NDArray[Any], bricks: NDArray[Any], operation: int, out: NDArray[Any]) -> None:
    """As `sums`, by NumPy."""
    count, groups, tall, wide = bricks.shape
    rows = bricks.transpose(0, 2, 1, 3).reshape(count * tall, groups * wide)
    total: NDArray[Any] = np.zeros(out.shape, np.int64 if operation == SAD else np.float32)
    for query, row in zip(queries.T, rows.T, strict=True):
        mine, theirs = query.astype(total.dtype)[:, None], row.astype(total.dtype)[None]
        if operation == kernel.DOT:
            total += mine * theirs
        else:
            apart = mine - theirs
            total += apart * apart if operation == kernel.L2 else np.abs(apart)
    out[:] = total


def _fast(queries: NDArray[Any], bricks: NDArray[Any], operation: int, out: NDArray[Any]) -> None:
    if operation == SAD:
        kernel.sad(queries, bricks, out)
    else:
        kernel.fold(queries, bricks, operation, out)


def _same(operation: int, dtype: np.dtype[Any]) -> bool:
    """Whether both give the same bits on a few rows, of the smallest and largest values among others."""
    draws = stream(0, "proof")
    wide = kernel.GROUP if operation == SAD else 1
    if operation == SAD:
        values = draws.integers(0, 256, (3 * kernel.ROWS, PROBE * wide)).astype(np.uint8)
        values[0], values[1], values[-1] = 0, 255, 255
    else:
        values = (draws.normal(size=(3 * kernel.ROWS, PROBE)) * 10.0 ** draws.integers(-3, 4, PROBE)).astype(np.float32)
    queries = kernel.packed(values[: kernel.QUERIES], (kernel.QUERIES, PROBE * wide))
    bricks = kernel.packed(values[kernel.ROWS :], (2, PROBE, kernel.ROWS, wide))
    found, right = (kernel.packed(np.empty((0, 0), dtype), (kernel.QUERIES, 2 * kernel.ROWS)) for _ in range(2))
    _fast(queries, bricks, operation, found)
    plain(queries, bricks, operation, right)
    return found.tobytes() == right.tobytes()
