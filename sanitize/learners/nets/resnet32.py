"""ResNet32 for small images (He et al. 2015, sec. 4.2): [n, K, H, W] -> logits [n, C]. Used on GTSRB and CIFAR-10."""

from __future__ import annotations

from torch import nn

from sanitize.learners.nets import image_shape
from sanitize.learners.nets.residual import small_resnet


def build(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Three stages of five blocks, 16, 32 and 64 channels.

    shape    (K, H, W) of one image
    classes  C
    """
    return small_resnet(image_shape("resnet32", shape, least=8)[0], classes, blocks=5)
