"""Stage report: all that the other stages found -> reports/index.html, one page to look at."""

from __future__ import annotations

from pathlib import Path

from sanitize.data.shards import find_shards
from sanitize.io.atomic import atomic_write
from sanitize.manifest_file import read_manifest
from sanitize.params import load_params
from sanitize.report.findings import read_findings
from sanitize.report.pipeline import further
from sanitize.report.review_page import build_page
from stages.common import stage_app

app = stage_app("report")


@app.command()
def main(
    params: Path = Path("params.yaml"),
    train: Path = Path("data/poisoned/train.parquet"),
    manifest: Path = Path("data/manifest.parquet"),
    components: Path = Path("data/components.parquet"),
    metrics: Path = Path("reports/metrics.json"),
    certificates: Path = Path("reports/certificates.json"),
    plots: Path = Path("reports/plots"),
    page: Path = Path("reports/index.html"),
) -> None:
    """Make one HTML page: as `sanitize report` makes it, with metrics, votes and certificates."""
    given = load_params(params)
    source, verdicts = find_shards(train), read_manifest(manifest)
    verdicts.refuse_other_input(source, source.sha256())
    found = read_findings(verdicts, components=components, metrics=metrics, certificates=certificates, plots=plots)
    html = build_page(source, verdicts, further=further(found, given))
    with atomic_write(page) as (draft,):
        draft.write_bytes(html.encode())


if __name__ == "__main__":
    app()
