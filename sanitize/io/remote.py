"""Addresses with a protocol (s3://…): a file system from fsspec, and what its clients raise."""

from __future__ import annotations

import re
import sys
from typing import Any

from sanitize.errors import BadParams

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}  # protocol -> extra of this package


def is_remote(address: str) -> bool:
    """Whether the address names a protocol; file:// is local."""
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]+(::|://)", address)) and not address.startswith("file://")


def connect(address: str) -> tuple[Any, str]:
    """The fsspec file system of an address, and the path within it.

    Raises   BadParams: fsspec or the protocol's package is not installed, or the protocol is not known
    """
    protocol = address.split(":", 1)[0]
    extra = EXTRAS.get(protocol, "remote")
    try:
        import fsspec

        store, path = fsspec.url_to_fs(address)
    except ImportError as error:
        raise BadParams(f"{address}: {error}; pip install 'sanitize[{extra}]'") from error
    except ValueError as error:
        raise BadParams(f"{address}: {error}; use s3:// or another protocol of fsspec, or a local path") from error
    return store, str(path)


def remote_errors() -> tuple[type[Exception], ...]:
    """OSError, and what clients raise besides, as far as they have been imported."""
    found: list[type[Exception]] = [OSError]
    for module, name in (("botocore.exceptions", "BotoCoreError"), ("aiohttp", "ClientError")):
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return tuple(found)
