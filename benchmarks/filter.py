"""`sanitize filter` on large files: its speed beside a plain copy and beside its networks alone, and its peak memory.

python -m benchmarks.filter prints two Markdown tables; --write puts them into docs/filter.md. Rows are drawn from
MNIST's digits: the pixels of two images of a class mixed, as so many numbers by one random rotation, with noise; one
label in a hundred is wrong. How often the networks disagree on them is told. What is compared runs alternately in one
process, the least of several turns counts, and a share is one of CPU seconds of all threads and processes, measured
alike for all.
"""

# N rows, D features, C classes
from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.page import put_table
from benchmarks.processes import cpu_seconds
from sanitize.data.ingest import load_source
from sanitize.data.parquet import decode_table
from sanitize.data.recipe import read_vectors
from sanitize.data.seeds import stream
from sanitize.data.shards import find_shards
from sanitize.data.table import Table
from sanitize.execution import usable_cores
from sanitize.filter_fit import take_panel
from sanitize.filter_memory import Memory
from sanitize.filter_options import Rules
from sanitize.filter_pass import Drafts, run_pass
from sanitize.learners.base import make_learner
from sanitize.panel import load_panel
from sanitize.params import DataParams

CLASSES = 10
GROUP = 16384  # rows of a row group
WRONG = 0.01
NOISE = 0.5  # deviation of what is added to numbers of deviation 1
PAGE = Path("docs/filter.md")


class Cost(NamedTuple):
    """Seconds by the clock and of all cores."""

    wall: float
    cpu: float


def draw(path: Path, rows: int, features: int) -> None:
    """Write a file of vectors with labels."""
    draws = stream(0, "benchmark", "filter", rows)
    image_MD, digit_M = vectors(features)
    of_class = [np.flatnonzero(digit_M == digit) for digit in range(CLASSES)]
    writer = None
    for first in range(0, rows, GROUP):
        count = min(GROUP, rows - first)
        label_n = draws.integers(0, CLASSES, count)
        pair_n2 = np.stack([draws.choice(of_class[label], 2) for label in label_n])
        values_nD = 0.7 * image_MD[pair_n2[:, 0]] + 0.3 * image_MD[pair_n2[:, 1]]
        values_nD += NOISE * draws.standard_normal((count, features), np.float32)
        label_n = np.where(draws.random(count) < WRONG, (label_n + 1) % CLASSES, label_n)
        ends = pa.array(np.arange(0, (count + 1) * features, features, dtype=np.int32))
        table = pa.table({"embedding": pa.ListArray.from_arrays(ends, values_nD.reshape(-1)), "label": label_n})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def vectors(features: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """MNIST's digits as rows of numbers with deviation 1, and which digits they are."""
    table = decode_table(load_source(DataParams(source="mnist5k"), 0).train)[0]
    flat_MP = table.inputs.reshape(len(table), -1).astype(np.float64)
    rotation = np.linalg.qr(stream(0, "benchmark", "rotation").normal(size=(flat_MP.shape[1], features)))[0]
    turned_MD = (flat_MP - flat_MP.mean(axis=0)) @ rotation
    return (turned_MD / turned_MD.std()).astype(np.float32), table.labels


def command(*arguments: object) -> list[str]:
    """`sanitize filter` with these arguments."""
    return [sys.executable, "-m", "sanitize", "filter", *map(str, arguments), "--quiet"]


def peak(arguments: list[str]) -> float:
    """MiB that the largest process of a command has taken at its peak."""
    process = subprocess.Popen(arguments)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{arguments} has failed"
    return usage.ru_maxrss / 1024


def timed(work: Callable[[], object]) -> Cost:
    """What one call costs this process and those that it has started."""
    wall, before = time.perf_counter(), cpu_seconds()
    work()
    return Cost(time.perf_counter() - wall, cpu_seconds() - before)


def alternately(works: dict[str, Callable[[], object]], turns: int) -> dict[str, Cost]:
    """The least cost of each, of so many turns after one to warm up."""
    costs: dict[str, list[Cost]] = {name: [] for name in works}
    for turn in range(turns + 1):
        for name, work in works.items():
            cost = timed(work)
            if turn:
                costs[name].append(cost)
    return {name: Cost(min(c.wall for c in found), min(c.cpu for c in found)) for name, found in costs.items()}


def speeds(source: Path, voters: Path, folder: Path, workers: int, turns: int) -> tuple[dict[str, Cost], int, float]:
    """Costs of a plain copy, of the networks alone, and of scoring and rewriting; the rows of the file, and the part of
    them of which not all voters say the same.
    """
    shards = find_shards(source)
    panel = load_panel(voters)
    recipe = panel.about.recipe
    judge = take_panel(shards, panel, Rules(), pred_probs=None, threads=workers, device="cpu").judge
    with shards.shards[0].opened() as file:
        blocks = [read_vectors(pa.chunked_array([b.column(0)]), recipe.shape[0])[0] for b in file.iter_batches(1024)]
    stub = Table(np.arange(2), blocks[0][:2], np.zeros(2, np.int64), recipe.classes, recipe.modality)
    learners = [make_learner(panel.about.learner, stub, 0) for _ in (*panel.voters, *panel.judges)]
    for learner, state in zip(learners, (*panel.voters, *panel.judges), strict=True):
        learner.load(state)

    def copy() -> None:
        with pq.ParquetFile(source) as file, pq.ParquetWriter(folder / "copy.parquet", file.schema_arrow) as writer:
            for batch in file.iter_batches(GROUP):
                writer.write_batch(batch)

    def infer() -> None:
        for inputs in blocks:
            for learner in learners:
                learner.probabilities(inputs)

    def score() -> None:
        drafts = Drafts(folder / "kept.parquet", folder / "rejected.parquet", folder / "manifest.parquet")
        memory = Memory(folder, shards, drafts)
        run_pass(shards, judge, drafts, lambda rows: {}, lambda done: None, memory)

    differ = 0
    for inputs in blocks:
        said_Vn = np.stack([one.probabilities(inputs).argmax(axis=1) for one in learners[: len(panel.voters)]])
        differ += int((said_Vn != said_Vn[0]).any(axis=0).sum())
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())  # as the command does
    costs = alternately({"copy": copy, "networks": infer, "filter": score}, turns)
    pa.set_memory_pool(before)
    return costs, shards.rows, differ / shards.rows


def speed_table(costs: dict[str, Cost], rows: int, workers: int, networks: str, differ: float) -> list[str]:
    """Lines of Markdown."""
    names = {
        "copy": "plain pyarrow copy, one thread",
        "networks": f"{networks} alone, one after another, one thread",
        "filter": f"scored and rewritten: kept, rejected, manifest; {workers} workers",
    }
    lines = ["| | CPU seconds | rows per CPU second | of the copy's | seconds by the clock |"]
    lines.append("| --- | --: | --: | --: | --: |")
    for name, (wall, cpu) in costs.items():
        share = costs["copy"].cpu / cpu
        lines.append(f"| {names[name]} | {cpu:.2f} | {rows / cpu:,.0f} | {share:.0%} | {wall:.2f} |")
    return [*lines, "", f"The voters do not all say the same of {differ:.0%} of these {rows:,} rows."]


def memory_table(source: Path, folder: Path, rows: int, times: int, features: int, options: list[str]) -> list[str]:
    """Lines of Markdown: peaks at `rows` rows and at `times` as many."""
    lines = ["| rows | file, MiB | peak memory, MiB | of the smaller one's |", "| --: | --: | --: | --: |"]
    first = None
    for count in (rows, rows * times):
        file = source if count == rows else folder / "large.parquet"
        if file != source:
            draw(file, count, features)
        places = [folder / "k.parquet", "--rejected", folder / "r.parquet", "--manifest", folder / "m.parquet"]
        used = peak(command(file, *places, *options))
        first = first or used
        size = file.stat().st_size / 2**20
        lines.append(f"| {count:,} | {size:,.0f} | {used:.0f} | {100 * used / first:.0f}% |")
        if file != source:
            file.unlink()
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000, help="of the smaller file")
    parser.add_argument("--times", type=int, default=20, help="rows of the larger one, in these")
    parser.add_argument("--features", type=int, default=384)
    parser.add_argument("--fit-rows", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", choices=["speed", "memory"])
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE}")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source, voters = folder / "source.parquet", folder / "voters"
        draw(source, given.rows, given.features)
        options = ["--fit-rows", str(given.fit_rows), "--workers", str(given.workers)]
        tables = {}
        if given.only != "memory":
            subprocess.run(command(source, "--dry-run", "--save-voters", voters, *options), check=True)
            costs, rows, differ = speeds(source, voters, folder, given.workers, given.turns)
            panel = load_panel(voters)
            networks = f"{len(panel.voters)} voters and {len(panel.judges)} judges"
            tables["speed"] = speed_table(costs, rows, given.workers, networks, differ)
        if given.only != "speed":
            tables["memory"] = memory_table(source, folder, given.rows, given.times, given.features, options)
    for name, lines in tables.items():
        print("\n".join(lines), end="\n\n")
        if given.write:
            put_table(PAGE, name, lines)
    print(f"{usable_cores()} cores", file=sys.stderr)


if __name__ == "__main__":
    main()
