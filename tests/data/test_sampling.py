"""Classes that are too small, and stratified samples."""

import numpy as np

from sanitize.data.sampling import draw_sample, quotas, small_classes


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
