"""Options of a command -> parameters: what was given goes over params.yaml, and that over the preset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sanitize.params import Params


def names_in(given: list[str] | None) -> list[str] | None:
    """Names with commas between them, the option perhaps repeated, as one list; None = not given."""
    return [name for part in given for name in part.split(",")] if given else None


def chosen_params(file: Path | None, top: Mapping[str, Any], sections: Mapping[str, Mapping[str, Any]]) -> Params:
    """The file's values, or else the preset's, with the options laid over; an option that is None was not given.

    file      a params.yaml; None = the preset alone
    top       options of the top level
    sections  options by section
    Raises    BadParams: as `params.read_values` and `params.resolve`; what is wrong in the file is told under its name
    """
    from sanitize.params import read_values, resolve  # --help need not pay for them

    values: dict[str, Any] = {}
    if file is not None:
        values = read_values(file)
        resolve(values, str(file))
    for section, options in sections.items():
        values[section] = {**(values.get(section) or {}), **_given(options)}
    return resolve({**values, **_given(top)}, "command line")


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
