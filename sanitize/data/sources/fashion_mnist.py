"""Fashion-MNIST: 60,000 train and 10,000 test images, from a folder of idx files or downloaded by torchvision."""

from __future__ import annotations

from sanitize.data.idx import load_idx
from sanitize.data.splits import Splits
from sanitize.params import DataParams

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def load(data: DataParams, seed: int) -> Splits:
    """Grey images of 28 x 28 pixels, 10 classes of clothes.

    data     folder: with the four idx files (as Debian's package dataset-fashion-mnist has them), or with
             FashionMNIST/raw; null = downloaded into data/downloads
    seed     not used: the split is the published one
    Raises   BadInput: the files are not there, damaged, or cannot be downloaded
    """
    return load_idx(data, "FashionMNIST", CLASS_NAMES)
