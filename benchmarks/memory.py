"""Peak memory of the pipeline's stages: all of them on the default data, and the large ones at CIFAR-10's full size.

python -m benchmarks.memory runs the commands of dvc.yaml in a temporary folder and adds up, 20 times a second, what the
processes of a stage have in memory (PSS: a page that several share counts once). --write puts the tables into
docs/benchmarks.md. At full size every schedule is cut to single epochs, on which memory does not depend.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from benchmarks.pictures import FOLDER, drawn
from benchmarks.processes import Peak
from benchmarks.runs import EMPTY, PAGE, RESULTS, keep, machine, read, refusals, show, told
from sanitize.data.parquet import image_table
from sanitize.errors import BadInput
from sanitize.execution import usable_cores

ROOT = Path(__file__).resolve().parent.parent
SETS = ("default", "cifar10")
LARGE = ("ingest", "poison", "partition", "vote", "selftrain", "train@sanitized")
FULL_SIZE = 50_000
LIMIT = 3.0  # GB (10^9 bytes) that no stage may take at full size
SHORT: dict[str, Any] = {
    "ispl": {"first_epochs": 1, "epochs": 1},
    "vote": {"epochs": 1},
    "selftrain": {"epochs": 3, "every": 1},
    "coherence": {"epochs": 1},
    "train": {"epochs": 1},
}


def commands() -> dict[str, list[str]]:
    """The stages of dvc.yaml by name, as DVC calls them, and the module and arguments of each."""
    found: dict[str, str] = {}
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items():
        if "foreach" not in stage:
            found[name] = stage["cmd"]
            continue
        for key, item in stage["foreach"].items():
            found[f"{name}@{key}"] = stage["do"]["cmd"].replace("${key}", key).replace("${item}", item)
    return {name: command.split()[1:] for name, command in found.items()}


def peak(arguments: Sequence[str], folder: Path) -> dict[str, float]:
    """Run `python ARGUMENTS` in a folder: GB that its processes held at most, together, and seconds by the clock.

    Raises   BadInput: it failed
    """
    places = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], cwd=folder, env=environment)
    with Peak(process.pid) as memory:
        code = process.wait()
    if code:
        raise BadInput(f"python {' '.join(arguments)} ended with exit code {code}; see its message above")
    return {"gb": memory.bytes / 1e9, "looks": memory.looks, "seconds": time.perf_counter() - began}


def stages(params: Mapping[str, Any], names: Sequence[str], folder: Path) -> dict[str, dict[str, float]]:
    """What each of the stages takes at its peak, run in order in a folder that holds nothing yet."""
    (folder / "params.yaml").write_text(yaml.safe_dump(dict(params)))
    known, found = commands(), {}
    for name in names:
        print(f"memory: {name}", file=sys.stderr, flush=True)
        found[name] = peak(known[name], folder)
    return found


def full_size(folder: Path, rows: int = FULL_SIZE) -> tuple[dict[str, Any], str]:
    """Parameters for CIFAR-10, or for drawn pictures of its size, written to a folder; and what the rows are."""
    attack = {"name": "patch", "source": 0, "target": 2, "share": 0.05}
    given: dict[str, Any] = {"preset": "fast", "attack": attack, **SHORT}
    if cifar := os.environ.get(FOLDER):
        return {**given, "data": {"source": "cifar10", "folder": str(Path(cifar).resolve())}}, "CIFAR-10"
    pictures = drawn(rows)
    places = {"train": folder / "train.parquet", "test": folder / "test.parquet"}
    for name, place in places.items():
        table = getattr(pictures, name)
        pq.write_table(image_table(table.inputs, table.labels, table.class_names), place)
    data = {"source": "parquet", **{name: str(place) for name, place in places.items()}}
    return {**given, "data": data}, pictures.what


def measure(which: str, rows: int = FULL_SIZE) -> dict[str, Any]:
    """The peaks of one of SETS, in a temporary folder.

    rows  of the drawn pictures
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        folder.mkdir()
        if which == "default":
            params, names = yaml.safe_load((ROOT / "params.yaml").read_text()), tuple(commands())
            params["data"]["overrides"] = None  # they are no file of that folder
            what = f"default parameters, {params['data']['source']}"
        else:
            (params, what), names = full_size(Path(scratch), rows), LARGE
        return {"what": what, "workers": usable_cores(), "stages": stages(params, names, folder)}


def table(found: dict[str, Any] | None, limit: float | None = None) -> list[str]:
    """Lines of Markdown.

    limit  GB; the sentence below the table says whether all stages stay under it
    """
    if found is None:
        return EMPTY
    lines = ["| stage | peak memory, GB | seconds by the clock |", "| --- | --: | --: |"]
    lines += [f"| {name} | {one['gb']:.2f} | {one['seconds']:.1f} |" for name, one in found["stages"].items()]
    lines += ["", f"Rows: {found['what']}; {found['workers']} workers."]
    if limit is not None:
        over = [name for name, one in found["stages"].items() if one["gb"] >= limit]
        lines.append(f"Over {limit:g} GB: {', '.join(over)}." if over else f"All are under {limit:g} GB.")
    return lines + told([found])[1:]


def tables(folder: Path) -> dict[str, list[str]]:
    """Both tables by their marks."""
    default, cifar10 = (read(folder / f"{which}.json") for which in SETS)
    return {"memory-default": table(default), "memory-cifar10": table(cifar10, LIMIT)}


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SETS)
    parser.add_argument("--rows", type=int, default=FULL_SIZE, help="drawn where CIFAR-10 is not there")
    parser.add_argument("--again", action="store_true", help="measure again what is there")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE}")
    parser.add_argument("--out", type=Path, default=RESULTS / "memory", help="folder of the results")
    asked = parser.parse_args(given)
    with refusals("memory"):
        for which in [asked.only] if asked.only else SETS:
            place = asked.out / f"{which}.json"
            if asked.again or read(place) is None:
                on = machine()
                keep(place, measure(which, asked.rows), on)
        show(tables(asked.out), asked.write)


if __name__ == "__main__":
    main()
