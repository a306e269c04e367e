"""Learners of one GPU side by side, as far as a processor goes; test_execution.py has what holds for every map."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

from sanitize import execution
from sanitize.errors import BadInput
from sanitize.execution import LocalProcesses, make_map
from sanitize.execution_threads import GpuThreads, gpus
from sanitize.learners.base import all_rows, make_learner
from sanitize.params import resolve
from sanitize.resume import map_of
from tests.learners.test_torch_learner import params, pictures


class CpuThreads(GpuThreads):
    """Threads of learners that compute on the processor. `devices` tells which thread would have taken which GPU."""

    def __init__(self, workers, devices=1):
        super().__init__(workers, devices)
        self.taken = {}

    def _take_device(self, turn):
        self.taken[threading.get_ident()] = turn % self.devices


def meets(barrier, task):
    """Ends only if as many tasks run at once as the barrier waits for."""
    barrier.wait(timeout=20)
    return threading.get_ident()


def test_tasks_run_side_by_side_and_gpus_are_dealt_out_in_turn():
    map = CpuThreads(4, devices=2)
    seen = list(map(meets, threading.Barrier(4), range(8)))
    assert len(set(seen)) == 4
    assert sorted(map.taken[thread] for thread in set(seen)) == [0, 0, 1, 1]


def test_how_many_at_once():
    assert [GpuThreads(*given).workers for given in ((None, 1), (None, 2), (3, 1), (40, 1), (40, 3))] == [
        4,
        8,
        3,
        16,
        40,
    ]


def runs_out(shared, task):
    raise shared


def runs_out_within(shared, task):
    try:
        raise shared
    finally:
        raise RuntimeError("the recording could not be ended")


@pytest.mark.parametrize("function", [runs_out, runs_out_within])
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"),
    ],
)
def test_want_of_memory_is_told(function, error):
    told = r"the GPU has too little memory \(learners at once: {}; task 0 of 2\); "
    with pytest.raises(
        BadInput, match=told.format(6) + r"run fewer \(workers: 3 in params.yaml, or --workers\), or lower"
    ):
        list(CpuThreads(6)(function, error, [1, 2]))
    with pytest.raises(BadInput, match=told.format(1) + "lower learner.batch"):
        list(CpuThreads(1)(function, error, [1, 2]))


def test_what_is_not_read_is_not_begun():
    begun = []

    def slow(shared, task):
        begun.append(task)
        time.sleep(0.05)
        return task

    results = CpuThreads(1)(slow, None, range(50))
    assert next(results) == 0
    results.close()
    assert len(begun) < 5


def weights(table, number):
    """A small learner's weights, as bytes."""
    learner = make_learner(params(net="preact_resnet18", flip=True, crop=1, precision="float32"), table, 0)
    learner.start("test", number)
    learner.fit(all_rows(table), 1)
    return b"".join(array.tobytes() for array in learner.state().values())


def test_threads_do_not_disturb_each_others_learners():
    table = pictures(rows=24)
    alone = [weights(table, number) for number in range(6)]
    assert list(CpuThreads(6)(weights, table, range(6))) == alone
    assert len(set(alone)) == 6


def test_which_map_is_made(monkeypatch):
    monkeypatch.setattr(execution, "gpus", lambda: 2)
    chosen = make_map("processes", device="auto")
    assert isinstance(chosen, GpuThreads) and (chosen.workers, chosen.devices) == (8, 2)
    assert isinstance(make_map("processes", 3, device="cuda"), GpuThreads)
    assert isinstance(make_map("processes", device="cpu"), LocalProcesses)
    assert make_map("inline", device="cuda") is execution.inline
    given = resolve({})
    assert isinstance(map_of(given), GpuThreads)
    assert isinstance(map_of(given, learners=False), LocalProcesses)
    assert isinstance(map_of(resolve({"learner": {"name": "sklearn"}})), LocalProcesses)
    monkeypatch.setattr(execution, "gpus", lambda: 0)
    assert isinstance(map_of(given), LocalProcesses)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_pytorch_is_not_imported():
    code = "import sys; from sanitize.execution_threads import gpus; print(gpus(), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False"] and gpus() == 0


def learnt_on_gpu(table, number):
    chosen = params(device="cuda", precision="bfloat16", net="preact_resnet18", crop=4, flip=True, batch=128)
    learner = make_learner(chosen, table, 0)
    learner.start("test", number)
    learner.fit(all_rows(table), 3, total=3)
    scores = learner.score(all_rows(table))
    return [array.tobytes() for array in (*learner.state().values(), scores.loss, scores.prediction)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_same_bytes_side_by_side_on_cuda():
    table = pictures(rows=600, side=32, channels=3)
    alone = [learnt_on_gpu(table, number) for number in range(6)]
    assert list(GpuThreads(3, 1)(learnt_on_gpu, table, np.arange(6).tolist())) == alone
