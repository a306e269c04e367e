"""Many multi-layer perceptrons of one shape asked at once: stored arrays + rows -> class probabilities of each.

The same function as `nets.mlp` in evaluation, with batch norm folded into the layers before it, so that all first
layers are one product of matrices. Two to three times as fast as one network after another.
"""

# V networks, n rows, D features, U units, C classes
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sanitize.data.seeds import stream
from sanitize.data.table import FloatArray
from sanitize.learners.base import Learner
from sanitize.learners.nets import mlp
from sanitize.learners.proof import ROWS, far, other_layers
from sanitize.learners.torch_learner import TorchLearner
from sanitize.runtime.notices import notice

BLOCK = 1024  # rows at once: ten MiB of hidden units for each thread
EPSILON = 1e-5  # of torch's batch norm
State = Mapping[str, NDArray[Any]]


def written_for(features: int, units: int, classes: int) -> nn.Module:
    """The network that this module computes, without values."""
    layers: list[nn.Module] = [nn.Flatten()]
    with torch.device("meta"):
        for given in (features, units):
            layers += [nn.Linear(given, units, bias=False), nn.BatchNorm1d(units, EPSILON), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers, nn.Linear(units, classes))


def stacked(learners: Sequence[Learner]) -> Stacked | None:
    """What answers for all of the learners at once, having proved itself; None = they are asked one by one.

    learners  with weights, on the same rows
    It is for perceptrons of `nets.mlp` over vectors, of one shape, that scale their inputs alike. Where a network's
    layers are not those of `written_for`, or the logits of eight rows not those of its learner within the rounding of
    its precision, stderr says so.
    """
    perceptrons = [one for one in learners if isinstance(one, TorchLearner) and one.network.build is mlp.build]
    if not learners or len(perceptrons) < len(learners) or perceptrons[0].rows.image:
        return None
    states = [one.state() for one in perceptrons]
    scales = {(state["inputs.mean"].tobytes(), state["inputs.deviation"].tobytes()) for state in states}
    if len(scales) > 1:
        return None
    difference = _other_layers(perceptrons)
    if difference is None:
        first = perceptrons[0]
        made = Stacked(states, first.device, first.network.bfloat16)
        difference = _other_logits(made, perceptrons)
        if difference is None:
            return made
    notice(f"learner.net 'mlp': networks are asked one by one, slower; all at once would differ ({difference})")
    return None


def _other_layers(learners: Sequence[TorchLearner]) -> str | None:
    nets = [learner.net for learner in learners if learner.net is not None]
    units = next((layer.out_features for layer in nets[0].modules() if isinstance(layer, nn.Linear)), 1)
    wanted = written_for(learners[0].shape[0], units, learners[0].classes)
    return next((found for net in nets if (found := other_layers(net, wanted))), None)


def _other_logits(made: Stacked, learners: Sequence[TorchLearner]) -> str | None:
    """Whether the logits of some rows, spread as the rows that the learners know, are farther off than rounding is."""
    mean, deviation = learners[0].mean, learners[0].deviation
    drawn = torch.from_numpy(stream(0, "proof").normal(size=(ROWS, *learners[0].shape)).astype(np.float32))
    inputs = (mean.cpu() + deviation.cpu() * drawn).numpy()
    found = made.logits(inputs)
    names = [f"logits of network {number}" for number in range(len(learners))]
    rough, right = [], []
    for learner in learners:
        assert learner.net is not None
        with learner.engine.entered(), torch.no_grad():
            rough.append(learner.engine.answers(inputs).cpu())
            scaled = (torch.from_numpy(inputs).to(mean.device) - mean) / deviation
            right.append(learner.net.eval()(scaled).cpu())
    return far(*(dict(zip(names, of, strict=True)) for of in (found, rough, right)))


class Stacked:
    """V networks made ready. May be used by several threads at once.

    states    as `TorchLearner.state` gives them, of networks as `written_for` has them
    device    where to compute
    bfloat16  whether to multiply in bfloat16, as the learner would
    """

    def __init__(self, states: Sequence[State], device: torch.device, bfloat16: bool) -> None:
        self.device = device
        self.dtype = torch.bfloat16 if bfloat16 else torch.float32
        self.mean = torch.tensor(states[0]["inputs.mean"], device=device)
        self.deviation = torch.tensor(states[0]["inputs.deviation"], device=device)
        first = [_folded(state, 1, 2) for state in states]
        second = [_folded(state, 4, 5) for state in states]
        self.networks, self.units = len(states), len(first[0][1])
        self.first_weight = self._ready(np.concatenate([weight for weight, _ in first]).T)  # [D, V x U]
        self.first_bias = self._ready(np.concatenate([bias for _, bias in first]))
        self.second_weight = self._ready(np.stack([weight.T for weight, _ in second]))  # [V, U, U]
        self.second_bias = self._ready(np.stack([bias[None] for _, bias in second]))
        self.last_weight = self._ready(np.stack([state["7.weight"].T for state in states]))  # [V, U, C]
        self.last_bias = torch.tensor(np.stack([state["7.bias"][None] for state in states]), device=device)

    def _ready(self, array: NDArray[Any]) -> Tensor:
        return torch.tensor(np.ascontiguousarray(array), dtype=self.dtype, device=self.device)

    def probabilities(self, inputs: FloatArray) -> FloatArray:
        """float32 [n, D] -> float32 [V, n, C]."""
        return self.logits(inputs).softmax(dim=2).numpy()

    def logits(self, inputs: FloatArray) -> Tensor:
        """float32 [n, D] -> float32 [V, n, C], on the processor."""
        parts = []
        with torch.inference_mode():
            for first in range(0, len(inputs), BLOCK):
                block = torch.from_numpy(np.ascontiguousarray(inputs[first : first + BLOCK])).to(self.device)
                parts.append(self._block(block).cpu())
        return torch.cat(parts, dim=1)

    def _block(self, inputs_nD: Tensor) -> Tensor:
        scaled_nD = ((inputs_nD - self.mean) / self.deviation).to(self.dtype)
        hidden = torch.addmm(self.first_bias, scaled_nD, self.first_weight).relu_()
        logits_VnC = torch.empty((self.networks, len(inputs_nD), self.last_bias.shape[2]), device=self.device)
        # one after another: on processors faster than a batched product
        for v, hidden_nU in enumerate(torch.split(hidden, self.units, dim=1)):
            second_nU = torch.addmm(self.second_bias[v], hidden_nU, self.second_weight[v]).relu_()
            logits_VnC[v] = second_nU @ self.last_weight[v]
        return logits_VnC + self.last_bias


def _folded(state: State, linear: int, norm: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weight [U, D] and bias [U] of a layer without bias that batch norm follows, in one."""
    scale_U = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"] + EPSILON)
    return state[f"{linear}.weight"] * scale_U[:, None], state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale_U
