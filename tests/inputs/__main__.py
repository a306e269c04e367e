"""Run the inputs of this package through the command: `python -m tests.inputs [KIND …] [--like TEXT] [--write]`.

--code   runs another checkout's command, such as the version before; without it, commands that need no shell and no
         variables of their own are forked from a process that has imported what they need
--like   runs those alone whose name holds the text
--quick  runs those alone that are marked so
--write  keeps what came of the inputs that were run in reports/inputs.json, and writes docs/inputs.md from it
Leaves with 1 if any outcome is wrong.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

from tests.closure import ROOT
from tests.inputs.trial import Trial, run

RESULTS = ROOT / "reports/inputs.json"
PAGE = ROOT / "docs/inputs.md"
RIGHT = "right"
HEAD = """# Inputs as other people write them

Every line is a file (or a folder, an environment, a habit) that was run through the command, and what comes of it now.
`python -m tests.inputs` runs all of them; `--code CHECKOUT` runs another version's command on the same inputs. What
must hold for each: no traceback, an exit code that means what the documentation says, no input changed, nothing
written where it is refused, every row in exactly one output and as it was, and the outcome that its line names.

"Before" is what the version before this page was seen to do wrong; where nothing stands there it was right, or was not
tried on that input.

"""


def kinds() -> list[str]:
    """The kinds, from the names of this package's modules."""
    return sorted(path.stem.removesuffix("_inputs") for path in Path(__file__).parent.glob("*_inputs.py"))


def trials(kind: str) -> list[Trial]:
    """The inputs of a kind."""
    found: list[Trial] = import_module(f"tests.inputs.{kind}_inputs").TRIALS
    return found


def outcome(kind: str, code: Path, forked: bool, number: int) -> str:
    """What is wrong with the outcome of one input of a kind, or RIGHT."""
    folder = Path(tempfile.mkdtemp(prefix="sanitize-input-"))
    try:
        return run(trials(kind)[number], folder, code, forked=forked)[1] or RIGHT
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tried(kind: str, like: str, quick: bool, code: Path, workers: int) -> Iterator[tuple[Trial, str]]:
    """The inputs of a kind whose name holds `like`, and what is wrong with their outcome, or RIGHT."""
    chosen = [n for n, trial in enumerate(trials(kind)) if like in trial.name and (trial.quick or not quick)]
    with get_context("fork").Pool(workers) as pool:
        found = pool.imap(partial(outcome, kind, code, code == ROOT), chosen)
        yield from zip((trials(kind)[number] for number in chosen), found, strict=True)


def page(results: Mapping[str, Mapping[str, str]]) -> str:
    """docs/inputs.md.

    results  kind -> name of the input -> what is wrong, or RIGHT; inputs that were never run are not shown
    """
    overview, sections = ["| kind | tried | seen wrong before | wrong now |", "| --- | --: | --: | --: |"], []
    for kind in filter(results.get, kinds()):
        shown = [(trial, results[kind].get(trial.name)) for trial in trials(kind)]
        rows = [(trial, found) for trial, found in shown if found is not None]
        cells = [(trial.name, trial.origin, trial.fails, found) for trial, found in rows]
        lines = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in cells]
        before, bad = sum(bool(trial.fails) for trial, _ in rows), sum(found != RIGHT for _, found in rows)
        overview.append(f"| [{kind}](#{kind}) | {len(rows)} | {before} | {bad} |")
        sections.append(
            "\n".join(
                [f"## {kind}", "", "| input | as written by | before | now |", "| --- | --- | --- | --- |", *lines]
            )
        )
    return HEAD + "\n".join(overview) + "\n\n" + "\n\n".join(sections) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> int:
    """Run, print, and perhaps write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.inputs")
    parser.add_argument("kinds", nargs="*")
    parser.add_argument("--code", type=Path, default=ROOT)
    parser.add_argument("--like", default="")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    count = wrong = 0
    try:
        for kind in given.kinds or kinds():
            for trial, found in tried(kind, given.like, given.quick, given.code, given.workers):
                print(f"{kind}: {trial.name}: {found}", flush=True)
                results.setdefault(kind, {})[trial.name] = found
                count, wrong = count + 1, wrong + (found != RIGHT)
    finally:  # interrupted, too
        if given.write:
            RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
            PAGE.write_text(page(results))
    print(f"{count} inputs, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
