"""The watched command, its child crashing before the n-th thing that it does to the files of a folder.

`python -m tests.crashed BASE SIGNAL STEP ARG…` runs `sanitize ARG…` for n = 0, STEP, 2 STEP, … until it ends well, each
time in a new folder BASE/n, where OUTPUTS stand from before, and writes BASE/n.json: exit code, stdout and stderr.
All is imported once, so that a run takes a moment.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.killed import EVENTS, below

OUTPUTS = ("kept", "rejected", "manifest")
BEFORE = "from before"


class _Crasher:
    """An audit hook for the child alone."""

    def __init__(self, left: int, folder: Path, by: signal.Signals) -> None:
        self.left, self.folder, self.by, self.parent = left, os.fsencode(folder), by, os.getpid()

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in EVENTS or not below(event, arguments, self.folder):
            return
        if os.getpid() == self.parent:  # of the two processes
            return
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), self.by)


def run(number: int, base: Path, by: signal.Signals, args: Sequence[str]) -> int:
    """One run; its exit code."""
    from sanitize.cli import app
    from sanitize.watched import WATCHED

    folder = base / str(number)
    folder.mkdir()
    for name in OUTPUTS:
        (folder / name).write_text(BEFORE)
    child = os.fork()
    if not child:
        os.chdir(folder)
        for stream in (1, 2):
            os.dup2(os.open(base / f"{number}.{stream}", os.O_WRONLY | os.O_CREAT), stream)
        sys.addaudithook(_Crasher(number, folder, by))
        code: object = 99
        try:
            app(list(args), obj=WATCHED)
        except SystemExit as left:
            code = left.code
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code if isinstance(code, int) else 0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    out, err = ((base / f"{number}.{stream}").read_text() for stream in (1, 2))
    (base / f"{number}.json").write_text(json.dumps({"code": code, "out": out, "err": err}))
    return code


if __name__ == "__main__":
    import sanitize.filter_file
    import sanitize.progress
    import sanitize.resume  # noqa: F401

    base, by, step, *args = sys.argv[1:]
    for number in range(0, 10_000, int(step)):
        if run(number, Path(base), signal.Signals[by], args) == 0:
            break
