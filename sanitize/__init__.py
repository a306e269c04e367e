"""sanitize: give it a training set that somebody may have poisoned; get back the rows that can be trusted."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "BadInput": "sanitize.errors",
    "BadParams": "sanitize.errors",
    "Params": "sanitize.params",
    "load_params": "sanitize.params",
    "resolve": "sanitize.params",
    "Table": "sanitize.data.table",
    "Sanitizer": "sanitize.estimator",
    "filter_table": "sanitize.filtering",
}
__all__ = [
    "BadInput",
    "BadParams",
    "Params",
    "Sanitizer",
    "Table",
    "__version__",
    "filter_table",
    "load_params",
    "resolve",
]


def __getattr__(name: str) -> Any:
    """Load a public name where it lives, at its first use (PEP 562)."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'sanitize' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
