"""Numba's compiler, with the machine code kept on disk where a folder for it can be written.

Numba looks for NUMBA_CACHE_DIR, then __pycache__ beside the file, then the user's cache folder; those are left out that
another user may write to. The machine's processor is part of the key. It does not follow calls into other files; so the
source of the function's whole folder is made part of the key: compiled functions call none from further away.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core import caching
from numba.extending import intrinsic
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """The function as machine code that leaves the interpreter's lock free; compiled when first called.

    Floating-point operations are neither reordered nor fused. Where no folder can be written, it is compiled anew in
    each process, which takes seconds and changes nothing else.
    """
    try:
        with _keyed(function):
            fast: Function = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba: no locator available
        fast = numba.njit(nogil=True)(function)
    return fast


def inner(function: Function) -> Function:
    """Like `compiled`, for functions that compiled ones of the same folder call, and nobody else.

    Their code lies with their callers', on disk too. It takes a quarter less time to compile them so.
    """
    fast: Function = numba.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    return fast


def callable_from_outside(kind: Any) -> Callable[[Callable[..., None]], Any]:
    """A decorator: the function as machine code with an address, for arguments of numba's types `kind`; at once."""

    def made(function: Callable[..., None]) -> Any:
        try:
            with _keyed(function):
                return numba.cfunc(kind, cache=True)(function)
        except RuntimeError:
            return numba.cfunc(kind)(function)

    return made


@contextmanager
def _keyed(function: Callable[..., object]) -> Iterator[None]:
    """What numba keeps of functions made in this block is of use while no file of the function's folder changes."""
    source = _digest(Path(function.__code__.co_filename).parent)
    plain = caching.CacheImpl._locator_classes

    def keyed(locator: Any) -> Any:
        def ensure_cache_path(own: Any) -> None:
            locator.ensure_cache_path(own)
            refuse_shared(Path(own.get_cache_path()))

        changed = {"get_source_stamp": lambda _: source, "ensure_cache_path": ensure_cache_path}
        return type(locator.__name__, (locator,), changed)

    caching.CacheImpl._locator_classes = [keyed(locator) for locator in plain]
    try:
        yield
    finally:
        caching.CacheImpl._locator_classes = plain


def refuse_shared(folder: Path) -> None:
    """PermissionError where another user may write to a folder (root, and a group of the owner's own number aside).

    Numba takes such a folder for one that cannot be written, and tries the next: whoever writes there chooses the
    machine code that runs here.
    """
    for place in (folder, folder.parent):
        status = os.stat(place)
        of_others = status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid != status.st_uid)
        if place != folder and status.st_mode & stat.S_ISVTX:  # as /tmp: nobody else can exchange the folder
            of_others = False
        if of_others or status.st_uid not in (0, os.geteuid()):
            raise PermissionError(f"{place}: another user may write there")


@cache
def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        found.update(file.name.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def emitted(typed: Callable[..., Any]) -> Any:
    """A function whose code is written down in LLVM's terms, for use in compiled functions of the same file.

    typed    numba's: context and argument types -> (signature, what writes the code)
    """
    return intrinsic(typed)


def on_line(shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    """Zeros of this shape and dtype that start on a cache line of 64 bytes: a vector of 64 then lies in one."""
    count = math.prod(shape) * np.dtype(kind).itemsize
    memory = np.zeros(count + 64, np.uint8)
    first = -memory.ctypes.data % 64
    array: NDArray[Any] = memory[first : first + count].view(kind).reshape(shape)
    return array
