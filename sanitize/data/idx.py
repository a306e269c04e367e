"""MNIST's idx files, plain or gzipped: folder -> images and labels. http://yann.lecun.com/exdb/mnist describes them."""

# N rows
from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sanitize.data.images import Pixels
from sanitize.data.public import DOWNLOADS, missing, through_torchvision
from sanitize.data.splits import Splits, image_splits
from sanitize.data.table import IntArray
from sanitize.errors import BadInput
from sanitize.params import DataParams

PARTS = ("train", "t10k")


def load_idx(data: DataParams, dataset: str, class_names: Sequence[str]) -> Splits:
    """Load a data set that comes as four idx files.

    data         folder: the files lie in it or in DATASET/raw below it; null = torchvision downloads them into
                 data/downloads and checks their md5
    dataset      torchvision's name of the data set: MNIST, FashionMNIST
    class_names  C strings
    Raises       BadInput: a file is missing, damaged, or holds something else
    """
    files = ", ".join(f"{part}-{kind}-ubyte[.gz]" for part in PARTS for kind in ("images-idx3", "labels-idx1"))
    layout = f"{files}, or these in {dataset}/raw"
    if data.folder is None:
        through_torchvision(
            data.source,
            None,
            layout,
            lambda datasets, root, download: getattr(datasets, dataset)(root, download=download),
        )
    folder = Path(data.folder) if data.folder is not None else DOWNLOADS
    found = []
    for part in PARTS:
        paths = []
        for stem in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"):
            places = [place / name for place in (folder, folder / dataset / "raw") for name in (stem, f"{stem}.gz")]
            path = next((place for place in places if place.is_file()), None)
            if path is None:
                raise missing(data.source, str(folder), layout, f"no {stem}")
            paths.append(path)
        found.append(_images_and_labels(paths[0], paths[1], len(class_names)))
    return image_splits(found[0], found[1], class_names, data.image_size)


def _images_and_labels(images_path: Path, labels_path: Path, classes: int) -> tuple[Pixels, IntArray]:
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3 or labels.ndim != 1:
        raise BadInput(
            f"{images_path} and {labels_path} have {images.ndim} and {labels.ndim} dimensions; must have 3 (images) "
            f"and 1 (labels); fetch them again"
        )
    if len(images) != len(labels) or not len(labels):
        raise BadInput(f"{images_path} has {len(images)} images, {labels_path} {len(labels)} labels; fetch them again")
    if labels.max() >= classes:
        raise BadInput(f"{labels_path} holds label {labels.max()}; must be 0..{classes - 1}; fetch it again")
    return images[..., np.newaxis], labels.astype(np.int64)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read one idx file of unsigned bytes, gzipped if its name ends in .gz.

    Returns  uint8, the shape that its header gives
    Raises   BadInput: damaged, no idx file, or of another type than unsigned byte
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: cannot be read ({error}); fetch it again") from error
    if len(content) < 4 or content[:3] != b"\x00\x00\x08" or len(content) < 4 + 4 * content[3]:
        raise BadInput(f"{path}: is no idx file of unsigned bytes; fetch it again")
    dimensions = content[3]
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", dimensions, 4))
    start = 4 + 4 * dimensions
    wanted = int(np.prod(shape, dtype=object)) if shape else 0
    if len(content) - start != wanted:
        raise BadInput(
            f"{path}: has {len(content) - start} bytes of data; its header asks for {wanted}; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
