"""Voters on rows that they have not seen: the filter's own rule, by hand."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from sanitize.panel import Bench, as_ballot, load_panel
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
    assert (alone.vote_N[0], alone.support_N[0]) == (0, voters)
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


def test_the_lower_half_is_measured_on_the_fitted_table(panel):
    """120 rows: 39 ants, 38 bees, 43 cats; half of each, rounded up, lie at or below the class's middle loss."""
    votes, _ = Bench(panel, "cpu").judge(small.vectors(), small.labels())
    counts = np.bincount(small.labels()[votes.lower_half_N], minlength=3)
    assert np.abs(counts - [20, 19, 22]).max() <= 2  # the voters' own losses, rounded otherwise


def test_voters_find_the_same_rows_in_new_noise(panel, tmp_path):
    voters = tmp_path / "voters"
    voters.mkdir()
    panel.save(voters / "voters.safetensors")
    table = pq.read_table(small.vector_file(tmp_path / "in"))
    pq.write_table(table.take(list(range(119, -1, -1))), tmp_path / "turned")
    scored(tmp_path / "turned", tmp_path / "out", voters)
    keep = pq.read_table(tmp_path / "out" / "manifest")["keep"].to_numpy()
    assert sorted(119 - np.flatnonzero(~keep)) == small.WRONG
