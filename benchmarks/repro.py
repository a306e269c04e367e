"""The pipeline as a user waits for it: `dvc repro` by the clock, and what the stages' own timers say of it.

python -m benchmarks.repro runs it twice in a fresh clone of the last commit, the second time with nothing changed, and
prints a Markdown table; --write puts it into docs/benchmarks.md. What the timers leave is the start of Python and its
imports in every stage, and DVC's own work. Code is compiled in a run that is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.page import put_table
from benchmarks.processes import cpu_seconds
from benchmarks.runs import PAGE, machine

ROOT = Path(__file__).resolve().parent.parent


def clone(folder: Path) -> Path:
    """The last commit in a new repository, without its results' cache."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


def repro(folder: Path, *options: str) -> tuple[float, float]:
    """`dvc repro` there: seconds by the clock, and CPU seconds of all its processes."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    began, before = time.perf_counter(), cpu_seconds()
    subprocess.run([sys.executable, "-m", "dvc", "repro", *options], cwd=folder, env=environment, check=True, stdout=2)
    return time.perf_counter() - began, cpu_seconds() - before


def timers(folder: Path) -> dict[str, float]:
    """Seconds by stage, as the stages themselves took them."""
    return {
        path.stem: float(json.loads(path.read_text())["seconds"])
        for path in sorted((folder / ".scratch/seconds").glob("*.json"))
    }


def table_of(whole: tuple[float, float], own: dict[str, float], again: tuple[float, float]) -> list[str]:
    """Lines of Markdown."""
    inside = sum(own.values())
    return [
        "| | seconds by the clock | CPU seconds |",
        "| --- | --: | --: |",
        f"| `dvc repro`, everything to be run | {whole[0]:.1f} | {whole[1]:.1f} |",
        f"| of it by the timers of {len(own)} stages | {inside:.1f} | |",
        f"| of it the start of their processes, and DVC | {whole[0] - inside:.1f} | |",
        f"| `dvc repro`, nothing changed | {again[0]:.1f} | {again[1]:.1f} |",
        "",
        f"Measured on {machine()['processor']}, {machine()['cores']} cores.",
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE}")
    write = parser.parse_args().write
    with tempfile.TemporaryDirectory() as scratch:
        folder = clone(Path(scratch) / "clone")
        repro(folder, "--force")  # compiles
        whole = repro(folder, "--force")
        own = timers(folder)
        lines = table_of(whole, own, repro(folder))
    print("\n".join(lines))
    if write:
        put_table(ROOT / PAGE, "repro", lines)


if __name__ == "__main__":
    main()
