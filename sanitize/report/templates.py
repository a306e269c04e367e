"""The pages' templates: name and values -> HTML. All that comes from data is escaped."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from sanitize.errors import BadParams
from sanitize.report import words


def text_of(name: str) -> str:
    """A template, style or script as it is."""
    return files("sanitize.report").joinpath(name).read_text(encoding="utf-8")


def render(name: str, values: dict[str, Any], **made: Any) -> str:
    """A page.

    name    the template's
    values  what it shows
    made    functions that it calls
    Raises  BadParams: jinja2 is not installed
    """
    try:
        import jinja2
    except ModuleNotFoundError as error:
        raise BadParams("the report needs jinja2, which is not installed; pip install jinja2") from error
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(text_of),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = words.percent
    environment.filters["count"] = words.count
    environment.globals.update(made)
    return environment.get_template(name).render(values)
