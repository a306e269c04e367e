"""Voters on rows that they have not seen: the filter's own rule, by hand."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from sanitize.boosting import UNASKED, as_ballot, vote_on_rows
from sanitize.data.table import Table
from sanitize.errors import BadInput
from sanitize.learners.base import make_learner
from sanitize.panel import Bench, load_panel
from tests import small
from tests.voters import scored, vector_voters


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    return load_panel(vector_voters(tmp_path_factory.mktemp("voters")))


def test_a_ballot():
    ballot = as_ballot(np.array([[0.5, 0.25, 0.25], [0.0, 0.1, 0.9]], np.float32), np.array([1, 0]))
    assert ballot.prediction_N.tolist() == [0, 2]
    assert ballot.loss_N == pytest.approx([np.log(4), -np.log(1e-7)], rel=1e-5)


def test_a_saved_panel_is_the_panel(panel, tmp_path):
    panel.save(tmp_path / "voters.safetensors")
    again = load_panel(tmp_path)
    assert again.about == panel.about
    for one, other in zip([*panel.voters, *panel.judges], [*again.voters, *again.judges], strict=True):
        assert one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def test_further_voters_count_and_the_given_label_wins_a_tie(panel):
    """With two more voters than the panel has, all for class 1, the vote is theirs; with as many it is a tie."""
    bench = Bench(panel, "cpu")
    row, label = small.vectors()[:1], small.labels()[:1]  # an ant, and all voters say so
    alone, _ = bench.judge(row, label)
    voters = len(panel.voters)
    assert (voters, bench.quorum) == (3, 2)
    assert (alone.vote_N[0], alone.support_N[0]) == (0, 2)  # the third could not outvote them
    assert alone.prediction_VN[:, 0].tolist() == [0, 0, UNASKED]
    against = np.array([[0, 1, 0]], np.float32)
    tie, _ = bench.judge(row, label, [against] * voters)
    assert (tie.vote_N[0], tie.support_N[0], tie.agreement_N[0]) == (0, voters, voters)
    tie, _ = bench.judge(row, np.array([1]), [against] * voters)
    assert tie.vote_N[0] == 1
    lost, _ = bench.judge(row, label, [against] * (voters + 1))
    assert (lost.vote_N[0], lost.agreement_N[0]) == (1, voters + 1)
    assert lost.voters[-1] == (-1, voters)


def test_a_row_is_judged_alone_as_among_others(panel):
    bench = Bench(panel, "cpu")
    votes, manifest = bench.judge(small.vectors(), small.labels())
    for row in (0, 7, 100):
        one, verdict = bench.judge(small.vectors()[row : row + 1], small.labels()[row : row + 1])
        assert verdict.keep_N[0] == manifest.keep_N[row] and one.support_N[0] == votes.support_N[row]


def all_asked(panel, inputs, label_n):
    """What every voter says, one after another, and what the filter makes of it: the slow way."""
    about = panel.about
    table = Table(np.arange(len(label_n)), inputs, label_n, about.recipe.classes, "vector")
    ballots = []
    for state in panel.voters:
        learner = make_learner(about.learner, table, about.seed)
        learner.load(state)
        ballots.append(as_ballot(learner.probabilities(inputs), label_n))
    return vote_on_rows(list(about.voters), ballots, table, about.vote, 0)


@pytest.mark.parametrize("wrong", [0, 60])
def test_voters_that_are_not_asked_change_no_verdict(panel, wrong):
    """Rows that the first two voters agree on have two asked, all others all three; what is kept is the same."""
    label_n = small.labels()
    label_n[:wrong] = (label_n[:wrong] + 1) % 3
    votes, manifest = Bench(panel, "cpu").judge(small.vectors(), label_n)
    slow = all_asked(panel, small.vectors(), label_n)
    sure_n = (slow.prediction_VN[:2] == label_n).all(axis=0)
    asked_n = (votes.prediction_VN != UNASKED).sum(axis=0)
    assert asked_n.tolist() == np.where(sure_n, 2, 3).tolist()
    assert set(sure_n) == {True, False}
    assert np.array_equal(votes.prediction_VN[:, ~sure_n], slow.prediction_VN[:, ~sure_n])
    assert votes.loss_N[~sure_n] == pytest.approx(slow.loss_N[~sure_n], rel=1e-3, abs=1e-6)
    label_kept = slow.support_N == slow.agreement_N  # of equals the given label
    lower = votes.loss_N <= np.array(panel.about.middle_C, np.float32)[label_n]
    assert np.array_equal(votes.keep_N, label_kept | (lower & ~sure_n) | sure_n)
    assert (slow.support_N == slow.agreement_N)[sure_n].all()
    outvoted = [row for row, reason in enumerate(manifest.reason_N) if reason.startswith("outvoted")]
    for row in outvoted:
        against = 3 - slow.support_N[row]
        assert manifest.reason_N[row].startswith(f"outvoted: {against} of 3 voters")


def test_voters_find_the_same_rows_in_new_noise(panel, tmp_path):
    voters = tmp_path / "voters"
    voters.mkdir()
    panel.save(voters / "voters.safetensors")
    table = pq.read_table(small.vector_file(tmp_path / "in"))
    pq.write_table(table.take(list(range(119, -1, -1))), tmp_path / "turned")
    scored(tmp_path / "turned", tmp_path / "out", voters)
    keep = pq.read_table(tmp_path / "out" / "manifest")["keep"].to_numpy()
    assert sorted(119 - np.flatnonzero(~keep)) == small.WRONG


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda a: np.where(np.arange(a.size).reshape(a.shape) == 1, np.nan, a),
            "is nan in place 1 and 1 in all; must be",
        ),
        (lambda a: np.full_like(a, np.inf), "is inf in place 0 and"),
        (lambda a: a[..., None], "do not fit learner.net|stored arrays are"),
        (lambda a: a[:0], "do not fit learner.net|stored arrays are|cannot"),
        (lambda a: np.ones(a.shape, bool), "is of type bool; must be numbers"),
    ],
)
@pytest.mark.parametrize("kind", ["voters", "judges"])
def test_voters_that_are_damaged_are_refused(panel, tmp_path, kind, damage, message):
    states = [dict(state) for state in getattr(panel, kind)]
    name = max(states[-1], key=lambda key: states[-1][key].size)
    states[-1][name] = damage(states[-1][name])
    replace(panel, **{kind: states}).save(tmp_path / "voters.safetensors")
    with pytest.raises(BadInput, match=message):
        Bench(load_panel(tmp_path), "cpu")


def test_voters_whose_answers_are_not_finite_are_refused(panel):
    last = [name for name, value in panel.voters[0].items() if value.ndim == 2][-1]
    huge = [{**state, last: np.full_like(state[last], 3e38)} for state in panel.voters]
    with pytest.raises(BadInput, match="voters: number 0 says nan of row 0 of a batch; must be probabilities"):
        Bench(replace(panel, voters=huge), "cpu").judge(small.vectors(), small.labels())


def test_voters_with_a_loss_that_is_not_finite_are_refused(panel, tmp_path):
    about = panel.about.model_copy(update={"middle_C": (float("nan"), 1.0, 1.0)})
    save_file({"x": np.zeros(1)}, tmp_path / "voters.safetensors", {"sanitize": json.dumps(about.model_dump())})
    with pytest.raises(BadInput, match="holds no voters"):
        load_panel(tmp_path)
