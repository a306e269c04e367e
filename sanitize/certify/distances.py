"""Distances as integer keys. Queries and training rows -> keys in the order of the distances, the same in any batch.

A key depends on its own pair alone: 8-bit features give exact integers, float32 features sums in float32 that start at
the first feature, whose bits are in the order of their values because they are not negative.
"""

# M queries, N training rows, D features, m queries of one block, n training rows of one block
from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sanitize.errors import BadInput, BadParams

Distance = Literal["l1", "l2", "cosine"]
Keys = NDArray[Any]  # uint16 or uint32

_EXACT = 256  # features whose products, 255 * 255 at most, add up in float32 without rounding
_COLUMNS = 4096  # training rows widened to float32 at a time
_MOST = {"l1": 2**32 // 255 - 1, "l2": 2**32 // 255**2 - 1, "cosine": 2**32 // 255**2 - 1}  # 8-bit features


def check_features(queries: NDArray[Any], train: NDArray[Any], distance: str) -> None:
    """Refuse features that have no distances.

    queries   uint8 or float32 [M, D], D at least 1
    train     the same type [N, D]
    distance  "l1", "l2" or "cosine"
    Raises    BadParams: another distance
              BadInput: other shapes or types, unequal D, NaN or infinite values, more 8-bit features than keys can hold
    """
    if distance not in get_args(Distance):
        raise BadParams(f"distance is {distance!r}; must be one of {', '.join(get_args(Distance))}")
    if queries.ndim != 2 or train.ndim != 2 or queries.shape[1] != train.shape[1]:
        raise BadInput(
            f"test rows have features {list(queries.shape[1:])}, training rows {list(train.shape[1:])}; "
            "must be vectors of the same length"
        )
    if queries.dtype != train.dtype:
        raise BadInput(f"test features are {queries.dtype}, training features {train.dtype}; must be the same type")
    if queries.dtype not in (np.uint8, np.float32):
        raise BadInput(f"features are {queries.dtype}; must be uint8 or float32")
    if not queries.shape[1]:
        raise BadInput("rows have no features; must have at least one")
    if queries.dtype == np.uint8 and queries.shape[1] > _MOST[distance]:
        raise BadInput(
            f"rows have {queries.shape[1]} 8-bit features; for {distance} there must be at most {_MOST[distance]}, "
            "because distances are counted in 32 bits; use float32 features"
        )
    for name, rows in (("test", queries), ("training", train)):
        if rows.dtype == np.float32 and not np.isfinite(rows).all():
            row, column = (int(v) for v in np.argwhere(~np.isfinite(rows))[0])
            raise BadInput(
                f"{name} row {row}, feature {column} is {rows[row, column]}; must be finite; "
                "fill or drop such rows first"
            )


def reach(rows: NDArray[Any], distance: str) -> float:
    """How far rows can be from the origin in a distance's own terms: sums of two bound the distance of a pair.

    rows     uint8 or float32 [N, D]
    Returns  l1: the largest L1 norm. l2: the largest Euclidean norm. cosine: 1
    """
    if distance == "cosine" or not len(rows):
        return 1.0
    parts = (rows[i : i + _COLUMNS] for i in range(0, len(rows), _COLUMNS))
    if distance == "l1":
        return max(
            float(np.abs(part).sum(1, np.float64 if rows.dtype == np.float32 else np.int64).max()) for part in parts
        )
    return math.sqrt(max(float((part.astype(np.float64) ** 2).sum(1).max()) for part in parts))


class Ruler:
    """Distances from queries to a set of training rows.

    train     uint8 or float32 [N, D], N at least 1
    queries   uint8 or float32 [M, D], all that will be asked for: they decide how wide the keys are
    distance  "l1", "l2" (keys are of the squared distance) or "cosine" (1 - cosine, and 1 from or to a row of zeros)
    width     bits of a key: 16 where they hold every distance, else 32; given to have them wider
    Raises    see check_features
    """

    def __init__(
        self, queries: NDArray[Any], train: NDArray[Any], distance: str = "l1", width: Literal[16, 32] | None = None
    ) -> None:
        from sanitize.certify.kernel import GROUP, QUERIES, ROWS, packed  # compiles: half a second to import

        check_features(queries, train, distance)
        self.distance, self.queries, self.rows = distance, queries, len(train)
        self.tile = QUERIES
        features = train.shape[1]
        self.exact = train.dtype == np.uint8
        bricks = -(-len(train) // ROWS)
        self.columns = bricks * ROWS
        narrow = self.exact and distance == "l1" and reach(queries, "l1") + reach(train, "l1") < 2**16 - 1
        self.dtype = np.dtype(np.uint16 if narrow and width != 32 else np.uint32)
        if self.exact and distance != "l1":
            self._train = train
            self._squares = _squares(train)
            return
        wide = GROUP if self.exact else 1
        self._groups = -(-features // wide)
        self._bricks = packed(train, (bricks, self._groups, ROWS, wide))
        if distance == "cosine":
            self._squares = _squares(train)
            _check_norms(self._squares, "training")
            _check_norms(_squares(queries), "test")

    @property
    def floats(self) -> bool:
        """Whether a key is the bits of a float32, not a whole number."""
        return not self.exact or self.distance == "cosine"

    @property
    def top(self) -> int:
        """Above every key."""
        return (1 << 8 * self.dtype.itemsize) - 1

    def buffer(self, queries: int) -> Keys:
        """Memory for the keys of that many queries: uint16 or uint32 [m, n], m and n as large as the tiles need."""
        from sanitize.certify.kernel import packed

        lines = -(-queries // self.tile) * self.tile
        return packed(np.empty((0, 0), self.dtype), (lines, self.columns))

    def keys(self, part: slice, out: Keys) -> Keys:
        """Keys of some queries.

        part     of the queries, m of them
        out      from `buffer`, for at least m queries
        Returns  [m, N], a view of `out`
        """
        queries = self.queries[part]
        out = out[: -(-len(queries) // self.tile) * self.tile]
        if self.exact and self.distance != "l1":
            for first in range(0, self.rows, _COLUMNS):
                near = slice(first, min(first + _COLUMNS, self.rows))
                out[: len(queries), near] = self._from_products(queries, _products(queries, self._train[near]), near)
            return out[: len(queries), : self.rows]
        from sanitize.certify import kernel, twin

        wide = self._groups * (kernel.GROUP if self.exact else 1)
        lines = kernel.packed(queries, (len(out), wide))
        if self.exact:
            twin.sums(lines, self._bricks, twin.SAD, out)
        else:
            operation = {"l1": kernel.L1, "l2": kernel.L2, "cosine": kernel.DOT}[self.distance]
            twin.sums(lines, self._bricks, operation, out.view(np.float32))
        found = out[: len(queries), : self.rows]
        if self.distance == "cosine":
            for first in range(0, self.rows, _COLUMNS):
                near = slice(first, min(first + _COLUMNS, self.rows))
                products = found[:, near].view(np.float32).astype(np.float64)
                found[:, near] = self._from_products(queries, products, near)
        return found

    def values(self, keys: Keys) -> NDArray[np.float64]:
        """The distances that keys stand for, float64 of the same shape."""
        own = keys.astype(np.uint32).view(np.float32).astype(np.float64) if self.floats else keys.astype(np.float64)
        return np.sqrt(own) if self.distance == "l2" else own

    def bound(self, radius: float) -> int:
        """The key that exactly the distances up to `radius` are below: 1..top."""
        low, high = 0, 0x7F800001 if self.floats else self.top  # the first is past float32's infinity
        while low < high:
            middle = (low + high) // 2
            if float(self.values(np.array(middle, np.uint32))) <= radius:
                low = middle + 1
            else:
                high = middle
        return low

    def _from_products(self, queries: NDArray[Any], products: NDArray[Any], near: slice) -> Keys:
        """Keys from the inner products [m, n] with some training rows."""
        mine, theirs = _squares(queries)[:, None], self._squares[None, near]
        if self.distance == "l2":
            return np.asarray(mine + theirs - 2 * products, np.uint32)
        lengths = np.sqrt(mine.astype(np.float64) * theirs.astype(np.float64))
        apart = 1.0 - products / np.where(lengths > 0, lengths, 1.0)
        return np.maximum(apart, 0.0).astype(np.float32).view(np.uint32)


def _check_norms(squares: NDArray[Any], name: str) -> None:
    if not np.isfinite(squares).all():
        row = int(np.flatnonzero(~np.isfinite(squares))[0])
        raise BadInput(f"{name} row {row} is too long for cosine: its squares add up to inf; scale the features down")


def _squares(rows: NDArray[Any]) -> NDArray[Any]:
    """Squared lengths: int64 of 8-bit rows; float32 of float32 rows, first feature first, as the kernel adds them."""
    total: NDArray[Any] = np.zeros(len(rows), np.int64 if rows.dtype == np.uint8 else np.float32)
    with np.errstate(over="ignore"):
        for column in rows.T:
            total += column.astype(total.dtype) ** 2
    return total


def _products(queries: NDArray[np.uint8], train: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Inner products of 8-bit rows, exact: matrix products of so few features that float32 does not round."""
    total = np.zeros((len(queries), len(train)), np.int64)
    for first in range(0, queries.shape[1], _EXACT):
        part = slice(first, first + _EXACT)
        total += (queries[:, part].astype(np.float32) @ train[:, part].astype(np.float32).T).astype(np.int64)
    return total
