"""Small convolutional network, 16-32-64 channels: images [n, K, H, W] -> logits [n, C]. The default on small images."""

from __future__ import annotations

from torch import nn

from sanitize.learners.nets import image_shape


def build(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Three blocks of 3x3 convolution, 2x2 maximum, batch norm and ReLU; then the mean and a linear head.

    shape    (K, H, W) of one image; sides of 8 pixels or more
    classes  C
    The maximum comes before batch norm and ReLU: the same function family, at a quarter of the work behind it.
    """
    layers: list[nn.Module] = []
    channels, _, _ = image_shape("cnn", shape, least=8)
    for width in (16, 32, 64):
        layers += [
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
