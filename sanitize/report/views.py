"""Findings as charts and tables: how the voters voted, suspicion, recall, certificates."""

# N training rows, V voters
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from sanitize.report.charts import SMALL, Bars, Curve, Svg, curves, histogram, share_bar
from sanitize.report.findings import Findings, Line
from sanitize.report.words import percent

SHOWN_CLASSES = 40  # classes with a chart of their own: those that lost most rows
SHOWN_PARTS = 256  # components with a line of their own
MOST_BINS = 26  # of a support histogram
METHODS = {"knn": "kNN", "rnn": "rNN"}  # names that a reader knows; others stand as they are
CERTIFICATES = {
    "individual": "each test alone",
    "random_groups": "joint, random groups",
    "island": "joint, ISLAND groups",
    "global": "joint, no groups",
    "label_budgets": "joint, label budgets",
}


@dataclass(frozen=True)
class Votes:
    """One class: its name, what its chart says, and the chart."""

    label: str
    summary: str
    chart: Svg


def votes_by_class(found: Findings) -> tuple[list[Votes], int]:
    """For each class, how many voters support the given label of its kept (up) and dropped (down) rows.

    Returns  the charts of the classes with most dropped rows, in the classes' order, and how many classes have none
    """
    names, label_N, keep_N, poisoned_N = found.class_names, found.label_N, found.keep_N, found.poisoned_N()
    lost_C = np.bincount(label_N[~keep_N], minlength=len(names))
    present = [label for label in np.argsort(-lost_C, kind="stable").tolist() if (label_N == label).any()]
    bins = min(found.voters + 1, MOST_BINS)
    bin_N = found.support_N * bins // (found.voters + 1)
    first = [-(-number * (found.voters + 1) // bins) for number in range(bins + 1)]  # least support of each bin
    texts = [
        f"{low} of {found.voters} voters" if high == low + 1 else f"{low} to {high - 1} of {found.voters} voters"
        for low, high in pairwise(first)
    ]

    def bars(name: str, color: str, chosen: np.ndarray) -> Bars:
        return Bars(name, color, np.bincount(bin_N[chosen], minlength=bins).tolist())

    charts = []
    for label in sorted(present[:SHOWN_CLASSES]):
        here = label_N == label
        above = [bars("kept", "kept", here & keep_N & ~poisoned_N)]
        below = [bars("dropped", "dropped", here & ~keep_N & ~poisoned_N)]
        if found.has_truth:
            above.append(bars("kept, but poisoned", "poisoned", here & keep_N & poisoned_N))
            below.append(bars("dropped and poisoned", "poisoned", here & ~keep_N & poisoned_N))
        summary = f"{_median(found, here & keep_N, 'kept')}; {_median(found, here & ~keep_N, 'dropped')}"
        ticks = [(0, "0"), (bins - 1, str(found.voters))]
        label_text = f"Class {names[label]}: voters for the given label: {summary}"
        chart = histogram(label_text, texts, above, below, ticks=ticks, axis="", frame=SMALL)
        charts.append(Votes(names[label], summary, chart))
    return charts, len(present) - len(charts)


def _median(found: Findings, chosen: np.ndarray, name: str) -> str:
    rows = int(np.count_nonzero(chosen))
    if not rows:
        return f"0 {name}"
    return f"{rows:,} {name}, supported by {np.median(found.support_N[chosen]):g} of {found.voters} voters (median)"


@dataclass(frozen=True)
class Part:
    """One component: Algorithm 2's verdict, the votes for it and the votes needed (shares of all votes), and a bar."""

    run: int
    component: int
    rows: int
    poisoned: int | None
    clean: bool
    votes: float
    needed: float
    self_error: float
    bar: Svg


def components(found: Findings) -> list[Part]:
    """All components, by run."""
    poisoned = {(line["run"], line["component"]): line["poisoned"] for line in found.plots["components"]}
    parts = []
    for line in found.components:
        total = 2 * line["votes_needed"]  # the weight of all votes: half of it is needed
        votes = line["votes_for"] / total if total else 0.0
        bad = poisoned[line["run"], line["component"]]
        verdict = "clean" if line["clean"] else "poisoned"
        label = f"{percent(votes)} of the votes; needed: more than half; verdict: {verdict}"
        bar = share_bar(label, votes, 0.5, "kept" if line["clean"] else "dropped")
        shares = votes, 0.5, line["self_error"]
        parts.append(Part(line["run"], line["component"], line["rows"], bad, bool(line["clean"]), *shares, bar))
    return parts


def suspicion(found: Findings) -> Svg | None:
    """The histogram of suspicion; with truth, clean rows up and poisoned rows down."""
    lines = found.plots["suspicion"]
    if not lines:
        return None
    starts = [line["bin"] for line in lines]
    step = starts[1] - starts[0] if len(starts) > 1 else 0.0
    bins = [f"{start:.2f} to {start + step:.2f}" for start in starts]
    span = step * len(starts)
    ticks = [(place, f"{start:.2f}") for place, start in enumerate(starts)]
    if len(starts) > 8:
        ticks = [
            (round(part * (len(starts) - 1)), f"{starts[0] + part * span:.2f}") for part in (0.0, 0.25, 0.5, 0.75, 1.0)
        ]
    if "all" in lines[0]:
        above, below = [Bars("rows", "kept", [line["all"] for line in lines])], []
        label = "Histogram of suspicion, all rows"
    else:
        above = [Bars("clean rows", "kept", [line["clean"] for line in lines])]
        below = [Bars("poisoned rows", "poisoned", [line["poisoned"] for line in lines])]
        label = "Histogram of suspicion, clean rows above the line and poisoned rows below it"
    if not below:
        below = [Bars("", "poisoned", [0] * len(lines))]
    return histogram(label, bins, above, below, ticks=ticks, axis="suspicion")


def recall(found: Findings) -> Svg | None:
    """Poisoned rows among the most suspicious rows, over the share of rows; None where there is none to find."""
    points = [(line["dropped"], line["recall"]) for line in found.plots["recall"]]
    if not points:
        return None
    dropped = found.metrics["filter"]["dropped"] / found.metrics["filter"]["rows"]
    all_found = next((x for x, share in points if share >= 1), 1.0)
    high = next((mark for mark in (0.1, 0.2, 0.5) if mark >= 2 * max(all_found, dropped)), 1.0)
    label = (
        f"Share of the poisoned rows among the most suspicious rows: all of them among the {percent(all_found)} most "
        f"suspicious; the filter dropped {percent(dropped)} of the rows"
    )
    return curves(
        label,
        [Curve("the most suspicious rows", points)],
        x_axis="share of all rows, the most suspicious first",
        y_axis="poisoned rows among them",
        high=high,
        percent=True,
        marker=(dropped, f"dropped: {percent(dropped)}"),
    )


@dataclass(frozen=True)
class Classifier:
    """The certificates of one classifier: its name and settings, the chart, its lines, and their values.

    sizes    the poisoning sizes, ascending
    table    for each of them the lines' values, "" where there is none
    """

    name: str
    settings: str
    chart: Svg
    lines: tuple[str, ...]
    sizes: tuple[float, ...]
    table: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Certificate:
    """One training set: its name, what the certificates cover, its rows, and its classifiers."""

    name: str
    covers: str
    rows: int
    classifiers: tuple[Classifier, ...]


def certificates(found: Findings) -> list[Certificate]:
    """The certified accuracy of every training set that was certified; charts of one method have one scale."""
    named = found.certificates["certificates"] or {}
    lines = found.plots["certified_accuracy"]
    methods = tuple(dict.fromkeys(line["method"] for line in lines))
    high: dict[str, float] = {
        method: max(
            [line["poisoning_size"] for line in lines if line["method"] == method and line["certified_accuracy"]],
            default=0,
        )
        or 1.0
        for method in methods
    }
    made = []
    for name, about in named.items():
        own = [line for line in lines if line["training"] == name]
        classifiers = [
            _classifier(name, method, about, [line for line in own if line["method"] == method], high[method])
            for method in dict.fromkeys(line["method"] for line in own)
        ]
        made.append(Certificate(name, about["covers"], about["rows"], tuple(classifiers)))
    return made


def _classifier(training: str, method: str, about: dict[str, Any], lines: Sequence[Line], high: float) -> Classifier:
    points: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        points.setdefault(line["certificate"], []).append((line["poisoning_size"], line["certified_accuracy"]))
    name = METHODS.get(method, method)
    drawn = [Curve(CERTIFICATES.get(certificate, certificate), sorted(own)) for certificate, own in points.items()]
    values = [dict(curve.points) for curve in drawn]
    sizes = sorted({size for own in values for size in own})
    table = tuple(tuple(percent(own[size]) if size in own else "" for own in values) for size in sizes)
    ends = "; ".join(f"{c.name}: {percent(c.points[0][1])} at size {c.points[0][0]:g}" for c in drawn)
    chart = curves(
        f"Certified accuracy of {name} on the {training} training set. {ends}",
        drawn,
        x_axis="poisoning size",
        y_axis="certified accuracy",
        high=high,
        stairs=True,
    )
    settings = _settings(name, about.get(method) or {})
    return Classifier(name, settings, chart, tuple(curve.name for curve in drawn), tuple(sizes), table)


def _settings(name: str, about: dict[str, Any]) -> str:
    """ "kNN: k = 50"; a key that ends in _from says where the value came from."""
    plain = {k: v for k, v in about.items() if isinstance(v, int | float | str) and "accuracy" not in k}
    origin = {key.removesuffix("_from"): value for key, value in plain.items() if key.endswith("_from")}
    said = [
        f"{key} = {value:g}" if isinstance(value, float) else f"{key} = {value}"
        for key, value in plain.items()
        if not key.endswith("_from")
    ]
    return f"{name}: {', '.join(said)}" + "".join(f". {key}: {value}" for key, value in origin.items())
