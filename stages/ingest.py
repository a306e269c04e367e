"""Stage ingest: a source's name or a parquet path -> data/ingested/{train,test}.parquet."""

from __future__ import annotations

from pathlib import Path

from sanitize.data.ingest import load_source
from sanitize.data.parquet import write_arrow
from sanitize.io.digests import placed
from sanitize.params import DataParams, load_params
from stages.common import stage_app

app = stage_app("ingest")


@app.command()
def main(
    params: Path = Path("params.yaml"),
    train: Path = Path("data/ingested/train.parquet"),
    test: Path = Path("data/ingested/test.parquet"),
) -> None:
    """Write the source's train and test rows; without test rows, test has train's columns and no rows."""
    chosen = load_params(params)
    data = DataParams.model_validate(placed(chosen.data.model_dump(), "data"))
    splits = load_source(data, chosen.seed)
    write_arrow(splits.train, train)
    write_arrow(splits.train.schema.empty_table() if splits.test is None else splits.test, test)


if __name__ == "__main__":
    app()
