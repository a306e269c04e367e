"""Worker processes of this machine: functions and arguments in, futures out.

Worker processes import code from where this process does, in the order of its own sys.path, and nowhere else; the
script that asks is not imported. A process beside this one imports what they need and forks them (`worker`).
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from threading import Lock
from typing import Any

from sanitize.runtime.worker import FATE, REPLY, REQUEST, START

SERVE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from sanitize.runtime.worker import serve; "
    "serve(int(sys.argv[2]), sys.argv[3:])"
)
STARTING = 120.0  # seconds that the imports may take, on a machine whose disk is far away


class CannotStart(Exception):
    """Worker processes cannot be started here; says why."""


class WorkerDied(Exception):
    """A worker process ended in the middle of a task; says how.

    killed   by SIGKILL, as the system does where memory is short
    """

    def __init__(self, message: str, killed: bool) -> None:
        super().__init__(message)
        self.killed = killed


@dataclass
class _Worker:
    number: int
    connection: Connection


class Forks:
    """The process that workers are forked from. CannotStart: the system does not give one."""

    def __init__(self, preload: Sequence[str]) -> None:
        self._lock = Lock()
        self._owner = os.getpid()
        ours, theirs = socket.socketpair()
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # -O, -W, -X and the like
        command = [sys.executable, *flags, "-P", "-c", SERVE, json.dumps(sys.path), str(theirs.fileno()), *preload]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until it ignores that by itself
        try:
            with theirs:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=2, pass_fds=(theirs.fileno(),)
                )
        except (OSError, subprocess.SubprocessError) as error:
            ours.close()
            raise CannotStart(getattr(error, "strerror", None) or str(error)) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        ours.settimeout(STARTING)
        self._control = ours
        weakref.finalize(self, _end, self._process, ours, self._owner)

    @property
    def usable(self) -> bool:
        """Whether it is there, and of this process (which may have forked itself)."""
        return self._owner == os.getpid() and self._process.poll() is None

    def start(self) -> _Worker:
        """One more worker. CannotStart: the system does not give one."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                number = self._ask(START, 0, [theirs.fileno()])
            if number < 0:
                raise CannotStart(os.strerror(-number))
            ours.setblocking(True)
            connection = Connection(ours.detach())
            failure = connection.recv_bytes().decode()
        except (EOFError, OSError) as error:
            raise CannotStart(f"a worker process ended at once ({error or type(error).__name__})") from error
        finally:
            ours.close()
        if failure:
            connection.close()
            raise CannotStart(failure)
        return _Worker(number, connection)

    def fate(self, number: int) -> int | None:
        """How the worker ended, as `os.waitstatus_to_exitcode` has it; waits for it. None = nobody knows."""
        try:
            return self._ask(FATE, number, [])
        except CannotStart:
            return None

    def _ask(self, kind: bytes, number: int, given: Sequence[int]) -> int:
        with self._lock:
            try:
                socket.send_fds(self._control, [REQUEST.pack(kind, number)], given)
                reply = self._control.recv(REPLY.size, socket.MSG_WAITALL)
            except ConnectionError:
                reply = b""
            except OSError as error:
                raise CannotStart(f"the process that starts them does not answer ({error})") from error
        if len(reply) < REPLY.size:
            raise CannotStart(f"the process that starts them has ended{_how(self._process.wait())}")
        return int(REPLY.unpack(reply)[0])


def _end(process: subprocess.Popen[bytes], control: socket.socket, owner: int) -> None:
    """It has no work of its own that could be lost; workers leave by themselves."""
    control.close()
    if os.getpid() == owner:
        process.kill()
        process.wait()


_forks: dict[tuple[str, ...], Forks] = {}  # by what they import; one serves all pools of this process


def forks(preload: Sequence[str]) -> Forks:
    """The process that workers with these modules are forked from; started where there is none. CannotStart: so."""
    found = _forks.get(tuple(preload))
    if found is None or not found.usable:
        found = _forks[tuple(preload)] = Forks(preload)
    return found


class Workers:
    """`count` worker processes with the modules `preload` imported; they stay until `close` or `kill`.

    Raises   CannotStart: the system does not give as many processes, threads or descriptors
    """

    def __init__(self, count: int, preload: Sequence[str]) -> None:
        self._forks = forks(preload)
        self._owner = os.getpid()
        self._all: list[_Worker] = []
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        try:
            for _ in range(count):
                self._all.append(self._forks.start())
                self._idle.put(self._all[-1])
        except (CannotStart, OSError) as error:
            self._hang_up()
            raise error if isinstance(error, CannotStart) else CannotStart(error.strerror or str(error)) from error
        self._threads = ThreadPoolExecutor(count)  # one waits for each worker

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """function(*arguments) in a worker process; WorkerDied, or what the function raises, by the future."""
        return self._threads.submit(self._ask, ForkingPickler.dumps((function, arguments)))

    def _ask(self, asked: memoryview) -> Any:
        worker = self._idle.get()
        try:
            worker.connection.send_bytes(asked)
            good, result = ForkingPickler.loads(worker.connection.recv_bytes())
        except (EOFError, OSError) as error:
            code = self._forks.fate(worker.number)
            raise WorkerDied(f"a worker process{_how(code) or ' is gone'}", code == -signal.SIGKILL) from error
        finally:
            self._idle.put(worker)
        if good:
            return result
        raise result

    def close(self) -> None:
        """Let them end; waits for the tasks that they are at, begins no other."""
        if os.getpid() == self._owner:
            self._threads.shutdown(wait=True, cancel_futures=True)
        self._hang_up()

    def kill(self) -> None:
        """End them now, whatever they are at."""
        for worker in self._all:
            with socket.socket(fileno=os.dup(worker.connection.fileno())) as connection:
                connection.shutdown(socket.SHUT_RDWR)
        self.close()

    def _hang_up(self) -> None:
        for worker in self._all:
            worker.connection.close()
        if os.getpid() == self._owner:
            for worker in self._all:
                self._forks.fate(worker.number)
        self._all.clear()


def _how(code: int | None) -> str:
    """ " was killed (SIGKILL)", " ended with exit code 1"; "" where nobody knows."""
    if code is None:
        return ""
    if code >= 0:
        return f" ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f" was killed ({name})" if name == "SIGKILL" else f" crashed ({name})"
