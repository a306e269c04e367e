"""Inputs from which the label can be read off: by hand."""

import numpy as np

from sanitize.data.label_copies import copies

LABEL = np.arange(40) % 4


def test_few_rows_of_unlike_values_are_no_places_of_a_code():
    """40 vectors, no two alike: each value has one class, which tells nothing. So has one value in each of two rows."""
    assert copies({"emb": np.arange(40)}, LABEL) == {}
    assert copies({"emb": np.arange(40) // 2}, LABEL) == {}


def test_one_place_per_class_is_a_copy():
    hot = {f"is_{c}": (c == LABEL).astype(np.int64) for c in range(4)}
    assert set(copies(hot | {"emb": np.arange(40)}, LABEL)) == set(hot)
