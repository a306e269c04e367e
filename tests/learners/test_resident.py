"""Rows on the device once, whatever the number of learners; and never another table's."""

import gc

import numpy as np
import torch

from sanitize.data.table import Table
from sanitize.learners.base import make_learner
from sanitize.learners.resident import _kept, resident
from tests.learners.test_torch_learner import params, pictures

CPU = torch.device("cpu")


def test_learners_of_a_table_share_its_rows():
    table = pictures(rows=6, side=28)
    first, second, third = (
        make_learner(params(crop=crop), table, seed) for crop, seed in ((2, 0), ("auto", 1), (1, 2))
    )
    assert first.rows is second.rows and first.rows.inputs.shape == (6, 32, 32, 1)
    assert third.rows is not first.rows and third.rows.inputs.shape == (6, 30, 30, 1)
    other = Table(table.ids, table.inputs, 1 - table.labels, table.class_names, "image")
    assert resident(other, CPU, 2) is not first.rows
    assert resident(other, CPU, 2).labels.tolist() == (1 - table.labels).tolist()


def test_rows_go_with_the_last_learner():
    table = pictures(rows=6)
    learner = make_learner(params(crop=1), table, 0)
    learner.start("a")
    learner.fit(np.arange(6), 1)
    key = (id(table.inputs), id(table.labels), CPU, 1)
    assert key in _kept
    del learner
    gc.collect()
    assert key not in _kept


def test_a_table_at_an_address_that_another_had():
    """Same place, other content: the place alone would give the old rows."""
    table = pictures(rows=6)
    held = resident(table, CPU, 1)
    other = pictures(rows=8)
    _kept[(id(other.inputs), id(other.labels), CPU, 1)] = held  # as if `other` lay where `table` did
    assert resident(other, CPU, 1).inputs.shape == (8, 10, 10, 1)


def test_gathered_by_hand():
    """One image of 3 x 2 with a border of 1: down 2, right 1 is one line down; turned left to right."""
    inputs = np.array([[[[1], [2]], [[3], [4]], [[5], [6]]]], dtype=np.uint8)
    table = Table(np.arange(1), inputs, np.zeros(1, np.int64), ("a", "b"), "image")
    rows = resident(table, CPU, 1)
    row, still = torch.tensor([0, 0]), [[1, 1, 0], [1, 1, 0]]
    assert rows.gathered(row, None)[0, :, :, 0].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert rows.gathered(row, torch.tensor(still)).tolist() == rows.gathered(row, None).tolist()
    moved = rows.gathered(row, torch.tensor([[2, 1, 0], [0, 2, 1]]), flip=True)[..., 0]
    assert moved.tolist() == [[[3, 4], [5, 6], [0, 0]], [[0, 0], [0, 2], [0, 4]]]
    unturned = rows.gathered(row, torch.tensor([[2, 1, 0], [0, 2, 1]]))[..., 0]
    assert unturned[1].tolist() == [[0, 0], [2, 0], [4, 0]]
