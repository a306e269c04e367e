"""Named random streams: every draw has its own generator, found by name, so that order and workers do not matter."""

from __future__ import annotations

import hashlib

import numpy as np

Name = str | int


def stream_seed(seed: int, *names: Name) -> int:
    """A 63-bit seed for the stream called `names` under the run's `seed`.

    seed     the run's seed, any integer
    names    strings and integers, for instance ("ispl", run, component)
    Returns  int, 0 .. 2**63 - 1: SHA-256 of the seed and the names, so that ("ispl", 1, 23) and ("ispl", 12, 3) differ
    """
    text = "\x1f".join(f"{type(name).__name__}:{name}" for name in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: Name) -> np.random.Generator:
    """A NumPy generator (PCG64) for the stream called `names`; the same arguments give the same draws everywhere."""
    return np.random.Generator(np.random.PCG64(stream_seed(seed, *names)))
