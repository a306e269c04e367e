"""Keys of distances: exact, the same in every block and on every processor."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanitize.certify import kernel
from sanitize.certify.distances import Ruler, reach
from sanitize.data.seeds import stream
from sanitize.errors import BadInput, BadParams
from tests.reference import neighbors as slow

DISTANCES = ("l1", "l2", "cosine")


def made(queries, rows, features, kind, name="distances"):
    draw = stream(0, name, queries, rows, features)
    if kind == np.uint8:
        return [draw.integers(0, 256, (n, features)).astype(kind) for n in (queries, rows)]
    return [draw.normal(size=(n, features)).astype(kind) for n in (queries, rows)]


def measured(queries, train, distance="l1", **more):
    ruler = Ruler(queries, train, distance, **more)
    found = ruler.keys(slice(None), ruler.buffer(len(queries)))
    return ruler, found


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize(("queries", "rows", "features"), [(1, 1, 1), (7, 33, 8), (6, 64, 9), (5, 40, 300)])
def test_distances_equal_the_definition_bit_for_bit(distance, kind, queries, rows, features):
    q, t = made(queries, rows, features, kind)
    ruler, found = measured(q, t, distance)
    chosen, expected = np.array([[slow.pair(a, b, distance) for b in t] for a in q]).transpose(2, 0, 1)
    assert np.array_equal(ruler.values(found), expected)
    assert np.array_equal(np.argsort(found, 1, kind="stable"), np.argsort(chosen, 1, kind="stable"))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.integers(1, 100), st.integers(1, 150), st.sampled_from([16, 32, None]))
def test_whole_sums_equal_numpys_at_any_size(queries, rows, features, width):
    q, t = made(queries, rows, features, np.uint8)
    _, found = measured(q, t, width=width)
    assert np.array_equal(found, np.abs(q[:, None].astype(int) - t[None].astype(int)).sum(2))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.integers(1, 100), st.integers(1, 60))
def test_float_sums_are_taken_feature_by_feature(queries, rows, features):
    q, t = made(queries, rows, features, np.float32)
    total = np.zeros((queries, rows), np.float32)
    for i in range(features):
        total += np.abs(q[:, i, None] - t[None, :, i])
    ruler, found = measured(q, t)
    assert np.array_equal(found.view(np.float32), total) and np.array_equal(ruler.values(found), total.astype(float))


def test_the_largest_distances_fit():
    """2000 features, 255 apart: 510,000 is past 16 bits; squared 130,050,000; 65,535 itself stands for no row."""
    q, t = np.zeros((1, 2000), np.uint8), np.full((1, 2000), 255, np.uint8)
    assert measured(q, t)[1].tolist() == [[510_000]] and measured(q, t)[1].dtype == np.uint32
    assert measured(q, t, "l2")[1].tolist() == [[130_050_000]]
    for length, kind in ((257, np.uint32), (256, np.uint16)):
        ruler, found = measured(q[:, :length], t[:, :length])
        assert found.tolist() == [[255 * length]] and ruler.dtype == kind


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_keys_do_not_depend_on_blocks(distance, kind):
    q, t = made(23, 90, 70, kind)
    ruler, whole = measured(q, t, distance)
    out = ruler.buffer(5)
    parts = [ruler.keys(slice(i, i + 5), out).copy() for i in range(0, 23, 5)]
    assert np.array_equal(np.concatenate(parts), whole)
    _, few = measured(q, t[40:50], distance, width=32)
    assert np.array_equal(few, whole[:, 40:50])


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_a_bound_includes_exactly_its_radius(distance, kind):
    q, t = made(3, 30, 12, kind)
    ruler, found = measured(q, t, distance)
    for value in ruler.values(found).ravel():
        for radius in (value, np.nextafter(value, -1), 0.0, 1e300):
            assert np.array_equal(found < ruler.bound(radius), ruler.values(found) <= radius)
    assert ruler.bound(float("inf")) <= ruler.top and found.max() < ruler.top


def test_a_row_of_zeros_is_1_from_every_row_by_cosine():
    rows = np.array([[0, 0], [3, 4], [4, 3]], np.uint8)
    ruler, found = measured(rows, rows, "cosine")
    assert np.allclose(ruler.values(found), [[1, 1, 1], [1, 0, 0.04], [1, 0.04, 0]], atol=1e-7)


def test_reach_by_hand():
    rows = np.array([[3, 4], [0, 6]], np.uint8)
    assert (reach(rows, "l1"), reach(rows, "l2"), reach(rows, "cosine")) == (7.0, 6.0, 1.0)
    assert reach(-rows.astype(np.float32), "l1") == 7.0


@pytest.mark.parametrize(
    ("triple", "features", "expected"),
    [
        ("x86_64-unknown-linux-gnu", "+avx2,+avx512f,+avx512bw", (64, True)),
        ("x86_64-unknown-linux-gnu", "+avx2,+avx512f,-avx512bw", (32, True)),
        ("x86_64-apple-darwin", "+sse2,-avx2", (16, True)),
        ("aarch64-unknown-linux-gnu", "+neon", (16, False)),
    ],
)
def test_the_widest_vectors_that_a_processor_has(triple, features, expected):
    assert kernel.vector_bytes(triple, features) == expected


OTHER = """
import sys
import numpy as np
from sanitize.certify import kernel
width, native = int(sys.argv[1]), sys.argv[2] == "native"
if not native:
    kernel.vector_bytes = lambda triple, features: (width, False)
assert kernel.target() == (width, native), kernel.target()
from tests.certify.test_distances import made, measured
q, t = made(14, 150, 75, np.uint8)
expected = np.abs(q[:, None].astype(int) - t[None].astype(int)).sum(2)
for size in (16, 32):
    assert np.array_equal(measured(q, t, width=size)[1], expected)
q, t = made(14, 150, 75, np.float32)
for distance in ("l1", "l2", "cosine"):
    print(measured(q, t, distance)[1].tolist())
"""


def test_every_processor_finds_the_same(tmp_path):
    """Machine code for an older x86 and for none in particular, run on this one."""
    wide, native = kernel.target()
    kinds = {(wide, native): {}, (16, False): {}}
    if wide == 64:
        kinds[32, True] = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma,+avx"}
    if native:
        kinds[16, True] = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""}
    found = set()
    for number, ((width, own), settings_) in enumerate(kinds.items()):
        environment = (
            os.environ | settings_ | {"NUMBA_CACHE_DIR": str(tmp_path / str(number)), "PYTHONPATH": os.getcwd()}
        )
        command = [sys.executable, "-c", OTHER, str(width), "native" if own else "plain"]
        run = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        found.add(run.stdout)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("queries", "train", "distance", "error", "words"),
    [
        (
            np.zeros((2, 3), np.uint8),
            np.zeros((2, 4), np.uint8),
            "l1",
            BadInput,
            r"features \[3\], training rows \[4\]",
        ),
        (np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.float32), "l1", BadInput, "must be the same type"),
        (np.zeros((2, 3)), np.zeros((2, 3)), "l1", BadInput, "features are float64; must be uint8 or float32"),
        (np.zeros((2, 0), np.uint8), np.zeros((2, 0), np.uint8), "l1", BadInput, "no features"),
        (np.zeros((1, 66_051), np.uint8), np.zeros((1, 66_051), np.uint8), "l2", BadInput, "at most 66050"),
        (np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.uint8), "l3", BadParams, "distance is 'l3'"),
        (
            np.full((1, 2), np.nan, np.float32),
            np.zeros((1, 2), np.float32),
            "l1",
            BadInput,
            "test row 0, feature 0 is nan",
        ),
        (
            np.zeros((1, 2), np.float32),
            np.full((1, 2), np.inf, np.float32),
            "l1",
            BadInput,
            "training row 0, feature 0",
        ),
        (
            np.zeros((1, 2), np.float32),
            np.full((1, 2), 1e30, np.float32),
            "cosine",
            BadInput,
            "scale the features down",
        ),
    ],
)
def test_what_has_no_distance_is_refused(queries, train, distance, error, words):
    with pytest.raises(error, match=words):
        Ruler(queries, train, distance)
