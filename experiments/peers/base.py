"""Peer defences, for comparison: Table -> suspicion and verdict per row, without the truth. Found by module name.

A peer is a module of this folder with a function `judge(table, params, options, seed) -> Verdict`:
    table    the training rows as the attacker left them
    params   all parameters; `learner` and `train` say how a peer trains its networks
    options  the peer's own section of params.yaml
    seed     the run's seed; every draw comes from a stream of it
"""

# N rows, D units of the last hidden layer, C classes
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from experiments import peers
from sanitize.data.table import BoolArray, FloatArray, Table
from sanitize.errors import BadParams
from sanitize.learners.engines import parts
from sanitize.learners.torch_engine import TorchEngine
from sanitize.learners.torch_learner import TorchLearner, computes_bfloat16
from sanitize.params import Params
from sanitize.train import train_model


@dataclass(frozen=True)
class Verdict:
    """What a peer says of every row.

    suspicion_N  float64 [N], higher = worse
    keep_N       bool [N], True = keep
    """

    suspicion_N: NDArray[np.float64]
    keep_N: BoolArray


Judge = Callable[[Table, Params, Mapping[str, Any], int], Verdict]


def names() -> list[str]:
    """The peers there are: every module of this folder that has a function `judge`, sorted."""
    modules = sorted(module.name for module in iter_modules(peers.__path__))
    return [name for name in modules if hasattr(import_module(f"experiments.peers.{name}"), "judge")]


def find(name: str) -> Judge:
    """The function `judge` of the peer called `name`. BadParams: there is none."""
    if name not in names():
        raise BadParams(f"no peer is called {name!r}; must be one of {', '.join(names())}")
    judge: Judge = import_module(f"experiments.peers.{name}").judge
    return judge


def option(options: Mapping[str, Any], peer: str, key: str, low: float, high: float) -> float:
    """The number `key` of a peer's options. BadParams: it is missing, no number, or outside low..high."""
    value = options.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise BadParams(f"peers.{peer}.{key} is {value!r}; must be a number in [{low:g}, {high:g}]; set it")
    return value


def representations(table: Table, params: Params) -> FloatArray:
    """What the last linear layer of a network is given, after training on every row as if all were clean.

    params   `learner` must be a torch network; trained with `train`'s epochs, as the undefended model is
    Returns  float32 [N, D]
    Raises   BadParams: a learner without layers, or a network without a linear one
    """
    learner = train_model(table, np.ones(len(table), np.bool_), params)
    if not isinstance(learner, TorchLearner) or learner.net is None:
        raise BadParams(f"learner.name is {params.learner.name!r}, which has no hidden layers; must be 'torch'")
    linear = [layer for layer in learner.net.modules() if isinstance(layer, nn.Linear)]
    if not linear:
        raise BadParams(f"learner.net is {params.learner.net!r}, which has no linear layer; use cnn or mlp")
    seen: list[FloatArray] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0].detach().float().cpu().numpy())

    # By PyTorch: machine code of a network's own has no layers to look into.
    bfloat16 = computes_bfloat16(learner.device, learner.params.precision)
    engine = TorchEngine(learner.rows, bfloat16=bfloat16, flip=False, optimiser={})
    engine.net = learner.net
    learner.engine.wait()
    hook = linear[-1].register_forward_pre_hook(note)
    try:
        for part in parts(len(table)):
            engine.answers(np.ascontiguousarray(table.inputs[part]))
    finally:
        hook.remove()
    return np.concatenate(seen)
