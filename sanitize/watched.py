"""Commands that read strangers' files work in a child process: if that crashes, there is a message and an exit code.

The parent waits, hands signals on, and leaves with the child's exit code. It forks before anything heavy is loaded, so
that a second process costs milliseconds. On Linux alone; elsewhere the command has one process.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from sanitize.errors import BadInput, MendableError
from sanitize.exit_codes import FAILED, INTERRUPTED
from sanitize.runtime.printing import say, say_error
from sanitize.whereabouts import NOWHERE, Board, Line, reached, write_on

WATCHED = "watched"  # what the context of commands says that are to be watched
HANDED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
CRASHES = ("SIGABRT", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS")
ONE_PRESS = 0.5  # seconds within which two SIGINT are one: a terminal sends it to the child, and the parent does
SHOWN = 4  # things that the child was at
DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG


@contextmanager
def watched(wanted: bool, *, want_of_memory: str, outputs: Sequence[Path | None] = ()) -> Iterator[None]:
    """Run the block in a child process that this one watches.

    wanted          False: run it in this process
    want_of_memory  what to do if there is too little, for the message
    outputs         files that the block makes with `atomic_write`: the drafts of a dead child are removed
    Raises          In the child: what the block raises. In the parent, always: SystemExit with the child's exit code;
                    BadInput: the child was ended by a signal, where it was then, and what has become of the outputs;
                    KeyboardInterrupt: it was ended by the SIGINT that was handed on to it
    SIGTERM, SIGHUP and SIGQUIT go to the child; if it ends by them, so does the parent. If the parent dies, the child
    is killed. What the block does should be all that is heavy, and this process have no other thread.
    """
    if not wanted or sys.platform != "linux":
        yield
        return
    board = Board()
    parent = os.getpid()
    awaited = [signal.SIGCHLD, *(signal.Signals[name] for name in HANDED_ON)]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:  # inherited; a child's end could not be waited for
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        child = os.fork()
    except OSError as error:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        say(
            f"no second process can be started to watch this one ({error.strerror}); going on without: if a file "
            "crashes the reader there will be no message"
        )
        _try_threads()
        yield
        return
    if child:
        _stand_by(child, awaited, board, want_of_memory, outputs)
    _die_with(parent)
    write_on(board)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _Interrupt())
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    _try_threads()
    yield
    reached("written")


def _try_threads() -> None:
    """Start a thread per core, for a moment: where none can be, NumPy's libraries would end the process by SIGINT.

    Raises  RuntimeError, which `runtime.limits` knows
    """
    over = threading.Event()
    threads = [threading.Thread(target=over.wait) for _ in os.sched_getaffinity(0)]
    try:
        for thread in threads:
            thread.start()
    finally:
        over.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()


class _Interrupt:
    """The child's handler of SIGINT: KeyboardInterrupt, once for each press of the key."""

    def __init__(self) -> None:
        self.last = -ONE_PRESS

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        again = now - self.last < ONE_PRESS
        self.last = now
        if not again:
            raise KeyboardInterrupt


def _die_with(parent: int) -> None:
    """Have the system kill this process when its parent ends, however that does."""
    import ctypes  # the parent has no use for it

    ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it has ended before
        os._exit(FAILED)


def _stand_by(
    child: int, awaited: Sequence[signal.Signals], board: Board, want_of_memory: str, outputs: Sequence[Path | None]
) -> NoReturn:
    """The parent's part. `awaited`, HANDED_ON and SIGCHLD, are blocked, and stay so."""
    handed_on = set()
    status = None
    while status is None:
        told = signal.sigwait(awaited)  # no time limit: one that has passed while the job was suspended is an error
        if told != signal.SIGCHLD:
            handed_on.add(told)
            os.kill(child, told)
        ended, found = os.waitpid(child, os.WNOHANG)
        if ended:
            status = found
    code = os.waitstatus_to_exitcode(status)
    if code >= 0 and board.stage != "working":  # otherwise it was not this package that ended it
        raise SystemExit(code)
    if -code in handed_on:
        if -code == signal.SIGINT and board.stage == "answered":  # a second one, when it had told of the first
            raise SystemExit(INTERRUPTED)
        if -code == signal.SIGINT:
            raise KeyboardInterrupt
        signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (-code,))
        os.kill(os.getpid(), -code)
    message = _message(code, board, _tidied(board, outputs), want_of_memory)
    if board.stage == "answered":  # stdout holds a document already, if it is to hold one
        say_error("sanitize", message)
        raise SystemExit(FAILED)
    raise BadInput(message)


def _message(code: int, board: Board, outcome: str, want_of_memory: str) -> str:
    """What to tell of a child that ended by a signal, or of itself with an exit code that is none of ours."""
    where, reading = _where([line for line in board.lines() if line.kind == "doing"])
    if code >= 0:
        return (
            f"a library has ended the process with exit code {code}{where}, most likely because memory or threads ran "
            f"out; {outcome}; raise ulimit -v and ulimit -u, or {want_of_memory}"
        )
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGKILL":
        return f"the process was killed{where}, most likely because memory ran out; {outcome}; {want_of_memory}"
    if name in CRASHES:
        cause = f"a file is {'probably' if reading else 'perhaps'} damaged or made to do harm"
        remedy = "check the file or leave it out; if it is sound, please report this"
        if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
            cause = f"memory may have run out (ulimit -v is set), or {cause}"
    else:
        cause, remedy = "another program or a limit of the system has ended it", "run it again"
    return f"the process ended by {name}{where}; {cause}; {outcome}; {remedy}"


def _where(doing: Sequence[Line]) -> tuple[str, bool]:
    """What the child was at, or what it did last ("" = it had begun nothing), and whether it was at it still."""
    now = [_shown(line) for line in doing if not line.over]
    if now:
        more = f" and {len(now) - SHOWN} more" if len(now) > SHOWN else ""
        return f" while it {' and '.join(now[:SHOWN])}{more}", True
    return (f" after it {_shown(doing[-1])}" if doing else ""), False


def _shown(line: Line) -> str:
    return line.text if line.at == NOWHERE else f"{line.text} (number {line.at})"


def _tidied(board: Board, outputs: Sequence[Path | None]) -> str:
    """Clear what the dead child has left, and bring to an end what it was putting in place. Returns the outcome."""
    from sanitize.io.atomic import clear_after  # after a crash only
    from sanitize.io.destinations import local_path

    for output in outputs:
        if output is not None:
            with suppress(OSError, MendableError):  # the crash is what is to be told
                clear_after(Path(local_path(str(output))))
    written, kept = board.stage != "working", ""
    for line in board.lines():
        if line.kind == "doing" or line.over:
            continue
        try:
            whole, told = _cleared(line)
        except (OSError, MendableError) as error:
            whole, told = False, f"; {error}"
        written, kept = written or whole, kept + told
    if written:
        return f"its work was done, and what it had to write is whole and in place{kept}"
    return f"nothing was written, and what stood at the outputs is untouched{kept}"


def _cleared(line: Line) -> tuple[bool, str]:
    """End a run's staging: whether its outputs are all in place, and what is kept for --resume, in words."""
    from sanitize.io.transaction import Transaction  # after a crash only

    if line.kind == "folder":
        shutil.rmtree(line.text, ignore_errors=True)
        return False, ""
    with Transaction([line.text]) as staging:
        if staging.finished is not None:
            staging.keep = True  # for the same command with --resume
            return True, ""
        if staging.keep_work():
            return False, f"; {staging.folder}: what is done is kept there; --resume goes on from it"
    return False, ""
