"""The user's own files."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize.data.ingest import load_source
from sanitize.data.labels import encode_labels
from sanitize.errors import BadInput, BadParams
from sanitize.params import DataParams


def written(path: Path, metadata: dict[str, str] | None = None, **columns: object) -> str:
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return str(path)


def params(**values: object) -> DataParams:
    return DataParams.model_validate({"source": "parquet", **values})


def test_tables_are_untouched(tmp_path: Path) -> None:
    train = written(tmp_path / "a", {"note": "kept"}, id=["x", "y"], v=[[1.0], [2.0]], label=[3, 5])
    test = written(tmp_path / "b", None, v=[[1.0], [2.0]], label=[5, 3])
    splits = load_source(params(train=train, test=test), 0)
    assert splits.train.equals(pq.read_table(train), check_metadata=True)
    assert splits.test is not None
    assert splits.test.equals(pq.read_table(test), check_metadata=True)
    assert load_source(params(train=train), 0).test is None


def test_train_is_needed() -> None:
    with pytest.raises(BadParams, match=r"data.train is null; with data.source: parquet it must be a path"):
        load_source(params(), 0)


def test_bad_train_files(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="missing: no such file"):
        load_source(params(train=str(tmp_path / "missing")), 0)
    train = written(tmp_path / "a", v=[1.0, 2.0], w=[1, 2])
    with pytest.raises(BadInput, match="a: no label column found"):
        load_source(params(train=train), 0)
    assert load_source(params(train=train, label="w"), 0).train.num_rows == 2


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"v": [1.0, 2.0], "z": [0, 1]}, "b: no column 'label'; columns are 'v', 'z'"),
        ({"w": [1.0, 2.0], "label": [0, 1]}, "b: no column 'v'"),
        ({"v": [[1.0], [2.0]], "label": [0, 1]}, "b: inputs are vector columns, but those of .*a are tabular"),
        (
            {"v": [1.0, 2.0], "label": [0, 2]},
            r"b: label column 'label' is 2 in row 1 \(1 such rows\); must be one of the classes '0', '1'; drop such",
        ),
    ],
)
def test_test_must_fit_train(tmp_path: Path, columns: dict[str, object], message: str) -> None:
    train = written(tmp_path / "a", v=[1.0, 2.0], label=[0, 1])
    with pytest.raises(BadInput, match=message):
        load_source(params(train=train, test=written(tmp_path / "b", **columns)), 0)


def test_declared_classes_need_not_all_have_test_rows(tmp_path: Path) -> None:
    features = {"label": {"names": ["a", "b", "c"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    train = written(tmp_path / "a", metadata, v=[1.0, 2.0, 3.0], label=[0, 1, 2])
    test = written(tmp_path / "b", metadata, v=[1.0, 2.0], label=[0, 2])
    assert load_source(params(train=train, test=test), 0).test is not None


@pytest.mark.parametrize("labels", [["c", "a"], [2.0, 0.0], [2, 0]])
def test_test_labels_go_by_the_training_files_names(tmp_path: Path, labels: list[object]) -> None:
    """Later stages see the test rows with the class names of the training rows alone."""
    features = {"label": {"names": ["a", "b", "c"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    train = written(tmp_path / "a", metadata, v=[1.0, 2.0, 3.0], label=[0, 1, 2])
    test = load_source(params(train=train, test=written(tmp_path / "b", v=[1.0, 2.0], label=labels)), 0).test
    assert test is not None and test.column("label").to_pylist() == labels
    numbers, _ = encode_labels(test, "label", class_names=("a", "b", "c"))
    assert numbers.tolist() == [2, 0]
