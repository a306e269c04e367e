"""Ordered map over independent tasks: in this process, side by side on this machine, or on Ray. Same results."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import connection, forkserver
from typing import Any, Protocol, TypeVar

from sanitize.errors import BadInput, BadParams, MendableError
from sanitize.execution_shared import Place, laid_out, taken
from sanitize.execution_threads import GpuThreads, gpus

Task = TypeVar("Task")
Result = TypeVar("Result")
Shared = TypeVar("Shared")
ENGINES = ("inline", "processes", "ray")


class OrderedMap(Protocol):
    """Calls function(shared, task) for every task and yields the results in the order of the tasks.

    `shared` (the table, the parameters) travels once per worker, not once per task. A task that fails stops the
    whole map, and the error names the task's number and its cause.
    """

    def __call__(
        self, function: Callable[[Shared, Task], Result], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[Result]: ...


def inline(function: Callable[[Shared, Task], Result], shared: Shared, tasks: Sequence[Task]) -> Iterator[Result]:
    """The map in this process, one task after another."""
    for number, task in enumerate(tasks):
        try:
            yield function(shared, task)
        except MendableError:
            raise
        except Exception as error:
            raise RuntimeError(f"task {number} of {len(tasks)} failed: {error!r}") from error


_received: dict[str, Any] = {"call": None, "shared": None}  # what this worker process took last
_granted = 1  # threads of the task at hand


def granted_threads() -> int:
    """Threads that the task at hand may use because no other task wants the core: at least 1. No result may depend on
    their number.
    """
    return _granted


def _with_threads(threads: int, function: Callable[[Any, Any], Any], shared: Any, task: Any) -> Any:
    global _granted  # noqa: PLW0603 - a process runs one task at a time
    _granted = threads
    try:
        return function(shared, task)
    finally:
        _granted = 1


def _watch_parent() -> None:
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """Leave when the process that asked for the work is gone, killed ones too: nobody waits for the result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _call(function: Callable[[Any, Any], Any], call: int, place: Place, threads: int, task: Any) -> Any:
    """One task in a worker; what is shared is taken with the worker's first task of a call, and the last one let go."""
    if _received["call"] != call:
        _received.update(call=None, shared=None)
        _received.update(shared=taken(place), call=call)
    return _with_threads(threads, function, _received["shared"], task)


class LocalProcesses:
    """The map over `workers` processes of this machine.

    workers  number of processes, at least 1
    preload  modules that are imported once, before the workers fork off (they then start in milliseconds)
    The processes start with the first call that needs them and stay for the next ones, idle in between; they end with
    this object, with `close`, with this process, or when a call fails or is not read to its end.
    """

    def __init__(self, workers: int, preload: Sequence[str] = ("sanitize.preload",)) -> None:
        self.workers = workers
        self.preload = list(preload)
        self._pool: ProcessPoolExecutor | None = None
        self._calls = itertools.count()

    def __call__(
        self, function: Callable[[Shared, Task], Result], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[Result]:
        if self.workers == 1 or len(tasks) < 2:
            yield from inline(partial(_with_threads, self.workers, function), shared, tasks)
            return
        last = len(tasks) % self.workers  # tasks that are left when all workers have had as many
        number = 0  # of the task that is waited for
        call = next(self._calls)
        try:
            with laid_out(shared) as place:
                pool = self._started()
                threads = [self.workers // last if n >= len(tasks) - last else 1 for n in range(len(tasks))]
                futures = [
                    pool.submit(_call, function, call, place, many, task)
                    for many, task in zip(threads, tasks, strict=True)
                ]
                while number < len(futures):
                    yield futures[number].result()
                    number += 1
        except MendableError:
            raise
        except BrokenProcessPool as error:
            raise BadInput(
                f"a worker process died at or after task {number} of {len(tasks)}, most likely for want of memory; "
                f"run again with fewer workers (workers: {max(1, self.workers - 1)} in params.yaml, or --workers)"
            ) from error
        except Exception as error:
            raise RuntimeError(f"task {number} of {len(tasks)} failed: {error!r}") from error
        finally:
            if number < len(tasks):
                self.close()

    def get_ready(self) -> None:
        """Begin to import what workers need, in a process beside this one; for calls that are to come."""
        if self.workers > 1:
            multiprocessing.set_forkserver_preload(self.preload)
            forkserver.ensure_running()

    def close(self) -> None:
        """Let the processes end; waits for the tasks that they are at. The next call starts others."""
        if self._pool is not None:
            self._end()
            self._pool = None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(self.preload)
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_watch_parent)
            self._end = weakref.finalize(self, self._pool.shutdown, wait=True, cancel_futures=True)
        return self._pool


def usable_cores() -> int:
    """The cores that this process may use (an affinity mask counts)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_map(
    engine: str, workers: int | None = None, *, address: str | None = None, device: str = "cpu", threads: int = 1
) -> OrderedMap:
    """The map called `engine`.

    engine   "inline", "processes" (threads, where the learners compute on this machine's GPUs) or "ray"
    workers  number of processes, of threads, for Ray of tasks at once; None = one process per usable core, some threads
             per GPU, for Ray all that the cluster takes
    address  of a running Ray cluster; see `execution_ray.RayTasks`. None = a private one of this machine
    device   of the learners: "auto", "cpu" or "cuda". Ray asks for GPUs by it
    threads  of each learner, for Ray to ask for as many CPUs
    Raises   BadParams: another engine, fewer than one worker, an address for another engine than Ray, no Ray here
    """
    if workers is not None and workers < 1:
        raise BadParams(f"workers is {workers}; must be at least 1, or null for one per core")
    if engine not in ENGINES:
        raise BadParams(f"engine is {engine!r}; must be 'inline', 'processes' or 'ray'")
    if address is not None and engine != "ray":
        raise BadParams(f"address is {address!r}, but engine is {engine!r}; only engine 'ray' has one")
    if engine == "inline":
        return inline
    if engine == "processes":
        devices = 0 if device == "cpu" else gpus()
        return GpuThreads(workers, devices) if devices else LocalProcesses(workers or usable_cores())
    try:
        from sanitize.execution_ray import RayTasks
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise BadParams("engine is 'ray', but Ray is not installed; pip install 'sanitize[ray]'") from error
    return RayTasks(workers, address, device=device, threads=threads, cores=usable_cores())
