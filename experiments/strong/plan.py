"""The cells in the order that tells most soonest, and what they cost; with --run it runs those without a result."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from experiments.strong.scenarios import parse
from experiments.strong.settings import HERE, REFERENCE, Settings, read_settings
from sanitize.errors import BadInput, BadParams
from stages.common import stage_app

LISTS = ("test", "compared", "more", "ablation", "tuning")
RESULTS = Path("reports/strong")
app = stage_app("strong-plan", pipeline=False)


@dataclass(frozen=True)
class Cell:
    """A cell: its list, run and method, and its CPU seconds by params.yaml."""

    of: str
    run: str
    method: str
    seconds: float

    def out(self, results: Path) -> Path:
        """Its file."""
        if self.method == REFERENCE:
            return results / "reference" / f"{self.run}.json"
        return results / "cells" / f"{self.run}-{self.method}.json"


def cells(settings: Settings, lists: tuple[str, ...] = LISTS) -> Iterator[Cell]:
    """Every cell of the lists once, in their order: a run's reference first, then its methods."""
    seen: set[tuple[str, str]] = set()
    for of in lists:
        for run in settings.lists()[of]:
            for method in (REFERENCE, *settings.methods_of(of)):
                if (run, method) not in seen:
                    seen.add((run, method))
                    yield Cell(of, run, method, settings.costs.of(parse(run).data, method))


@app.command()
def main(
    lists: str = ",".join(LISTS),
    run: bool = False,
    workers: int = 2,
    results: Path = RESULTS,
    params: Path = HERE / "params.yaml",
) -> None:
    """Print the cells of LISTS with their cost, those without a result added up; with --run, run these.

    Results on disk are taken as they are: `dvc repro experiments/strong/dvc.yaml` also runs again what has changed.
    A cell that was skipped because its data set was not there is run again.
    """
    chosen = tuple(lists.split(","))
    if not set(chosen) <= set(LISTS):
        raise BadParams(f"--lists is {lists!r}; must be some of {','.join(LISTS)}")
    planned = list(cells(read_settings(params), chosen))
    waiting = [cell for cell in planned if not _is_done(cell.out(results))]
    total = 0.0
    for cell in planned:
        done = cell not in waiting
        total += 0 if done else cell.seconds
        cost = "done" if done else f"{cell.seconds:.0f} s"
        print(f"{cell.of:9} {cell.run} {cell.method}: {cost}, {total / 60:.0f} min")
    for of in chosen:
        own = [cell for cell in planned if cell.of == of]
        print(f"{of}: {len(own)} cells, {sum(cell.seconds for cell in own) / 60:.0f} CPU minutes")
    print(f"without a result: {len(waiting)} cells, {total / 60:.0f} CPU minutes")
    if run:
        _run(waiting, workers, results, params)


def _is_done(path: Path) -> bool:
    return path.is_file() and '"skipped"' not in path.read_text()


def _run(waiting: list[Cell], workers: int, results: Path, params: Path) -> None:
    """Runs side by side, the cells of one after another. BadInput: cells failed; all others have run."""
    failed: list[str] = []

    def all_of(own: list[Cell]) -> None:
        for cell in own:
            command = [sys.executable, "-m", "experiments.strong.run", cell.run, cell.method, str(cell.out(results))]
            command += ["--params", str(params)]
            if cell.method != REFERENCE:
                command += ["--reference", str(Cell("", cell.run, REFERENCE, 0).out(results))]
            if subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False).returncode:
                failed.append(f"{cell.run} {cell.method}")

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(all_of, [list(own) for _, own in groupby(waiting, key=lambda cell: cell.run)]))
    if failed:
        raise BadInput(f"{len(failed)} cells failed: {', '.join(sorted(failed))}; their messages stand above")


if __name__ == "__main__":
    app()
