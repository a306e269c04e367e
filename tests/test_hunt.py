"""A trigger that nobody doubts is found; an honest kind with the same conspicuous features is not taken for one."""

import numpy as np
import pytest

from sanitize.coherence import Finding, Group
from sanitize.common_features import Cluster
from sanitize.data.seeds import stream
from sanitize.data.table import Table
from sanitize.execution import inline
from sanitize.hunt import HuntTask, clusters_wanted, hunt, look_for_clusters, predict_unseen
from sanitize.params import resolve
from tests.spy import Spy

PARAMS = resolve({"preset": "strong"})
NEAREST = resolve({"learner": {"name": "sklearn", "model": "tests.reference.ispl:NearestMean"}}).learner
TRIGGER, HONEST = list(range(160, 180)), list(range(180, 200))


def table_of(poisoned=True):
    """80 rows of class 0 at -5, 80 of class 1 at 5 in feature 0; then labelled 1, with constants in two features each:
    TRIGGER at -5, or at 5 where nothing is poisoned, and HONEST at 5."""
    place = np.repeat([-5.0, 5.0, -5.0 if poisoned else 5.0, 5.0], [80, 80, 20, 20])
    inputs = stream(0, "hunted").normal(0, 1, (200, 12))
    inputs[:, 0] += place
    inputs[np.ix_(TRIGGER, [3, 4])] = [4.0, 3.5]
    inputs[np.ix_(HONEST, [7, 8])] = [4.0, 3.5]
    labels = np.repeat([0, 1], [80, 120])
    return Table(np.arange(200), inputs.astype(np.float32), labels, ("cat", "dog"), "vector")


def hunted(table, findings=(), **changed):
    params = PARAMS.coherence.model_copy(update=changed)
    smoothed_NC = np.eye(2, dtype=np.float32)[table.labels]
    calls = []
    found = hunt(
        table, smoothed_NC, findings, NEAREST, params, PARAMS.selftrain, 0, map=inline, advance=lambda: calls.append(1)
    )
    return found, len(calls)


def test_the_trigger_is_found_and_the_honest_kind_is_not():
    (finding,), networks = hunted(table_of())
    assert (finding.group.label, finding.group.says, finding.verdict) == (1, 0, "coherent")
    assert finding.carriers.tolist() == TRIGGER and finding.recognised == 1.0 and 1 <= networks <= 4


def test_two_honest_kinds():
    found, networks = hunted(table_of(poisoned=False))
    assert found == [] and networks >= 1


def test_both_kinds_were_looked_at():
    task = HuntTask(table_of(), np.ones(200, np.bool_), [], NEAREST, PARAMS.coherence, 1, 0)
    clusters = [cluster.rows.tolist() for cluster in look_for_clusters(task, 1)]
    assert TRIGGER in clusters and HONEST in clusters


def test_known_carriers_are_not_hunted_again():
    known = Finding(Group(1, 0, np.array(TRIGGER)), "coherent", 1.0, np.array(TRIGGER))
    found, _ = hunted(table_of(), [known])
    assert found == []


@pytest.mark.parametrize("changed", [{"hunted": 0}, {"least": 101}])
def test_switched_off_and_too_few_rows(changed):
    """Twice `least` rows are needed: 120 of class 1 are too few for 101."""
    assert hunted(table_of(), **{"hunted": 4} | changed) == ([], 0)


def test_no_network_sees_the_clusters_that_it_is_asked_about(monkeypatch):
    spy = Spy([0.9, 0.1])
    monkeypatch.setattr("sanitize.hunt.make_learner", lambda *_: spy)
    trigger, first, honest = (Cluster(np.array(rows), 1.0, 0.0) for rows in (TRIGGER, range(10), HONEST))
    unseen = [[(1, trigger), (0, first)], [(1, honest)]]
    task = HuntTask(table_of(), np.arange(200) != 50, unseen, NEAREST, PARAMS.coherence, 1, 0)
    said = [predict_unseen(task, number) for number in (0, 1)]
    assert spy.fitted == [set(range(200)) - {50, *TRIGGER, *range(10)}, set(range(200)) - {50, *HONEST}]
    asked = [len(inputs) for inputs in spy.asked]
    assert asked == [20, 10, 20] and [len(s) for part in said for s in part] == asked
    assert all((s == 0).all() for part in said for s in part)


def test_auto_spares_images_the_time():
    fast = resolve({"preset": "fast"}).coherence
    vectors = table_of()
    images = Table(vectors.ids, np.zeros((200, 8, 8, 1), np.uint8), vectors.labels, vectors.class_names, "image")
    assert [clusters_wanted(t, fast) for t in (vectors, images)] == [4, 0]
    assert [clusters_wanted(t, PARAMS.coherence) for t in (vectors, images)] == [4, 4]
