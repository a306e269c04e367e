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

    body    called with the size. It must do the same to the same memory whenever it is called: what differs from call
            to call stands in tensors that the body reads
    record  makes a recording, without doing the work; None = every call runs the body
    """

    def __init__(self, body: Callable[[int], None], record: Recorder | None) -> None:
        self.body = body
        self.record = record
        self.seen: set[int] = set()
        self.recordings: OrderedDict[int, Work] = OrderedDict()

    def __call__(self, size: int) -> None:
        """Do the work once, on `size` rows."""
        if self.record is None or size not in self.seen:  # the first time also warms libraries up, as recording needs
            self.body(size)
            self.seen.add(size)
            return
        if size not in self.recordings:
            if len(self.recordings) == MOST:
                self.recordings.popitem(last=False)
            self.recordings[size] = self.record(partial(self.body, size))
        self.recordings.move_to_end(size)
        self.recordings[size]()


_recording = threading.Lock()  # the allocator takes one recording at a time
_free: defaultdict[torch.device, list[torch.cuda.Stream]] = defaultdict(list)


class Lane:
    """A CUDA stream that one learner has for itself, and the memory of what is recorded on it.

    Whatever another learner did on the same stream would end up in a recording; so streams are handed out one by one,
    and given back with the lane.
    """

    def __init__(self, device: torch.device) -> None:
        with _recording:
            free = _free[device]
            self.stream = free.pop() if free else torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.pool = torch.cuda.graph_pool_handle()
        weakref.finalize(self, _free[device].append, self.stream)

    def entered(self) -> AbstractContextManager[object]:
        """What this thread asks of the GPU inside the block is done on this lane."""
        return torch.cuda.stream(self.stream)

    def record(self, work: Work) -> Work:
        """A CUDA graph of `work`, which must have run on this lane before."""
        graph = torch.cuda.CUDAGraph()
        with (
            _recording,
            # thread_local: other learners' threads may go on allocating and waiting meanwhile
            torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"),
        ):
            work()
        return graph.replay
