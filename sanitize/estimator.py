"""The filter as a scikit-learn style estimator: X and y in, a keep mask out. Same result as `sanitize filter`."""

# N rows, V voters, D features, H x W pixels
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sanitize.data.containers import as_arrow, read_columns
from sanitize.data.labels import encode_labels
from sanitize.data.table import BoolArray, IntArray, Modality, Table, refuse_constant
from sanitize.errors import BadInput, BadParams
from sanitize.filtering import filter_table
from sanitize.params import DEFAULT_PRESET, Params, resolve
from sanitize.resume import map_of

ORIGIN = "Sanitizer"  # where messages say that wrong values stand
OWN = ("preset", "seed", "engine", "workers")  # arguments of their own


class Sanitizer(BaseEstimator):  # type: ignore[misc]  # scikit-learn comes without types
    """Finds the rows of a training set that can be trusted.

    preset   "strong", "fast" or "paper"
    seed     same seed, same result; 0 .. 2**63 - 1
    params   sections of params.yaml laid over the preset, such as {"ispl": {"runs": 5}, "learner": {"net": "mlp"}}
    engine   "inline", or "processes"; a script that asks for them is not run again by them
    workers  processes; None = one per core

    After `fit`:
    keep_           bool [N], True = keep
    reason_         str [N]: "kept", or why the row is dropped
    suspicion_      float64 [N], 0..1, higher = worse
    votes_          int64 [V, N], what each voter predicts: positions in classes_
    classes_        the C labels, sorted, of y's own type
    n_features_in_  D; absent for images
    Paper           appendix C, Jin et al. 2023
    """

    def __init__(
        self,
        preset: str = DEFAULT_PRESET,
        seed: int = 0,
        params: Mapping[str, Any] | None = None,
        engine: str = "inline",
        workers: int | None = None,
    ) -> None:
        self.preset = preset
        self.seed = seed
        self.params = params
        self.engine = engine
        self.workers = workers

    def fit(self, X: Any, y: Any = None) -> Self:
        """Judge every row.

        X        images: uint8 [N, H, W] or [N, H, W, 1 or 3]; otherwise finite numbers [N, D], seen as float32.
                 NumPy arrays, torch tensors, pandas frames, nested lists. Or columns of any kind that the command
                 reads, images, text, dates and missing values among them: Arrow tables, Hugging Face datasets, and
                 frames of pandas, polars and others that offer an Arrow stream; `params` may name them (data.inputs,
                 data.image_size). A warning names columns that are left out: identifiers, copies of the label
        y        [N] integers, strings or booleans; at least two classes, each with as many rows as components.
                 Arrow arrays as well. For columns of any kind also the label column's name, or None: it is found
        Returns  itself
        Raises   BadInput: X or y cannot be used; BadParams: a parameter is wrong
        """
        params = self._resolved()
        rows = as_arrow(X)
        if rows is not None:
            labels, classes, inputs, modality = read_columns(rows, y, params, _labels)
        else:
            labels, classes = _labels(y)
            inputs, modality = _inputs(X)
        names = tuple(str(value) for value in classes)
        table = Table(np.arange(len(labels), dtype=np.int64), inputs, labels, names, modality)
        refuse_constant(table.inputs, f"{modality} inputs", "X")
        found = filter_table(table, params, map=map_of(params))
        self.keep_: BoolArray = found.manifest.keep_N
        self.reason_: NDArray[np.str_] = np.array(found.manifest.reason_N)
        self.suspicion_: NDArray[np.float64] = found.manifest.suspicion_N
        self.votes_: IntArray = found.votes.prediction_VN
        self.classes_: NDArray[Any] = classes
        if modality != "image":
            self.n_features_in_: int = inputs.shape[1]
        elif hasattr(self, "n_features_in_"):
            del self.n_features_in_  # of an earlier fit
        return self

    def fit_predict(self, X: Any, y: Any = None) -> BoolArray:
        """`fit`, and the keep mask, bool [N]: X[mask], y[mask] are the rows to trust."""
        return self.fit(X, y).keep_

    def _resolved(self) -> Params:
        given = dict(self.params or {})
        twice = [name for name in OWN if name in given]
        if twice:
            raise BadParams(f"{ORIGIN}: params holds {twice[0]!r}, an argument of its own; pass {twice[0]}=... instead")
        own = {name: getattr(self, name) for name in OWN}
        return resolve({**given, **{k: v.item() if isinstance(v, np.generic) else v for k, v in own.items()}}, ORIGIN)


def _array(values: Any, name: str) -> NDArray[Any]:
    """As a NumPy array; a torch tensor comes from its device, and half precisions become float32."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if values.is_floating_point() else values
    try:
        return np.asarray(values)
    except ValueError as error:
        raise BadInput(f"{name}: is no array ({error}); all rows must have one shape") from error


def _labels(y: Any) -> tuple[IntArray, NDArray[Any]]:
    """Labels as int64 [N], 0..C-1, and the C values that they stand for."""
    if hasattr(y, "__arrow_c_stream__") and type(y).__module__.partition(".")[0] != "pandas":
        y = pa.chunked_array(y).to_pandas()
    elif isinstance(y, pa.Array):
        y = y.to_pandas()
    if y is None or isinstance(y, str):
        raise BadInput(f"y: is {y!r}; must be [N], one label per row; a column's name or none goes with tables alone")
    values = _array(y, "y")
    if values.ndim != 1:
        raise BadInput(f"y: has shape {list(values.shape)}; must be [N], one label per row")
    try:
        column = pa.array(values, from_pandas=True)
    except pa.ArrowException as error:
        raise BadInput(f"y: cannot be used as labels ({error}); must be all integers, strings or booleans") from error
    labels, _ = encode_labels(pa.table({"y": column}), "y", origin="y")
    return labels, np.unique(values)


def _inputs(X: Any) -> tuple[NDArray[Any], Modality]:
    """Inputs as a Table has them, and what they are."""
    values = _array(X, "X")
    if values.dtype == np.uint8 and values.ndim in (3, 4):
        return values[..., np.newaxis] if values.ndim == 3 else values, "image"
    if values.ndim != 2:
        raise BadInput(
            f"X: is {values.dtype} of shape {list(values.shape)}; must be numbers [N, D], or uint8 images [N, H, W] or "
            f"[N, H, W, 1 or 3]"
        )
    return _numbers(values, "values"), "vector"


def _numbers(values: NDArray[Any], what: str) -> NDArray[np.float32]:
    if values.dtype.kind not in "biufO":
        raise BadInput(f"X: {what} of type {values.dtype}; must be numbers; encode or leave them out")
    try:
        with np.errstate(over="ignore"):  # too large becomes infinite, which the table refuses with its row
            return values.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise BadInput(f"X: {what} cannot be read as numbers ({error}); encode or leave them out") from error
