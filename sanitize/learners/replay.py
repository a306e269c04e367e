"""Work recorded once and replayed: what launches kernels on memory that stays -> one CUDA graph per size of a batch.

A step of a small network is some hundred kernels of a few microseconds each, and asking for one takes a CPU longer than
the GPU needs for it. A recorded step is asked for with one call.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import torch

Work = Callable[[], None]
Recorder = Callable[[Work], Work]
MOST = 16  # recordings of one kind of work; the one not used for longest makes room


class Replayed:
    """Work on so many rows, recorded when it is asked for a second time with a size, and replayed from then on.

    body    a method, called with the size; its object is not kept alive. It must do the same to the same memory
            whenever it is called: what differs from call to call stands in tensors that it reads
    record  makes a recording, without doing the work; None = every call runs the body
    """

    def __init__(self, body: Callable[[int], None], record: Recorder | None) -> None:
        self.method = weakref.WeakMethod(body)  # of what holds this object: a cycle would keep a GPU's memory
        self.record = record
        self.seen: set[int] = set()
        self.recordings: OrderedDict[int, Work] = OrderedDict()

    def __call__(self, size: int) -> None:
        """Do the work once, on `size` rows."""
        if self.record is None or size not in self.seen:  # the first time also warms libraries up, as recording needs
            self._run(size)
            self.seen.add(size)
            return
        if size not in self.recordings:
            if len(self.recordings) == MOST:
                self.recordings.popitem(last=False)
            self.recordings[size] = self.record(partial(self._run, size))
        self.recordings.move_to_end(size)
        self.recordings[size]()

    def _run(self, size: int) -> None:
        body = self.method()
        assert body is not None, "called by what has the method"
        body(size)


STREAMS = 32  # of a device; then PyTorch hands out the first one again
_recording = threading.Lock()  # the allocator takes one recording at a time
_free: defaultdict[torch.device, list[torch.cuda.Stream]] = defaultdict(list)
_made: defaultdict[torch.device, int] = defaultdict(int)


class Lane:
    """A CUDA stream that one learner has for itself, and the memory of what is recorded on it.

    Whatever another learner did on the same stream would end up in a recording; so streams are handed out one by one,
    the one given back last first, and given back with the lane. Learners beyond STREAMS at once share the device's
    default stream, and nothing of theirs is recorded.
    """

    def __init__(self, device: torch.device) -> None:
        with _recording:
            free = _free[device]
            self.alone = bool(free) or _made[device] < STREAMS
            if free:
                self.stream = free.pop()
            elif self.alone:
                self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
                _made[device] += 1
            else:
                self.stream = torch.cuda.default_stream(device)
        self.pool = torch.cuda.graph_pool_handle()
        self.first: torch.cuda.CUDAGraph | None = None  # while it lives, so does the pool
        if self.alone:
            weakref.finalize(self, free.append, self.stream)

    def entered(self) -> AbstractContextManager[object]:
        """What this thread asks of the GPU inside the block is done on this lane."""
        return torch.cuda.stream(self.stream)

    def record(self, work: Work) -> Work:
        """A CUDA graph of `work`, which must have run on this lane before."""
        if not self.alone:
            return work
        graph = torch.cuda.CUDAGraph()
        with _recording, self.entered():
            if self.first is None:
                torch.cuda.empty_cache()  # once a learner: what dead ones have left
            # Not torch.cuda.graph, which waits for all that other learners have asked for. thread_local: their threads
            # may go on allocating and waiting meanwhile.
            graph.capture_begin(pool=self.pool, capture_error_mode="thread_local")
            try:
                work()
            finally:
                graph.capture_end()
            self.first = self.first or graph
        return graph.replay
