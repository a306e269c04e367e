"""Whether code that stands for a network does what PyTorch does with that network: the module itself -> what differs.

Code that was written for one network asks first whether the module it is given is that network, layer by layer (so
that arrays of another shape never reach it); then both do the same steps on eight inputs, PyTorch once as it would be
used and once in float32. What rounding does to a step differs from shape to shape, so PyTorch's own distance from
float32 is the measure: a value of the code that stands for it may be FAR times as far, and NEAR more.
"""

# n = 8 rows, C classes
from __future__ import annotations

import copy
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sanitize.data.seeds import stream
from sanitize.data.table import Table
from sanitize.learners.engines import Engine, Epoch
from sanitize.learners.resident import Resident

ROWS = 8
STEPS = 3  # on a GPU: one that runs, one that is recorded, one that is replayed
RATE = 0.01  # little enough that the second step's gradient is the first's
DECAY = 0.1  # of the weights, in place of the usual 0.0005, which no step of these shows
FAR, NEAR = 4.0, 0.04
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


def other_layers(net: nn.Module, wanted: nn.Module) -> str | None:
    """What is not as in `wanted`, in words; None = the same layers, settings and shapes in the same order.

    net     any module
    wanted  layers in nn.Sequential; may lie on "meta"
    A module with a `forward` of its own is another network, whatever its layers are.
    """
    for module in net.modules():
        if list(module.children()) and type(module) is not nn.Sequential:
            return f"{type(module).__name__} has a forward of its own"
        if any(getattr(module, hooks) for hooks in HOOKS) or "forward" in vars(module):
            return f"{module} has a hook"
    for (name, own), (place, right) in zip_longest(_layers(net), _layers(wanted), fillvalue=("", None)):
        if type(own) is not type(right) or repr(own) != repr(right) or name != place or _arrays(own) != _arrays(right):
            return f"layer {name or place} is {own}, not {right}"
    return None


def _layers(net: nn.Module) -> list[tuple[str, nn.Module]]:
    """Those that hold no others, by name; one that is used twice stands there twice."""
    held = net.named_modules(remove_duplicate=False)
    return [(name, module) for name, module in held if not list(module.children())]


def _arrays(layer: nn.Module | None) -> list[tuple[str, torch.Size, torch.dtype, bool]]:
    """What lies where: the names of a layer's arrays, their shapes and types, and whether they are trained."""
    held = {} if layer is None else layer.state_dict(keep_vars=True)
    return [(name, array.shape, array.dtype, array.requires_grad) for name, array in held.items()]


class Probe:
    """Eight rows that stand for a table's: images of any brightness and contrast, or vectors; and what is done on them.

    rows     the table's, for their shape, border and device; its values are not read
    classes  C
    flip     whether rows are turned left to right
    """

    def __init__(self, rows: Resident, classes: int, flip: bool) -> None:
        draws = stream(0, "proof")
        self.inputs: NDArray[Any] = draws.normal(size=(ROWS, *rows.shape)).astype(np.float32)
        if rows.image:
            light = draws.uniform(40, 215, (ROWS, 1, 1, rows.shape[2]))
            contrast = draws.uniform(10, 80, (ROWS, 1, 1, 1))
            self.inputs = (light + contrast * self.inputs).clip(0, 255).astype(np.uint8)
        names = tuple(str(number) for number in range(classes))
        labels = draws.integers(0, classes, ROWS)
        table = Table(np.arange(ROWS), self.inputs, labels, names, "image" if rows.image else "vector")
        self.rows = Resident(table, rows.device, rows.pad)
        order = np.concatenate([draws.permutation(ROWS) for _ in range(STEPS)])
        shifts = draws.integers(0, 2 * rows.pad + 1, (len(order), 2))
        turns = draws.integers(0, 2, (len(order), 1)) * flip
        moves = np.concatenate([shifts, turns], axis=1) if rows.moved(flip) else None
        self.epoch = Epoch(order, moves, [ROWS * step for step in range(STEPS + 1)], [RATE] * STEPS)

    def outcome(self, engine: Engine, net: nn.Module) -> dict[str, Tensor]:
        """What an engine makes of a copy of the network: logits, how far each array moved, logits and losses then."""
        with engine.entered():
            held = engine.take(copy.deepcopy(net))
            before = {name: array.detach().clone() for name, array in held.state_dict().items()}
            found = {"logits": engine.answers(self.inputs).clone()}
            engine.train(self.epoch)
            found |= {f"step of {name}": now.detach() - before[name] for name, now in held.state_dict().items()}
            found["logits after the steps"] = engine.answers(self.inputs).clone()
            found["losses"] = engine.score(np.arange(ROWS))[0].clone()
            return {name: value.cpu().double() for name, value in found.items()}


def other_arithmetic(net: nn.Module, probe: Probe, fast: Engine, plain: Engine, exact: Engine) -> str | None:
    """What comes out otherwise than PyTorch's rounding explains, in words with figures; None = nothing.

    net    on the processor; copies of it are trained
    fast   the engine that would stand for `plain`; all three on the probe's rows
    exact  PyTorch in float32
    """
    found, rough, right = (probe.outcome(engine, net) for engine in (fast, plain, exact))
    return far(found, rough, right)


def far(found: dict[str, Tensor], rough: dict[str, Tensor], right: dict[str, Tensor]) -> str | None:
    """The value that lies farthest beyond its bound, in words; None = none does.

    found, rough, right  the same names; from the code in question, PyTorch as used, PyTorch in float32
    """
    worst, words = 1.0, None
    for name, true in right.items():
        mine, theirs = _apart(found[name], true), _apart(rough[name], true)
        beyond = mine / (FAR * theirs + NEAR)
        if not beyond <= worst:  # NaN counts
            worst = beyond
            words = f"{name}: {mine:.1%} from PyTorch in float32, where PyTorch as used is {theirs:.1%}"
    return words


def _apart(found: Tensor, right: Tensor) -> float:
    """The distance of two tensors, as part of the second's length."""
    return float((found - right).norm() / right.norm().clamp_min(1e-12))
