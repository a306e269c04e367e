"""Perceptrons asked together say what each says alone."""

import numpy as np
import pytest
import torch

from sanitize.data.seeds import stream
from sanitize.data.table import Table
from sanitize.learners.base import all_rows, make_learner
from sanitize.params import resolve
from sanitize.stacked import Stacked, can_stack


def learners(net="mlp", count=3, width=7):
    draws = stream(0, "stacked")
    inputs = draws.normal(3, 5, (60, width)).astype(np.float32)
    table = Table(np.arange(60), inputs, draws.integers(0, 4, 60), tuple("abcd"), "vector")
    params = resolve({"learner": {"net": net, "precision": "float32", "batch": 16}}).learner
    made = [make_learner(params, table, 0) for _ in range(count)]
    for number, learner in enumerate(made):
        learner.start("stacked", number)
        learner.fit(all_rows(table), 2)
    return made, inputs


@pytest.mark.parametrize(("bfloat16", "tolerance"), [(False, 1e-5), (True, 0.03)])
def test_the_same_probabilities(bfloat16, tolerance):
    made, inputs = learners()
    states = [learner.state() for learner in made]
    assert can_stack(states)
    rows = np.concatenate([inputs] * 40)  # more than one block
    said = Stacked(states, torch.device("cpu"), bfloat16).probabilities(rows)
    assert said.shape == (3, 2400, 4) and said.dtype == np.float32
    for number, learner in enumerate(made):
        assert np.abs(said[number] - learner.probabilities(rows)).max() < tolerance
    assert np.allclose(said.sum(axis=2), 1, atol=1e-5)


def test_only_what_is_alike_is_stacked():
    perceptrons = [learner.state() for learner in learners()[0]]
    others = [learner.state() for learner in learners(net="linear")[0]]
    assert not can_stack(others)
    assert not can_stack([*perceptrons, others[0]])
    assert not can_stack([*perceptrons, learners(width=8)[0][0].state()])
    assert not can_stack([*perceptrons, {**perceptrons[0], "inputs.mean": perceptrons[0]["inputs.mean"] + 1}])
