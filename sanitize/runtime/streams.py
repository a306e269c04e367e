"""stdout and stderr that are closed, full, without a reader, or ASCII: what is told may be lost, never the work."""

from __future__ import annotations

import io
import os
import sys

STREAMS = (0, 1, 2)


class Stream(io.TextIOWrapper):
    """Text to a descriptor, line by line. What cannot be written is dropped, and `lost` says why.

    absent  None, or the error of the descriptor that was closed from the start
    lost    None, or the first error of what was written
    """

    absent: OSError | None = None
    lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write the text; its length, whatever has become of it."""
        self.lost = self.lost or self.absent
        try:
            return super().write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        """Write what is still held."""
        try:
            super().flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        """What is held, and all that follows, goes nowhere."""
        self.lost = self.lost or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def take_streams() -> None:
    """Make stdin, stdout and stderr usable, whatever this process was started with.

    A descriptor that is closed is opened on the null device: otherwise the next file opened would get its number, and
    be written to by whoever prints. stdout and stderr become a Stream each, which encodes as before and escapes what
    its encoding does not have.
    """
    closed: dict[int, OSError] = {}
    for descriptor in STREAMS:
        try:
            os.fstat(descriptor)
        except OSError as error:
            closed[descriptor] = error
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        before = getattr(sys, name)
        if before is not None:
            before.flush()
        encoding = getattr(before, "encoding", None) or "utf-8"
        file = open(descriptor, "wb", buffering=-1, closefd=False)  # noqa: SIM115 - as long as the process
        stream = Stream(file, encoding=encoding, errors="backslashreplace", line_buffering=True)
        stream.absent = closed.get(descriptor)
        setattr(sys, name, stream)


def lost_output() -> str | None:
    """Why something that was printed on stdout has not arrived; None = it has, or nothing was."""
    sys.stdout.flush()
    lost = getattr(sys.stdout, "lost", None)
    return None if lost is None else str(lost.strerror or lost)
