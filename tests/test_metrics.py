"""Measures by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sanitize import metrics
from sanitize.data.seeds import stream
from sanitize.errors import BadInput, BadParams

KEEP = np.array([True, True, False, False, True, False])
POISON = np.array([False, True, True, False, False, False])
LABELS = np.array([0, 0, 0, 1, 1, 2])


def test_clean_accuracy_by_hand():
    assert metrics.clean_accuracy(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])) == 0.75
    assert metrics.clean_accuracy(np.zeros(0), np.zeros(0)) is None


def test_tmr_counts_only_rows_right_when_clean_and_hit_when_triggered():
    """Rows: right and hit, right and missed, wrong and hit, right and hit: 2 of 4."""
    clean, triggered = np.array([1, 1, 7, 1]), np.array([7, 1, 7, 7])
    assert metrics.tmr(clean, triggered, np.full(4, 1), np.full(4, 7)) == 0.5
    assert metrics.tmr(*[np.zeros(0)] * 4) is None


def test_fp_fn_and_classes_by_hand():
    assert metrics.false_positives(KEEP, POISON) == 2 and metrics.false_negatives(KEEP, POISON) == 1
    assert metrics.class_counts(KEEP, LABELS, 4, POISON) == [
        metrics.ClassCounts(0, rows=3, dropped=1, poisoned=2, fp=0, fn=1),
        metrics.ClassCounts(1, rows=2, dropped=1, poisoned=0, fp=1, fn=0),
        metrics.ClassCounts(2, rows=1, dropped=1, poisoned=0, fp=1, fn=0),
        metrics.ClassCounts(3, rows=0, dropped=0, poisoned=0, fp=0, fn=0),
    ]
    assert metrics.class_counts(KEEP, LABELS, 1, None) == [metrics.ClassCounts(0, 3, 1, None, None, None)]


def test_auc_by_hand():
    """Poison 3, clean 1, 3, 5: wins 1, ties 1, loses 1 -> 1.5 / 3."""
    assert metrics.suspicion_auc(np.array([3.0, 1, 3, 5]), np.array([True, False, False, False])) == 0.5
    assert metrics.suspicion_auc(np.array([1.0, 2]), np.array([False, False])) is None
    assert metrics.suspicion_auc(np.array([1.0, 2]), np.array([True, True])) is None


@pytest.mark.parametrize("levels", [3, 20, 10**6])
def test_auc_equals_scikit_learn(levels):
    draw = stream(levels, "auc")
    suspicion, poison = draw.integers(0, levels, 400).astype(float), draw.random(400) < 0.1
    assert metrics.suspicion_auc(suspicion, poison) == pytest.approx(roc_auc_score(poison, suspicion), abs=1e-12)


def test_recall_by_hand():
    """Order by suspicion, ties by position: rows 3, 1, 2, 0, 4; poison 1 and 4. 30% of 5 rows are 1.5, so 2."""
    suspicion, poison = np.array([1.0, 5, 5, 9, 0]), np.array([False, True, False, False, True])
    assert metrics.recall_at_dropped(suspicion, poison, [0, 0.2, 0.3, 0.6, 1]) == [0, 0, 0.5, 0.5, 1]
    assert metrics.recall_at_dropped(suspicion, np.zeros(5, bool), [0.1, 0.2]) == [None, None]


def test_bad_arguments_are_refused():
    with pytest.raises(BadInput, match="lengths keep 6, is_poison 5"):
        metrics.false_negatives(KEEP, POISON[:5])
    with pytest.raises(BadInput, match="row 1 has suspicion NaN"):
        metrics.suspicion_auc(np.array([1.0, np.nan]), np.array([True, False]))
    with pytest.raises(BadParams, match=r"share to drop is 1.5"):
        metrics.recall_at_dropped(np.array([1.0]), np.array([True]), [1.5])
