"""stdout and stderr that are closed, full or have no reader: what is told is lost, and nothing else."""

import os
import subprocess
import sys

import pytest

from sanitize.runtime.streams import Stream
from tests import small
from tests.closure import ROOT


def stream(path, **options):
    return Stream(open(path, "wb", **options), encoding="ascii", errors="backslashreplace", line_buffering=True)


def test_a_full_device_loses_the_text_and_no_more():
    told = stream("/dev/full")
    assert (told.write("one\n"), told.lost.errno, told.write("two\n")) == (4, 28, 4)
    told.close()


def test_a_pipe_without_a_reader():
    reader, writer = os.pipe()
    os.close(reader)
    told = stream(writer)
    told.write("held")
    assert told.lost is None
    told.flush()
    assert told.lost.errno == 32
    told.close()


def test_signs_that_the_encoding_lacks_are_escaped(tmp_path):
    told = stream(tmp_path / "told")
    told.write("naïve \udcff\n")
    told.close()
    assert (tmp_path / "told").read_text() == "na\\xefve \\udcff\n"


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    small.vector_file(folder / "in.parquet")
    (folder / "not.parquet").write_text("no")
    return folder


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ('"$@" --version >/dev/full', 3, "stdout cannot be written (No space left on device)"),
        ('"$@" --version >&-', 3, "stdout cannot be written (Bad file descriptor)"),
        ('"$@" --version 2>&- <&-', 0, ""),
        ('"$@" filter not.parquet out.parquet --json >/dev/full', 3, "not.parquet"),
        ('"$@" filter not.parquet out.parquet --json >&- 2>&- <&-', 3, ""),
        ('"$@" filter not.parquet out.parquet 2>/dev/full', 3, ""),
        ('"$@" filter in.parquet --nonsense 2>&-', 2, ""),
    ],
)
def test_exit_codes_mean_what_they_mean(ground, line, code, told):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = ["bash", "-c", line, "bash", sys.executable, "-P", "-m", "sanitize"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ground, env=env, check=False)
    assert done.returncode == code, done.stderr
    assert told in done.stderr and "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert sorted(os.listdir(ground)) == ["in.parquet", "not.parquet"]


def test_nothing_of_the_file_that_takes_a_closed_ones_place(ground, tmp_path):
    """Descriptor 1 is closed: the first file opened would get its number, and the document would go into it."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = '"$@" init "$FOLDER" 1>&- 2>&-'
    command = ["bash", "-c", line, "bash", sys.executable, "-P", "-m", "sanitize"]
    subprocess.run(command, cwd=ground, env={**env, "FOLDER": str(tmp_path)}, check=True)
    assert (tmp_path / "params.yaml").read_bytes() == (ROOT / "sanitize/templates/params.yaml").read_bytes()
