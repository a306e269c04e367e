"""Nearest neighbours' votes: seconds beside scikit-learn and faiss, and beside what the processor can do at most.

python -m benchmarks.neighbors [--images train.parquet --test-images test.parquet] prints a Markdown table. All work on
the same rows, with the same number of threads, in one process and in alternate order; the slow ones get fewer queries
and are compared by query. scikit-learn and faiss only find the neighbours, ours counts their labels too.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sanitize.certify import kernel
from sanitize.certify.hog import histograms
from sanitize.certify.neighbors import vote_tables
from sanitize.data.seeds import stream
from sanitize.errors import BadParams
from sanitize.execution import usable_cores
from sanitize.jit import compiled, emitted

_CHAINS = 24  # sums that run side by side, so that none waits for its last addition
_TURNS = 3_000_000


class Rows(NamedTuple):
    """Features uint8 [N, D] and labels int64 [N]."""

    features: NDArray[np.uint8]
    labels: NDArray[np.int64]


class Line(NamedTuple):
    """One line of the table: the best seconds for so many queries, and what they would be for all of them."""

    name: str
    queries: int
    seconds: float
    whole: float


def made(rows: int, side: int, channels: int, classes: int, name: str) -> Rows:
    """Histograms of gradients of smooth random images, one blurred pattern a class and noise of many sizes."""
    draw = stream(0, "benchmark", name)
    coarse = math.ceil(side / 4)
    patterns = stream(0, "benchmark", "patterns").random((classes, coarse, coarse, channels))
    labels = draw.integers(0, classes, rows)
    parts = []
    for start in range(0, rows, 4096):
        own = labels[start : start + 4096]
        blocks = patterns[own] + draw.random((len(own), coarse, coarse, channels))
        smooth = blocks.repeat(4, 1).repeat(4, 2)[:, :side, :side] * 120
        images = (smooth + draw.integers(0, 16, smooth.shape)).astype(np.uint8)
        parts.append(histograms(images, min(8, side // 3)))
    return Rows(np.concatenate(parts), labels)


def read(path: Path, rows: int) -> Rows:
    """Histograms of gradients of the first images of a parquet file."""
    from sanitize.certify.features import compute
    from sanitize.data.parquet import read_table

    table, _ = read_table(path)
    table = table.take(np.arange(min(rows, len(table))))
    return Rows(compute(table, "hog").values, table.labels)


def contenders(
    train: Rows, test: Rows, k: int, radius: float, threads: int, slow: int
) -> dict[str, tuple[int, Callable[[], Any]]]:
    """What is timed: name -> number of queries, and a call for that many."""
    classes = int(train.labels.max()) + 1
    everything = [np.ones(len(train.labels), bool)]
    wide, wide_queries = train.features.astype(np.float32), test.features.astype(np.float32)
    few = wide_queries[:slow]

    def ours(queries: NDArray[Any], rows: NDArray[Any]) -> Any:
        return vote_tables(
            queries, rows, train.labels, classes, k=k, radius=radius, subsets=everything, threads=threads
        )

    found: dict[str, tuple[int, Callable[[], Any]]] = {
        "ours, 8 bits": (len(test.features), lambda: ours(test.features, train.features)),
        "ours, float32": (len(test.features), lambda: ours(wide_queries, wide)),
    }
    from sklearn.neighbors import NearestNeighbors

    brute = NearestNeighbors(n_neighbors=k, algorithm="brute", metric="l1", n_jobs=threads).fit(wide)

    def sklearn() -> Any:
        with threadpool_limits(threads):
            return brute.kneighbors(few)

    found["scikit-learn, brute force"] = (len(few), sklearn)
    try:
        import faiss
    except ImportError:
        print("faiss is not installed and is left out; python -m pip install faiss-cpu", file=sys.stderr)
        return found
    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlat(wide.shape[1], faiss.METRIC_L1)
    index.add(wide)
    found["faiss, IndexFlat"] = (len(few), lambda: index.search(few, k))
    return found


def timed(found: dict[str, tuple[int, Callable[[], Any]]], queries: int, rounds: int) -> list[Line]:
    """The best of some rounds for each; every second round goes backwards."""
    seconds: dict[str, float] = {}
    for number in range(rounds):
        for name in list(found)[:: -1 if number % 2 else 1]:
            start = time.perf_counter()
            found[name][1]()
            seconds[name] = min(seconds.get(name, math.inf), time.perf_counter() - start)
    return [Line(name, n, seconds[name], seconds[name] * queries / n) for name, (n, _) in found.items()]


def _chains(whole: bool) -> Any:
    def typed(_: Any, turns: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            width, native = kernel.target()
            i64, number = ir.IntType(64), ir.Constant
            raw = ir.VectorType(ir.IntType(8), width)
            lanes = ir.VectorType(i64, width // 8) if whole else ir.VectorType(ir.FloatType(), width // 4)
            other = number(
                lanes, [3 + lane for lane in range(lanes.count)]
            )  # no two lanes alike, and no sum stands still
            more = number(lanes, [5 + lane * lane for lane in range(lanes.count)])
            before, loop = builder.block, builder.append_basic_block("loop")
            after = builder.append_basic_block("after")
            builder.branch(loop)
            builder.position_at_end(loop)
            turn = builder.phi(i64)
            sums = [builder.phi(lanes) for _ in range(_CHAINS)]
            for i, total in enumerate(sums):
                if whole:
                    one, two = builder.bitcast(total, raw), builder.bitcast(other, raw)
                    new = builder.add(kernel.sum_of_differences(builder, one, two, width, native), more)
                else:
                    new = builder.fadd(kernel.folded(builder, kernel.L1, total, other), more)
                total.add_incoming(number(lanes, [i + lane for lane in range(lanes.count)]), before)
                total.add_incoming(new, loop)
                sums[i] = new
            following = builder.add(turn, number(i64, 1))
            turn.add_incoming(number(i64, 0), before)
            turn.add_incoming(following, loop)
            builder.cbranch(builder.icmp_signed("<", following, args[0]), loop, after)
            builder.position_at_end(after)
            result = sums[0]
            for total in sums[1:]:
                result = builder.add(result, total) if whole else builder.fadd(result, total)
            words = ir.VectorType(i64, width // 8)
            kind, name = ir.FunctionType(i64, [words]), f"llvm.vector.reduce.add.v{words.count}i64"
            reduce = cgutils.get_or_insert_function(builder.module, kind, name)
            return builder.call(reduce, [builder.bitcast(result, words)])  # every lane counts: none may be left out

        return types.int64(types.int64), generate

    return emitted(typed)


_whole_chains, _float_chains = _chains(True), _chains(False)


@compiled
def _peak_8_bit(turns: int) -> int:
    found: int = _whole_chains(turns)
    return found


@compiled
def _peak_float32(turns: int) -> int:
    found: int = _float_chains(turns)
    return found


def peaks(threads: int, turns: int = _TURNS) -> tuple[float, float]:
    """Absolute differences a second that the processor takes and adds up when all stands in registers.

    threads  that work at once
    Returns  (8 bits, float32), each the best of three
    """
    width, _ = kernel.target()
    found = []
    for work, values in ((_peak_8_bit, width), (_peak_float32, width // 4)):
        work(1)
        best = 0.0
        for _ in range(3):
            start = time.perf_counter()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, [turns] * threads))
            best = max(best, threads * turns * _CHAINS * values / (time.perf_counter() - start))
        found.append(best)
    return found[0], found[1]


def table(lines: list[Line], pairs: float, limits: tuple[float, float], memory: float) -> str:
    """The lines in Markdown.

    pairs   absolute differences that all queries need
    limits  of the processor, 8 bits and float32
    memory  GB, the most that ours in 8 bits held
    """
    ours = lines[0].whole
    text = [
        "| | queries | seconds | for all | ours is faster by | of the 8-bit limit | of the float32 limit | peak GB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for i, (name, queries, seconds, whole) in enumerate(lines):
        rate = pairs / whole
        text.append(
            f"| {name} | {queries} | {seconds:.2f} | {whole:.2f} | {whole / ours:.1f} | {rate / limits[0]:.2f} | "
            f"{rate / limits[1]:.2f} | {f'{memory:.2f}' if not i else ''} |"
        )
    return "\n".join(text)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Time nearest neighbours' votes")
    parser.add_argument("--rows", type=int, default=50_000, help="training rows")
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--slow-queries", type=int, default=500, help="for scikit-learn and faiss")
    parser.add_argument("--k", type=int, default=5_000)
    parser.add_argument(
        "--side", type=int, default=32, help="pixels of the made images; 32 with 3 channels: 324 values"
    )
    parser.add_argument("--channels", type=int, default=3, choices=(1, 3))
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--radius", type=float, default=20.75 * 255)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=Path, help="parquet file of images, instead of made ones")
    parser.add_argument("--test-images", type=Path, help="queries; else the last rows of --images")
    given = parser.parse_args(arguments)
    if given.images is None:
        train = made(given.rows, given.side, given.channels, given.classes, "train")
        test = made(given.queries, given.side, given.channels, given.classes, "test")
    elif given.test_images is None:
        both = read(given.images, given.rows + given.queries)
        train = Rows(both.features[: -given.queries], both.labels[: -given.queries])
        test = Rows(both.features[-given.queries :], both.labels[-given.queries :])
    else:
        train, test = read(given.images, given.rows), read(given.test_images, given.queries)
    if given.k > len(train.labels):
        raise BadParams(f"--k is {given.k}; must be 1..{len(train.labels)}, the training rows")
    rows, queries, features = len(train.labels), len(test.labels), train.features.shape[1]
    everything = [np.ones(rows, bool)]
    classes = int(train.labels.max()) + 1
    vote_tables(
        test.features, train.features, train.labels, classes, k=given.k, radius=given.radius, subsets=everything,
        threads=given.threads,
    )  # fmt: skip
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9  # before the others are imported
    found = contenders(train, test, given.k, given.radius, given.threads, min(given.slow_queries, queries))
    before = peaks(given.threads)
    lines = timed(found, queries, given.rounds)
    after = peaks(given.threads)
    limits = max(before[0], after[0]), max(before[1], after[1])
    source = "made images" if given.images is None else given.images.name
    print(
        f"L1, {queries} queries, {rows} rows, {features} features ({source}), k = {given.k}, {given.threads} threads, "
        f"best of {given.rounds} rounds. Limits measured: {limits[0] / 1e9:.0f} and {limits[1] / 1e9:.0f} G absolute "
        "differences a second, 8 bits and float32, all threads together. Peak memory: the whole process after ours in "
        "8 bits, before the others start.\n"
    )
    print(table(lines, float(rows) * queries * features, limits, memory))


if __name__ == "__main__":
    main()
