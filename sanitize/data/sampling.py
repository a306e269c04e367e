"""Which classes are too small to judge; a stratified sample of the rows of the others, drawn as labels stream by."""

# C classes
from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from sanitize.data.seeds import stream
from sanitize.data.table import IntArray


def small_classes(rows: Mapping[str, int], least: int) -> list[str]:
    """The classes with at least one row and fewer than `least`."""
    return [name for name, count in rows.items() if 0 < count < least]


def quotas(rows_C: IntArray, total: int, least: int) -> IntArray:
    """How many rows of each class a stratified sample takes.

    rows_C  int64 [C], rows of each class
    total   rows of the sample, about: more where the classes' least shares need more
    least   rows that every class gives at least, or all that it has
    Returns int64 [C], proportional, rounded down, but `least` at least
    """
    if rows_C.sum() <= total:
        return rows_C
    share_C = rows_C * total // max(1, int(rows_C.sum()))
    return np.minimum(rows_C, np.maximum(share_C, least))


def draw_sample(codes: Iterable[IntArray], quota_C: IntArray, seed: int) -> IntArray:
    """A random sample with so many rows of each class, drawn while the labels stream by.

    codes    the labels' places, batch after batch; those below 0 and places beyond the quotas' are left out
    quota_C  int64 [C]
    seed     of the run; stream (seed, "filter", "sample")
    Returns  int64, positions in the whole, ascending; memory does not depend on the rows
    """
    draws = stream(seed, "filter", "sample")
    kept: tuple[IntArray, IntArray, np.ndarray] = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    limit = 4 * int(quota_C.sum()) + 65536
    start = 0
    for code_n in codes:
        rank_n = draws.random(len(code_n))
        good = np.flatnonzero((code_n >= 0) & (code_n < len(quota_C)))
        new = (good + start, code_n[good], rank_n[good])
        kept = tuple(np.concatenate(pair) for pair in zip(kept, new, strict=True))  # type: ignore[assignment]
        if len(kept[0]) > limit:
            kept = _lowest(kept, quota_C)
        start += len(code_n)
    return np.sort(_lowest(kept, quota_C)[0])


def _lowest(drawn: tuple[IntArray, IntArray, np.ndarray], quota_C: IntArray) -> tuple[IntArray, IntArray, np.ndarray]:
    """Of each class its quota of rows with the lowest ranks."""
    position, code, rank = drawn
    order = np.lexsort((rank, code))
    code = code[order]
    first = np.searchsorted(code, np.arange(len(quota_C)))
    place = np.arange(len(code)) - first[code] if len(code) else np.empty(0, np.int64)
    chosen = order[place < quota_C[code]]
    return position[chosen], drawn[1][chosen], rank[chosen]
