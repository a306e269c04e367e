"""Values as JSON and arrays: what comes back is equal, digests tell values apart, nothing else is made of them."""

import hashlib
import json

import numpy as np
import pytest

from sanitize.boosting import Ballot
from sanitize.coherence import Finding, Group
from sanitize.params import resolve
from sanitize.records import digest, packed, unpacked
from tests.reference.ispl import blobs

TABLE = blobs(20, 2)
VALUES = {
    "plain": [None, True, 3, 0.1, float("inf"), "text", 1e300, -(2**62)],
    "nested": {"a": (1, [2, (3,)]), "b": range(2, 9, 3)},
    "arrays": (np.arange(6, dtype=np.int32).reshape(2, 3), np.array(3.5), np.zeros((0, 4), np.bool_)),
    "scalars": [np.float32(0.1), np.int64(7), np.bool_(True)],
    "ballot": Ballot(np.arange(3), np.ones(3, np.float32), {"0.weight": np.eye(2)}),
    "without state": Ballot(np.arange(3), np.ones(3, np.float32), None),
    "finding": Finding(Group(1, 2, np.array([4, 5])), 0.75, np.arange(2), np.ones(2, np.float32)),
    "table": TABLE,
    "learner": resolve({}).learner,
}


def there_and_back(value):
    arrays = []
    structure = json.loads(json.dumps(packed(value, arrays)))
    return unpacked(structure, arrays)


def same(first, second):
    """Equal in every part, type and array type."""
    if type(first) is not type(second):
        return False
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and first.shape == second.shape and np.array_equal(first, second)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if hasattr(first, "__dataclass_fields__"):
        return all(same(getattr(first, name), getattr(second, name)) for name in first.__dataclass_fields__)
    return first == second


@pytest.mark.parametrize("name", VALUES)
def test_comes_back_equal(name):
    assert same(there_and_back(VALUES[name]), VALUES[name])
    assert digest(there_and_back(VALUES[name])) == digest(VALUES[name])


def test_a_digest_by_hand():
    by_hand = hashlib.sha256(b'{"items": [1, {"kind": "array", "number": 0}], "kind": "list"}')
    by_hand.update(b"\n<i2 (2,)\n" + bytes([5, 0, 6, 0]))
    assert digest([1, np.array([5, 6], np.int16)]) == by_hand.hexdigest()


def test_digests_tell_apart_what_differs():
    array = np.arange(6)
    label = TABLE.labels.copy()
    label[3] = 1 - label[3]
    values = [
        *(1, 1.0, True, "1", None, [1], (1,), {"1": 1}, range(1)),
        *(array, array.reshape(2, 3), array.astype(np.int32), array[::-1], np.int64(1)),
        *(TABLE, type(TABLE)(TABLE.ids, TABLE.inputs, label, TABLE.class_names, TABLE.modality)),
        *(resolve({}).learner, resolve({}).learner.slowed(0.5), resolve({}).ispl),
        *(value for name, value in VALUES.items() if name not in ("table", "learner")),
    ]
    assert len({digest(value) for value in values}) == len(values)


def test_memory_order_does_not_matter():
    array = np.arange(12).reshape(3, 4)
    assert digest(np.asfortranarray(array)) == digest(array) == digest(np.repeat(array, 2, axis=1)[:, ::2])


@pytest.mark.parametrize("value", [object(), {1: 2}, {"a", "b"}, np.array([object()]), pytest, len, b"bytes"])
def test_anything_else_is_a_fault_of_ours(value):
    with pytest.raises(AssertionError):
        digest(value)


@pytest.mark.parametrize(
    "structure",
    [
        {"kind": "object", "of": "os:system", "items": {"command": "true"}},
        {"kind": "object", "of": "sanitize.records:digest", "items": {"value": 1}},
        {"kind": "object", "of": "sanitize.nowhere:Table", "items": {}},
        {"kind": "object", "of": "sanitize.boosting:Nothing", "items": {}},
        {"kind": "object", "of": "sanitize.boosting:Ballot", "items": {"other": 1}},
        {"kind": "array", "number": 3},
        {"kind": "other", "items": []},
        {"items": []},
    ],
)
def test_nothing_else_is_made(structure):
    with pytest.raises((KeyError, IndexError, TypeError, ValueError, AttributeError)):
        unpacked(structure, [])
