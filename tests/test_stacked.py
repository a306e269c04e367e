"""Perceptrons asked together say what each says alone, or they are asked one by one."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from sanitize.data.seeds import stream
from sanitize.data.table import Table
from sanitize.learners.base import all_rows, make_learner
from sanitize.learners.nets import mlp
from sanitize.params import resolve
from sanitize.runtime import notices
from sanitize.stacked import Stacked, stacked


def learners(net="mlp", count=3, width=7, precision="float32", scale=5):
    draws = stream(0, "stacked")
    inputs = draws.normal(3, scale, (60, width)).astype(np.float32)
    table = Table(np.arange(60), inputs, draws.integers(0, 4, 60), tuple("abcd"), "vector")
    params = resolve({"learner": {"net": net, "precision": precision, "batch": 16}}).learner
    made = [make_learner(params, table, 0) for _ in range(count)]
    for number, learner in enumerate(made):
        learner.start("stacked", number)
        learner.fit(all_rows(table), 2)
    return made, inputs


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.03)])
def test_the_same_probabilities(precision, tolerance):
    made, inputs = learners(precision=precision)
    together = stacked(made)
    rows = np.concatenate([inputs] * 40)  # more than one block
    said = together.probabilities(rows)
    assert said.shape == (3, 2400, 4) and said.dtype == np.float32
    for number, learner in enumerate(made):
        assert np.abs(said[number] - learner.probabilities(rows)).max() < tolerance
    assert np.allclose(said.sum(axis=2), 1, atol=1e-5)


def test_only_what_is_alike_is_stacked(capsys):
    perceptrons, others = learners()[0], learners(net="linear")[0]
    assert stacked(others) is stacked([]) is stacked([*perceptrons, others[0]]) is None
    assert stacked([*perceptrons, learners(scale=6)[0][0]]) is None  # scales its inputs otherwise
    assert capsys.readouterr().err == ""


class Residual(nn.Sequential):
    def forward(self, x):
        flat, first, norm, act, *second, last = self.children()
        hidden = act(norm(first(flat(x))))
        return last(nn.Sequential.forward(second, hidden) + hidden)


def network(
    act=lambda: nn.ReLU(inplace=True),
    norm=nn.BatchNorm1d,
    whole=nn.Sequential,
    more=(),
    bias=False,
):
    def build(shape, classes):
        return whole(
            nn.Flatten(), nn.Linear(shape[0], 256, bias=bias), norm(256), act(),
            nn.Linear(256, 256, bias=False), norm(256), act(), *(make() for make in more), nn.Linear(256, classes),
        )  # fmt: skip

    return build


EDITS = {
    "GELU": network(act=nn.GELU),
    "ReLU up to 1": network(act=lambda: nn.Hardtanh(0, 1)),
    "layer norm": network(norm=nn.LayerNorm),
    "no norm": network(norm=nn.Identity),
    "batch norm's eps": network(norm=partial(nn.BatchNorm1d, eps=0.1)),
    "a bias": network(bias=True),
    "a residual": network(whole=Residual),
    "three hidden layers": network(more=[partial(nn.Linear, 256, 256), nn.Tanh]),
    "a scale at the end": network(more=[lambda: nn.Hardtanh(-1e-3, 1e-3)]),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_in_what_they_say(name, monkeypatch, capsys):
    monkeypatch.setattr(notices, "_said", set())
    monkeypatch.setattr(mlp, "build", EDITS[name])
    made, inputs = learners()
    before = [learner.probabilities(inputs) for learner in made]
    assert stacked(made) is None
    assert capsys.readouterr().err.startswith("learner.net 'mlp': networks are asked one by one, slower")
    for learner, right in zip(made, before, strict=True):
        np.testing.assert_array_equal(learner.probabilities(inputs), right)


def test_another_width_is_stacked(monkeypatch):
    def narrow(shape, classes):
        sizes = [nn.Linear(shape[0], 32, bias=False), nn.Linear(32, 32, bias=False)]
        layers = [one for size in sizes for one in (size, nn.BatchNorm1d(32), nn.ReLU(inplace=True))]
        return nn.Sequential(nn.Flatten(), *layers, nn.Linear(32, classes))

    monkeypatch.setattr(mlp, "build", narrow)
    made, inputs = learners()
    said = stacked(made).probabilities(inputs)
    assert np.abs(said[2] - made[2].probabilities(inputs)).max() < 1e-5


def test_what_does_not_say_the_same_is_not_asked(monkeypatch, capsys):
    """Hidden units that are not cut at zero, as if the code that stands for the networks were wrong."""
    monkeypatch.setattr(notices, "_said", set())
    monkeypatch.setattr(torch.Tensor, "relu_", lambda self: self)
    assert stacked(learners()[0]) is None
    assert "logits of network" in capsys.readouterr().err


def test_rounding_is_never_taken_for_an_edit(monkeypatch, capsys):
    monkeypatch.setattr(notices, "_said", set())
    for width in (1, 2, 30, 784):
        for precision in ("float32", "bfloat16"):
            assert isinstance(stacked(learners(count=8, width=width, precision=precision)[0]), Stacked)
    assert capsys.readouterr().err == ""
