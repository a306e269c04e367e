"""The learning algorithm A with scikit-learn's classifiers. LearnerParams, Table -> Learner.

`learner.model` is logistic_regression, hist_gradient_boosting, or module:Class for any classifier with fit and
predict_proba. The method of Jin et al. 2023 asks nothing else of A.
"""

# N rows of the table, n rows asked for, M outside rows, D features, C classes, c classes seen when fitting
from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from sanitize.data.seeds import stream
from sanitize.data.table import FloatArray, IntArray, Modality, Table
from sanitize.errors import BadInput, BadParams
from sanitize.learners.base import Scores
from sanitize.params import LearnerParams

LEAST_PROBABILITY = 1e-7  # bounds the loss at 16.1 nats: trees and absent classes give exact zeros
LOGISTIC_ITERATIONS = 1000
LOGISTIC_STATE = ("mean", "scale", "coefficients", "intercept", "classes")
# Voters are many and weak: fewer, smaller trees than scikit-learn's defaults, and leaves that a component of some
# hundred rows can fill. Early stopping would hold rows back at random.
BOOSTING = {"max_iter": 50, "max_leaf_nodes": 15, "min_samples_leaf": 5, "early_stopping": False}


class Model(Protocol):
    """What is fitted to rows; class probabilities come back over the classes that it saw, ascending."""

    @property
    def classes(self) -> IntArray:
        """Labels that it was fitted to, int64 [c], ascending."""

    def fit(self, inputs_nD: FloatArray, label_n: IntArray, random_state: int) -> None:
        """Learn from n rows, from scratch."""

    def probabilities(self, inputs_nD: FloatArray) -> NDArray[np.floating[Any]]:
        """Float [n, c], a column for each of `classes`."""


class Logistic:
    """Multinomial logistic regression on scaled inputs.

    Vectors and columns are scaled feature by feature. The pixels of an image share one unit, so they are centred one
    by one and divided by one common deviation: a pixel that is lit in two rows is not blown up.
    """

    def __init__(self, modality: Modality) -> None:
        self.modality = modality
        self.arrays: dict[str, NDArray[Any]] = {}

    @property
    def classes(self) -> IntArray:
        """Labels that it was fitted to, int64 [c], ascending."""
        return self.arrays["classes"]

    def fit(self, inputs_nD: FloatArray, label_n: IntArray, random_state: int) -> None:
        """Learn from n rows, from scratch."""
        mean_D = inputs_nD.mean(axis=0, dtype=np.float64)
        scale_D = inputs_nD.std(axis=0, dtype=np.float64)
        if self.modality == "image":
            scale_D = np.full_like(scale_D, np.sqrt(np.mean(scale_D**2)))
        scale_D[scale_D == 0] = 1.0
        classes_c = np.unique(label_n)
        scaled_nD = (inputs_nD - mean_D) / scale_D
        if len(classes_c) == 1:
            coefficients_cD, intercept_c = np.zeros((1, inputs_nD.shape[1])), np.zeros(1)
        else:
            model = LogisticRegression(max_iter=LOGISTIC_ITERATIONS, random_state=random_state).fit(scaled_nD, label_n)
            coefficients_cD, intercept_c = model.coef_, model.intercept_
            if len(classes_c) == 2:  # scikit-learn keeps only the second class's logit; the first one's is zero
                coefficients_cD = np.vstack([np.zeros_like(coefficients_cD), coefficients_cD])
                intercept_c = np.concatenate([[0.0], intercept_c])
        found = (mean_D, scale_D, np.ascontiguousarray(coefficients_cD, dtype=np.float64), intercept_c, classes_c)
        self.arrays = dict(zip(LOGISTIC_STATE, found, strict=True))

    def probabilities(self, inputs_nD: FloatArray) -> NDArray[np.floating[Any]]:
        """Float [n, c], a column for each of `classes`."""
        scaled_nD = (inputs_nD - self.arrays["mean"]) / self.arrays["scale"]
        logits_nc = scaled_nD @ self.arrays["coefficients"].T + self.arrays["intercept"]
        odds_nc = np.exp(logits_nc - logits_nc.max(axis=1, keepdims=True))
        probability_nc: NDArray[np.floating[Any]] = odds_nc / odds_nc.sum(axis=1, keepdims=True)
        return probability_nc


class AnyClassifier:
    """A scikit-learn classifier, made anew for every fit; rows of one class alone give that class."""

    def __init__(self, kind: type[Any], options: dict[str, Any], name: str) -> None:
        self.kind, self.options, self.name = kind, options, name
        self.classes: IntArray = np.zeros(0, dtype=np.int64)
        self.model: Any = None
        self._make()  # a class that cannot be made so is refused now, not in the middle of a run

    def _make(self) -> Any:
        try:
            model = self.kind(**self.options)
        except TypeError as error:
            raise BadParams(
                f"learner.model is {self.name!r}; must be a class that can be made without arguments ({error}); "
                "wrap it in one that can"
            ) from error
        # Asked of the object, since some classes have predict_proba only with certain options.
        lacking = [method for method in ("fit", "predict_proba") if not hasattr(model, method)]
        if lacking:
            raise BadParams(
                f"learner.model is {self.name!r}, which has no {' and no '.join(lacking)}; must be a classifier "
                "with fit and predict_proba, such as sklearn.naive_bayes:GaussianNB"
            )
        return model

    def fit(self, inputs_nD: FloatArray, label_n: IntArray, random_state: int) -> None:
        """Learn from n rows, from scratch."""
        self.classes = np.unique(label_n)
        self.model = None
        if len(self.classes) == 1:
            return
        model = self._make()
        if hasattr(model, "get_params") and "random_state" in model.get_params():
            model.set_params(random_state=random_state)
        model.fit(inputs_nD, label_n)
        if not np.array_equal(getattr(model, "classes_", self.classes), self.classes):
            raise BadParams(
                f"learner.model is {self.name!r}; its classes_ are {list(model.classes_)} after a fit to labels "
                f"{self.classes.tolist()}; must be these, ascending"
            )
        self.model = model

    def probabilities(self, inputs_nD: FloatArray) -> NDArray[np.floating[Any]]:
        """Float [n, c], a column for each of `classes`."""
        if self.model is None:
            return np.ones((len(inputs_nD), 1))
        probability_nc: NDArray[np.floating[Any]] = np.asarray(self.model.predict_proba(inputs_nD))
        expected = (len(inputs_nD), len(self.classes))
        if probability_nc.shape != expected:
            raise BadParams(
                f"learner.model is {self.name!r}; its predict_proba gave shape {list(probability_nc.shape)}; "
                f"must be {list(expected)}, one column per class that it was fitted to"
            )
        return probability_nc


class SklearnLearner:
    """sanitize.learners.base.Learner over one of the models above."""

    def __init__(self, params: LearnerParams, table: Table, seed: int) -> None:
        self.params, self.classes, self.seed = params, table.classes, seed
        self.modality = table.modality
        self.row_shape = table.inputs.shape[1:]
        self.inputs_ND = self._flat(table.inputs)
        self.label_N = table.labels
        self.fitted: Model | None = None
        self.start()

    def start(self, *names: str | int) -> None:
        """Forget everything; the randomness to come is the stream called `names`."""
        self.draws = stream(self.seed, "sklearn", *names)
        self.model = _model(self.params, self.modality)
        self.fitted = None

    def fit(self, rows: IntArray, epochs: int, *, done: int = 0, total: int | None = None) -> None:
        """Fit from scratch to the rows at positions `rows`, int64 [n]; the three numbers mean nothing here.

        Raises   BadInput: no rows; BadParams: a class from `learner.model` that is no classifier
        """
        if not len(rows):
            raise BadInput("a learner was given 0 rows to fit; needs at least 1")
        with threadpool_limits(self.params.threads):
            self.model.fit(self.inputs_ND[rows], self.label_N[rows], int(self.draws.integers(2**31)))
        self.fitted = self.model

    def score(self, rows: IntArray) -> Scores:
        """Loss (nats, 0 .. 16.1) and prediction of the rows at positions `rows`, int64 [n].

        The loss of a label that the fitted rows did not hold is -log(1e-7) = 16.1.
        """
        probability_nC = self._probabilities(self.inputs_ND[rows])
        given_n = probability_nC[np.arange(len(rows)), self.label_N[rows]]
        loss_n = -np.log(np.clip(given_n, LEAST_PROBABILITY, 1.0))
        return Scores(loss_n.astype(np.float32), probability_nC.argmax(axis=1).astype(np.int64))

    def probabilities(self, inputs: NDArray[Any]) -> FloatArray:
        """Class probabilities of outside rows: inputs as in Table.inputs [M, …] -> float32 [M, C].

        Raises   BadInput: rows of another shape than the table's
        """
        if inputs.shape[1:] != self.row_shape:
            raise BadInput(f"rows have shape {list(inputs.shape[1:])}; the learner knows {list(self.row_shape)}")
        return self._probabilities(self._flat(inputs)).astype(np.float32)

    def state(self) -> dict[str, NDArray[Any]] | None:
        """Logistic regression: mean, scale [D], coefficients [c, D], intercept, classes [c]. Others: None."""
        return dict(self.model.arrays) if isinstance(self.model, Logistic) and self.fitted else None

    def load(self, state: dict[str, NDArray[Any]]) -> None:
        """Take back what `state` gave.

        Raises   BadParams: a model that cannot be stored, or arrays that no `state` for such a table gives
        """
        if not isinstance(self.model, Logistic):
            raise BadParams(
                f"learner.model is {self.params.model!r}, which cannot be stored without pickle; must be "
                "logistic_regression to load arrays; or fit it again"
            )
        features = self.inputs_ND.shape[1]
        count = len(state.get("classes", ()))
        shapes = {"mean": (features,), "scale": (features,), "coefficients": (count, features)}
        shapes |= {"intercept": (count,), "classes": (count,)}
        got = {name: array.shape for name, array in state.items()}
        if got != shapes or not count:
            raise BadParams(f"stored arrays are {got}; must be {shapes} with at least one class; fit the learner again")
        self.model.arrays = {name: np.array(state[name]) for name in LOGISTIC_STATE}
        self.fitted = self.model

    def _flat(self, inputs: NDArray[Any]) -> FloatArray:
        """Inputs as in Table.inputs [M, …] -> float32 [M, D]; pixels 0..1."""
        flat_MD = inputs.reshape(len(inputs), int(np.prod(inputs.shape[1:])))
        return flat_MD.astype(np.float32) / np.float32(255 if self.modality == "image" else 1)

    def _probabilities(self, inputs_nD: FloatArray) -> NDArray[np.float64]:
        """float64 [n, C], zero for classes that the fitted rows did not hold."""
        assert self.fitted is not None, "fit or load comes before score and probabilities"
        probability_nC = np.zeros((len(inputs_nD), self.classes))
        if len(inputs_nD):
            with threadpool_limits(self.params.threads):
                probability_nC[:, self.fitted.classes] = self.fitted.probabilities(inputs_nD)
        return probability_nC


def _model(params: LearnerParams, modality: Modality) -> Model:
    if params.model == "logistic_regression":
        return Logistic(modality)
    if params.model == "hist_gradient_boosting":
        return AnyClassifier(HistGradientBoostingClassifier, BOOSTING, params.model)
    return AnyClassifier(_imported(params.model), {}, params.model)


def _imported(name: str) -> type[Any]:
    """The class at "module:Class"; BadParams where there is none."""
    module_name, _, class_name = name.partition(":")
    if not module_name or not class_name:
        raise BadParams(
            f"learner.model is {name!r}; must be logistic_regression, hist_gradient_boosting, or module:Class such as "
            "sklearn.naive_bayes:GaussianNB"
        )
    try:
        kind = getattr(import_module(module_name), class_name)
    except Exception as error:  # it is somebody's own code
        raise BadParams(
            f"learner.model is {name!r}; cannot be imported ({error}); mend its spelling, or name its folder in "
            "PYTHONPATH: `sanitize` does not import from the current folder"
        ) from error
    if not isinstance(kind, type):
        raise BadParams(f"learner.model is {name!r}; must be a class, is {type(kind).__name__}; name the class itself")
    return kind


def make(params: LearnerParams, table: Table, seed: int) -> SklearnLearner:
    """A learner bound to `table`.

    params   `model` and `threads` count; the rest is the torch learner's
    seed     the run's seed; random states are drawn from the streams ("sklearn", *names given to start)
    Raises   BadParams: `model` is unknown, cannot be imported, or has no fit and predict_proba
    """
    return SklearnLearner(params, table, seed)
