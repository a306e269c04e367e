"""Voters fitted once to the small tables, so that tests of files need not fit any."""

from __future__ import annotations

from pathlib import Path

from sanitize.execution import inline
from sanitize.filter_file import filter_file
from sanitize.filter_options import Options, Rules
from sanitize.params import resolve
from tests import small

INLINE = resolve({**small.QUICK, "engine": "inline"})


def vector_voters(folder: Path) -> Path:
    """A folder with voters fitted to `small.vector_file`."""
    return _voters(small.vector_file(folder / "fit.parquet"), folder)


def image_voters(folder: Path) -> Path:
    """A folder with voters fitted to `small.image_file`."""
    return _voters(small.image_file(folder / "fit.parquet"), folder)


def _voters(source: Path, folder: Path) -> Path:
    options = Options(dry_run=True, save_voters=folder / "voters")
    filter_file(source, None, INLINE, options=options, map=inline)
    return folder / "voters"


def scored(
    source: Path | str, folder: Path, voters: Path, *, engine: str = "inline", rules: Rules | None = None, **more
):
    """Filter with these voters to kept, rejected and manifest below `folder`; the summary."""
    return filter_file(
        source,
        folder / "kept",
        resolve({**small.QUICK, "engine": engine, "workers": 2}),
        rejected=folder / "rejected",
        manifest=folder / "manifest",
        options=Options(rules=rules or Rules(), voters=voters, **more),
        map=inline,
    )
