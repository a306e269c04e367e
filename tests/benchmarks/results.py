"""Results of runs, written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MACHINE = {
    "processor": "Abacus 9",
    "cores": 2,
    "gpu": None,
    "python": "3.11.1",
    "torch": "2.9.0",
    "bfloat16": True,
    "load": 0.1,
}
TOLD = "Measured on Abacus 9, 2 cores, bfloat16 products, PyTorch 2.9.0, Python 3.11.1."


def leave(path: Path, **found: Any) -> dict[str, Any]:
    """Write a result as a run leaves it; and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {**found, "machine": MACHINE}
    path.write_text(json.dumps(whole))
    return whole
