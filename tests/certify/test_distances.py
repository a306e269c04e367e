"""Distances: exact, the same in every block."""

import numpy as np
import pytest

from sanitize.certify.distances import blocks
from sanitize.data.seeds import stream
from sanitize.errors import BadInput, BadParams


@pytest.mark.parametrize("block_bytes", [1, 500, 2**20])
def test_distances_equal_the_definition(block_bytes):
    draw = stream(0, "distances")
    queries = draw.integers(0, 256, (7, 50)).astype(np.uint8)
    train = draw.integers(0, 256, (11, 50)).astype(np.uint8)
    expected = np.abs(queries[:, None].astype(int) - train[None].astype(int)).sum(2)
    parts = list(blocks(queries, train, block_bytes))
    assert np.array_equal(np.concatenate([found for _, found in parts]), expected)
    assert [row for part, _ in parts for row in range(part.start, part.stop)] == list(range(7))
    assert max(found.nbytes for _, found in parts) <= max(block_bytes, 11 * 8)


def test_float_sums_do_not_depend_on_blocks():
    draw = stream(1, "distances")
    queries, train = draw.normal(size=(9, 301)).astype(np.float32), draw.normal(size=(13, 301)).astype(np.float32)
    whole, single = (np.concatenate([d for _, d in blocks(queries, train, size)]) for size in (2**20, 1))
    assert np.array_equal(whole, single)
    assert np.allclose(whole, np.abs(queries[:, None] - train[None]).sum(2), rtol=1e-4)


def test_unequal_dimensions_are_refused():
    with pytest.raises(BadInput, match=r"features \[3\], training rows \[4\]"):
        list(blocks(np.zeros((2, 3), np.uint8), np.zeros((2, 4), np.uint8)))
    with pytest.raises(BadParams, match="block_bytes is 0"):
        list(blocks(np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.uint8), 0))
