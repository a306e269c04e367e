"""Run all inputs of this package through the command: `python -m tests.inputs [KIND …] [--code CHECKOUT] [--write]`.

--code   runs another checkout's command, such as the version before, for the column "before"
--write  writes docs/inputs.md from this run; what an earlier version did is in each trial's `fails`
Leaves with 1 if any outcome is wrong.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

from tests.closure import ROOT
from tests.inputs.trial import Trial, run

PAGE = ROOT / "docs/inputs.md"
HEAD = """# Inputs as other people write them

Every line is a file (or a folder, an environment, a habit) that was run through the command, and what comes of it now.
`python -m tests.inputs` runs all of them; `--code CHECKOUT` runs another version's command on the same inputs. What
must hold for each: no traceback, an exit code that means what the documentation says, no input changed, nothing
written where it is refused, and the outcome that its line names.

"""


def kinds() -> list[str]:
    """The kinds, from the names of this package's modules."""
    return sorted(path.stem.removesuffix("_inputs") for path in Path(__file__).parent.glob("*_inputs.py"))


def trials(kind: str) -> list[Trial]:
    """The inputs of a kind."""
    found: list[Trial] = import_module(f"tests.inputs.{kind}_inputs").TRIALS
    return found


def tried(kind: str, code: Path, workers: int) -> Iterator[tuple[Trial, str | None]]:
    """Every input of a kind and what is wrong with its outcome; None = nothing."""

    def one(trial: Trial) -> str | None:
        folder = Path(tempfile.mkdtemp(prefix="sanitize-input-"))
        try:
            return run(trial, folder, code)[1]
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    with ThreadPoolExecutor(workers) as pool:
        yield from zip(trials(kind), pool.map(one, trials(kind)), strict=True)


def main() -> int:
    """Run, print, and perhaps write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.inputs")
    parser.add_argument("kinds", nargs="*")
    parser.add_argument("--code", type=Path, default=ROOT)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    wrong = 0
    overview, sections = ["| kind | tried | wrong before | wrong now |", "| --- | --: | --: | --: |"], []
    for kind in given.kinds or kinds():
        lines = ["| input | as written by | before | now |", "| --- | --- | --- | --- |"]
        count = bad = 0
        for trial, problem in tried(kind, given.code, given.workers):
            count += 1
            bad += problem is not None
            print(f"{kind}: {trial.name}: {problem or 'right'}", flush=True)
            cells = (trial.name, trial.origin, trial.fails or "right", problem or "right")
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        before = sum(bool(trial.fails) for trial in trials(kind))
        overview.append(f"| {kind} | {count} | {before} | {bad} |")
        sections.append("\n".join([f"## {kind}", "", *lines, ""]))
        wrong += bad
    print("\n".join(overview))
    if given.write:
        PAGE.write_text(HEAD + "\n".join(overview) + "\n\n" + "\n".join(sections))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
