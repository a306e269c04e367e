"""The report page: findings, rows and parameters -> one HTML file that needs no network and no script.

Everything that comes from a file is escaped. Nothing on the page depends on when or how fast the pipeline ran, so the
same findings give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import sanitize
from sanitize.params import Params
from sanitize.report import gallery, views, words
from sanitize.report.charts import key
from sanitize.report.findings import Findings
from sanitize.report.rows import Rows
from sanitize.report.templates import render

TIME_ONLY = ("engine", "workers")  # parameters that change the time and never a result


def build(found: Findings, rows: Rows, params: Params) -> str:
    """The whole page.

    found    what the pipeline wrote
    rows     the training rows that it is about
    params   resolved: with the preset's values
    Returns  HTML, UTF-8
    Raises   BadParams: jinja2 is not installed; BadInput: as Rows.take
    """
    return render("page.html", _context(found, rows, params), key=key)


def _context(found: Findings, rows: Rows, params: Params) -> dict[str, Any]:
    """What the template shows."""
    parts = views.components(found)
    charts, without_chart = views.votes_by_class(found, rows)
    classes = found.plots["dropped_by_class"]
    return {
        "headline": words.headline(found.metrics),
        "sentences": words.sentences(found.metrics, classes),
        "truth": found.has_truth,
        "filter": found.metrics["filter"],
        "models": _models(found),
        "tmr": any(rate is not None for *_, rate in _models(found)),
        "gallery": gallery.choose(found, rows, params.data.image_size),
        "shown": {"class": gallery.SHOWN_PER_CLASS, "kept": gallery.SHOWN_KEPT},
        "votes": charts,
        "votes_more": without_chart,
        "voters": found.voters,
        "components": parts[: views.SHOWN_PARTS],
        "components_more": len(parts) - len(parts[: views.SHOWN_PARTS]),
        "runs": _by_run(parts[: views.SHOWN_PARTS]),
        "voted_down": sum(not part.clean for part in parts),
        "parts": len(parts),
        "suspicion": views.suspicion(found),
        "recall": views.recall(found),
        "classes": classes,
        "certificates": views.certificates(found),
        "no_certificates": found.certificates.get("reason", ""),
        "unit": found.certificates.get("poisoning_size", ""),
        "parameters": _parameters(params),
        "provenance": {
            "preset": params.preset,
            "seed": params.seed,
            "SHA-256 of the filter's parameters": params.sha256(),
            "sanitize": sanitize.__version__,
        },
    }


def _models(found: Findings) -> list[tuple[str, str, float | None, float | None]]:
    """Name, what it was trained on, clean accuracy, TMR; without the models that nobody could train or test."""
    trained = {"oracle": "exactly the clean rows", "undefended": "all rows", "sanitized": "the kept rows"}
    scores = {name: found.metrics[name] for name in trained}
    return [
        (name, on, scores[name]["clean_accuracy"], scores[name]["tmr"])
        for name, on in trained.items()
        if (scores[name]["clean_accuracy"], scores[name]["tmr"]) != (None, None)
    ]


def _by_run(parts: Iterable[views.Part]) -> dict[int, list[views.Part]]:
    runs: dict[int, list[views.Part]] = {}
    for part in parts:
        runs.setdefault(part.run, []).append(part)
    return runs


def _parameters(params: Params) -> dict[str, dict[str, str]]:
    """Section -> key -> value as in YAML; the values outside sections stand under "run"."""
    values = params.model_dump(mode="json", exclude=set(TIME_ONLY))
    sections: dict[str, dict[str, str]] = {"run": {}}
    for name, value in values.items():
        if isinstance(value, dict):
            sections[name] = {inner: _said(v) for inner, v in value.items()}
        else:
            sections["run"][name] = _said(value)
    return sections


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
