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
from torch import Tensor

from sanitize.data.table import FloatArray

BLOCK = 1024  # rows at once: ten MiB of hidden units for each thread
EPSILON = 1e-5  # of torch's batch norm
KEYS = {
    *(f"{layer}.weight" for layer in (1, 2, 4, 5, 7)),
    *(f"{norm}.{name}" for norm in (2, 5) for name in ("bias", "running_mean", "running_var", "num_batches_tracked")),
    "7.bias",
    "inputs.mean",
    "inputs.deviation",
}
State = Mapping[str, NDArray[Any]]


def can_stack(states: Sequence[State]) -> bool:
    """Whether all are perceptrons of `nets.mlp` over vectors, of one shape, that scale their inputs alike."""
    first = states[0]
    return all(
        set(state) == KEYS
        and all(state[key].shape == first[key].shape for key in KEYS)
        and np.array_equal(state["inputs.mean"], first["inputs.mean"])
        and np.array_equal(state["inputs.deviation"], first["inputs.deviation"])
        for state in states
    )


class Stacked:
    """V networks made ready. May be used by several threads at once.

    states    as `TorchLearner.state` gives them, such that `can_stack`
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
        parts = []
        with torch.inference_mode():
            for first in range(0, len(inputs), BLOCK):
                block = torch.from_numpy(np.ascontiguousarray(inputs[first : first + BLOCK])).to(self.device)
                parts.append(self._block(block).cpu())
        return torch.cat(parts, dim=1).numpy()

    def _block(self, inputs_nD: Tensor) -> Tensor:
        scaled_nD = ((inputs_nD - self.mean) / self.deviation).to(self.dtype)
        hidden = torch.addmm(self.first_bias, scaled_nD, self.first_weight).relu_()
        logits_VnC = torch.empty((self.networks, len(inputs_nD), self.last_bias.shape[2]), device=self.device)
        # one after another: on processors faster than a batched product
        for v, hidden_nU in enumerate(torch.split(hidden, self.units, dim=1)):
            second_nU = torch.addmm(self.second_bias[v], hidden_nU, self.second_weight[v]).relu_()
            logits_VnC[v] = second_nU @ self.last_weight[v]
        logits_VnC += self.last_bias
        return logits_VnC.softmax(dim=2)


def _folded(state: State, linear: int, norm: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weight [U, D] and bias [U] of a layer without bias that batch norm follows, in one."""
    scale_U = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"] + EPSILON)
    return state[f"{linear}.weight"] * scale_U[:, None], state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale_U
