"""Ensembles from start to end: equal to their parts put together."""

import numpy as np
import pytest

from sanitize.certify.ensembles import SYMMETRIC, bagging, count_votes, dpa, finite_aggregation, run_off
from sanitize.certify.individual import UNIT
from sanitize.certify.members import certify_ensemble
from sanitize.certify.partitions import bag_shares, partition_shares, predicted, spread_parts, train_members
from sanitize.data.seeds import stream
from sanitize.data.table import Table
from sanitize.errors import BadInput, BadParams
from sanitize.execution import inline
from sanitize.params import resolve

PARAMS = resolve(
    {
        "learner": {"name": "sklearn", "model": "logistic_regression", "threads": 1},
        "ensemble": {"members": 7, "degree": 2, "bag": 9},
    }
)
LEARNER, SETTINGS = PARAMS.learner, PARAMS.ensemble


def rows(number, name):
    label = np.arange(number) % 3
    places = 3 * np.eye(3, 4)[label] + stream(0, "members", name).normal(0, 1, (number, 4))
    return Table(np.arange(number), places.astype(np.float32), label, ("a", "b", "c"), "vector")


TRAIN, TEST = rows(90, "train"), rows(12, "test")


def scores(shares):
    return np.stack(list(train_members(TRAIN, TEST.inputs, shares, LEARNER, epochs=20, seed=0, map=inline)))


def certify(method, settings=SETTINGS, inputs=TEST.inputs, **more):
    return certify_ensemble(TRAIN, inputs, method, settings, LEARNER, seed=0, map=inline, **more)


def same(found, expected):
    assert found.prediction.tolist() == expected.prediction.tolist()
    assert found.size.tolist() == expected.size.tolist()
    assert (found.unit, found.confidence) == (expected.unit, expected.confidence)


def test_each_is_its_parts_put_together():
    alone = predicted(scores(partition_shares(TRAIN, 7, 1, 0)))
    same(certify("dpa"), dpa(count_votes(alone, 3)))
    spread, wide = spread_parts(7, 2, 0), scores(partition_shares(TRAIN, 7, 2, 0))
    same(certify("finite_aggregation"), finite_aggregation(predicted(wide), 3, spread))
    same(certify("run_off"), run_off(wide, spread))
    bags = predicted(scores(bag_shares(90, 9, 7, 0)))
    same(certify("bagging"), bagging(count_votes(bags, 3), rows=90, bag=9, alpha=0.001))
    assert certify("dpa").unit == SYMMETRIC and certify("bagging").unit == UNIT
    assert certify("bagging").confidence == 0.999


def test_degree_1_is_dpa():
    one = SETTINGS.model_copy(update={"degree": 1})
    same(certify("finite_aggregation", one), certify("dpa"))


def test_every_learner_is_told():
    told = []
    certify("dpa", advance=lambda: told.append(1))
    assert len(told) == 7


def test_what_cannot_be_is_refused():
    with pytest.raises(BadParams, match="method is 'knn'; must be one of dpa, bagging"):
        certify("knn")
    with pytest.raises(BadInput, match="there are no test rows to certify"):
        certify("dpa", inputs=TEST.inputs[:0])
    with pytest.raises(BadParams, match=r"degree is 8; must be 1\.\.7"):
        certify("run_off", SETTINGS.model_copy(update={"degree": 8}))
    with pytest.raises(BadInput, match=r"test rows have shape \[3\], training rows \[4\]"):
        certify("dpa", inputs=TEST.inputs[:, :3])
