"""experiments/peers: each against figures worked out by hand or a slow, obviously right version."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.peers import base, clustering, confident, spectral
from sanitize.data.table import Table
from sanitize.errors import BadParams
from sanitize.params import Params, resolve
from sanitize.train import train_model
from tests import small
from tests.learners.test_torch_learner import pictures


def table() -> Table:
    return Table(np.arange(small.ROWS), small.vectors(), small.labels(), small.NAMES, "vector")


def params(**learner: object) -> Params:
    given = {"lr": 0.05, "batch": 16, "precision": "float32", "device": "cpu", **learner}
    return resolve({"learner": given, "train": {"epochs": 2, "threads": 1}})


def test_peers_are_found_by_name() -> None:
    assert base.names() == ["clustering", "confident", "spectral"]
    assert base.find("spectral") is spectral.judge
    with pytest.raises(BadParams, match="no peer is called 'base'; must be one of clustering, confident, spectral"):
        base.find("base")


def test_options_are_checked() -> None:
    assert base.option({"share": 0.2}, "spectral", "share", 0, 1) == 0.2
    for wrong in ({}, {"share": 2}, {"share": "much"}, {"share": True}):
        with pytest.raises(BadParams, match=r"peers\.spectral\.share is .*; must be a number in \[0, 1\]; set it"):
            base.option(wrong, "spectral", "share", 0, 1)


@pytest.mark.parametrize(("rows", "width", "within"), [(table(), 256, 1e-5), (pictures(), 64, 0.03)])
def test_representations_are_what_the_last_layer_is_given(rows: Table, width: int, within: float) -> None:
    """The last layer applied to them gives the network's probabilities; images in bfloat16, by whoever computes it."""
    chosen = params() if rows.modality == "vector" else params(precision="bfloat16")
    value_ND = base.representations(rows, chosen)
    learner = train_model(rows, np.ones(len(rows), np.bool_), chosen)
    state = learner.state()
    assert state is not None and value_ND.shape == (len(rows), width)
    last = max(int(name.split(".")[0]) for name in state if name.endswith(".weight"))
    logits_NC = value_ND @ state[f"{last}.weight"].T + state[f"{last}.bias"]
    odds_NC = np.exp(logits_NC - logits_NC.max(axis=1, keepdims=True))
    said_NC = learner.probabilities(rows.inputs)
    np.testing.assert_allclose(odds_NC / odds_NC.sum(axis=1, keepdims=True), said_NC, atol=within)


def test_a_learner_without_layers_has_no_representations() -> None:
    with pytest.raises(BadParams, match=r"learner\.name is 'sklearn', which has no hidden layers; must be 'torch'"):
        base.representations(table(), params(name="sklearn"))


def test_spectral_by_hand() -> None:
    """Both classes are 0, 0, 0, 3 along one axis: centred -0.75 three times, 2.25; squared 0.5625 and 5.0625."""
    value_ND = np.zeros((8, 2), np.float32)
    value_ND[3, 0] = value_ND[4, 1] = 3
    np.testing.assert_allclose(spectral.scores(value_ND[:4]), [0.5625, 0.5625, 0.5625, 5.0625])
    found = spectral.verdict(value_ND, np.array([0, 0, 0, 0, 1, 1, 1, 1]), 0.25)
    assert found.keep_N.tolist() == [True, True, True, False, False, True, True, True]
    assert found.suspicion_N.tolist() == [0.5, 0.25, 0, 0.75, 0.75, 0.5, 0.25, 0]


def test_spectral_is_the_largest_eigenvector_of_the_covariance() -> None:
    """Against power iteration with plain loops."""
    value_nD = np.random.default_rng(0).normal(size=(20, 5)) * [1, 5, 1, 2, 1]
    centred = [[v - sum(column) / 20 for v, column in zip(row, value_nD.T, strict=True)] for row in value_nD]
    direction = [1.0] * 5
    for _ in range(500):
        along = [sum(a * b for a, b in zip(row, direction, strict=True)) for row in centred]
        direction = [sum(row[j] * a for row, a in zip(centred, along, strict=True)) for j in range(5)]
        length = sum(v * v for v in direction) ** 0.5
        direction = [v / length for v in direction]
    slow = [sum(a * b for a, b in zip(row, direction, strict=True)) ** 2 for row in centred]
    np.testing.assert_allclose(spectral.scores(value_nD), slow, rtol=1e-6, atol=1e-6)


def test_spectral_on_equal_rows() -> None:
    found = spectral.verdict(np.ones((4, 3), np.float32), np.zeros(4, np.int64), 0.5)
    assert found.keep_N.tolist() == [False, False, True, True]


def test_clustering_by_hand() -> None:
    """Class 0: five rows at 0 and two at 10; class 1 has too few rows; class 2: two and two, the first row's stay."""
    value_ND = np.zeros((14, 2), np.float32)
    value_ND[5:7, 0] = 10
    value_ND[7:10, 0] = [0, 5, 9]
    value_ND[[11, 13], 1] = 4
    found = clustering.verdict(value_ND, np.array([0] * 7 + [1] * 3 + [2] * 4), 10, seed=0)
    assert np.flatnonzero(~found.keep_N).tolist() == [5, 6, 11, 13]
    np.testing.assert_allclose(found.suspicion_N, [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 1], atol=1e-6)


def test_clustering_finds_a_planted_group_among_many_dimensions() -> None:
    value_ND = np.random.default_rng(1).normal(size=(60, 30)).astype(np.float32)
    value_ND[40:50] += 20
    label_N = np.array([0] * 50 + [1] * 10)
    found = clustering.verdict(value_ND, label_N, 3, seed=0)
    assert np.flatnonzero(~found.keep_N[:50]).tolist() == list(range(40, 50))
    assert (found.suspicion_N[40:50] > 0.5).all() and (found.suspicion_N[:40] < 0.5).all()
    again = clustering.verdict(value_ND, label_N, 3, seed=0)
    assert again.suspicion_N.tobytes() == found.suspicion_N.tobytes()


def test_confident_by_hand() -> None:
    """Class means of the own probability: 0.7 and 0.85. One row labelled 0 has 0.9 >= 0.85 of class 1: one issue."""
    pytest.importorskip("cleanlab")
    own = [0.9, 0.9, 0.9, 0.1, 0.8, 0.8, 0.9, 0.9]
    said_NC = np.array([[p, 1 - p] if row < 4 else [1 - p, p] for row, p in enumerate(own)], np.float32)
    found = confident.verdict(said_NC, np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    assert np.flatnonzero(~found.keep_N).tolist() == [3]
    np.testing.assert_allclose(found.suspicion_N, [1 - p for p in own], atol=1e-7)


def test_confident_asks_networks_that_have_not_seen_the_row() -> None:
    given = params(name="sklearn")
    said_NC = confident.out_of_sample(table(), given, 3, seed=0)
    fold_N = confident.fold_of(table().labels, 3, seed=0)
    for label in range(3):
        sizes = np.bincount(fold_N[table().labels == label], minlength=3)
        assert sizes.max() - sizes.min() <= 1
    asked_N = fold_N == 1
    learner = train_model(table(), ~asked_N, given)
    np.testing.assert_array_equal(said_NC[asked_N], learner.probabilities(small.vectors()[asked_N]))


def test_confident_without_cleanlab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confident, "find_spec", lambda name: None)
    with pytest.raises(BadParams, match="needs the package cleanlab; install it"):
        confident.judge(table(), params(), {"folds": 5}, 0)


@pytest.mark.parametrize("name", ["clustering", "confident", "spectral"])
def test_every_peer_judges_a_table(name: str) -> None:
    if name == "confident":
        pytest.importorskip("cleanlab")
    options = {"share": 0.2, "components": 10, "folds": 2}
    found = base.find(name)(table(), params(), options, 0)
    again = base.find(name)(table(), params(), options, 0)
    assert found.keep_N.shape == found.suspicion_N.shape == (small.ROWS,)
    assert np.isfinite(found.suspicion_N).all() and found.suspicion_N.tobytes() == again.suspicion_N.tobytes()
    dropped, kept = found.suspicion_N[~found.keep_N], found.suspicion_N[found.keep_N]
    assert len(kept) and (not len(dropped) or dropped.mean() > kept.mean())
