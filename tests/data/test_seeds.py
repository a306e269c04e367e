"""Named streams: fixed by their names alone, and apart from each other."""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sanitize.data.seeds import stream, stream_seed

names = st.lists(st.one_of(st.integers(0, 999), st.text("abc12", min_size=1, max_size=4)), max_size=3)


def test_seed_by_hand():
    """SHA-256 of the typed names between unit separators; the first 8 bytes, big endian, without the last bit."""
    digest = hashlib.sha256(b"int:7\x1fstr:ispl\x1fint:0\x1fint:12").digest()
    assert stream_seed(7, "ispl", 0, 12) == int.from_bytes(digest[:8], "big") // 2


def test_a_known_stream_stays_what_it_was():
    """Results that people have kept must not change under them."""
    assert stream_seed(0) == 3696793467068528757
    assert stream(0, "ispl", 0, 0).integers(1000, size=5).tolist() == [799, 261, 947, 725, 756]


@given(st.tuples(st.integers(0, 3), names), st.tuples(st.integers(0, 3), names))
def test_streams_are_equal_only_where_their_names_are(one, other):
    def typed(drawn):
        return drawn[0], [(type(name), name) for name in drawn[1]]

    same = typed(one) == typed(other)
    assert (stream_seed(one[0], *one[1]) == stream_seed(other[0], *other[1])) == same


def test_numbers_do_not_run_together():
    seeds = [stream_seed(0, "ispl", 1, 23), stream_seed(0, "ispl", 12, 3), stream_seed(0, "ispl", 123)]
    seeds += [stream_seed(0, "ispl", "1", 23), stream_seed(1, "ispl", 1, 23), stream_seed(0, "ispl")]
    assert len(set(seeds)) == 6 and all(0 <= seed < 2**63 for seed in seeds)


def test_draws_do_not_touch_the_global_state():
    np.random.seed(0)
    before = np.random.get_state()[1].tolist()
    stream(0, "a").random(10)
    assert np.random.get_state()[1].tolist() == before
