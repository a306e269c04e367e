"""The verdict in plain words: figures -> sentences. What is not known is said to be unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def headline(metrics: Metrics) -> str:
    """The verdict in a few words."""
    found = metrics["filter"]
    if not found["poisoned"]:
        return f"{count(found['dropped'], 'row')} of {found['rows']:,} dropped"
    return f"{found['poisoned'] - found['fn']:,} of {count(found['poisoned'], 'poisoned row')} found"


def sentences(metrics: Metrics, classes: Sequence[Mapping[str, Any]]) -> list[str]:
    """The verdict in sentences: what went in and out, what of it was poisoned, and what the models do.

    metrics  reports/metrics.json
    classes  lines of dropped_by_class: class, rows, dropped
    """
    found = metrics["filter"]
    rows, dropped = found["rows"], found["dropped"]
    said = [
        f"{count(rows, 'row')} came in; {found['kept']:,} {_were(found['kept'])} kept and {dropped:,} "
        f"({percent(dropped / rows)}) {_were(dropped)} dropped."
    ]
    if found["poisoned"] is None:
        said += _without_truth(dropped, rows, classes)
    else:
        said.append(_truth(found))
    return said + _models(metrics)


def _truth(found: Mapping[str, Any]) -> str:
    poisoned, fp, fn = found["poisoned"], found["fp"], found["fn"]
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


def _without_truth(dropped: int, rows: int, classes: Sequence[Mapping[str, Any]]) -> list[str]:
    said = [
        "Nobody told the pipeline which rows are poisoned (attack: none), so this page cannot say how many of the "
        "dropped rows really are, nor whether one was missed. A dropped row is one that does not fit what the rest of "
        "the data say about its class: it may be poisoned, wrongly labelled, or just rare. Look at them below."
    ]
    hit = [line for line in classes if line["dropped"]]
    if len(hit) > 1:
        worst = max(hit, key=lambda line: line["dropped"] / line["rows"])
        others = rows - worst["rows"]
        said.append(
            f"The class that lost the largest part is {worst['class']}: {worst['dropped']:,} of {worst['rows']:,} rows "
            f"({percent(worst['dropped'] / worst['rows'])}); all the others together lost "
            f"{percent((dropped - worst['dropped']) / others)}."
        )
    elif hit:
        said.append(f"All dropped rows are of one class, {hit[0]['class']}.")
    return said


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
