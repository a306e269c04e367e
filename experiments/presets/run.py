"""One preset on one backdoor, several seeds -> figures as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from experiments.mnist.scenario import attack_of
from experiments.scenario import run
from sanitize.io.atomic import atomic_write
from sanitize.params import resolve
from stages.common import stage_app

app = stage_app("presets", pipeline=False)


@app.command()
def main(out: Path, scenario: str, params: Path, seeds: int = 1) -> None:
    """Run SCENARIO (1-7-X-0.1: source, target, shape, share) with the values in PARAMS and seeds from 0."""
    pair, _, share = scenario.rpartition("-")
    values = yaml.safe_load(params.read_text())
    figures = []
    for seed in range(seeds):
        given = resolve({**values, "seed": seed, "attack": attack_of(pair, float(share))}, str(params))
        figures.append({"preset": given.preset, "scenario": scenario, "seed": seed, **run(given)})
    with atomic_write(out) as (draft,):
        draft.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    app()
