"""Code comes from where this package was installed, never from the folder that the command runs in.

A folder of data may hold copy.py, numpy.py or .numba_config.yaml: none of it may decide what is executed. The console
script `sanitize` begins without the current folder in sys.path; `python -m sanitize` and empty or relative entries of
PYTHONPATH put it there, and whatever Python itself imported by then was found with it: only `python -P` avoids that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SEPARATOR = os.pathsep
NUMBA_FILE = ".numba_config.yaml"  # numba reads it from the current folder; it may name a folder of machine code


def leave_current_folder() -> None:
    """Take the current folder out of this process's import path and out of that of the processes that it starts.

    What stays: absolute entries that PYTHONPATH names, and the folder that this package lies in. Numba's file of
    settings in the current folder is not read, which a line on stderr says.
    """
    named = [entry for entry in os.environ.get("PYTHONPATH", "").split(SEPARATOR) if os.path.isabs(entry)]
    home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    stay = {os.path.realpath(entry) for entry in named} | {home}
    sys.path[:] = [entry for entry in sys.path if _stays(entry, stay)]
    os.environ["PYTHONSAFEPATH"] = "1"
    if "PYTHONPATH" in os.environ:
        os.environ["PYTHONPATH"] = SEPARATOR.join(named)
    from sanitize.runtime.printing import say  # what it imports comes from the right places from here on

    if ignore_numba_file():
        say(f"{NUMBA_FILE} in the current folder is not read; set environment variables instead")


def ignore_numba_file() -> bool:
    """Keep numba from reading settings in the current folder; whether it would have. Before numba is imported."""
    if "numba.core.config" in sys.modules or not os.path.lexists(NUMBA_FILE):
        return False
    with elsewhere("/"):
        import numba.core.config  # takes a while, where such a file is alone
    numba.core.config._config_fname = os.devnull  # it is read again whenever something is compiled
    return True


@contextmanager
def elsewhere(folder: str) -> Iterator[None]:
    """The block runs with `folder` as the current one, and with it all threads: a short block, early."""
    before = os.open(os.curdir, getattr(os, "O_PATH", os.O_RDONLY))
    try:
        os.chdir(folder)
        try:
            yield
        finally:
            os.fchdir(before)
    finally:
        os.close(before)


def _stays(entry: str, stay: set[str]) -> bool:
    if not os.path.isabs(entry):
        return False
    try:
        here = os.path.samefile(entry, os.curdir)
    except OSError:  # one of them does not exist
        return True
    return not here or os.path.realpath(entry) in stay
