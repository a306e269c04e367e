"""Small convolutional network, 16-32-64 channels: images [n, K, H, W] -> logits [n, C]. The default on small images."""

from __future__ import annotations

from torch import nn

from sanitize.learners.nets import image_shape


def build(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Three blocks that halve the sides, each with batch norm and ReLU; then the mean and a linear head.

    shape    (K, H, W) of one image; sides of 8 pixels or more
    classes  C
    The first block strides (4x4, stride 2), the others take 3x3 and the maximum of 2x2 before batch norm and ReLU:
    on digits as right as convolving at full size, for about three quarters of the time.
    """
    channels, _, _ = image_shape("cnn", shape, least=8)
    layers: list[nn.Module] = [nn.Conv2d(channels, 16, 4, stride=2, padding=1, bias=False), *_normed(16)]
    for channels, width in ((16, 32), (32, 64)):
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.MaxPool2d(2), *_normed(width)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


def _normed(width: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(width), nn.ReLU(inplace=True)
