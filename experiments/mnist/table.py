"""The scenarios' JSON files -> one CSV and one Markdown table, with the figures that sum them up."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from sanitize.io.atomic import atomic_write
from stages.common import stage_app

app = stage_app("mnist-table", pipeline=False)
TMR_LIMIT = 0.01  # the paper's bar for a defence that succeeded


@app.command()
def main(scenarios: Path, csv: Path = Path("reports/mnist.csv"), markdown: Path = Path("reports/mnist.md")) -> None:
    """Gather the files of the folder SCENARIOS."""
    table = pd.DataFrame([json.loads(f.read_text()) for f in sorted(scenarios.glob("*.json"))])
    table = table.drop(columns=["filter_seconds", "filter_cpu_seconds"])  # they depend on the machine
    with atomic_write(csv, markdown) as (csv_draft, markdown_draft):
        table.to_csv(csv_draft, index=False, float_format="%.6g")
        markdown_draft.write_text(_page(table))


def _page(table: pd.DataFrame) -> str:
    attacked = table[table["pair"] != "none"]
    clean = table[table["pair"] == "none"]
    clean_rows = attacked["rows"] - attacked["poisoned"]
    lines = [
        "# MNIST-5k: backdoors and the filter",
        "",
        f"- TMR of the sanitized model under 1% in {int((attacked['sanitized_tmr'] < TMR_LIMIT).sum())} of "
        f"{len(attacked)} scenarios (undefended: {int((attacked['undefended_tmr'] < TMR_LIMIT).sum())})",
        f"- FP: mean {(attacked['fp'] / clean_rows).mean():.2%}, most {(attacked['fp'] / clean_rows).max():.2%} "
        f"of the clean rows; FN: {int(attacked['fn'].sum())} of {int(attacked['poisoned'].sum())} poisoned rows",
        f"- clean accuracy: sanitized {attacked['sanitized_accuracy'].mean():.2%}, "
        f"oracle {attacked['oracle_accuracy'].mean():.2%}, undefended {attacked['undefended_accuracy'].mean():.2%}",
        f"- without an attack: dropped {(clean['fp'] / clean['rows']).map('{:.2%}'.format).str.cat(sep=', ')} "
        f"of the rows (seeds {clean['seed'].map(str).str.cat(sep=', ')})",
        "",
        "TMR of the sanitized model: the median of its trainings, and every one of them; one test image is 1%.",
        "",
        "| source-target-shape | share | poisoned | vote FP | vote FN | FP | FN | AUC | TMR undefended | TMR sanitized "
        "| each training | TMR oracle | accuracy sanitized | accuracy oracle |",
        "| --- " * 14 + "|",
    ]
    for row in attacked.itertuples():
        lines.append(
            f"| {row.pair} | {row.share:.0%} | {row.poisoned} | {row.vote_fp} | {row.vote_fn} | {row.fp} | {row.fn} "
            f"| {row.suspicion_auc:.4f} | {row.undefended_tmr:.1%} | {row.sanitized_tmr:.1%} "
            f"| {', '.join(f'{tmr:.0%}' for tmr in row.sanitized_tmrs)} | {row.oracle_tmr:.1%} "
            f"| {row.sanitized_accuracy:.1%} | {row.oracle_accuracy:.1%} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    app()
