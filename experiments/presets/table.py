"""The runs of both presets -> one Markdown table."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from sanitize.data.files import whole_files
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
    for row in table.sort_values(["scenario", "seed", "preset"], ascending=[True, True, False]).itertuples():
        lines.append(
            f"| {row.scenario} | {row.seed} | {row.poisoned} | {row.preset} | {row.vote_fp} | {row.vote_fn} "
            f"| {row.fp} | {row.fn} | {row.suspicion_auc:.4f} | {row.filter_cpu_seconds:.0f} |"
        )
    cost = table.groupby("preset")["filter_cpu_seconds"].sum()
    sums = table.groupby("preset")[["fp", "fn"]].sum()
    lines += [
        "",
        f"All runs together: paper FP {sums.fp.paper}, FN {sums.fn.paper}; fast FP {sums.fp.fast}, "
        f"FN {sums.fn.fast}; `paper` takes {cost.paper / cost.fast:.1f} times the CPU seconds of `fast`.",
    ]
    with whole_files(markdown) as (draft,):
        draft.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    app()
