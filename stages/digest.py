"""Stage digest: the files and the code that params.yaml names -> digests of them, so that DVC sees when they change.

It runs with every `dvc repro`, before all others; so it imports little, and is done in a tenth of a second.
"""

from __future__ import annotations

import json
from pathlib import Path

import typer
import yaml

from sanitize.errors import BadInput
from sanitize.io.digests import digests, reviews
from sanitize.runtime.printing import say_error

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    params: Path = Path("params.yaml"),
    files: Path = Path("data/digests/files.json"),
    code: Path = Path("data/digests/code.json"),
    overrides: Path = Path("data/digests/overrides.json"),
) -> None:
    """Write the digests; a file that is not there is noted as such, and the stage that reads it says what to do."""
    try:
        named = yaml.safe_load(params.read_text())
        for place, found in zip((files, code, overrides), (*digests(named), reviews(named)), strict=True):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")
    except (OSError, ValueError, yaml.YAMLError) as error:
        say_error("digest", error)
        raise SystemExit(BadInput.exit_code) from error


if __name__ == "__main__":
    app()
