"""How commands end: exit code, message, and with --json a document."""

import json

import pytest

from sanitize.errors import BadInput, BadParams
from sanitize.exit_codes import reported
from sanitize.runtime.limits import REMEDIES


def failed(cause):
    """As a map tells what its task met."""
    return caused(RuntimeError(f"task 3 of 16 failed: {cause!r}"), cause)


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (BadParams("k is 0"), 2, "k is 0"),
        (BadInput("no rows"), 3, "no rows"),
        (KeyboardInterrupt(), 130, "interrupted; no file is half-written"),
        (OSError("disk full"), 3, "disk full; free the place or its space, or name another"),
        (
            OSError(24, "Too many open files", "a.parquet"),
            3,
            f"[Errno 24] Too many open files: 'a.parquet': {REMEDIES[24]}",
        ),
        (MemoryError(), 3, f"MemoryError: {REMEDIES[12]}"),
        (
            ImportError("\nNo luck\nblas.so: failed to map a segment\n"),
            3,
            f"blas.so: failed to map a segment: {REMEDIES[12]}",
        ),
        (RuntimeError("can't start new thread"), 3, f"can't start new thread: {REMEDIES[11]}"),
        (failed(MemoryError("Unable to allocate 3 GiB")), 3, f"Unable to allocate 3 GiB: {REMEDIES[12]}"),
        (failed(OSError(27, "File too large")), 3, f"[Errno 27] File too large: {REMEDIES[27]}"),
        (caused(BadInput("a is no parquet"), OSError(24, "Too many")), 3, f"[Errno 24] Too many: {REMEDIES[24]}"),
        (caused(BadInput("the GPU is full"), RuntimeError("CUDA out of memory")), 3, "the GPU is full"),
        (caused(BadInput("a is no parquet"), ValueError("footer")), 3, "a is no parquet"),
        (ValueError("x"), 3, "this is a fault in sanitize, please report it: ValueError('x')"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_errors_become_a_message_and_a_code(capsys, error, code, message, as_json):
    with pytest.raises(SystemExit) as left, reported(as_json):
        raise error
    assert left.value.code == code
    told = capsys.readouterr()
    assert told.err.splitlines()[-1] == f"sanitize: {message}"
    assert ("Traceback" in told.err) == isinstance(error, ValueError)
    if as_json:
        assert json.loads(told.out) == {"schema_version": 1, "error": message, "exit_code": code}
    else:
        assert told.out == ""


def test_what_ends_well_says_nothing(capsys):
    with reported(True):
        pass
    assert capsys.readouterr() == ("", "")
