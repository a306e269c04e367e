"""Files whose rows must all come out, or be refused: layouts, types and listings of other writers."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from tests.inputs.trial import Trial, command, judged, plain_table


def _plain(folder: Path) -> list[str]:
    pq.write_table(plain_table(), folder / "in.parquet")
    return command()


TRIALS = [Trial("a plain file of vectors", "pyarrow", _plain, judged(0))]
