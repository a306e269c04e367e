"""What a device multiplies at most, measured, and what a network needs: FLOP per second, FLOP per row."""

# n rows and columns, K channels, H x W pixels
from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module

import torch
from torch import Tensor, nn

TRAINING = 3  # a training step in forward passes: forward, gradient of the inputs, gradient of the weights
SIDES = {"cpu": 2048, "cuda": 8192}


def product_peak(dtype: torch.dtype, *, threads: int = 1, device: str = "cpu", seconds: float = 0.5) -> float:
    """FLOP per second of the fastest product of two square matrices within so many seconds, two at the least.

    threads  of the CPU; the process's number of threads is as before afterwards
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    n = SIDES[device]
    left, right = (torch.randn((n, n), device=device).to(dtype) for _ in range(2))
    best, began = float("inf"), time.perf_counter()
    turns = 0
    while turns < 3 or time.perf_counter() - began < seconds:
        took = _timed(lambda: left @ right, device)
        best = min(best, took) if turns else best  # the first one warms up
        turns += 1
    torch.set_num_threads(before)
    return 2 * n**3 / best


def _timed(work: Callable[[], object], device: str) -> float:
    synchronise(device)
    began = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - began


def synchronise(device: str) -> None:
    """Wait for what a CUDA device still does."""
    if device == "cuda":
        torch.cuda.synchronize()


def forward_flops(net: nn.Module, shape: tuple[int, ...]) -> int:
    """FLOP of one row's forward pass: two for each multiplication of convolutions and linear layers, no others.

    net    of which only the shapes are used
    shape  (K, H, W) or (D,)
    """
    flops = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal flops
        if isinstance(layer, nn.Conv2d):
            flops += 2 * output[0].numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.Linear):
            flops += 2 * output[0].numel() * layer.in_features

    hooks = [layer.register_forward_hook(count) for layer in net.modules()]
    training = net.training
    net.eval()
    with torch.inference_mode():
        net(torch.empty((1, *shape), device=next(net.parameters()).device))
    net.train(training)
    for hook in hooks:
        hook.remove()
    return flops


def net_flops(name: str, shape: tuple[int, ...], classes: int) -> int:
    """`forward_flops` of the network in the module sanitize.learners.nets.NAME."""
    with torch.device("meta"):
        return forward_flops(import_module(f"sanitize.learners.nets.{name}").build(shape, classes), shape)
