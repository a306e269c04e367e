"""Stage report: all that the other stages found -> reports/index.html, one page to look at."""

from __future__ import annotations

from pathlib import Path

from sanitize.io.atomic import atomic_write
from sanitize.params import load_params
from sanitize.report.findings import read_findings
from sanitize.report.page import build
from sanitize.report.rows import open_rows
from stages.common import stage_app

app = stage_app("report")


@app.command()
def main(
    params: Path = Path("params.yaml"),
    train: Path = Path("data/poisoned/train.parquet"),
    manifest: Path = Path("data/manifest.parquet"),
    votes: Path = Path("data/votes.parquet"),
    components: Path = Path("data/components.parquet"),
    metrics: Path = Path("reports/metrics.json"),
    certificates: Path = Path("reports/certificates.json"),
    plots: Path = Path("reports/plots"),
    page: Path = Path("reports/index.html"),
) -> None:
    """Make one HTML page of the verdict, the dropped rows, the votes and the certificates."""
    given = load_params(params)
    rows = open_rows(train, label=given.data.label, inputs=given.data.inputs)
    found = read_findings(
        rows,
        manifest=manifest,
        votes=votes,
        components=components,
        metrics=metrics,
        certificates=certificates,
        plots=plots,
    )
    html = build(found, rows, given)
    with atomic_write(page) as (draft,):
        draft.write_bytes(html.encode())


if __name__ == "__main__":
    app()
