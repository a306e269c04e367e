"""MNIST: 60,000 train and 10,000 test digits, from a folder of idx files or downloaded by torchvision."""

from __future__ import annotations

from sanitize.data.idx import load_idx
from sanitize.data.splits import Splits
from sanitize.params import DataParams


def load(data: DataParams, seed: int) -> Splits:
    """Grey images of 28 x 28 pixels, classes 0..9.

    data     folder: with the four idx files, or with MNIST/raw; null = downloaded into data/downloads
    seed     not used: the split is the published one
    Raises   BadInput: the files are not there, damaged, or cannot be downloaded
    """
    return load_idx(data, "MNIST", [str(digit) for digit in range(10)])
