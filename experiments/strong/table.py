"""The cells' JSON files -> a page (Markdown), all figures (CSV) and a figure (SVG). Every run counts, no medians."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd

from experiments.strong.figure import STYLE, draw
from experiments.strong.reach import TMR_LIMIT, findings
from experiments.strong.settings import HERE, Settings, read_settings
from sanitize.errors import BadInput
from sanitize.io.atomic import atomic_write
from stages.common import stage_app

app = stage_app("strong-table", pipeline=False)
FIRST = ("strong", "fast", "paper")  # methods in this order, then the others by name
COLUMNS = [
    *("list", "data", "pair", "trigger", "share", "seed", "method", "rows", "poisoned", "counts"),
    *("undefended_tmr", "undefended_right", "sanitized_tmr", "oracle_tmr", "fp", "fn", "fp_share"),
    *("auc", "recall_1", "recall_5", "recall_10"),
    *("trainings", "undefended_accuracy", "sanitized_accuracy", "oracle_accuracy", "cpu_seconds"),
]


@app.command()
def main(
    results: Path,
    markdown: Path = Path("reports/strong.md"),
    csv: Path = Path("reports/strong.csv"),
    svg: Path = Path("reports/strong.svg"),
    params: Path = HERE / "params.yaml",
) -> None:
    """Gather the folders cells and data of the folder RESULTS."""
    settings = read_settings(params)
    rows, skipped = read(results, settings)
    data = [json.loads(file.read_text()) for file in sorted((results / "data").glob("*.json"))]
    test = rows[rows["list"] == "test"]
    drawn = test if len(test) else rows
    figure = draw(drawn, in_order(drawn["method"]), list(dict.fromkeys(drawn["data"])))
    with atomic_write(markdown, csv, svg) as (page, numbers, draft):
        page.write_text(_page(settings, rows, skipped, data, f"![TMR, FP and AUC of every run]({svg.name})\n"))
        rows[COLUMNS].to_csv(numbers, index=False, float_format="%.6g")
        with matplotlib.rc_context(STYLE):
            figure.savefig(draft, format="svg", metadata={"Date": None})


def read(results: Path, settings: Settings) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """The cells as a table, sorted, with `list` ("tuning" or "test") and `fp_share`; and those that were skipped.

    BadInput: there are none
    """
    cells = [json.loads(file.read_text()) for file in sorted((results / "cells").glob("*.json"))]
    done = [cell for cell in cells if "skipped" not in cell]
    if not done:
        raise BadInput(f"{results / 'cells'}: holds no cells; run the stages reference and cell first")
    rows = pd.DataFrame(done)
    rows["list"] = ["tuning" if settings.is_tuning(run) else "test" for run in rows["run"]]
    rows["fp_share"] = rows["fp"] / (rows["rows"] - rows["poisoned"])
    rows["trainings"] = rows["trainings"].fillna(1).astype(int) if "trainings" in rows else 1
    for column in ("sanitized_tmr", "oracle_tmr", "undefended_tmr", "undefended_right", "auc"):
        rows[column] = rows[column].astype(float)
    place = {name: number for number, name in enumerate(settings.data_sets)}
    rows["place"] = rows["data"].map(lambda name: place.get(name, len(place)))
    order = ["list", "place", "data", "pair", "trigger", "share", "seed", "method"]
    return rows.sort_values(order, ignore_index=True), [cell for cell in cells if "skipped" in cell]


def in_order(methods: pd.Series) -> list[str]:
    """Each method once: FIRST, then the others by name."""
    return sorted(set(methods), key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))


def _page(
    settings: Settings,
    rows: pd.DataFrame,
    skipped: list[dict[str, Any]],
    data: list[dict[str, Any]],
    figure: str,
) -> str:
    test, tuning = rows[rows["list"] == "test"], rows[rows["list"] == "tuning"]
    varied = tuning[tuning["run"].isin(settings.ablated) & tuning["method"].isin(settings.methods_of("ablation"))]
    tuning = tuning[~tuning["method"].isin(settings.ablation)]
    bounds = settings.counts
    text = [
        "# Methods compared\n",
        "Made by `dvc repro experiments/strong/dvc.yaml`; all figures stand in reports/strong.csv. Values were chosen "
        "on the tuning runs alone; test runs share no data set x pair x trigger with them. Every run counts, no "
        "medians.\n",
        f"A run counts where the oracle's TMR is under {bounds.oracle_tmr_under:.0%} and the undefended model's over "
        f"{bounds.undefended_share_over:.0%} of what it could be: the part of the same test rows that it gets right "
        "without the trigger. FP: clean rows dropped; FN: poisoned rows kept; recall at 1, 5 and 10%: of the poisoned "
        "rows, when so many of all rows are dropped, the most suspicious first. One test image is 1% of TMR where a "
        f"class has 100. {_trainings(rows)} CPU seconds are the filter's, in one process.\n",
    ]
    if len(test):
        text += ["## Test runs: bounds\n", _reach(test, in_order(test["method"])), figure]
        text += ["## Test runs: by data set and method\n", _summary(test, in_order(test["method"]))]
        text += ["## Test runs: every one\n", _runs(test)]
    if varied["method"].isin(settings.ablation).any():
        text += ["## Ablation\n", _ablation(settings, varied)]
    if len(tuning):
        text += ["## Tuning runs: by data set and method\n", _summary(tuning, in_order(tuning["method"]))]
        text += ["## Tuning runs: every one\n", _runs(tuning)]
    if data:
        text += ["## Data sets\n", _data_sets(data)]
    if skipped:
        lines = [f"- {cell['run']}, {cell['method']}: {cell['skipped']}" for cell in skipped]
        text += ["## Cells that were skipped\n", "\n".join(lines) + "\n"]
    return "\n".join(part for part in text if part)


def _trainings(rows: pd.DataFrame) -> str:
    """Of how many trainings of the sanitized model its TMR and accuracy are means, in words."""
    cells = rows["trainings"].value_counts().sort_index(ascending=False)
    counts = [f"{number} in {of} cells" for number, of in cells.items()]
    return f"TMR and accuracy of the sanitized model are means over its trainings ({', '.join(counts)})."


def _markdown(head: list[str], lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *lines]) + "\n"


def _reach(test: pd.DataFrame, methods: list[str]) -> str:
    found = {method: findings(test, method) for method in methods}
    words = {True: "**reached**", False: "not reached", None: ""}
    lines = [
        [bound.what, *(f"{one.found} {words[one.reached]}".strip() or "-" for one in line)]
        for line in zip(*found.values(), strict=True)
        for bound in line[:1]
    ]
    return _markdown(["bound", *methods], lines)


def _summary(rows: pd.DataFrame, methods: list[str]) -> str:
    """Means and the worst run of each method on each data set; runs without an attack apart."""
    lines = []
    for data in dict.fromkeys(rows["data"]):
        for attacked in (True, False):
            for method in methods:
                own = rows[(rows["data"] == data) & (rows["method"] == method) & ((rows["poisoned"] > 0) == attacked)]
                if len(own):
                    lines.append([data if attacked else f"{data}, no attack", method, *_summed(own)])
    head = ["data", "method", "runs", "that count", "TMR < 1%", "TMR mean", "most", "FP mean", "most", "FN", "AUC mean"]
    return _markdown([*head, "least", "recall 1 / 5 / 10%", "accuracy", "of oracle", "CPU s"], lines)


def _ablation(settings: Settings, varied: pd.DataFrame) -> str:
    """`strong` without one of its ingredients or with another value: FP / FN on each run, and all runs together.

    Only runs that every method of the table has: means of different runs cannot be compared.
    """
    methods = [method for method in settings.methods_of("ablation") if (varied["method"] == method).any()]
    methods.sort(key=lambda name: name != "strong")
    have = {run: set(own["method"]) for run, own in varied.groupby("run")}
    runs = [run for run in settings.ablated if have.get(run, set()).issuperset(methods)]
    if not runs:
        return "No run has every method yet.\n"
    cells = varied.set_index(["run", "method"])
    strong = cells.loc[[(run, "strong") for run in runs], "cpu_seconds"].sum()
    lines = []
    for method in methods:
        own = cells.loc[[(run, method) for run in runs]]
        values = settings.variants.get(method, {})
        changed = [f"{s}.{k}: {v}" for s, keys in values.items() if s != "preset" for k, v in keys.items()]
        lines.append(
            [
                method,
                ", ".join(changed) or "the preset",
                *(f"{one.fp} / {one.fn}" for one in own.itertuples()),
                _share(own["fp_share"].mean(), 2),
                f"{own['fn'].sum()} of {own['poisoned'].sum()}",
                _number(own["auc"].mean()),
                _share(own["sanitized_tmr"].max()),
                f"{own['cpu_seconds'].sum() / strong:.2f}",
            ]
        )
    head = ["method", "what is changed", *runs, "FP mean", "FN", "AUC mean", "TMR most", "CPU of strong's"]
    return "FP / FN of each run, then all of them together.\n\n" + _markdown(head, lines)


def _summed(own: pd.DataFrame) -> list[str]:
    counting = own[own["counts"].eq(True)]
    tmr, auc = counting["sanitized_tmr"], own["auc"]
    attacked = bool(own["poisoned"].sum())
    recalls = (
        " / ".join(_share(own[f"recall_{share}"].astype(float).mean()) for share in (1, 5, 10)) if attacked else "-"
    )
    return [
        str(len(own)),
        str(len(counting)),
        str(int((tmr < TMR_LIMIT).sum())),
        _share(tmr.mean()),
        _share(tmr.max()),
        _share(own["fp_share"].mean(), 2),
        _share(own["fp_share"].max(), 2),
        f"{own['fn'].sum()} of {own['poisoned'].sum()}" if attacked else "-",
        _number(auc.mean()),
        _number(auc.min()),
        recalls,
        _share(own["sanitized_accuracy"].mean()),
        _share(own["oracle_accuracy"].mean()),
        f"{own['cpu_seconds'].mean():.0f}",
    ]


def _runs(rows: pd.DataFrame) -> str:
    counts = {True: "yes", False: "no"}
    lines = [
        [
            *(row.data, row.pair, row.trigger, f"{row.share:.0%}", str(row.seed), row.method, str(row.poisoned)),
            counts.get(row.counts, "-"),
            *(_share(value) for value in (row.undefended_tmr, row.sanitized_tmr, row.oracle_tmr)),
            *(str(row.fp), str(row.fn) if row.poisoned else "-", _number(row.auc)),
            " / ".join(_share(value) for value in (row.recall_1, row.recall_5, row.recall_10)) if row.poisoned else "-",
            *(_share(row.sanitized_accuracy), _share(row.oracle_accuracy), f"{row.cpu_seconds:.0f}"),
        ]
        for row in rows.itertuples()
    ]
    head = ["data", "pair", "trigger", "share", "seed", "method", "poisoned", "counts", "TMR undefended", "sanitized"]
    return _markdown(
        [*head, "oracle", "FP", "FN", "AUC", "recall 1 / 5 / 10%", "accuracy", "of oracle", "CPU s"], lines
    )


def _data_sets(data: list[dict[str, Any]]) -> str:
    lines = [
        [one["data"], one["skipped"], "", "", "", ""]
        if "skipped" in one
        else [
            one["data"],
            f"{one['modality']} {' x '.join(map(str, one['shape']))}",
            *(str(one[key]) for key in ("rows", "test_rows", "classes")),
            one["sha256"][:12],
        ]
        for one in data
    ]
    return _markdown(["data", "inputs", "train rows", "test rows", "classes", "SHA-256"], lines)


def _share(value: float, places: int = 1) -> str:
    return "-" if pd.isna(value) else f"{value:.{places}%}"


def _number(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.4f}"


if __name__ == "__main__":
    app()
