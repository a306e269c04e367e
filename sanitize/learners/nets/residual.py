"""The residual family of He et al. 2015, sec. 4.2, with shortcuts that pad and need no weights (option A)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class BasicBlock(nn.Module):
    """Convolution, batch norm, ReLU, convolution, batch norm; the shortcut subsamples and pads channels with zeros."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.stride = stride
        self.grown = width - channels

    def forward(self, x: Tensor) -> Tensor:
        """[n, channels, H, W] -> [n, width, H / stride, W / stride]."""
        inner: Tensor = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))))
        passed = x[:, :, :: self.stride, :: self.stride]
        passed = functional.pad(passed, (0, 0, 0, 0, self.grown // 2, self.grown - self.grown // 2))
        return functional.relu(inner + passed)


def small_resnet(channels: int, classes: int, blocks: int) -> nn.Module:
    """6 x blocks + 2 layers: three stages of 16, 32 and 64 channels.

    channels  K of the images
    classes   C
    blocks    residual blocks per stage: 5 for ResNet32, 9 for ResNet56
    """
    layers: list[nn.Module] = [
        nn.Conv2d(channels, 16, 3, 1, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
    ]
    width = 16
    for grown, stride in ((16, 1), (32, 2), (64, 2)):
        for block in range(blocks):
            layers.append(BasicBlock(width, grown, stride if block == 0 else 1))
            width = grown
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))
