"""CPU seconds and memory of process trees, with processes that are really there."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import subprocess
import sys
import time

from benchmarks.processes import Peak, cpu_seconds, memory, tree
from sanitize.execution import LocalProcesses

MIB = 2**20


def burn(shared: None, seconds: float) -> float:
    """Use the processor for so many seconds of it; return how many it was."""
    began = time.process_time()
    while time.process_time() < began + seconds:
        pass
    return time.process_time() - began


def hold(ready: multiprocessing.connection.Connection, size: int) -> None:
    """Keep so many bytes that no other process has, until told to go."""
    kept = bytearray(os.urandom(1024)) * (size // 1024)
    ready.send(len(kept))
    ready.recv()


def test_seconds_of_workers_behind_a_fork_server_count():
    map = LocalProcesses(2)
    before = cpu_seconds()
    burnt = sum(map(burn, None, [0.3, 0.3, 0.3, 0.3]))
    alive = cpu_seconds() - before
    assert len(tree(os.getpid())) >= 4  # this process, the fork server, two workers
    map.close()
    assert burnt >= 1.2
    assert alive > burnt - 0.1
    assert cpu_seconds() - before >= alive - 0.05  # ended workers still count


def test_seconds_of_ended_children_count():
    before = cpu_seconds()
    code = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert cpu_seconds() - before > 0.45


def test_memory_of_children_counts_once():
    """A child's own 64 MiB count; 64 MiB that both map count once."""
    context = multiprocessing.get_context("fork")
    shared = mmap.mmap(-1, 64 * MIB)
    shared.write(b"x" * (64 * MIB))
    before = memory(os.getpid())
    here, there = context.Pipe()
    child = context.Process(target=hold, args=(there, 64 * MIB))
    with Peak(os.getpid(), every=0.01) as peak:
        child.start()
        assert here.recv() == 64 * MIB
        held = memory(os.getpid())
        time.sleep(0.1)
        here.send(None)
        child.join()
    assert child.exitcode == 0 and len(shared) == 64 * MIB
    assert 60 * MIB < held - before < 100 * MIB
    assert peak.bytes >= held - 4 * MIB
    assert peak.looks > 1
    shared.close()
