"""One cell of the MNIST-5k table: pair, share -> figures as JSON. Without a pair, the same data without an attack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from experiments.scenario import run
from sanitize.errors import BadParams
from sanitize.io.atomic import atomic_write
from sanitize.params import resolve
from stages.common import stage_app

app = stage_app("mnist", pipeline=False)


@app.command()
def main(
    out: Path,
    pair: str = "",
    share: float = 0.1,
    seed: int = 0,
    trainings: int = 3,
    params: Path = Path("experiments/mnist/params.yaml"),
) -> None:
    """Run the scenario PAIR, written source-target-shape (1-7-pixel), and write its figures to OUT.

    The sanitized model is trained TRAININGS times, from other weights each time: with 100 test images one that sits on
    the border, as some do without any poison, is a whole percent.
    """
    given: dict[str, Any] = {**yaml.safe_load(params.read_text()), "seed": seed, "attack": attack_of(pair, share)}
    figures = {
        "pair": pair or "none",
        "share": share if pair else 0.0,
        "seed": seed,
        **run(resolve(given, str(params)), trainings),
    }
    with atomic_write(out) as (draft,):
        draft.write_text(json.dumps(figures, indent=1) + "\n")


def attack_of(pair: str, share: float) -> dict[str, Any]:
    """The section `attack` for PAIR, written source-target-shape; none for an empty one. BadParams: written wrongly."""
    if not pair:
        return {"name": "none"}
    parts = pair.split("-")
    if len(parts) != 3 or not (parts[0].isdigit() and parts[1].isdigit()):
        raise BadParams(f"--pair is {pair!r}; must be source-target-shape, such as 1-7-pixel")
    return {"name": "patch", "source": int(parts[0]), "target": int(parts[1]), "shape": parts[2], "share": share}


if __name__ == "__main__":
    app()
