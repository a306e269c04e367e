"""A worker process, and the process that workers are forked from: bytes over sockets -> results over sockets.

The forking process imports what workers need once and starts no thread, so that a fork is safe and takes milliseconds.
Nothing here needs a named file, a semaphore or a folder: machines may lack a short TMPDIR, or /dev/shm.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Sequence
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, NoReturn

from sanitize.errors import MendableError
from sanitize.runtime.import_path import ignore_numba_file
from sanitize.runtime.printing import say

START, FATE = b"s", b"f"
REQUEST = struct.Struct("<cq")  # START and 0, with the worker's end of its connection; FATE and a worker's number
MOST = 300  # characters of an error on its one line
REPLY = struct.Struct("<q")  # the worker's number, or -errno; a worker's fate as `os.waitstatus_to_exitcode` has it


def serve(control: int, preload: Sequence[str]) -> None:
    """Import the modules, then fork workers as they are asked for, until the socket `control` is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to everybody; the process that asked decides
    failure = ""
    try:
        if os.environ.get("PYTHONSAFEPATH"):
            ignore_numba_file()
        for name in preload:
            import_module(name)
    except Exception as error:  # told to the process that asked, which goes on without workers
        failure = f"they cannot import what they need: {error!r}"[:MOST]
    with socket.socket(fileno=control) as asked:
        while True:
            message, given, _, _ = socket.recv_fds(asked, REQUEST.size, 1)
            if len(message) < REQUEST.size:
                break
            kind, number = REQUEST.unpack(message)
            asked.sendall(REPLY.pack(_fork(asked, given[0], failure) if kind == START else _fate(number)))


def _fork(asked: socket.socket, connection: int, failure: str) -> int:
    if failure:
        with Connection(connection) as told:
            told.send_bytes(failure.encode("utf-8", "backslashreplace"))
        return 0
    try:
        worker = os.fork()
    except OSError as error:
        worker = -(error.errno or 1)
    if worker == 0:
        asked.close()
        _work(connection)
    os.close(connection)
    return worker


def _fate(worker: int) -> int:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    except ChildProcessError:  # asked for a second time
        return 0


def _work(descriptor: int) -> NoReturn:
    """Answer tasks, (function, arguments), with (True, result) or (False, error), until the other end is gone."""
    code = 1
    try:
        connection = Connection(descriptor)
        threading.Thread(target=_leave_when_unwanted, args=(descriptor,), daemon=True).start()
        connection.send_bytes(b"")  # it has started
        while True:
            try:
                asked = connection.recv_bytes()
            except (EOFError, OSError):
                break
            connection.send_bytes(_answer(asked))
        code = 0
    except BaseException:
        say(*traceback.format_exc().splitlines())
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _leave_when_unwanted(descriptor: int) -> None:
    """End this process, in the middle of a task too, when the process that asked is gone or has hung up."""
    poll = select.poll()
    poll.register(descriptor, 0)  # of hanging up alone
    poll.poll()
    os._exit(1)


def _answer(asked: bytes) -> bytes:
    try:
        function, arguments = ForkingPickler.loads(asked)
        return _sent((True, function(*arguments)))
    except Exception as error:  # goes to the process that asked
        if not isinstance(error, MendableError):
            error.add_note(f"in a worker process:\n{''.join(traceback.format_exception(error))}")
        try:
            return _sent((False, error))
        except Exception as unsendable:  # the error, or the result, holds what cannot be sent
            told = RuntimeError(f"{error!r} ({unsendable!r})")
            return _sent((False, told))


def _sent(value: Any) -> bytes:
    return bytes(ForkingPickler.dumps(value))
