"""The k-th smallest key and counts of keys: against sorting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanitize.certify import selection
from sanitize.data.seeds import stream

KINDS = [np.uint16, np.uint32]


def made(size, most, kind, seed):
    return stream(seed, "selection", size, most).integers(0, most, size).astype(kind)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(1, 300) | st.integers(8000, 20_000),
    st.sampled_from([1, 2, 30, 4000, 65_535]),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_the_kth_smallest_is_what_sorting_finds(kind, size, most, share, seed):
    keys = made(size, most, kind, seed)
    k = max(1, min(size, int(share * size) + 1))
    top = int(np.iinfo(kind).max)
    key, under, up_to = selection.kth(keys, k, top, np.empty(selection.SAMPLE, kind))
    assert key == np.sort(keys)[k - 1]
    assert (under, up_to) == (np.count_nonzero(keys < key), np.count_nonzero(keys <= key))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 2, 4000, 8999, 9000])
def test_the_kth_smallest_whatever_the_sample_says(kind, k):
    """Each 8th key is the sample's: all of those are large, or small, or left out of the set altogether."""
    top = int(np.iinfo(kind).max)
    for odd in (0, 60_000, top):
        keys = made(9001, 50_000, kind, 1)
        keys[::8] = odd
        least = np.count_nonzero(keys < top)
        found = selection.kth(keys, min(k, least), top, np.empty(selection.SAMPLE, kind))
        key = np.sort(keys)[min(k, least) - 1]
        assert found == (key, np.count_nonzero(keys < key), np.count_nonzero(keys <= key))


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_key_is_told_from_rows_that_do_not_count(kind):
    top = int(np.iinfo(kind).max)
    keys = np.array([5] * 200 + [top - 1] * 300 + [top] * 400, kind)
    assert selection.kth(keys, 201, top, np.empty(selection.SAMPLE, kind)) == (top - 1, 200, 500)


def test_floats_far_apart_are_found_by_their_bits():
    values = np.exp(stream(0, "floats").normal(0, 20, 9000)).astype(np.float32)
    keys = values.view(np.uint32)
    for k in (1, 100, 4500, 9000):
        key = selection.kth(keys, k, 2**32 - 1, np.empty(selection.SAMPLE, np.uint32))[0]
        assert np.uint32(key).view(np.float32) == np.sort(values)[k - 1]


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 500), st.integers(0, 65_535), st.integers(0, 65_535))
def test_counts_below(kind, size, low, high):
    keys = made(size, 65_536, kind, 2)
    assert selection.below(keys, low, high) == (np.count_nonzero(keys < low), np.count_nonzero(keys < high))


def test_counts_beyond_one_lane():
    """3 million keys: more than 65,535 of them in each of 64 lanes of 16 bits would not fit."""
    keys = np.zeros(3_000_001, np.uint16)
    assert selection.below(keys, 0, 1) == (0, 3_000_001)


def test_nearest_others_by_hand():
    keys = np.array([[0, 4, 2], [4, 0, 4], [2, 4, 0]], np.uint16)
    found = np.empty(2, np.int64)
    selection.nearest_others(keys[1:].copy(), 1, 1, found)
    assert found.tolist() == [4, 2]
    selection.nearest_others(keys[1:].copy(), 1, 2, found)
    assert found.tolist() == [4, 4]
