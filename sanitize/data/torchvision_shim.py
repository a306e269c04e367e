"""torchvision's Python part beside a torch without CUDA.

The wheel's compiled operators are linked against CUDA and cannot be loaded beside a CPU-only torch; importing
torchvision then fails ("operator torchvision::nms does not exist"), though data sets, transforms and models need none
of them. Declaring the two operators that the import asks for mends it; calling them still fails, as it should.
"""

from __future__ import annotations

from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch

from sanitize.errors import BadParams

_MISSING = ("nms", "qnms")


def import_torchvision(module: str = "torchvision") -> ModuleType:
    """Import torchvision, or a module of it, whether or not its compiled operators can be loaded.

    module   "torchvision", "torchvision.datasets", …
    Raises   BadParams: torchvision is not installed
    """
    package = find_spec("torchvision")
    if package is None or not package.submodule_search_locations:
        raise BadParams("torchvision is not installed; install it (pip install torchvision), or use another source")
    if not _compiled_operators_load(Path(package.submodule_search_locations[0])):
        for name in _MISSING:
            if not hasattr(torch.ops.torchvision, name):
                torch.library.define(
                    f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                )
    return import_module(module)


def _compiled_operators_load(folder: Path) -> bool:
    for suffix in EXTENSION_SUFFIXES:
        library = folder / f"_C{suffix}"
        if library.is_file():
            try:
                torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
            except OSError:  # what the dynamic linker says when CUDA's libraries are not there
                return False
            return True
    return False
