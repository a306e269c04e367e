"""A lane for processors: work is noted operation by operation, and replayed on the same memory without its Python."""

from contextlib import nullcontext

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITS = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "equal")  # the host must know the values


class HostWaits(Exception):
    """What a recording for a GPU cannot hold."""


class Tape(TorchDispatchMode):
    """Notes every operation and the tensors that it reads and makes, as a CUDA graph notes kernels and addresses."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation._schema.name.partition("::")[2]
        masks = name.startswith("index") and any(
            torch.is_tensor(t) and t.dtype == torch.bool for t in tree_leaves(args[1])
        )
        if name in WAITS or masks:
            raise HostWaits(name)
        made = operation(*args, **(kwargs or {}))
        self.calls.append((operation, args, kwargs or {}, made))
        return made

    def replay(self):
        """The operations again: what was made new then is written where it lies now."""
        with torch.no_grad():
            for operation, args, kwargs, made in self.calls:
                if operation._schema.is_mutable:
                    operation(*args, **kwargs)
                    continue
                given = {t.untyped_storage().data_ptr() for t in tree_leaves((args, kwargs)) if torch.is_tensor(t)}
                kept = [t for t in tree_leaves(made) if torch.is_tensor(t)]
                if all(t.untyped_storage().data_ptr() in given for t in kept):  # views
                    continue
                again = [t for t in tree_leaves(operation(*args, **kwargs)) if torch.is_tensor(t)]
                for old, new in zip(kept, again, strict=True):
                    old.copy_(new)


class TapeLane:
    """As `replay.Lane`, of a processor. `count` tells the recordings, `replays` how often they were used."""

    def __init__(self):
        self.count = self.replays = 0

    def entered(self):
        return nullcontext()

    def record(self, work):
        self.count += 1
        tape, done = Tape(), [True]
        with tape:  # which does the work, other than a GPU's recording: so the first replay has nothing to do
            work()

        def replay():
            self.replays += 1
            if done:
                done.pop()
            else:
                tape.replay()

        return replay
