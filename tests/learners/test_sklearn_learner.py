"""sanitize.learners.sklearn_learner: the protocol of learners/base.py, values worked out by hand, bad names."""

# N rows, M outside rows, C classes
from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sanitize.data.seeds import stream
from sanitize.data.table import Table
from sanitize.errors import BadInput, BadParams
from sanitize.learners.base import Learner, all_rows, make_learner
from sanitize.params import resolve

MODELS = ("logistic_regression", "hist_gradient_boosting", "sklearn.naive_bayes:GaussianNB")
RANDOM = "sklearn.ensemble:ExtraTreesClassifier"  # has a random_state that matters


class Fixed:
    """A classifier whose answer is known: 0.5 for the first class that it saw, the rest shared out."""

    def fit(self, inputs: np.ndarray, labels: np.ndarray) -> Fixed:
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, inputs: np.ndarray) -> np.ndarray:
        rest = 0.5 / (len(self.classes_) - 1)
        return np.tile([0.5] + [rest] * (len(self.classes_) - 1), (len(inputs), 1))


class Descending(Fixed):
    """Names its classes in an order of its own."""

    def fit(self, inputs: np.ndarray, labels: np.ndarray) -> Fixed:
        self.classes_ = np.unique(labels)[::-1]
        return self


class OneColumn(Fixed):
    """Forgets a column."""

    def predict_proba(self, inputs: np.ndarray) -> np.ndarray:
        return np.ones((len(inputs), 1))


class NeedsArguments(Fixed):
    """Cannot be made without an argument."""

    def __init__(self, depth: int) -> None:
        self.depth = depth


NOT_A_CLASS = Fixed()


def images(rows: int = 60, classes: int = 3) -> Table:
    """Bright left, middle or right third of 4 x 6 pixels, with noise."""
    draws = stream(0, "images")
    label_N = np.arange(rows) % classes
    pixels = draws.integers(0, 80, (rows, 4, 6, 1))
    for row, label in enumerate(label_N):
        pixels[row, :, 2 * label : 2 * label + 2] += 150
    return Table(np.arange(rows), pixels.astype(np.uint8), label_N, ("left", "middle", "right", "never"), "image")


def vectors() -> Table:
    draws = stream(0, "vectors")
    label_N = np.arange(40) % 2
    inputs = draws.normal(0, 1, (40, 3)) + 4 * label_N[:, None]
    return Table(np.arange(40) + 7, inputs.astype(np.float32), label_N, ("low", "high"), "vector")


def learner_of(model: str, table: Table, seed: int = 0, threads: int = 1) -> Learner:
    return make_learner(
        resolve({"learner": {"name": "sklearn", "model": model, "threads": threads}}).learner, table, seed
    )


def here(kind: type) -> str:
    return f"{__name__}:{kind.__name__}"


@pytest.mark.parametrize("model", [*MODELS, RANDOM])
@pytest.mark.parametrize("table", [images(), vectors()], ids=["images", "vectors"])
def test_shapes_types_and_what_is_learned(model: str, table: Table) -> None:
    learner = learner_of(model, table)
    learner.start("vote", 0, 1)
    learner.fit(all_rows(table), 3, done=0, total=3)
    asked = np.array([5, 0, 5])
    scores = learner.score(asked)
    assert (scores.loss.dtype, scores.prediction.dtype) == (np.float32, np.int64)
    assert scores.loss.shape == scores.prediction.shape == (3,)
    assert scores.prediction.tolist() == table.labels[asked].tolist()
    probability_MC = learner.probabilities(table.inputs[asked])
    assert probability_MC.dtype == np.float32
    assert probability_MC.shape == (3, table.classes)
    assert np.allclose(probability_MC.sum(axis=1), 1, atol=1e-6)
    given = probability_MC[np.arange(3), table.labels[asked]]
    assert np.allclose(scores.loss, -np.log(np.clip(given, 1e-7, 1)), atol=1e-5)
    assert learner.score(asked[:0]).loss.shape == (0,)
    assert learner.probabilities(table.inputs[:0]).shape == (0, table.classes)


def test_the_loss_by_hand() -> None:
    table = images()
    learner = learner_of(here(Fixed), table)
    learner.fit(np.array([1, 2, 4, 5]), 1)  # classes 1 and 2 only
    scores = learner.score(np.array([0, 1, 2]))
    assert scores.prediction.tolist() == [1, 1, 1]
    assert scores.loss == pytest.approx([-math.log(1e-7), math.log(2), math.log(2)])
    assert learner.probabilities(table.inputs[:1]).tolist() == [[0.0, 0.5, 0.5, 0.0]]
    learner.fit(all_rows(table), 1)  # from scratch: classes 0, 1, 2
    assert learner.score(np.array([0, 1])).loss == pytest.approx([math.log(2), math.log(4)])


@pytest.mark.parametrize("model", MODELS)
def test_one_class_alone_is_always_predicted(model: str) -> None:
    table = images()
    learner = learner_of(model, table)
    learner.fit(np.array([1, 4, 7]), 1)
    scores = learner.score(np.array([0, 1]))
    assert scores.prediction.tolist() == [1, 1]
    assert scores.loss == pytest.approx([-math.log(1e-7), 0.0])
    assert learner.probabilities(table.inputs[:1]).tolist() == [[0.0, 1.0, 0.0, 0.0]]


@pytest.mark.parametrize("model", MODELS)
def test_absent_classes_have_no_probability(model: str) -> None:
    table = images()
    learner = learner_of(model, table)
    learner.fit(np.flatnonzero(table.labels != 1), 1)
    probability_NC = learner.probabilities(table.inputs)
    assert (probability_NC[:, [1, 3]] == 0).all()
    assert np.allclose(probability_NC[:, [0, 2]].sum(axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("modality", ["vector", "tabular"])
def test_logistic_regression_is_scikit_learns_on_standard_scores(modality: str) -> None:
    source = vectors()
    table = Table(source.ids, source.inputs * 1000, source.labels, source.class_names, modality)  # type: ignore[arg-type]
    learner, rows = learner_of("logistic_regression", table), np.arange(0, 40, 3)
    learner.fit(rows, 1)
    mean, deviation = table.inputs[rows].mean(axis=0), table.inputs[rows].std(axis=0)
    expected = LogisticRegression(max_iter=1000).fit((table.inputs[rows] - mean) / deviation, table.labels[rows])
    probability = expected.predict_proba((table.inputs - mean) / deviation)
    assert np.allclose(learner.probabilities(table.inputs), probability, atol=1e-4)


def test_a_rarely_lit_pixel_is_not_blown_up() -> None:
    table = images()
    table.inputs[0, 0, 0, 0] = 255
    learner = learner_of("logistic_regression", table)
    learner.fit(all_rows(table), 1)
    state = learner.state()
    assert state is not None
    deviation = (table.inputs.reshape(60, 24) / 255.0).std(axis=0)
    assert state["scale"] == pytest.approx(np.full(24, math.sqrt((deviation**2).mean())), rel=1e-5)
    assert state["mean"] == pytest.approx((table.inputs.reshape(60, 24) / 255.0).mean(axis=0), rel=1e-5)


def test_constant_features_do_no_harm() -> None:
    source = vectors()
    inputs = np.concatenate([source.inputs, np.full((40, 1), 3, np.float32)], axis=1)
    table = Table(source.ids, inputs, source.labels, source.class_names, "vector")
    learner = learner_of("logistic_regression", table)
    learner.fit(all_rows(table), 1)
    assert np.isfinite(learner.score(all_rows(table)).loss).all()


@pytest.mark.parametrize("model", [*MODELS, RANDOM])
def test_same_streams_same_bytes_whatever_the_threads(model: str) -> None:
    table = images()
    found = []
    for threads in (1, 2):
        learner = learner_of(model, table, threads=threads)
        for _ in range(2):
            learner.start("ispl", 0, 1)
            learner.fit(np.arange(0, 45), 4)
            found.append(learner.score(all_rows(table)).loss.tobytes())
    assert len(set(found)) == 1


def test_streams_and_fits_have_randomness_of_their_own() -> None:
    table = images()
    losses = set()
    for seed, names in ((0, ("vote", 0)), (0, ("vote", 1)), (1, ("vote", 0))):
        learner = learner_of(RANDOM, table, seed)
        learner.start(*names)
        for _ in range(2):
            learner.fit(np.arange(6), 1)
            losses.add(learner.score(all_rows(table)).loss.tobytes())
    assert len(losses) == 6


@pytest.mark.parametrize("rows", [np.arange(60), np.flatnonzero(np.arange(60) % 3 != 1), np.arange(0, 60, 3)])
def test_logistic_regression_can_be_stored_and_loaded(rows: np.ndarray) -> None:
    table = images()
    learner, other = learner_of("logistic_regression", table), learner_of("logistic_regression", table, seed=9)
    learner.start("vote", 0)
    assert learner.state() is None
    learner.fit(rows, 1)
    state = learner.state()
    assert state is not None
    classes = len(np.unique(table.labels[rows]))
    assert {name: array.shape for name, array in state.items()} == {
        "mean": (24,),
        "scale": (24,),
        "coefficients": (classes, 24),
        "intercept": (classes,),
        "classes": (classes,),
    }
    assert all(array.flags.c_contiguous for array in state.values())
    other.load(state)
    assert other.score(all_rows(table)).loss.tobytes() == learner.score(all_rows(table)).loss.tobytes()
    other.start("vote", 1)
    assert other.state() is None


def test_arrays_that_do_not_fit_are_refused() -> None:
    learner = learner_of("logistic_regression", images())
    learner.fit(np.arange(60), 1)
    state = learner.state()
    assert state is not None
    for broken in ({**state, "mean": state["mean"][:-1]}, {k: v for k, v in state.items() if k != "classes"}):
        with pytest.raises(BadParams, match="stored arrays are"):
            learner.load(broken)


@pytest.mark.parametrize("model", MODELS[1:])
def test_other_models_cannot_be_stored(model: str) -> None:
    learner = learner_of(model, images())
    learner.fit(np.arange(60), 1)
    assert learner.state() is None
    with pytest.raises(BadParams, match="cannot be stored without pickle"):
        learner.load({})


def test_start_forgets() -> None:
    learner = learner_of("logistic_regression", images())
    learner.fit(np.arange(60), 1)
    learner.start("vote", 0)
    with pytest.raises(AssertionError, match="fit or load comes before"):
        learner.score(np.arange(3))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("logistic", "'logistic'; must be logistic_regression, hist_gradient_boosting, or module:Class"),
        ("sklearn.svm:", "must be logistic_regression"),
        (":SVC", "must be logistic_regression"),
        ("no_such_module:Thing", "cannot be imported .*mend its spelling"),
        ("sklearn.svm:NoSuchClass", "cannot be imported"),
        ("sklearn.svm:LinearSVC", "has no predict_proba; must be a classifier"),
        ("sklearn.preprocessing:StandardScaler", "has no predict_proba"),
        ("collections:OrderedDict", "has no fit and no predict_proba"),
        ("math:sqrt", "must be a class, is builtin_function_or_method"),
        (f"{__name__}:NOT_A_CLASS", "must be a class, is Fixed"),
        (here(NeedsArguments), "can be made without arguments"),
    ],
)
def test_models_that_will_not_do(model: str, message: str) -> None:
    with pytest.raises(BadParams, match=message):
        learner_of(model, images())


def test_classifiers_that_break_their_word() -> None:
    table = images()
    with pytest.raises(BadParams, match=r"classes_ are .* must be these, ascending"):
        learner_of(here(Descending), table).fit(all_rows(table), 1)
    learner = learner_of(here(OneColumn), table)
    learner.fit(all_rows(table), 1)
    with pytest.raises(BadParams, match=r"shape \[60, 1\]; must be \[60, 3\]"):
        learner.score(all_rows(table))


def test_bad_rows() -> None:
    table = images()
    learner = learner_of("logistic_regression", table)
    with pytest.raises(BadInput, match="0 rows to fit"):
        learner.fit(np.zeros(0, np.int64), 1)
    learner.fit(all_rows(table), 1)
    with pytest.raises(BadInput, match=r"shape \[6, 4, 1\]; the learner knows \[4, 6, 1\]"):
        learner.probabilities(np.zeros((2, 6, 4, 1), np.uint8))


def test_no_such_learner() -> None:
    params = resolve({"learner": {"name": "sklaern"}}).learner
    with pytest.raises(BadParams, match=r"learner\.name is .sklaern."):
        make_learner(params, images(), 0)
