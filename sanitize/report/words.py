"""The verdict in plain words: figures -> sentences. What is not known is said to be unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Metrics = Mapping[str, Any]


def percent(share: float) -> str:
    """A share 0..1 as percent with one decimal; only 0 is called 0.0% and only 1 is called 100.0%."""
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0.9995 <= share < 1:
        return ">99.9%"
    return f"{100 * share:.1f}%"


def count(number: int, one: str, many: str | None = None) -> str:
    """ "1 row", "4,000 rows"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def headline(metrics: Metrics) -> str | None:
    """The verdict in a few words; None where no row is known to be poisoned."""
    found = metrics["filter"]
    if not found["poisoned"]:
        return None
    return f"{found['poisoned'] - found['fn']:,} of {count(found['poisoned'], 'poisoned row')} found"


def sentences(metrics: Metrics) -> list[str]:
    """What of the rows was poisoned, and what the models do, in sentences.

    metrics  reports/metrics.json
    """
    return [_truth(metrics["filter"]), *_models(metrics)]


def _truth(found: Mapping[str, Any]) -> str:
    poisoned, fp, fn = found["poisoned"], found["fp"], found["fn"]
    if poisoned is None:
        return (
            "Nobody told the pipeline which rows are poisoned (attack: none), so this page cannot say how many of the "
            "dropped rows really are, nor whether one was missed. A dropped row is one that does not fit what the rest "
            "of the data say about its class: it may be poisoned, wrongly labelled, or just rare. Look at them below."
        )
    clean = found["rows"] - poisoned
    if not poisoned:
        return f"No row was poisoned, so every row that was dropped is a clean one: {fp:,} of {clean:,}."
    missed = "none was missed" if not fn else f"{fn:,} {_were(fn)} missed"
    mistaken = (
        "No clean row was dropped."
        if not fp
        else f"{fp:,} of the {count(clean, 'clean row')} ({percent(fp / clean)}) {_were(fp)} dropped by mistake."
    )
    caught = poisoned - fn
    return f"Of the {count(poisoned, 'poisoned row')} {caught:,} {_were(caught)} found and {missed}. {mistaken}"


def _models(metrics: Metrics) -> list[str]:
    said = []
    before, after = metrics["undefended"], metrics["sanitized"]
    if before["tmr"] is not None and after["tmr"] is not None:
        said.append(
            f"A model trained on all rows does what the attacker wants on {percent(before['tmr'])} of the test rows "
            f"that carry the trigger; trained on the kept rows, on {percent(after['tmr'])}."
        )
    if before["clean_accuracy"] is None or after["clean_accuracy"] is None:
        return [*said, "There were no test rows, so nothing is known about the accuracy of the models."]
    oracle = metrics["oracle"]["clean_accuracy"]
    ideal = "" if oracle is None else f"; trained on exactly the clean rows, it would be right on {percent(oracle)}"
    return [
        *said,
        f"On test rows without a trigger, a model trained on all rows is right on {percent(before['clean_accuracy'])}; "
        f"trained on the kept rows, on {percent(after['clean_accuracy'])}{ideal}.",
    ]


def _were(number: int) -> str:
    return "was" if number == 1 else "were"
