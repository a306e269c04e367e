"""Sanitizer: the filter for X and y, with the same result as the command."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.base import clone
from typer.testing import CliRunner

from sanitize import Sanitizer
from sanitize.cli import app
from sanitize.errors import BadInput, BadParams
from tests import small

QUICK = {**small.SECTIONS, "learner": {**small.SECTIONS["learner"], "net": "linear"}}


def fitted(X, y=None, **arguments):
    return Sanitizer(preset=small.PRESET, params=QUICK, **arguments).fit(X, y)


@pytest.mark.parametrize("kind", ["vectors", "images"])
def test_it_gives_what_the_command_gives(kind, tmp_path):
    X = getattr(small, kind)()
    source = (small.vector_file if kind == "vectors" else small.image_file)(tmp_path / "in.parquet")
    quick = small.quick_file(tmp_path / "quick.yaml", engine="inline", seed=3)
    args = ["filter", source, tmp_path / "out.parquet", "--manifest", tmp_path / "m.parquet", "--params", quick]
    assert CliRunner().invoke(app, [str(arg) for arg in args]).exit_code == 0
    manifest = pq.read_table(tmp_path / "m.parquet")

    found = Sanitizer(seed=3, preset=small.PRESET, params=small.SECTIONS)
    y = np.array(small.NAMES)[small.labels()]
    keep = found.fit_predict(X, y)
    assert np.flatnonzero(~keep).tolist() == small.WRONG
    assert keep is found.keep_
    assert keep.tolist() == manifest["keep"].to_pylist()
    assert found.suspicion_.tolist() == manifest["suspicion"].to_pylist()
    assert found.reason_.tolist() == manifest["reason"].to_pylist()


def test_what_it_tells_after_fitting():
    found = fitted(small.vectors(), small.labels())
    assert (found.keep_.dtype, found.keep_.shape) == (np.bool_, (120,))
    assert (found.suspicion_.dtype, found.suspicion_.shape) == (np.float64, (120,))
    assert (found.votes_.dtype, found.votes_.shape[1]) == (np.int64, 120)
    assert 1 <= len(found.votes_) <= 4  # components of one run
    assert found.classes_.tolist() == [0, 1, 2]
    assert found.n_features_in_ == 5
    assert set(found.reason_[found.keep_]) == {"kept"}
    assert not hasattr(found.fit(small.images(), small.labels()), "n_features_in_")


def same(one, other):
    np.testing.assert_array_equal(one.keep_, other.keep_)
    np.testing.assert_array_equal(one.suspicion_, other.suspicion_)
    np.testing.assert_array_equal(one.votes_, other.votes_)


def test_other_containers_are_the_same_numbers():
    X, y = small.vectors(), small.labels()
    plain = fitted(X, y)
    same(fitted(X.astype(np.float64), y), plain)
    same(fitted(X.tolist(), y.tolist()), plain)
    same(fitted(torch.from_numpy(X).requires_grad_(), torch.from_numpy(y)), plain)
    frame = pd.DataFrame(X)
    same(fitted(frame, pd.Series(y, index=np.arange(120)[::-1])), plain)


def test_a_frame_of_mixed_columns_is_read_by_column():
    numbers = np.arange(120)
    frame = pd.DataFrame(
        {
            "size": small.vectors()[:, 0],
            "count": numbers % 50,
            "even": numbers % 2 == 0,
            "maybe": pd.array(numbers % 5, "Int64"),
        }
    )
    array = np.stack([frame["size"], numbers % 50, numbers % 2 == 0, numbers % 5], axis=1)
    same(fitted(frame, small.labels()), fitted(array, small.labels()))


def test_images_with_and_without_a_channel_axis():
    X, y = small.images(), small.labels()
    plain = fitted(X, y)
    same(fitted(X[..., np.newaxis], y), plain)
    same(fitted(torch.from_numpy(X), y), plain)
    assert fitted(np.repeat(X[..., np.newaxis], 3, axis=3), y).keep_.shape == (120,)


@pytest.mark.parametrize(
    ("convert", "classes"),
    [
        (lambda y: np.array(["c", "a", "b"])[y], ["a", "b", "c"]),
        (lambda y: pd.Series(np.array(["c", "a", "b"])[y], dtype="category"), ["a", "b", "c"]),
        (lambda y: y.astype(np.uint8) * 10, [0, 10, 20]),
        (lambda y: y == 1, [False, True]),
    ],
)
def test_labels_of_any_type(convert, classes):
    assert fitted(small.vectors(), convert(small.labels())).classes_.tolist() == classes


def test_same_seed_same_result_whatever_the_engine():
    X, y = small.vectors(), small.labels()
    plain = fitted(X, y, seed=np.int64(5))
    same(fitted(X, y, seed=5, engine="processes", workers=2), plain)
    assert fitted(X, y, seed=6).suspicion_.tolist() != plain.suspicion_.tolist()


def test_it_can_be_cloned_and_set():
    first = Sanitizer("paper", seed=7, params={"ispl": {"runs": 1}}, engine="processes", workers=2)
    assert clone(first).get_params() == first.get_params()
    assert first.get_params() == {
        "preset": "paper",
        "seed": 7,
        "params": {"ispl": {"runs": 1}},
        "engine": "processes",
        "workers": 2,
    }
    assert first.set_params(seed=8) is first
    assert clone(first).seed == 8


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.full((120, 2), np.nan), None, "row 0, feature 0 is nan; must be finite"),
        (np.full((120, 2), 1e300), None, "row 0, feature 0 is inf; must be finite"),
        (np.zeros((120, 2), complex), None, "X: values of type complex128; must be numbers"),
        (np.array([["a", "b"]] * 120), None, "X: values of type <U1; must be numbers"),
        (np.array([["a", None]] * 120, object), None, "X: values cannot be read as numbers"),
        ([[1], [1, 2]], None, "X: is no array"),
        (
            np.zeros((120, 4, 4)),
            None,
            r"X: is float64 of shape \[120, 4, 4\]; must be numbers \[N, D\], or uint8 images",
        ),
        (np.zeros((120, 3, 8, 8), np.uint8), None, r"images must be uint8 \[N, H, W, 1 or 3\]; got uint8"),
        (np.zeros((119, 2)), None, "got 120 ids, 119 inputs, 120 labels"),
        (None, np.full(120, 0.5), "y: label column 'y' is 0.5 in row 0; labels that are numbers must be whole"),
        (None, np.zeros(120, int), "y: label column 'y' has one class only, '0'; must have at least 2"),
        (None, pd.Series(["a", None] * 60), "y: label column 'y' is null in 60 of 120 rows"),
        (None, np.zeros((120, 2), int), r"y: has shape \[120, 2\]; must be \[N\], one label per row"),
        (None, np.array([1, "a"] * 60, object), "y: cannot be used as labels"),
        (None, np.arange(120) == 0, "class 'True' has 1 rows; the voters need at least 4"),
    ],
)
def test_what_cannot_be_used_is_refused(X, y, message):
    with pytest.raises(BadInput, match=message):
        fitted(small.vectors() if X is None else X, small.labels() if y is None else y)


def test_wrong_parameters_are_refused():
    X, y = small.vectors(), small.labels()
    with pytest.raises(BadParams, match="Sanitizer: preset is 'quick'; must be one of fast, paper, strong"):
        Sanitizer("quick").fit(X, y)
    with pytest.raises(BadParams, match=r"Sanitizer: ispl.runs is 0; must be a whole number in \[1, 64\]"):
        Sanitizer(params={"ispl": {"runs": 0}}).fit(X, y)
    with pytest.raises(BadParams, match="Sanitizer: params holds 'seed', an argument of its own; pass seed="):
        Sanitizer(params={"seed": 3}).fit(X, y)


def any_columns():
    """Columns that hold what `small.vectors` says in other words: text, dates, categories, missing values."""
    kind = np.arange(120) % 3
    noise = small.vectors()[:, 4]
    return {
        "name": [f"item-{row}" for row in range(120)],
        "colour": [["red", "green", "blue"][k] for k in kind],
        "day": np.datetime64("2024-01-01") + 30 * kind,
        "size": [None if row == 50 else float(noise[row]) for row in range(120)],
        "sold": kind == 1,
    }


def test_tables_of_any_columns_are_one_another():
    columns, y = any_columns(), np.array(small.NAMES)[small.labels()]
    table = pa.table(columns)
    plain = fitted(table, y)
    assert np.flatnonzero(~plain.keep_).tolist() == small.WRONG
    assert plain.classes_.tolist() == list(small.NAMES)
    same(fitted(table, pa.array(y)), plain)
    same(fitted(table.append_column("label", pa.array(y))), plain)
    same(fitted(table.append_column("what", pa.array(y)), "what"), plain)
    same(fitted(table.append_column("label", pa.array(y).dictionary_encode()), "label"), plain)
    same(fitted(pd.DataFrame(columns), y), plain)
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_dict({**{k: list(v) for k, v in columns.items() if k != "day"}, "label": list(y)})
    turned = dataset.select(range(119, -1, -1)).select(range(119, -1, -1))
    without_day = fitted(table.drop_columns(["day"]), y)
    same(fitted(dataset), without_day)
    same(fitted(turned), without_day)


def test_images_of_a_hugging_face_dataset(tmp_path):
    datasets = pytest.importorskip("datasets")
    source = small.image_file(tmp_path / "in.parquet")
    dataset = datasets.Dataset.from_parquet(str(source), cache_dir=str(tmp_path))
    y = np.array(small.NAMES)[small.labels()]
    found = fitted(dataset)
    same(found, fitted(small.images(), y))
    assert found.classes_.tolist() == list(small.NAMES)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (pa.table({"a": [1.0] * 120}), "kind", "X: no column 'kind'; columns are a; name one of them as y"),
        (pa.table({"a": [1.0] * 120}), None, "X: no label column found; columns are 'a'"),
        (pa.table({"a": [1.0] * 119}), small.labels(), "X has 119 rows, but y has 120; must have one label per row"),
        (pa.table({"a": [np.inf] * 120}), small.labels(), "X: row 0, column 'a': is inf; .*120 such rows"),
        (small.vectors(), None, "y: is None; must be .* goes with tables alone"),
    ],
)
def test_tables_that_cannot_be_used(X, y, message):
    with pytest.raises(BadInput, match=message):
        fitted(X, y)
