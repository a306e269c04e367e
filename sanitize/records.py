"""Values as JSON and arrays, and back, and their digest: what is remembered between runs. No pickle.

Numbers, strings, None, lists, tuples, ranges, dictionaries with string keys, NumPy arrays and scalars, and this
package's own named tuples, data classes and parameter sections, in any depth.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

PACKAGE = __name__.partition(".")[0]
PLAIN = (type(None), bool, int, float, str)


def packed(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """The value as JSON has it; its arrays are appended to `arrays` and named by their numbers."""
    kind: type = type(value)
    if kind in PLAIN:
        return value
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        assert array.dtype != object, "arrays of objects have no bytes of their own"
        arrays.append(array)
        return {"kind": "array" if kind is np.ndarray else "scalar", "number": len(arrays) - 1}
    if kind in (list, tuple):
        return {"kind": kind.__name__, "items": [packed(item, arrays) for item in value]}
    if kind is range:
        return {"kind": "range", "items": [value.start, value.stop, value.step]}
    if kind is dict:
        assert all(type(key) is str for key in value), "keys must be strings"
        return {"kind": "dict", "items": [[key, packed(item, arrays)] for key, item in value.items()]}
    name = f"{kind.__module__}:{kind.__qualname__}"
    assert _may_be_made(kind), f"{name} can be neither stored nor digested"
    return {"kind": "object", "of": name, "items": {key: packed(getattr(value, key), arrays) for key in _names(kind)}}


def unpacked(structure: Any, arrays: Sequence[NDArray[Any]]) -> Any:
    """What `packed` was given. KeyError, IndexError, TypeError, ValueError: it was not made by `packed`.

    Classes are taken from the package's modules that are imported already, never imported by name.
    """
    if not isinstance(structure, dict):
        return structure
    kind = structure["kind"]
    if kind in ("array", "scalar"):
        array = arrays[structure["number"]]
        return array if kind == "array" else array[()]
    items = structure["items"]
    if kind in ("list", "tuple"):
        made = [unpacked(item, arrays) for item in items]
        return made if kind == "list" else tuple(made)
    if kind == "range":
        return range(*items)
    if kind == "dict":
        return {key: unpacked(item, arrays) for key, item in items}
    module, _, name = structure["of"].partition(":")
    found = getattr(sys.modules[module], name)
    if kind != "object" or not _may_be_made(found):
        raise ValueError(f"{structure['of']} is nothing that is stored")
    return found(**{key: unpacked(item, arrays) for key, item in items.items()})


def digest(value: Any) -> str:
    """SHA-256 (hex) of the value: its structure, and the type, shape and bytes of each of its arrays."""
    arrays: list[NDArray[Any]] = []
    structure = packed(value, arrays)
    found = hashlib.sha256(json.dumps(structure, sort_keys=True).encode())
    for array in arrays:
        found.update(f"\n{array.dtype.str} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def _may_be_made(kind: Any) -> bool:
    """Whether it is a class of this package that holds values and nothing else."""
    if not isinstance(kind, type) or kind.__module__.partition(".")[0] != PACKAGE:
        return False
    return is_dataclass(kind) or issubclass(kind, BaseModel) or (issubclass(kind, tuple) and hasattr(kind, "_fields"))


def _names(kind: Any) -> list[str]:
    if is_dataclass(kind):
        return [field.name for field in fields(kind)]
    return list(kind.model_fields) if issubclass(kind, BaseModel) else list(kind._fields)
