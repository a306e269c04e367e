"""The plain script against this package: the same network, the same rules, as much work, as good a filter."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from benchmarks import plain
from benchmarks.watch import Steps, watched
from experiments.scenario import load_tables, poisoned
from sanitize import boosting, ispl
from sanitize.execution import inline
from sanitize.filtering import filter_table
from sanitize.learners.nets import cnn
from sanitize.params import resolve
from tests import small

PAPER = resolve({"preset": "paper"})
SHORT = plain.Settings(first_epochs=4, epochs=2, vote_epochs=8, selftrain_epochs=10, batch=32, crop=1)


def test_shares_nothing_with_the_package():
    tree = ast.parse(Path(plain.__file__).read_text())
    named = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    named |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {name.split(".")[0] for name in named} - sys.stdlib_module_names == {"numpy", "torch"}


def test_settings_are_those_of_the_paper_preset():
    own, ours = plain.Settings(), PAPER
    learner, parts, train = ours.learner, ours.ispl, ours.selftrain
    assert (own.lr, own.momentum, own.weight_decay) == (learner.lr, learner.momentum, learner.weight_decay)
    assert (own.batch, own.drops) == (learner.batch, tuple(learner.drops))
    assert (own.runs, own.components, own.coverage) == (parts.runs, parts.components, parts.coverage)
    assert (own.expansion, own.loss_momentum) == (parts.expansion, parts.momentum)
    assert (own.first_epochs, own.epochs, own.vote_epochs) == (parts.first_epochs, parts.epochs, ours.vote.epochs)
    assert (own.selftrain_epochs, own.selftrain_every) == (train.epochs, train.every)
    assert own.prediction_momentum == train.momentum
    assert (parts.trim, parts.class_floor, parts.beta_start, parts.anneal) == ("global", 1 / 8, 3.0, 2)
    assert not learner.nesterov and learner.schedule == "step"


def test_network_is_ours_layer_for_layer():
    own, ours = plain.build(3, 7), cnn.build((3, 12, 10), 7)
    assert [type(layer) for layer in own] == [type(layer) for layer in ours]
    ours.load_state_dict(own.state_dict())
    images = torch.randn(4, 3, 12, 10)
    assert torch.equal(own(images), ours(images))


@pytest.mark.parametrize("share", [0.12, 0.3, 1.0])
def test_trims_as_ours(share):
    draws = np.random.default_rng(int(100 * share))
    loss_N = draws.random(101, dtype=np.float32)
    label_N = draws.integers(0, 4, 101)
    for iteration in range(ispl.iterations(share, PAPER.ispl)):
        beta = ispl.beta(iteration, share, PAPER.ispl)
        own = plain.trim(torch.from_numpy(loss_N), torch.from_numpy(label_N), beta, share / 8)
        assert np.array_equal(own.numpy(), ispl.keep_lowest(loss_N, label_N, beta, share / 8))


def test_counts_ballots_as_ours():
    """Rows without a tie, since those are drawn."""
    draws = np.random.default_rng(3)
    said_VN, label_N = draws.integers(0, 3, (9, 300)), draws.integers(0, 3, 300)
    loss_N = draws.random(300, dtype=np.float32)
    votes_NC = np.sort(boosting.count_votes(said_VN, 3), axis=1)
    clear_N = votes_NC[:, 2] > votes_NC[:, 1]
    assert 150 < clear_N.sum() < 300
    said = torch.from_numpy(said_VN), torch.from_numpy(loss_N), torch.from_numpy(label_N)
    own_N = plain.count_ballots(*said, 3).numpy()
    vote_N, _ = boosting.modal_vote(said_VN, 3, 0)
    ours_N = (vote_N == label_N) | boosting.lower_half(loss_N, label_N)
    assert np.array_equal(own_N[clear_N], ours_N[clear_N])


def test_rate_falls_at_the_drops():
    rows = plain.Rows(small.images()[..., np.newaxis], small.labels(), 1)
    network = plain.Network(rows, 3, plain.Settings(batch=120), plain.Work(), total=10)
    rates = []
    for _ in range(10):
        rates.append(network.optimiser.param_groups[0]["lr"])
        network.fit(torch.arange(120), 1)
    assert rates == pytest.approx([0.02] * 5 + [0.002] * 3 + [0.0002] + [0.00002])


def test_shifted_rows_are_crops_of_the_bordered_picture():
    images = small.images()[:20, :, :, np.newaxis]
    rows = plain.Rows(images, small.labels()[:20], 2)
    deviation, mean = torch.std_mean(torch.from_numpy(images).float())
    bordered = (functional.pad(torch.from_numpy(images[..., 0]).float(), (2, 2, 2, 2)) - mean) / deviation
    torch.manual_seed(5)
    found = rows.shifted(torch.arange(20))
    assert found.shape == (20, 1, 8, 8)
    for row in range(20):
        crops = [bordered[row, y : y + 8, x : x + 8] for y in range(5) for x in range(5)]
        assert any(torch.allclose(found[row, 0], crop) for crop in crops)
    assert torch.allclose(rows.whole[..., 0], bordered[:, 2:10, 2:10])


def test_does_as_much_work_as_ours_and_finds_as_much():
    """Digits, 1 to 7: our learners counted against what the script says it did; what is kept of classes may differ."""
    given = {
        "preset": "paper",
        "data": {"source": "digits"},
        "attack": {"name": "patch", "source": 1, "target": 7, "share": 0.2},
        "learner": {"net": "cnn", "flip": False, "crop": SHORT.crop, "batch": SHORT.batch},
        "ispl": {"first_epochs": SHORT.first_epochs, "epochs": SHORT.epochs},
        "vote": {"epochs": SHORT.vote_epochs},
        "selftrain": {"epochs": SHORT.selftrain_epochs},
    }
    params = resolve(given)
    table, is_poison_N, _, _ = poisoned(params, *load_tables(params))
    table = table.take(np.concatenate([np.flatnonzero(is_poison_N), np.flatnonzero(~is_poison_N)[:500]]))
    with watched() as done:
        steps = Steps(done)
        ours = filter_table(table, params, map=inline, steps=steps)
    own = plain.sanitize(table.inputs, table.labels, table.classes, 0, SHORT, threads=1)
    assert own.work.row_epochs == pytest.approx(done.row_epochs, rel=0.02)
    assert own.work.scored_rows == pytest.approx(done.scored_rows, rel=0.02)
    assert list(own.work.steps) == list(steps.taken) == ["partition", "vote", "self-training"]
    # 24 voters each score all rows, and the last network does so twice
    assert steps.taken["vote"]["scored_rows"] == 24 * len(table)
    assert steps.taken["self-training"]["scored_rows"] == 2 * len(table)
    assert own.keep_N.mean() == pytest.approx(ours.manifest.keep_N.mean(), abs=0.15)
    assert 0.4 < own.keep_N.mean() < 1


def test_same_seed_same_rows():
    images, labels = small.images()[..., np.newaxis], small.labels()
    quick = plain.Settings(runs=1, components=4, first_epochs=2, epochs=1, vote_epochs=3, selftrain_epochs=3, batch=16)
    first, again, other = (plain.sanitize(images, labels, 3, seed, quick, threads=1) for seed in (0, 0, 1))
    assert np.array_equal(first.keep_N, again.keep_N) and np.array_equal(first.voted_N, again.voted_N)
    assert not np.array_equal(first.voted_N, other.voted_N)
