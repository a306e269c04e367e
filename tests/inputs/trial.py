"""One input tried through the command: files in a new folder -> arguments -> what came of it, and what is wrong.

A module of this package called `KIND_inputs.py` holds a list TRIALS. What is right for every input is checked here;
what is right for this one, by its own `check`.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.inputs import warm
from tests.inputs.mirror import changed

CODES = {0, 1, 2, 3}
SECONDS = 300
OUT = ("out", "out.parquet")
OUTPUTS = (*OUT, "rejected", "rejected.parquet", "manifest.parquet")
BEYOND = 1  # the exit code where a limit is exceeded


@dataclass(frozen=True)
class Outcome:
    """What the command did.

    folder  where it ran; the outputs lie there
    code    exit code
    said    stderr
    answer  the document on stdout; {} = none
    """

    folder: Path
    code: int
    said: str
    answer: dict[str, Any]

    @property
    def rejected(self) -> int:
        """Rows dropped; -1 = no verdict."""
        return int(self.answer.get("rejected", -1))

    def manifest(self) -> pa.Table:
        """The verdicts."""
        return pq.read_table(self.folder / "manifest.parquet")


Check = Callable[[Outcome], str | None]  # what is wrong, in words; None = it is right


@dataclass(frozen=True)
class Trial:
    """An input.

    name    what it is, for a table
    origin  who writes such files: a program, a format, a habit
    make    makes the files in the folder given; returns the command's arguments
    check   see Check
    fails   what the version before this page did wrong, as seen in a run; "" = nothing, or it was not tried
    env     environment variables to set
    shell   a bash line to run in place of the plain command; "$@" is the command with its arguments
    leaves  what it may change or leave behind besides OUTPUTS: first parts of names
    quick   whether `pytest` runs it as well: it is refused, or judged, within a second
    """

    name: str
    origin: str
    make: Callable[[Path], Sequence[str]]
    check: Check
    fails: str = ""
    env: dict[str, str] = field(default_factory=dict)
    shell: str | None = None
    leaves: tuple[str, ...] = ()
    quick: bool = False


def judged(most: int = 5, *words: str) -> Check:
    """Exit code 0, at most `most` rows dropped, and these words on stderr."""

    def check(found: Outcome) -> str | None:
        if found.code:
            return f"exit code {found.code}: {_last(found.said)}"
        if found.rejected > most:
            return f"{found.rejected} of {found.answer.get('rows')} rows dropped, at most {most} expected"
        return _lacks(found.said, words)

    return check


def refused(*words: str, code: int = 3) -> Check:
    """This exit code, and these words on stderr. That nothing is written (beyond a limit: no OUT) is always seen to."""

    def check(found: Outcome) -> str | None:
        if found.code != code:
            return f"exit code {found.code} in place of {code}, {found.rejected} rows dropped"
        return _lacks(found.said, words)

    return check


def run(trial: Trial, folder: Path, code: Path, *, forked: bool = False) -> tuple[Outcome, str | None]:
    """Make the files in the empty folder, run the command of the checkout `code`, and look.

    forked   in a process forked from this one (`warm`), unless the trial sets variables or has a shell; `code` must be
             this checkout
    Returns  the outcome, and what is wrong with it in words; None = all is right
    """
    given = list(trial.make(folder))
    before = contents(folder)
    env = {**os.environ, "PYTHONPATH": str(code), "PYTHONSAFEPATH": "1", **trial.env}
    command = [sys.executable, "-m", "sanitize", *given]
    if trial.shell is not None:
        command = ["bash", "-c", trial.shell, "bash", *command]
    try:
        if forked and trial.shell is None and not trial.env:
            done = warm.start(command, folder, SECONDS)
        else:
            done = subprocess.run(
                command,
                check=False,
                cwd=folder,
                env=env,
                capture_output=True,
                timeout=SECONDS,
                stdin=subprocess.DEVNULL,
            )
    except subprocess.TimeoutExpired:
        return Outcome(folder, -1, "", {}), f"no answer within {SECONDS} s"
    said = done.stderr.decode("utf-8", "replace")
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = {}
    outcome = Outcome(folder, done.returncode, said, answer if isinstance(answer, dict) else {})
    mirrored = None if outcome.code else changed(folder, given)
    return outcome, _always(outcome, before, (*OUTPUTS, *trial.leaves)) or mirrored or trial.check(outcome)


def contents(folder: Path) -> dict[str, str]:
    """Every regular file below the folder with a digest of its bytes."""
    return {
        os.fsdecode(os.path.relpath(path, folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def _always(found: Outcome, before: dict[str, str], outputs: Sequence[str]) -> str | None:
    """What is right whatever the input: no traceback, no input changed, nothing new where it was refused.

    Beyond a limit there is no OUT.
    """
    if "Traceback" in found.said or "fault in sanitize" in found.said:
        return f"a traceback: {_last(found.said)}"
    if found.code not in CODES:
        return f"exit code {found.code}: {_last(found.said)}"
    after = contents(found.folder)
    changed = [name for name in before if after.get(name) != before[name] and name not in outputs]
    if changed:
        return f"{changed[0]} was changed"
    new = sorted(set(after) - set(before))
    wrong = [name for name in new if found.code != BEYOND or Path(name).parts[0] in OUT]
    if found.code and wrong:
        return f"exit code {found.code}, but {wrong[0]} was written"
    strange = [name for name in new if Path(name).parts[0] not in outputs]
    return f"{strange[0]} was left behind" if strange else None


def _lacks(said: str, words: Sequence[str]) -> str | None:
    missing = [word for word in words if word not in said]
    return f"stderr lacks {missing[0]!r}: {_last(said)}" if missing else None


def _last(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1][:300] if lines else "nothing on stderr"


ROWS = 150
FILTER = ("--preset", "fast", "--net", "linear", "--engine", "inline", "--json")


def command(source: str = "in.parquet", *more: str, out: str = "out.parquet") -> list[str]:
    """`sanitize filter` with quick parameters, rejected rows and a manifest."""
    rejected = "rejected" if out == "out" else "rejected.parquet"
    return ["filter", source, out, "--rejected", rejected, "--manifest", "manifest.parquet", *FILTER, *more]


def labels(rows: int = ROWS, classes: int = 3) -> np.ndarray:
    """int64 [rows], 0, 1, 2, 0, …"""
    return np.arange(rows) % classes


def vectors(rows: int = ROWS, classes: int = 3, width: int = 16) -> np.ndarray:
    """float32 [rows, width]: well parted classes, all clean."""
    draw = np.random.default_rng(0)
    centres = draw.normal(0, 3, (classes, width))
    found: np.ndarray = (centres[labels(rows, classes)] + draw.normal(size=(rows, width))).astype(np.float32)
    return found


def vector_column(values: np.ndarray) -> pa.Array:
    """A fixed-size list column of float32 [rows, width]."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def plain_table(rows: int = ROWS) -> pa.Table:
    """Columns emb (vectors) and label."""
    return pa.table({"emb": vector_column(vectors(rows)), "label": labels(rows)})
