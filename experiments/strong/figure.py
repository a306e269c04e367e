"""The figure: TMR, FP and AUC of every run, by method and data set. Rows of the table -> SVG, same bytes."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.strong.reach import LEAST_AUC, MOST_FP, TMR_LIMIT

STYLE: Any = {"svg.hashsalt": "strong", "svg.fonttype": "none", "font.size": 8}
MEASURES = {"sanitized_tmr": "TMR", "fp_share": "clean rows dropped", "auc": "AUC of suspicion"}
BOUNDS: dict[str, dict[str, float]] = {"fp_share": MOST_FP, "auc": LEAST_AUC}
SPREAD = 0.6  # of a method's column, over which its runs are spread


def draw(rows: pd.DataFrame, methods: list[str], data_sets: list[str]) -> Figure:
    """A dot for every run with an attack that counts; dashed lines are the bounds.

    rows       test cells that were not skipped, with fp_share (see `table.read`)
    methods    from left to right in each plot
    data_sets  one column of plots each
    """
    counting = rows[rows["counts"].eq(True)]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1.6 + 1.5 * len(data_sets), 6.2), layout="constrained")
        grid = figure.subplots(len(MEASURES), len(data_sets), squeeze=False, sharex=True, sharey="row")
        for line, (measure, title) in zip(grid, MEASURES.items(), strict=True):
            for axes, data in zip(line, data_sets, strict=True):
                for number, method in enumerate(methods):
                    own = counting[(counting["data"] == data) & (counting["method"] == method)].sort_values("run")
                    across = number + (np.arange(len(own)) + 0.5) / max(len(own), 1) * SPREAD - SPREAD / 2
                    axes.plot(across, own[measure].to_numpy(float), "o", ms=3, color=f"C{number}", alpha=0.8)
                bound = TMR_LIMIT if measure == "sanitized_tmr" else BOUNDS[measure].get(data)
                if bound is not None:
                    axes.axhline(bound, color="0.4", lw=0.8, ls="--")
                axes.set_xlim(-0.6, len(methods) - 0.4)
                axes.set_xticks(range(len(methods)), methods, rotation=90)
                axes.grid(axis="y", alpha=0.3)
            line[0].set_ylabel(title)
            if measure != "auc":
                line[0].set_ylim(bottom=0)
        for axes, data in zip(grid[0], data_sets, strict=True):
            axes.set_title(data)
    return figure
