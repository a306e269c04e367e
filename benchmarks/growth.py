"""How the filter's cost grows with rows, classes and workers: preset `fast` on CIFAR-10 or repeated MNIST, cut short.

python -m benchmarks.growth makes the runs that reports/bench/growth lacks, each in a process of its own, and prints two
tables; --write puts them into docs/benchmarks.md after every run. --part shortens every schedule alike.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.pictures import FOLDER, cifar10, sized
from benchmarks.processes import cpu_seconds
from benchmarks.runs import EMPTY, PAGE, RESULTS, ensure, keep, machine, put_tables, read, refusals, show, told
from benchmarks.watch import Steps
from experiments.scenario import load_tables
from sanitize.data.table import Table
from sanitize.errors import BadParams
from sanitize.execution import make_map
from sanitize.filtering import filter_table
from sanitize.params import Params, resolve

ROWS = (1000, 4000, 16_000, 50_000)
CLASSES = (10, 100)
WORKERS = (1, 2)
STEPS = ("partition", "vote", "self-training", "groups")
EPOCHS = {
    "ispl": ("first_epochs", "epochs"),
    "vote": ("epochs",),
    "selftrain": ("epochs", "every"),
    "coherence": ("epochs",),
}


class Size(NamedTuple):
    """One run."""

    rows: int
    classes: int
    workers: int

    def file(self, part: float) -> str:
        """The name of its result, with so much of the schedule."""
        return f"rows{self.rows}_classes{self.classes}_workers{self.workers}_part{part:g}.json"


def planned(most: int) -> list[Size]:
    """All runs of up to `most` rows, small ones first; one and two workers one after the other."""
    return [Size(rows, c, w) for rows in ROWS if rows <= most for c in CLASSES for w in WORKERS]


def shortened(part: float) -> Params:
    """Preset `fast` with every number of epochs times `part`, rounded up. BadParams: part outside 0 < part <= 1."""
    if not 0 < part <= 1:
        raise BadParams(f"--part is {part}; must be in (0, 1]; 1 is the whole schedule")
    whole = resolve({"preset": "fast"})
    values: dict[str, Any] = {"preset": "fast"}
    for section, keys in EPOCHS.items():
        values[section] = {key: math.ceil(part * getattr(getattr(whole, section), key)) for key in keys}
    return resolve(values)


def source() -> tuple[Table, str]:
    """The rows that sizes are taken from, and what they are."""
    found = cifar10()
    if found is not None:
        return found.train, found.what
    return load_tables(resolve({"data": {"source": "mnist5k"}}))[0], "MNIST-5k, repeated beyond its 4,000 rows"


def run(table: Table, params: Params, workers: int) -> dict[str, Any]:
    """What every step costs, and all of them: seconds by the clock and of all cores; worker processes start before."""
    map = make_map("processes", workers)
    list(map(_nothing, None, range(2 * workers)))
    steps = Steps()
    began = time.perf_counter(), cpu_seconds()
    found = filter_table(table, params, map=map, steps=steps)
    return {
        "steps": steps.taken,
        "wall_seconds": time.perf_counter() - began[0],
        "cpu_seconds": cpu_seconds() - began[1],
        "dropped": int((~found.manifest.keep_N).sum()),
    }


def _nothing(shared: None, task: int) -> int:
    return task


def rows_table(found: dict[Size, dict[str, Any]]) -> list[str]:
    """CPU milliseconds of a row in every step, one worker."""
    alone = {size: one for size, one in found.items() if size.workers == 1}
    if not alone:
        return EMPTY
    head = ["rows", "classes", *STEPS, "all", "CPU seconds"]
    lines = ["| " + " | ".join(head) + " |", "| --: " * len(head) + "|"]
    for size, one in alone.items():
        costs = [one["steps"].get(step, {}).get("cpu", 0.0) for step in STEPS]
        each = [f"{1000 * cost / size.rows:.2f}" for cost in (*costs, one["cpu_seconds"])]
        lines.append(f"| {size.rows:,} | {size.classes} | {' | '.join(each)} | {one['cpu_seconds']:.1f} |")
    return lines + _told(alone.values())


def workers_table(found: dict[Size, dict[str, Any]]) -> list[str]:
    """Seconds by the clock with one and two workers, and how many times less."""
    lines = ["| rows | classes | one worker, s | two, s | times less | CPU of one, s | of two, s |", "| --: " * 7 + "|"]
    pairs = [(size, one, found.get(size._replace(workers=2))) for size, one in found.items() if size.workers == 1]
    both = [(size, one, two) for size, one, two in pairs if two is not None]
    for size, one, two in both:
        walls, cpus = ([r[key] for r in (one, two)] for key in ("wall_seconds", "cpu_seconds"))
        cells = [f"{size.rows:,}", str(size.classes), *(f"{wall:.1f}" for wall in walls)]
        cells += [f"{walls[0] / walls[1]:.2f}", *(f"{cpu:.1f}" for cpu in cpus)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines + _told(r for _, one, two in both for r in (one, two)) if both else EMPTY


def _told(runs: Iterable[dict[str, Any]]) -> list[str]:
    made = list(runs)
    what = sorted({f"{one['what']}, {one['schedule']}" for one in made})
    return ["", *(f"Rows: {one}." for one in what), *told(made)[1:]]


def schedule(params: Params) -> str:
    """The epochs that run, in words."""
    s, groups = params.selftrain, params.coherence.epochs
    return (
        f"epochs: ISPL {params.ispl.first_epochs} and {params.ispl.epochs}, voters {params.vote.epochs}, "
        f"self-training {s.epochs} with a new round every {s.every}, groups {groups}"
    )


def tables(folder: Path, part: float) -> dict[str, list[str]]:
    """Both tables by their marks."""
    read_in = {size: read(folder / size.file(part)) for size in planned(ROWS[-1])}
    found = {size: one for size, one in read_in.items() if one is not None}
    return {"growth-rows": rows_table(found), "growth-workers": workers_table(found)}


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print; with --one, make one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", type=float, default=0.25, help="of every number of epochs that is run")
    parser.add_argument("--most", type=int, default=ROWS[-1], help="rows of the largest run")
    parser.add_argument("--again", action="store_true", help="make all runs again")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE}")
    parser.add_argument("--out", type=Path, default=RESULTS / "growth", help="folder of the results")
    parser.add_argument("--one", type=int, nargs=3, metavar=("ROWS", "CLASSES", "WORKERS"), help="one run, to FILE")
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="with --one")
    asked = parser.parse_args(given)
    if (asked.one is None) != (asked.file is None):
        parser.error("--one and FILE go together")
    with refusals("growth"):
        if asked.one is None:
            _measure(asked)
        else:
            _make(Size(*asked.one), asked.part, asked.file)


def _make(size: Size, part: float, file: Path) -> None:
    on, params = machine(), shortened(part)
    rows, what = source()
    found = run(sized(rows, size.rows, size.classes), params, size.workers)
    keep(file, {**size._asdict(), "what": what, "schedule": schedule(params), **found}, on)


def _measure(asked: argparse.Namespace) -> None:
    shortened(asked.part)  # refuses a wrong one before any run
    if not os.environ.get(FOLDER):
        where = f"{FOLDER} names no folder of CIFAR-10"
        print(f"growth: {where}; rows are those of MNIST-5k, repeated where it has too few", file=sys.stderr)
    for size in planned(asked.most):
        file = asked.out / size.file(asked.part)
        ensure(file, ["benchmarks.growth", "--part", asked.part, "--one", *size], again=asked.again)
        if asked.write:
            put_tables(tables(asked.out, asked.part))
    show(tables(asked.out, asked.part), asked.write)


if __name__ == "__main__":
    main()
