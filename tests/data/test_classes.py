"""Classes counted and encoded as they stream by; stratified samples."""

import numpy as np
import pyarrow as pa
import pytest

from sanitize.data.classes import LabelCode, count_classes, draw_sample, quotas, small_classes
from sanitize.errors import BadInput

NAMED = {"huggingface": '{"info": {"features": {"y": {"_type": "ClassLabel", "names": ["no", "yes", "maybe"]}}}}'}


def counted(*columns, metadata=None):
    schema = pa.schema([("y", columns[0].type)], metadata)
    return count_classes(columns, schema, "y", "f")


def test_every_kind_of_label():
    assert counted(pa.array([30, 4, None]), pa.array([4, 4])) == ({"4": 3, "30": 1}, 1)
    assert counted(pa.array(["b", "a", "b"])) == ({"a": 1, "b": 2}, 0)
    assert counted(pa.array(["b", "a", None]).dictionary_encode()) == ({"a": 1, "b": 1}, 1)
    assert counted(pa.array([True, False, True])) == ({"False": 1, "True": 2}, 0)
    assert counted(pa.array(["b", "a"], pa.string_view())) == ({"a": 1, "b": 1}, 0)
    assert counted(pa.array([1, 1, -1, 3, 0]), metadata=NAMED) == ({"no": 1, "yes": 2, "maybe": 0}, 2)
    with pytest.raises(BadInput, match=r"f: label column 'y' has type double; must be integers, .* cast it to int64"):
        counted(pa.array([0.5]))
    with pytest.raises(BadInput, match=r"has more than 10000 values"):
        counted(pa.array(range(10_001)))


def test_codes_are_places_among_the_names():
    code = LabelCode(("4", "30"), None)
    for kind in (pa.int8(), pa.uint64(), pa.dictionary(pa.int8(), pa.int32())):
        plain = pa.array([30, 4, None, 5], pa.int64())
        labels = plain.cast(kind) if kind.id != pa.dictionary(pa.int8(), pa.int32()).id else plain.dictionary_encode()
        assert code.encode(labels, "y", "f").tolist() == [1, 0, -1, -1]
    assert LabelCode(("4", "300"), None).encode(pa.array([4], pa.int8()), "y", "f").tolist() == [0]
    assert LabelCode(("x", "y"), None).encode(pa.array([4]), "y", "f").tolist() == [-1]
    assert LabelCode(("False", "True"), None).encode(pa.array([True, None, False]), "y", "f").tolist() == [1, -1, 0]
    assert LabelCode(("b", "a"), None).encode(pa.array(["a", "b", "c"]), "y", "f").tolist() == [1, 0, -1]
    named = LabelCode(("yes", "no"), ("no", "yes", "maybe"))
    assert named.encode(pa.array([0, 1, 2, 3, -1, None]), "y", "f").tolist() == [1, 0, -1, -1, -1, -1]


def test_small_classes_and_quotas():
    assert small_classes({"a": 9, "b": 10, "c": 0, "d": 1}, 10) == ["a", "d"]
    rows = np.array([1000, 100, 5, 0])
    assert quotas(rows, 110, 10).tolist() == [99, 10, 5, 0]  # 1000 x 110 / 1105 = 99.5; 9.95 -> 10 at least
    assert quotas(rows, 5000, 10).tolist() == rows.tolist()


def test_a_sample_has_its_quotas_whatever_the_batches():
    labels = np.random.default_rng(0).integers(-1, 3, 5000)
    quota = np.array([50, 10, 0])
    whole = draw_sample([labels], quota, 7)
    assert np.bincount(labels[whole], minlength=3).tolist() == [50, 10, 0]
    assert (np.diff(whole) > 0).all()
    assert draw_sample(np.array_split(labels, 9), quota, 7).tolist() == whole.tolist()
    assert draw_sample([labels], quota, 8).tolist() != whole.tolist()
    assert draw_sample([], quota, 7).tolist() == []


def test_the_sample_is_drawn_in_bounded_memory_and_uniformly():
    """Many more rows than are held: each of 300,000 has the same chance."""
    batches = [np.zeros(10_000, np.int64)] * 30
    drawn = draw_sample(batches, np.array([3000]), 0)
    assert len(drawn) == 3000
    assert abs(drawn.mean() - 150_000) < 5 * 86_603 / np.sqrt(3000)  # five deviations of a mean of 3000
