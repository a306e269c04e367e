"""Ordered map over independent tasks: in this process, side by side on this machine, or on Ray. Same results."""

from __future__ import annotations

import itertools
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

from sanitize.errors import BadInput, BadParams, MendableError
from sanitize.execution_shared import Place, laid_out, taken
from sanitize.execution_threads import GpuThreads, gpus
from sanitize.runtime.notices import Noted, noted, told
from sanitize.runtime.printing import say
from sanitize.runtime.workers import CannotStart, WorkerDied, Workers, forks

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


def _call(function: Callable[[Any, Any], Any], call: int, place: Place, threads: int, task: Any) -> Noted:
    """One task in a worker; what is shared is taken with the worker's first task of a call, and the last one let go."""
    if _received["call"] != call:
        _received.update(call=None, shared=None)
        _received.update(shared=taken(place), call=call)
    return noted(_with_threads, threads, function, _received["shared"], task)


class LocalProcesses:
    """The map over `workers` processes of this machine.

    workers  number of processes, at least 1
    preload  modules that are imported once, before the workers fork off (they then start in milliseconds)
    The processes start with the first call that needs them and stay for the next ones, idle in between; they end with
    this object, with `close`, with this process, or when a call fails or is not read to its end. Where the system
    gives no processes, the work is done in this one, and a line on stderr says so.
    """

    def __init__(self, workers: int, preload: Sequence[str] = ("sanitize.preload",)) -> None:
        self.workers = workers
        self.preload = list(preload)
        self._pool: Workers | None = None
        self._calls = itertools.count()

    def __call__(
        self, function: Callable[[Shared, Task], Result], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[Result]:
        pool = self._started() if self.workers > 1 and len(tasks) > 1 else None
        if pool is None:
            yield from inline(partial(_with_threads, self.workers, function), shared, tasks)
            return
        last = len(tasks) % self.workers  # tasks that are left when all workers have had as many
        number = 0  # of the task that is waited for
        call = next(self._calls)
        try:
            with laid_out(shared) as place:
                threads = [self.workers // last if n >= len(tasks) - last else 1 for n in range(len(tasks))]
                futures = [
                    pool.submit(_call, function, call, place, many, task)
                    for many, task in zip(threads, tasks, strict=True)
                ]
                while number < len(futures):
                    yield told(futures[number].result())
                    number += 1
        except MendableError:
            raise
        except KeyboardInterrupt:
            pool.kill()
            raise
        except WorkerDied as error:
            cause, remedy = "", "run again with --engine inline to see it happen in one process"
            if error.killed:
                cause = ", by another program or because memory ran out"
                fewer = f"workers: {self.workers - 1} in params.yaml, or --workers"
                remedy = f"run again with fewer workers ({fewer}) if it was memory"
            raise BadInput(f"{error} at or after task {number} of {len(tasks)}{cause}; {remedy}") from error
        except Exception as error:
            raise RuntimeError(f"task {number} of {len(tasks)} failed: {error!r}") from error
        finally:
            if number < len(tasks):
                self.close()

    def get_ready(self) -> None:
        """Begin to import what workers need, in a process beside this one; for calls that are to come."""
        if self.workers > 1:
            with suppress(CannotStart):  # said when they are needed
                forks(self.preload)

    def close(self) -> None:
        """Let the processes end; waits for the tasks that they are at. The next call starts others."""
        if self._pool is not None:
            self._end()
            self._pool = None

    def _started(self) -> Workers | None:
        """The processes; None = there are to be none, which is said once."""
        if self._pool is None:
            try:
                self._pool = Workers(self.workers, self.preload)
            except CannotStart as error:
                say(f"worker processes cannot be started ({error}); going on in one process")
                self.workers = 1
                return None
            self._end = weakref.finalize(self, self._pool.close)
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
