"""What the pipeline found out besides its manifest -> the further parts of the report page.

Everything that comes from a file is escaped. Nothing depends on when or how fast the pipeline ran, so the same findings
give the same bytes.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from typing import Any

from sanitize.io.digests import review_paths
from sanitize.params import Params
from sanitize.report import views, words
from sanitize.report.charts import key
from sanitize.report.findings import Findings
from sanitize.report.review_facts import Further, Section
from sanitize.report.templates import render

TIME_ONLY = ("engine", "workers")  # parameters that change the time and never a result
SECTIONS = {
    "metrics": "metrics",
    "votes": "votes",
    "suspicion": "suspicion",
    "certificates": "certificates",
    "parameters": "parameters",
}
MOST_CLASSES = 200  # with a line of their own


def further(found: Findings, params: Params) -> Further:
    """Metrics, votes, components, certificates and parameters, as sections of the page.

    found    what the pipeline wrote
    params   resolved: with the preset's values
    Raises   BadParams: jinja2 is not installed
    """
    html = render("pipeline.html", _context(found, params), key=key)
    parts = dict(zip(SECTIONS, re.split(r"(?m)^(?=<section )", html)[1:], strict=True))
    save = review_paths(params.data.overrides)
    return Further(
        headline=words.headline(found.metrics),
        lead=words.sentences(found.metrics),
        sections=[Section(name, title, parts[name]) for name, title in SECTIONS.items()],
        poisoned=found.marks(),
        again="dvc repro",
        apply=f"mv -i ~/Downloads/review.csv {shlex.quote(save[0])} && dvc repro" if save else None,
    )


def _context(found: Findings, params: Params) -> dict[str, Any]:
    """What the template shows."""
    parts = views.components(found)
    charts, without_chart = views.votes_by_class(found)
    classes = sorted(found.plots["dropped_by_class"], key=lambda line: -line["dropped"])
    models = _models(found)
    return {
        "truth": found.has_truth,
        "filter": found.metrics["filter"],
        "models": models,
        "tmr": any(rate is not None for *_, rate in models),
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
        "classes": classes[:MOST_CLASSES],
        "classes_more": len(classes) - len(classes[:MOST_CLASSES]),
        "certificates": views.certificates(found),
        "no_certificates": found.certificates.get("reason", ""),
        "unit": found.certificates.get("poisoning_size", ""),
        "parameters": _parameters(params),
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
