"""PreActResNet18 (He et al. 2016, identity mappings), the paper's on CIFAR-10: [n, K, H, W] -> logits [n, C]."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from sanitize.learners.nets import image_shape


class PreActBlock(nn.Module):
    """Batch norm, ReLU, convolution, twice; the shortcut starts behind the first activation."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        same = stride == 1 and channels == width
        self.shortcut = None if same else nn.Conv2d(channels, width, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[n, channels, H, W] -> [n, width, H / stride, W / stride]."""
        active = functional.relu(self.norm1(x))
        passed: Tensor = x if self.shortcut is None else self.shortcut(active)
        inner: Tensor = self.conv2(functional.relu(self.norm2(self.conv1(active))))
        return inner + passed


def build(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Four stages of two blocks, 64 to 512 channels.

    shape    (K, H, W) of one image
    classes  C
    """
    images, _, _ = image_shape("preact_resnet18", shape, least=8)
    layers: list[nn.Module] = [nn.Conv2d(images, 64, 3, 1, 1, bias=False)]
    channels = 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [PreActBlock(channels, width, stride), PreActBlock(width, width, 1)]
        channels = width
    head = [nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *head, nn.Linear(channels, classes))
