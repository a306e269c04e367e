"""scikit-learn's digits."""

import numpy as np
from sklearn.datasets import load_digits

from sanitize.data.arrow import decode_table
from sanitize.data.ingest import load_source
from sanitize.params import DataParams


def test_split_and_pixels() -> None:
    splits = load_source(DataParams(source="digits"), 0)
    assert splits.test is not None
    train, test = decode_table(splits.train)[0], decode_table(splits.test)[0]
    assert train.inputs.shape == (1437, 8, 8, 1)
    assert test.inputs.shape == (360, 8, 8, 1)
    counts = np.bincount(load_digits().target)
    exact = counts * 360 / 1797
    assert (np.abs(np.bincount(test.labels) - exact) < 1).all()
    assert (np.bincount(train.labels) + np.bincount(test.labels)).tolist() == counts.tolist()
    assert int(train.inputs.max()) == 255
    # 16 grey values spread over 0..255: round(255 k / 16)
    assert set(np.unique(train.inputs)) <= {round(255 * k / 16) for k in range(17)}
    own = {np.rint(image * 255 / 16).astype(np.uint8).tobytes() for image in load_digits().images}
    assert all(image.tobytes() in own for image in test.inputs)


def test_the_runs_seed_does_not_matter_and_size_does() -> None:
    first, second = (load_source(DataParams(source="digits"), seed) for seed in (0, 1))
    assert first.train.equals(second.train)
    larger = load_source(DataParams(source="digits", image_size=16), 0)
    assert decode_table(larger.train)[0].inputs.shape == (1437, 16, 16, 1)
