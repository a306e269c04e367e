"""Networks: parameter counts worked out layer by layer, output shapes, and rows that they cannot take."""

import pytest
import torch

from sanitize.errors import BadParams
from sanitize.learners.nets import cnn, linear, mlp, preact_resnet18, resnet32, resnet56

IMAGE_NETS = (cnn, preact_resnet18, resnet32, resnet56)
ALL_NETS = (*IMAGE_NETS, linear, mlp)


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def conv(into, out, side=3):
    return into * out * side * side


def norm(channels):
    return 2 * channels


def preact_count(images, classes):
    """First convolution; eight blocks with 1 x 1 shortcuts where the width grows; norm and head."""
    total, channels = conv(images, 64), 64
    for width in (64, 128, 256, 512):
        total += norm(channels) + conv(channels, width) + norm(width) + conv(width, width)
        total += conv(channels, width, 1) if width != channels else 0
        total += 2 * (norm(width) + conv(width, width))
        channels = width
    return total + norm(512) + 512 * classes + classes


def small_resnet_count(images, classes, blocks):
    """First convolution and norm; blocks of two convolutions and norms, shortcuts free; head."""
    total, channels = conv(images, 16) + norm(16), 16
    for width in (16, 32, 64):
        for _ in range(blocks):
            total += conv(channels, width) + norm(width) + conv(width, width) + norm(width)
            channels = width
    return total + 64 * classes + classes


@pytest.mark.parametrize(
    ("net", "shape", "classes", "count"),
    [
        # 16 x 4 x 4, 4608 and 18432 weights, norms of 16, 32 and 64, head 64 x 10 + 10
        (cnn, (1, 28, 28), 10, 256 + 4608 + 18432 + 2 * (16 + 32 + 64) + 650),
        (cnn, (3, 32, 32), 43, 768 + 4608 + 18432 + 224 + 64 * 43 + 43),
        (linear, (1, 28, 28), 10, 7850),
        (linear, (20,), 3, 63),
        (mlp, (20,), 3, 20 * 256 + 512 + 256 * 256 + 512 + 256 * 3 + 3),
        (preact_resnet18, (3, 32, 32), 10, 11_172_170),
        (preact_resnet18, (1, 28, 28), 10, 11_172_170 - 2 * 64 * 9),
        (resnet32, (3, 32, 32), 10, 464_154),
        (resnet56, (3, 32, 32), 10, 853_018),
        (resnet32, (3, 32, 32), 43, 464_154 + 33 * 65),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)).rpartition(".")[2],
)
def test_parameter_counts(net, shape, classes, count):
    with torch.device("meta"):
        assert parameters(net.build(shape, classes)) == count


def test_published_counts_follow_from_the_layers():
    # Widely used code counts 11,171,146: it leaves the last norm out, which He et al. put before the head.
    assert preact_count(3, 10) - norm(512) == 11_171_146
    assert small_resnet_count(3, 10, blocks=5) == 464_154
    assert small_resnet_count(3, 10, blocks=9) == 853_018


@pytest.mark.parametrize("side", [8, 28, 32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("net", ALL_NETS, ids=lambda net: net.__name__.rpartition(".")[2])
def test_output_shapes(net, channels, side):
    with torch.device("meta"):
        logits = net.build((channels, side, side), 7)(torch.empty(2, channels, side, side))
    assert logits.shape == (2, 7)


@pytest.mark.parametrize("net", IMAGE_NETS, ids=lambda net: net.__name__.rpartition(".")[2])
def test_images_that_are_no_squares(net):
    with torch.device("meta"):
        assert net.build((3, 16, 24), 5)(torch.empty(2, 3, 16, 24)).shape == (2, 5)


def test_vectors():
    for net in (linear, mlp):
        assert net.build((20,), 3)(torch.zeros(4, 20)).shape == (4, 3)


@pytest.mark.parametrize("net", IMAGE_NETS, ids=lambda net: net.__name__.rpartition(".")[2])
def test_image_nets_refuse_vectors_and_tiny_images(net):
    name = net.__name__.rpartition(".")[2]
    with pytest.raises(BadParams, match=rf"learner\.net is '{name}', which needs images; use 'mlp' or 'linear' for 20"):
        net.build((20,), 3)
    with pytest.raises(BadParams, match=rf"learner\.net is '{name}', but images are 7x9; needs 8x8; use 'mlp'"):
        net.build((3, 7, 9), 3)


def test_residual_blocks_are_identities_where_their_branch_is_silent():
    """With the last norm's scale at zero, a block of option A passes positive inputs on, subsampled and padded."""
    block = resnet32.build((3, 8, 8), 2)[8]  # first of the second stage: 16 -> 32 channels, stride 2
    torch.nn.init.zeros_(block.norm2.weight)
    x = torch.rand(1, 16, 8, 8)
    out = block.eval()(x)
    assert out.shape == (1, 32, 4, 4)
    assert torch.equal(out[:, 8:24], x[:, :, ::2, ::2])
    assert not out[:, :8].any() and not out[:, 24:].any()
