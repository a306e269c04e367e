"""Public data sets through torchvision: download or read a folder, with messages that say what to do; encode as PNG."""

# N rows, C classes
from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from http.client import HTTPException
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import numpy as np
import pyarrow as pa
from PIL import Image

from sanitize.data.arrow import encoded_image_table
from sanitize.data.images import encode_image
from sanitize.errors import BadInput

DOWNLOADS = Path("data/downloads")
_ENCODED_AT_ONCE = 1024  # images that wait as Python objects before they become one Arrow array

# what torchvision, urllib and Pillow raise for data that are not there, cut off or damaged
_UNREADABLE = (OSError, RuntimeError, HTTPException, EOFError, KeyError, SyntaxError, ValueError, zlib.error)

Result = TypeVar("Result")


def through_torchvision(
    name: str, folder: str | None, layout: str, build: Callable[[ModuleType, str, bool], Result]
) -> Result:
    """Build something from torchvision.datasets.

    name     the source's name, for messages
    folder   where the data lie; None = they are downloaded into data/downloads unless they lie there already
    layout   what the folder must hold, for messages
    build    called with torchvision.datasets, the root folder and whether to download
    Raises   BadInput: the data are not there, not whole, or cannot be downloaded
    """
    from sanitize.data.torchvision_shim import import_torchvision  # torch takes seconds to import

    datasets = import_torchvision("torchvision.datasets")
    root = Path(folder) if folder is not None else DOWNLOADS
    try:
        with redirect_stdout(sys.stderr):  # torchvision reports what it unpacks on stdout
            return build(datasets, str(root), folder is None)
    except _UNREADABLE as error:
        if folder is None:
            raise BadInput(
                f"{name} cannot be downloaded into {root}, or read from it ({error}); download it elsewhere and name "
                f"its folder as data.folder, which must hold {layout}"
            ) from error
        raise missing(name, folder, layout, str(error)) from error


def missing(name: str, folder: str, layout: str, cause: str) -> BadInput:
    """The error for a folder that does not hold a data set."""
    return BadInput(
        f"data.folder is {folder!r}, where {name} cannot be read ({cause}); it must hold {layout}; "
        f"or leave data.folder out to download it into {DOWNLOADS}"
    )


def encoded_table(
    samples: Iterable[tuple[Image.Image, int]],
    prepare: Callable[[Image.Image], Image.Image],
    class_names: Sequence[str],
) -> pa.Table:
    """Images one after another as a table of PNGs; never more than one is held decoded.

    samples      images and labels 0..C-1
    prepare      makes each image RGB or L, all of one size
    class_names  C strings
    """
    blobs: list[bytes] = []
    chunks: list[pa.Array] = []
    labels: list[int] = []
    for image, label in samples:
        blobs.append(encode_image(prepare(image)))
        labels.append(label)
        if len(blobs) == _ENCODED_AT_ONCE:
            chunks.append(pa.array(blobs, pa.binary()))
            blobs = []
    column = pa.chunked_array([*chunks, pa.array(blobs, pa.binary())])
    return encoded_image_table(column, np.array(labels, np.int64), class_names)
