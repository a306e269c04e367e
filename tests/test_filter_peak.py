"""Peak memory of the command, measured, on files that are small and take much in memory."""

import resource
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import small
from tests.voters import vector_voters

MOST = 703  # MiB: the largest figure of docs/filter.md
MEASURE = (
    "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
    "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
)
ROWS = 60 * small.ROWS


def zeros():
    return pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(ROWS * 8_000, np.float32)), 8_000)


def texts():
    return pa.array(["once upon a time " * 8000]).take(pa.array(np.zeros(ROWS, np.int64))).dictionary_encode()


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_CHILDREN"), reason="the system does not tell")
@pytest.mark.parametrize("make", [zeros, texts])
def test_what_is_small_in_the_file_and_large_in_memory_stays_within_the_figure(make, tmp_path):
    rows = pq.read_table(small.vector_file(tmp_path / "few.parquet")).select(["features", "label"])
    table = pa.concat_tables([rows] * (ROWS // small.ROWS)).append_column("more", make())
    source = tmp_path / "in.parquet"
    pq.write_table(table, source, store_schema=make is zeros)
    assert source.stat().st_size < 2 << 20
    voters = vector_voters(tmp_path)
    command = [sys.executable, "-m", "sanitize", "filter", source, tmp_path / "out", "--voters", voters, "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, command)], capture_output=True, text=True, check=True
    )
    code, peak = map(int, done.stdout.split())
    assert code == 0, done.stderr
    assert pq.read_metadata(tmp_path / "out").num_rows > ROWS // 2
    assert peak < 1.1 * MOST
