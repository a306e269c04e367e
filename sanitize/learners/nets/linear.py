"""Multinomial logistic regression: vectors [n, D] or images [n, K, H, W], flattened -> logits [n, C]."""

from __future__ import annotations

from math import prod

from torch import nn


def build(shape: tuple[int, ...], classes: int) -> nn.Module:
    """One linear layer.

    shape    (D,) of one vector or (K, H, W) of one image
    classes  C
    """
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), classes))
