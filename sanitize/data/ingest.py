"""The rows of a source: params.yaml's data section -> train and test tables. Sources are found by module name."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from sanitize.data import sources
from sanitize.data.splits import Splits
from sanitize.errors import BadParams
from sanitize.params import DataParams

__all__ = ["Splits", "load_source", "source_names"]


def source_names() -> list[str]:
    """The sources there are: every module in sanitize/data/sources."""
    return sorted(module.name for module in iter_modules(sources.__path__))


def load_source(data: DataParams, seed: int) -> Splits:
    """Load the source that `data.source` names.

    data     the section `data` of params.yaml
    seed     the run's seed; public data sets do not use it, their splits are fixed
    Returns  train and test rows
    Raises   BadParams: no such source, or an option that it needs is missing; BadInput: the data are wrong
    """
    if data.source not in source_names():
        raise BadParams(f"data.source is {data.source!r}; must be one of {', '.join(source_names())}")
    splits = import_module(f"sanitize.data.sources.{data.source}").load(data, seed)
    assert isinstance(splits, Splits)
    return splits
