"""Ordered map over independent tasks: in this process or in local processes. Same results, whichever it is."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import Any, Protocol, TypeVar

from sanitize.errors import BadInput, BadParams, MendableError

Task = TypeVar("Task")
Result = TypeVar("Result")
Shared = TypeVar("Shared")


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


_received: dict[str, Any] = {}  # what a worker process was given when it started


def _receive(shared: Any) -> None:
    _received["shared"] = shared
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """Leave when the process that asked for the work is gone, killed ones too: nobody waits for the result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _call(function: Callable[[Any, Any], Any], task: Any) -> Any:
    return function(_received["shared"], task)


class LocalProcesses:
    """The map over `workers` processes of this machine.

    workers  number of processes, at least 1
    preload  modules that are imported once, before the workers fork off (they then start in milliseconds)
    """

    def __init__(self, workers: int, preload: Sequence[str] = ("sanitize.learners.torch_learner",)) -> None:
        self.workers = workers
        self.preload = list(preload)

    def __call__(
        self, function: Callable[[Shared, Task], Result], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[Result]:
        if self.workers == 1 or len(tasks) < 2:
            yield from inline(function, shared, tasks)
            return
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(self.preload)
        pool = ProcessPoolExecutor(
            min(self.workers, len(tasks)), mp_context=context, initializer=_receive, initargs=(shared,)
        )
        number = 0  # of the task that is waited for
        try:
            futures = [pool.submit(_call, function, task) for task in tasks]
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
            pool.shutdown(wait=True, cancel_futures=True)


def usable_cores() -> int:
    """The cores that this process may use (an affinity mask counts)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_map(engine: str, workers: int | None = None) -> OrderedMap:
    """The map called `engine`.

    engine   "inline" or "processes"
    workers  number of processes; None = one per usable core
    Raises   BadParams: another engine, fewer than one worker
    """
    if workers is not None and workers < 1:
        raise BadParams(f"workers is {workers}; must be at least 1, or null for one per core")
    if engine == "inline":
        return inline
    if engine == "processes":
        return LocalProcesses(workers or usable_cores())
    raise BadParams(f"engine is {engine!r}; must be 'inline' or 'processes'")
