"""Nearest neighbours' votes with torch, for CUDA: the same votes as on the CPU, ties and all.

Every number is either a whole one that its type holds exactly, or comes from the same float32 or float64 operations in
the same order as in distances.py: no operation here may be fused with another, or run in TF32.
"""

# M queries, N training rows in content order, D features, C classes, S subsets, K numbers of neighbours, R radii
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sanitize.data.table import BoolArray, IntArray
from sanitize.errors import BadParams

_PAIR = 40  # bytes that a pair of rows takes at most: its distance, and what is compared and counted


def device_named(name: str) -> torch.device:
    """ "cpu", "cuda", or "auto": CUDA where there is one.

    Raises   BadParams: another name, or "cuda" where there is none
    """
    if name not in ("auto", "cpu", "cuda"):
        raise BadParams(f"device is {name!r}; must be 'auto', 'cpu' or 'cuda'")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise BadParams("device is 'cuda' and torch finds no CUDA device; use 'auto' or 'cpu'")
    return torch.device("cuda" if name != "cpu" and there else "cpu")


def count(
    queries: NDArray[Any],
    train: NDArray[Any],
    labels: IntArray,
    classes: int,
    ks: Sequence[int],
    radii: Sequence[float],
    subsets: Sequence[BoolArray],
    distance: str,
    device: torch.device,
    block_bytes: int,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """neighbors.count_votes for checked arguments.

    queries, train, labels, subsets   as there, the training rows in content order
    Returns  kNN's votes int32 [S, K, M, C] and rNN's int32 [S, R, M, C]
    """
    query, rows = (torch.from_numpy(np.ascontiguousarray(values)).to(device) for values in (queries, train))
    one_hot = torch.eye(classes, device=device)[torch.from_numpy(labels).to(device)]  # counts exactly up to 2**24
    kept = [torch.from_numpy(np.flatnonzero(keep)).to(device) for keep in subsets]
    knn = np.empty((len(subsets), len(ks), len(queries), classes), np.int32)
    rnn = np.empty((len(subsets), len(radii), len(queries), classes), np.int32)
    size = max(1, block_bytes // (_PAIR * max(1, len(train))))
    for start in range(0, len(queries), size):
        part = slice(start, start + size)
        keys, lengths = _distances(query[part], rows, distance)
        for s, keep in enumerate(kept):
            near, far, weights = keys[:, keep], lengths[:, keep], one_hot[keep]
            for i, k in enumerate(ks):
                knn[s, i, part] = (_nearest(near, k).float() @ weights).int().cpu().numpy()
            for i, radius in enumerate(radii):
                rnn[s, i, part] = ((far <= radius).float() @ weights).int().cpu().numpy()
    return knn, rnn


def _distances(query: Tensor, rows: Tensor, distance: str) -> tuple[Tensor, Tensor]:
    """What the nearest are chosen by, and the distances, each [m, N]."""
    whole = query.dtype == torch.uint8
    if distance == "l1" and whole:
        wide = torch.float32 if 255 * query.shape[1] < 2**24 else torch.float64
        found = torch.cdist(query.to(wide), rows.to(wide), p=1)
        return found, found
    if distance == "l2":
        if whole:
            products = query.double() @ rows.double().T
            found = _squares(query)[:, None] + _squares(rows)[None] - 2 * products
        else:
            found = _folded(query, rows, distance)
        return found, found.double().sqrt()
    if distance == "l1":
        found = _folded(query, rows, distance)
        return found, found.double()
    products = query.double() @ rows.double().T if whole else _folded(query, rows, distance).double()
    lengths = (_squares(query).double()[:, None] * _squares(rows).double()[None]).sqrt()
    found = (1.0 - products / torch.where(lengths > 0, lengths, 1.0)).clamp(min=0.0).float()
    return found, found.double()


def _folded(query: Tensor, rows: Tensor, distance: str) -> Tensor:
    """Sums over the features in float32, first feature first: |q - t|, (q - t)^2 or q * t."""
    total = torch.zeros(len(query), len(rows), device=query.device)
    for q, t in zip(query.T, rows.T, strict=True):
        apart = q[:, None] * t[None] if distance == "cosine" else q[:, None] - t[None]
        if distance == "l1":
            apart = apart.abs()
        elif distance == "l2":
            apart = apart * apart
        total += apart
    return total


def _squares(rows: Tensor) -> Tensor:
    """Squared lengths: float64 of 8-bit rows, exact; float32 of float32 rows, first feature first."""
    if rows.dtype == torch.uint8:
        return rows.double().square().sum(1)
    total = torch.zeros(len(rows), device=rows.device)
    for column in rows.T:
        total += column * column
    return total


def _nearest(keys: Tensor, k: int) -> Tensor:
    """The k nearest rows of each query, bool [m, n]; the columns stand in content order, so ties go to the first."""
    farthest = keys.kthvalue(k, dim=1, keepdim=True).values
    closer, tied = keys < farthest, keys == farthest
    wanted = k - closer.sum(1, keepdim=True)
    return closer | (tied & (tied.cumsum(1) <= wanted))
