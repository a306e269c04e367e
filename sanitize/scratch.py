"""Results of tasks kept in a folder while a run lasts: OrderedMap -> one that goes on where a killed run was.

One file per task, written whole, under a name that code, processor, function, all that it is given and task decide;
its content carries a digest. What is damaged is said and computed again.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sanitize.code_version import code_version
from sanitize.errors import BadInput
from sanitize.execution import OrderedMap
from sanitize.io.atomic import put_file
from sanitize.io.origin import be_of_here, called, unsign
from sanitize.io.private import make_private, open_private
from sanitize.records import digest, packed, unpacked
from sanitize.runtime.printing import say
from sanitize.runtime.processor import processor

Task = TypeVar("Task")
Result = TypeVar("Result")
Shared = TypeVar("Shared")

TOKEN = "token"  # a file by which a worker knows that it sees the same folder as the process that asked
UNREADABLE = (SafetensorError, KeyError, IndexError, TypeError, ValueError, AttributeError, BadInput)


class Notes:
    """What a task wants to find again if it is killed on its way; see `notes`."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def read(self) -> Any:
        """What `write` was given last, by this try or a killed one before it; None = nothing."""
        found = None if self.path is None else _read(self.path)
        return None if found is None else found[0]

    def write(self, value: Any) -> None:
        """Keep a value (as `records` takes it) in place of the one before. BadInput: the disk is full, or the like."""
        if self.path is not None:
            _write(self.path, value)

    def clear(self) -> None:
        """Forget it: the task is done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


_notes: ContextVar[Notes] = ContextVar("notes")
_nowhere = Notes(None)


def notes() -> Notes:
    """The notes of the task that is running; where nothing is remembered they are always empty."""
    return _notes.get(_nowhere)


class _Together(NamedTuple):
    """What a worker needs besides the task: the function, what it shares, where to write, and how to know the place."""

    function: Callable[[Any, Any], Any]
    shared: Any
    folder: str
    token: str


class _Asked(NamedTuple):
    """A task, the name of its file, and whether it is done already."""

    key: str
    task: Any
    done: bool


def _work(together: _Together, asked: _Asked) -> Any:
    """One task in a worker: from its notes if it has any, and its result kept before it is sent back."""
    if asked.done:
        return None
    folder = Path(together.folder)
    near = _token(folder) == together.token
    own = Notes(folder / f"{asked.key}.part" if near else None)
    before = _notes.set(own)
    try:
        result = together.function(together.shared, asked.task)
    finally:
        _notes.reset(before)
    if near:
        _write(folder / asked.key, result)
        own.clear()
    return result


class Remembered:
    """An ordered map that keeps every result in `folder` and does not compute again what it finds there.

    run      the map that computes
    folder   is made, for this user alone; whoever asked for the run removes it when all is done
    tell     called with what a person should know: that a run goes on
    code     digests of code outside of this package that decides the results
    Raises   BadInput: the folder cannot be made or written to, another user can write to it, or it was not made here
    Workers write their results themselves where they see the folder, as soon as they have them; the results of others
    are written when they arrive. Tasks may keep notes on their way: see `notes`.
    """

    def __init__(
        self, run: OrderedMap, folder: Path, tell: Callable[[str], None] = say, code: Mapping[str, Any] | None = None
    ) -> None:
        self.run = run
        self.code = code or {}
        self.folder = folder.absolute()
        self.tell = tell
        self.token = secrets.token_hex(16)
        try:
            made = not self.folder.exists()
            make_private(self.folder)
            descriptor = open_private(self.folder)
            try:
                be_of_here(descriptor, self.folder, made, "remove it")
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        with _told(self.folder / TOKEN) as draft:
            draft.write_text(self.token)

    def __call__(
        self, function: Callable[[Shared, Task], Result], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[Result]:
        name = f"{function.__module__}:{function.__qualname__}"
        call = digest([code_version(), processor(), name, shared])
        keys = [digest([call, task]) for task in tasks]
        found = {number: kept[0] for number, key in enumerate(keys) if (kept := _read(self.folder / key))}
        if found:
            self.tell(f"going on: {len(found)} of {len(tasks)} results are in {called(self.folder)}")
        if len(found) == len(tasks):
            yield from found.values()
            return
        asked = [_Asked(key, task, number in found) for number, (key, task) in enumerate(zip(keys, tasks, strict=True))]
        results = self.run(_work, _Together(function, shared, str(self.folder), self.token), asked)
        for number, result in enumerate(results):
            if number in found:
                yield found.pop(number)
            else:
                if not (self.folder / keys[number]).exists():
                    _write(self.folder / keys[number], result)
                yield result

    def tidy(self) -> None:
        """Remove the folder if it holds no result and no notes."""
        (self.folder / TOKEN).unlink(missing_ok=True)
        with suppress(OSError):
            descriptor = open_private(self.folder)
            try:
                unsign(descriptor)
            finally:
                os.close(descriptor)
            self.folder.rmdir()


def _token(folder: Path) -> str | None:
    try:
        return (folder / TOKEN).read_text()
    except OSError:  # a machine that does not have the folder
        return None


@contextmanager
def _told(path: Path) -> Iterator[Path]:
    """`put_file`, its failures as messages. Its content carries a digest: it need not be on the disk at once."""
    try:
        with put_file(path, durable=False) as draft:
            yield draft
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> BadInput:
    return BadInput(
        f"{called(path)}: cannot be written ({error.strerror}); free space there or make the folder writable, then run "
        "again: what is done stays done"
    )


def _write(path: Path, value: Any) -> None:
    arrays: list[NDArray[Any]] = []
    about = {"structure": packed(value, arrays), "sha256": digest(value)}
    named = {str(number): array.copy(order="C") for number, array in enumerate(arrays)}
    named["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with _told(path) as draft:
        draft.write_bytes(save(named))


def _read(path: Path) -> tuple[Any] | None:
    """What was written, as the one item of a tuple; None where there is nothing, or nothing whole."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        arrays = load(content)
        about = json.loads(arrays.pop("about").tobytes())
        value = unpacked(about["structure"], [arrays[str(number)].copy() for number in range(len(arrays))])
        if digest(value) != about["sha256"]:
            raise ValueError("its digest does not match")
    except UNREADABLE as error:
        say(f"{called(path)}: is damaged ({error}); computing it again")
        return None
    return (value,)
