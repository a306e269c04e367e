"""Ordered map over threads of this process, for learners that compute on this machine's GPUs."""

from __future__ import annotations

import ctypes
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sanitize.errors import BadInput, MendableError
from sanitize.runtime.limits import is_out_of_memory

Task = TypeVar("Task")
Result = TypeVar("Result")
Shared = TypeVar("Shared")

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
PER_GPU = 4  # learners at once where nobody says otherwise: one leaves a GPU idle between its small kernels
MOST_PER_GPU = 16  # each has a CUDA stream of its own, of which PyTorch has 32


def gpus() -> int:
    """GPUs that PyTorch can use here. Without a driver PyTorch is not even imported."""
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


class GpuThreads:
    """The map over threads, each of which computes on one GPU; the GPUs are dealt out in turn.

    workers  tasks at once; None = PER_GPU for each GPU
    devices  GPUs, at least 1
    Processes would take turns on a GPU, each with a copy of the table in its memory; threads share both. Results do
    not depend on their number, since each learner draws from streams of its own.
    """

    def __init__(self, workers: int | None, devices: int) -> None:
        self.workers = min(workers or PER_GPU * devices, MOST_PER_GPU * devices)
        self.devices = devices

    def __call__(
        self, function: Callable[[Shared, Task], Result], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[Result]:
        turn = itertools.count()
        number = 0  # of the task that is waited for
        pool = ThreadPoolExecutor(self.workers, initializer=lambda: self._take_device(next(turn)))
        try:
            futures = [pool.submit(function, shared, task) for task in tasks]
            while number < len(futures):
                yield futures[number].result()
                number += 1
        except MendableError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                fewer = f"run fewer (workers: {self.workers // 2} in params.yaml, or --workers), or "
                raise BadInput(
                    f"the GPU has too little memory (learners at once: {self.workers}; task {number} of {len(tasks)}); "
                    f"{fewer if self.workers > 1 else ''}lower learner.batch"
                ) from error
            raise RuntimeError(f"task {number} of {len(tasks)} failed: {error!r}") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _take_device(self, turn: int) -> None:
        """The GPU of this thread."""
        import torch

        torch.cuda.set_device(turn % self.devices)
