"""Options that commands share; options -> parameters: what is given goes over params.yaml, and that over the preset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sanitize.params import Params

Label = Annotated[str | None, typer.Option(metavar="NAME", help="Label column. [default: found]")]
Inputs = Annotated[
    list[str] | None,
    typer.Option(metavar="A,B", help="Input columns, with commas or the option repeated. [default: found]"),
]
ImageSize = Annotated[
    int | None, typer.Option(metavar="N", help="Look at images at N x N pixels. [default: all must have one size]")
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Same seed, same result. [default: 0]")]
Device = Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu or cuda. [default: auto]")]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", help="Processes, or learners at once on a GPU. [default: one per core, 4 per GPU]"),
]
Engine = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="inline, processes or ray; never changes the result. [default: processes]"),
]
Overrides = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="PATH",
        help="A review.csv of people's decisions, which win: file, row, verdict (keep, drop), note. May be repeated.",
    ),
]
Address = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Of a running Ray cluster. [default: a private one]")
]


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
