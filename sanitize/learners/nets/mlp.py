"""Two hidden layers of 256 units: vectors [n, D] or images [n, K, H, W], flattened -> logits [n, C]."""

from __future__ import annotations

from math import prod

from torch import nn


def build(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Multi-layer perceptron with batch norm.

    shape    (D,) of one vector or (K, H, W) of one image
    classes  C
    """
    layers: list[nn.Module] = [nn.Flatten()]
    features = prod(shape)
    for width in (256, 256):
        layers += [nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(inplace=True)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, classes))
