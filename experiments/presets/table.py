"""The runs of the presets -> one Markdown table."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from sanitize.io.atomic import atomic_write
from stages.common import stage_app

app = stage_app("presets-table", pipeline=False)


@app.command()
def main(runs: Path, markdown: Path = Path("reports/presets.md")) -> None:
    """Gather the files of the folder RUNS."""
    table = pd.DataFrame([row for f in sorted(runs.glob("*.json")) for row in json.loads(f.read_text())])
    lines = [
        "| scenario | seed | poisoned | preset | vote FP | vote FN | FP | FN | AUC | CPU seconds |",
        "| --- " * 10 + "|",
    ]
    for row in table.sort_values(
        ["scenario", "seed", "filter_cpu_seconds"], ascending=[True, True, False]
    ).itertuples():
        lines.append(
            f"| {row.scenario} | {row.seed} | {row.poisoned} | {row.preset} | {row.vote_fp} | {row.vote_fn} "
            f"| {row.fp} | {row.fn} | {row.suspicion_auc:.4f} | {row.filter_cpu_seconds:.0f} |"
        )
    sums = table.groupby("preset")[["fp", "fn", "filter_cpu_seconds"]].sum()
    for preset, total in sums.sort_values("filter_cpu_seconds", ascending=False).iterrows():
        cost = total.filter_cpu_seconds / sums.filter_cpu_seconds.paper
        found = f"FP {total.fp:.0f}, FN {total.fn:.0f}"
        lines += ["", f"`{preset}`, all runs together: {found}; {cost:.2f} of the CPU seconds of `paper`."]
    with atomic_write(markdown) as (draft,):
        draft.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    app()
