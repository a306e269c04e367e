"""CIFAR-10: 50,000 train and 10,000 test images, from torchvision's archive or from parquet files."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sanitize.data.images import Pixels
from sanitize.data.labels import encode_labels
from sanitize.data.parquet import decode_table, encoded_image_table, image_table, read_arrow
from sanitize.data.plain_columns import find_columns
from sanitize.data.public import through_torchvision
from sanitize.data.splits import Splits, image_splits
from sanitize.data.table import IntArray
from sanitize.errors import BadInput
from sanitize.params import DataParams

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LAYOUT = "cifar-10-batches-py (the unpacked Python archive), or train.parquet and test.parquet with images and labels"


def load(data: DataParams, seed: int) -> Splits:
    """Colour images of 32 x 32 pixels, 10 classes.

    data     folder: with train.parquet and test.parquet (the Hugging Face schema: img or image, label), or with
             cifar-10-batches-py; null = the archive is downloaded into data/downloads
    seed     not used: the split is the published one
    Raises   BadInput: the files are not there, damaged, or cannot be downloaded

    The archive's files are pickles. torchvision reads them, and only after it has compared their md5 with the published
    ones; that check is never switched off here.
    """
    if data.folder is not None and (Path(data.folder) / "train.parquet").is_file():
        return Splits(*(_from_parquet(Path(data.folder) / f"{part}.parquet", data) for part in ("train", "test")))
    train, test = through_torchvision("cifar10", data.folder, LAYOUT, _from_archive)
    return image_splits(train, test, CLASS_NAMES, data.image_size)


def _from_parquet(path: Path, data: DataParams) -> pa.Table:
    """The images as they are stored, unless they are to be resized."""
    table = read_arrow(path)
    columns = find_columns(table, label="label", origin=str(path))
    numbers = tuple(str(number) for number in range(len(CLASS_NAMES)))
    if columns.modality != "image" or columns.class_names not in (CLASS_NAMES, numbers):
        raise BadInput(
            f"{path}: holds {columns.modality} columns {', '.join(columns.inputs)} and the classes "
            f"{', '.join(columns.class_names)}; must hold images and CIFAR-10's classes; "
            f"name CIFAR-10's own files, or set data.source: parquet"
        )
    if data.image_size is not None:
        decoded, _ = decode_table(table, label="label", image_size=data.image_size, origin=str(path))
        return image_table(decoded.inputs, decoded.labels, CLASS_NAMES)
    labels, _ = encode_labels(table, "label", origin=str(path))
    images = table.column(columns.inputs[0])
    blobs = pc.struct_field(images, "bytes") if pa.types.is_struct(images.type) else images
    return encoded_image_table(blobs.cast(pa.binary()), labels, CLASS_NAMES)


def _from_archive(datasets: ModuleType, root: str, download: bool) -> list[tuple[Pixels, IntArray]]:
    parts = [datasets.CIFAR10(root, train=train, download=download) for train in (True, False)]
    return [(part.data, np.array(part.targets, np.int64)) for part in parts]
