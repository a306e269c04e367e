"""The same votes from torch, here on the CPU's tensors."""

import numpy as np
import pytest
import torch

from sanitize.certify import neighbors, neighbors_torch
from sanitize.data.seeds import stream
from sanitize.errors import BadParams


@pytest.mark.parametrize("distance", ["l1", "l2", "cosine"])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize(("rows", "features", "classes", "top"), [(40, 3, 3, 3), (300, 70, 100, 256)])
def test_votes_equal_those_of_the_cpu(rows, features, classes, top, kind, distance):
    draw = stream(0, "torch", rows)
    train, queries = (draw.integers(0, top, (n, features)).astype(kind) for n in (rows, 17))
    if kind == np.float32 and top > 3:
        train += draw.normal(size=train.shape).astype(np.float32)
    labels, keep = draw.integers(0, classes, rows), draw.random(rows) < 0.8
    ks, radii = [1, 9, int(keep.sum())], [0.0, 0.05, 9.0, 5600.0]
    subsets = [np.ones(rows, bool), keep]
    expected = neighbors.count_votes(
        queries, train, labels, classes, ks=ks, radii=radii, subsets=subsets, distance=distance
    )
    order = neighbors.content_order(train, labels)
    kept = [subset[order] for subset in subsets]
    for block_bytes in (1, 10_000, 2**24):
        found = neighbors_torch.count(
            queries,
            train[order],
            labels[order],
            classes,
            ks,
            radii,
            kept,
            distance,
            torch.device("cpu"),
            block_bytes,
        )
        assert np.array_equal(found[0], expected.knn) and np.array_equal(found[1], expected.rnn)
        assert found[0].dtype == found[1].dtype == np.int32


@pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without CUDA")
def test_devices_without_cuda():
    assert neighbors_torch.device_named("auto") == neighbors_torch.device_named("cpu") == torch.device("cpu")
    with pytest.raises(BadParams, match="finds no CUDA device; use 'auto' or 'cpu'"):
        neighbors_torch.device_named("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("distance", ["l1", "l2", "cosine"])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_votes_of_cuda_equal_those_of_the_cpu(kind, distance):
    draw = stream(1, "cuda")
    train, queries = (draw.integers(0, 256, (n, 40)).astype(kind) for n in (3000, 50))
    labels = draw.integers(0, 10, 3000)

    def votes(device):
        return neighbors.count_votes(
            queries,
            train,
            labels,
            10,
            ks=[1, 500],
            radii=[0.2, 2500.0],
            subsets=[np.ones(3000, bool)],
            distance=distance,
            device=device,
        )

    assert all(np.array_equal(a, b) for a, b in zip(votes("cuda"), votes("cpu"), strict=True))
