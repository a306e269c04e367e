"""Stage given: what params.yaml names outside of this repository -> digests of it, so that DVC sees it change.

It runs with every `dvc repro`, before all others; so it imports little, and is done in a tenth of a second.
"""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from sanitize.errors import BadInput
from sanitize.io.given import digests
from sanitize.runtime.printing import say_error

OUTPUTS = (Path("data/given/files.json"), Path("data/given/code.json"))


def main(params: Path = Path("params.yaml")) -> None:
    """Write the digests; a file that is not there is written down as such, and stage ingest says what to do."""
    try:
        named = yaml.safe_load(params.read_text())
        for place, found in zip(OUTPUTS, digests(named), strict=True):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")
    except (OSError, ValueError, yaml.YAMLError) as error:
        say_error("given", error)
        raise SystemExit(BadInput.exit_code) from error


if __name__ == "__main__":
    main()
