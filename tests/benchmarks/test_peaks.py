"""FLOP of networks, counted by hand, and products of matrices."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks import peaks
from benchmarks.peaks import forward_flops, net_flops, product_peak


def test_flops_by_hand():
    """A 3 x 3 convolution 2 -> 4 at 5 x 6 pixels, in two groups; 120 numbers -> 7. Batch norm is not counted."""
    layers = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, groups=2), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(120, 7))
    assert forward_flops(layers, (2, 5, 6)) == 2 * (30 * 4 * 9) + 2 * 120 * 7
    assert layers.training


def test_flops_of_the_small_network():
    """MNIST: 14 x 14 x 16 x 16, twice 9 taps from 16 and 32 channels at 14 x 14 and 7 x 7, 64 x 10."""
    by_hand = 14 * 14 * 16 * 16 + 14 * 14 * 32 * 9 * 16 + 7 * 7 * 64 * 9 * 32 + 64 * 10
    assert net_flops("cnn", (1, 28, 28), 10) == 2 * by_hand


def test_flops_of_preact_resnet18():
    """On CIFAR-10 555 million multiplications and additions, as its authors' network counts."""
    assert 0.55e9 < net_flops("preact_resnet18", (3, 32, 32), 10) / 2 < 0.56e9


def test_products(monkeypatch):
    monkeypatch.setitem(peaks.SIDES, "cpu", 128)
    before = torch.get_num_threads()
    for dtype in (torch.float32, torch.bfloat16):
        assert 1e6 < product_peak(dtype, seconds=0.01) < 1e14
    assert torch.get_num_threads() == before
    clock = iter([0, 0, 9, 0, 4, 0, 2, 1])  # the start; begin and end of three products; a look whether time is up
    monkeypatch.setattr(peaks.time, "perf_counter", lambda: float(next(clock)))
    assert product_peak(torch.float32, seconds=0.5) == 2 * 128**3 / 2.0  # the first product, 9 s, warms up
