"""scikit-learn's 1,797 digits of 8 x 8 pixels: 1,437 train and 360 test rows, no download. For quick tests."""

from __future__ import annotations

import numpy as np

from sanitize.data.splits import Splits, image_splits, stratified_split
from sanitize.params import DataParams

TEST_ROWS = 360
WHITE = 16  # the brightest value in scikit-learn's copy


def load(data: DataParams, seed: int) -> Splits:
    """Grey images of 8 x 8 pixels, values 0..16 scaled to 0..255, classes 0..9.

    seed     not used: the split is fixed, in proportion to the classes
    Returns  the train rows in a fixed shuffled order, the test rows in scikit-learn's order
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / WHITE)).astype(np.uint8)[..., np.newaxis]
    labels = bunch.target.astype(np.int64)
    train, test = stratified_split(labels, TEST_ROWS, "digits")
    names = [str(digit) for digit in range(10)]
    return image_splits((images[train], labels[train]), (images[test], labels[test]), names, data.image_size)
