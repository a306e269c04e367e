"""Numba's compiler, with the machine code kept on disk where a folder for it can be written.

Numba looks for NUMBA_CACHE_DIR, then __pycache__ beside the file, then the user's cache folder; the machine's processor
is part of the key. It does not follow calls into other files: functions compiled here call none from elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """The function as machine code that leaves the interpreter's lock free; compiled when first called.

    Floating-point operations are neither reordered nor fused. Where no folder can be written, it is compiled anew in
    each process, which takes seconds and changes nothing else.
    """
    try:
        fast: Function = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba: no locator available
        fast = numba.njit(nogil=True)(function)
    return fast


def callable_from_outside(kind: Any) -> Callable[[Callable[..., None]], Any]:
    """A decorator: the function as machine code with an address, for arguments of numba's types `kind`; at once."""

    def made(function: Callable[..., None]) -> Any:
        try:
            return numba.cfunc(kind, cache=True)(function)
        except RuntimeError:
            return numba.cfunc(kind)(function)

    return made


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
