"""Which code computes: this package's files and the libraries that its results come from -> one digest."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("numpy", "scikit-learn", "scipy", "torch")  # whose arithmetic decides on a result's last bit
SOURCES = (".py", ".yaml")


@cache
def code_version() -> str:
    """SHA-256 (hex) of Python's version, the versions of LIBRARIES, and every source file of this package.

    Two processes of one digest give the same bytes for the same task on one type of device (`runtime.processor`).
    """
    digest = hashlib.sha256(platform.python_version().encode())
    for name in LIBRARIES:
        digest.update(f"\n{name} {version(name)}".encode())
    package = Path(__file__).parent
    for path in sorted(package.rglob("*")):
        if path.suffix in SOURCES:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"\n{path.relative_to(package).as_posix()} {content}".encode())
    return digest.hexdigest()
