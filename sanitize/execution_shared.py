"""What the tasks of one map share, laid into memory once: object -> a file that worker processes map, arrays uncopied.

Only ever read by workers of the process that wrote it, while that process lives; nothing stays behind.
"""

from __future__ import annotations

import io
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

ALIGNMENT = 64  # bytes, a cache line: vector instructions like arrays that begin there
PROTOCOL = 5  # the first that keeps arrays' memory apart from the rest


class Place(NamedTuple):
    """Where a shared object lies; small, travels with every task.

    path   a file that the workers can open while the map runs
    sizes  bytes of the object without its arrays' memory, then of each array's memory; each part begins at a
           multiple of ALIGNMENT
    """

    path: str
    sizes: tuple[int, ...]


@contextmanager
def laid_out(shared: Any) -> Iterator[Place]:
    """Write the object into memory that worker processes can map, for as long as the block runs.

    shared   anything that can be sent to a worker; the memory of its NumPy arrays is copied once, whatever the number
             of workers
    Where the system has files without a name (Linux with /proc) the memory is gone with this process, killed or not;
    elsewhere it is a file in the temporary folder, removed when the block ends.
    """
    arrays: list[Any] = []
    rest = io.BytesIO()
    ForkingPickler(rest, PROTOCOL, True, arrays.append).dump(shared)
    parts = [rest.getbuffer(), *(array.raw() for array in arrays)]
    with _nameless() as (file, path):
        for part, start in zip(parts, _starts([len(part) for part in parts]), strict=True):
            file.seek(start)
            file.write(part)
        file.flush()
        yield Place(path, tuple(len(part) for part in parts))


def taken(place: Place) -> Any:
    """The object that lies at `place`; its arrays share their memory with every other process that takes it.

    They may be written to: a page that is, becomes this process's own.
    """
    with open(place.path, "rb") as file:
        memory = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    parts = [memory[start : start + size] for start, size in zip(_starts(place.sizes), place.sizes, strict=True)]
    return ForkingPickler.loads(parts[0], buffers=parts[1:])


def _starts(sizes: Any) -> list[int]:
    starts, end = [], 0
    for size in sizes:
        starts.append(end)
        end += -(-size // ALIGNMENT) * ALIGNMENT
    return starts


@contextmanager
def _nameless() -> Iterator[tuple[Any, str]]:
    """A new file and the path under which this process's workers can open it."""
    with ExitStack() as stack:
        if hasattr(os, "memfd_create"):
            file = stack.enter_context(open(os.memfd_create("sanitize"), "w+b"))
            path = f"/proc/{os.getpid()}/fd/{file.fileno()}"
            if os.path.exists(path):  # a chroot may have no /proc
                yield file, path
                return
        named = stack.enter_context(tempfile.NamedTemporaryFile(prefix="sanitize-"))
        yield named, named.name
