"""The command in a process forked from this one, which has imported what it needs: the same work without its start."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from types import FrameType

IMPORTED = ("sanitize.__main__", "sanitize.filter_file", "sanitize.certify_file", "sanitize.preload", "sanitize.resume")


def start(command: Sequence[str], folder: Path, seconds: int) -> CompletedProcess[bytes]:
    """Run `sanitize` with the arguments behind the interpreter, -m and its name.

    Raises   TimeoutExpired: it was ended after so many seconds
    """
    for name in IMPORTED:
        import_module(name)
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            _run([out.fileno(), err.fileno()], command[3:], folder)
        late = False

        def end(number: int, frame: FrameType | None) -> None:
            nonlocal late
            late = True
            os.killpg(child, signal.SIGKILL)

        before = signal.signal(signal.SIGALRM, end)
        signal.alarm(seconds)
        try:
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
        if late:
            raise TimeoutExpired(command, seconds)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read())
        return CompletedProcess(command, code, *said)


def _run(streams: Sequence[int], given: Sequence[str], folder: Path) -> None:
    """The child's part; never returns."""
    code = 1
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        os.environ["PYTHONSAFEPATH"] = "1"
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, stream in enumerate(streams, 1):
            os.dup2(stream, number)
        sys.argv = ["sanitize", *given]
        import_module("sanitize.__main__").main()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
