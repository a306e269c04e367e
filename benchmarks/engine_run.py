"""One measured run of the filter: `python -m benchmarks.engine_run METHOD SCENARIO SEED OUT`, or `rates OUT`.

METHOD    plain (plain.py), paper, paper-float32, fast or strong
SCENARIO  source-target-shape-share, such as 1-7-checkerboard-0.1, on MNIST-5k
The seconds begin when the poisoned rows lie in memory and PyTorch is imported, and end with the rows to keep. Workers
are asked for before the rows are read, as the commands do it: what of their start is not over by then is among them.
Afterwards one model is trained on the kept rows, the same way for all methods.
"""

# N rows
from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import plain
from benchmarks.peaks import TRAINING, net_flops, product_peak
from benchmarks.processes import cpu_seconds
from benchmarks.runs import keep, machine
from benchmarks.watch import Steps
from experiments.mnist.scenario import attack_of
from experiments.scenario import judged, load_tables, poisoned
from sanitize import metrics
from sanitize.data.table import BoolArray, Table
from sanitize.errors import BadParams
from sanitize.execution import LocalProcesses, OrderedMap
from sanitize.filtering import filter_table
from sanitize.learners.base import all_rows, make_learner
from sanitize.params import Params, resolve

WORKERS = 2
PAPER = {"net": "cnn", "flip": False, "crop": plain.Settings().crop}
LEARNERS: dict[str, dict[str, Any]] = {
    "paper": PAPER | {"precision": "auto"},
    "paper-float32": PAPER | {"precision": "float32"},
    "fast": {},
    "strong": {},
}
METHODS = ("plain", *LEARNERS)
NET = "cnn"


def params_of(method: str, scenario: str, seed: int, source: str = "mnist5k") -> Params:
    """The parameters of a method; of `plain` those of its data and attack alone count. BadParams: no such method."""
    if method not in METHODS:
        raise BadParams(f"method is {method!r}; must be one of {', '.join(METHODS)}")
    pair, _, share = scenario.rpartition("-")
    return resolve(
        {
            "preset": method.partition("-")[0] if method in LEARNERS else "paper",
            "seed": seed,
            "data": {"source": source},
            "attack": attack_of(pair, float(share)),
            "learner": LEARNERS.get(method, {}),
        }
    )


def run(params: Params, settings: plain.Settings | None = None, workers: int = WORKERS) -> dict[str, Any]:
    """Filter one scenario and judge the outcome.

    settings  of the plain script, which runs in place of the package's filter; None = the package's filter runs
    workers   its processes, or the plain script's threads
    """
    map = LocalProcesses(workers)
    if settings is None:
        map.get_ready()
    train, test = load_tables(params)
    table, is_poison_N, triggered, targets = poisoned(params, train, test)
    began = time.perf_counter(), cpu_seconds()
    if settings is None:
        keep_N, found = _ours(table, params, map)
    else:
        keep_N, found = _plain(table, params, settings, workers)
    found |= {"cpu_seconds": cpu_seconds() - began[1], "wall_seconds": time.perf_counter() - began[0]}
    final = resolve({"preset": "fast", "seed": params.seed, "train": {"threads": 1}})
    model = judged(final, table, keep_N, test, triggered, targets)
    return {
        "rows": len(table),
        "shape": list(table.inputs.shape[1:]),
        "classes": table.classes,
        "poisoned": int(is_poison_N.sum()),
        **found,
        "fp": metrics.false_positives(keep_N, is_poison_N),
        "fn": metrics.false_negatives(keep_N, is_poison_N),
        "tmr": model.tmr,
        "accuracy": model.accuracy,
    }


def _ours(table: Table, params: Params, map: OrderedMap) -> tuple[BoolArray, dict[str, Any]]:
    steps = Steps()
    keep_N = filter_table(table, params, map=map, steps=steps).manifest.keep_N
    return keep_N, {"steps": {name: took["wall"] for name, took in steps.taken.items()}}


def _plain(table: Table, params: Params, settings: plain.Settings, threads: int) -> tuple[BoolArray, dict[str, Any]]:
    found = plain.sanitize(table.inputs, table.labels, table.classes, params.seed, settings, threads)
    work = found.work
    return found.keep_N, {"steps": work.steps, "row_epochs": work.row_epochs, "scored_rows": work.scored_rows}


def rates(turns: int = 5, seconds: float = 0.5, rows: int = 2000, source: str = "mnist5k") -> dict[str, Any]:
    """FLOP per second of matrix products, of training and of scoring: the best of several turns, all in one process.

    turns    each measures all, one after the other; the first warms up besides
    seconds  of each product
    rows     that are trained on once, and scored, in a turn
    Returns  "product", "fit" and "score", each by precision and threads ("bfloat16-1"), ours and the plain script's
    """
    params = params_of("paper", "1-7-checkerboard-0.1", 0, source)
    table = load_tables(params)[0]
    table = table.take(np.arange(min(rows, len(table))))
    height, width, channels = table.inputs.shape[1:]
    forward = net_flops(NET, (channels, height, width), table.classes)
    works: dict[str, tuple[float, int, Callable[[], object]]] = {}  # name -> FLOP, threads, work
    everything = all_rows(table)
    for precision in ("float32", "bfloat16"):
        given = params.learner.model_copy(update={"precision": precision})
        learner = make_learner(given, table, 0)
        learner.start("rates", precision)
        works[f"fit {precision}-1"] = (TRAINING * forward, 1, partial(learner.fit, everything, 1))
        works[f"score {precision}-1"] = (forward, 1, partial(learner.score, everything))
    settings = plain.Settings()
    network = plain.Network(
        plain.Rows(table.inputs, table.labels, settings.crop), table.classes, settings, plain.Work()
    )
    everywhere = torch.from_numpy(everything)
    for threads in (1, 2):
        works[f"fit plain-{threads}"] = (TRAINING * forward, threads, partial(network.fit, everywhere, 1))
        works[f"score plain-{threads}"] = (forward, threads, network.logits)
    best: dict[str, float] = {}
    for turn in range(turns + 1):
        for name, (flops, threads, work) in works.items():
            torch.set_num_threads(threads)
            began = time.perf_counter()
            work()
            if turn:
                rate = flops * len(table) / (time.perf_counter() - began)
                best[name] = max(best.get(name, 0.0), rate)
        for dtype in (torch.float32, torch.bfloat16):
            for threads in (1, 2):
                name = f"product {str(dtype).removeprefix('torch.')}-{threads}"
                peak = product_peak(dtype, threads=threads, seconds=seconds)
                best[name] = max(best.get(name, 0.0), peak)
    return {"flops": best, "forward_flops": forward}


def main(given: Sequence[str] | None = None) -> None:
    """Make the run and write OUT."""
    words = list(sys.argv[1:] if given is None else given)
    on = machine()
    if len(words) == 2 and words[0] == "rates":
        keep(Path(words[1]), rates(), on)
        return
    if len(words) != 4:
        sys.exit(__doc__)
    method, scenario, seed, out = words
    params = params_of(method, scenario, int(seed))
    found = run(params, plain.Settings() if method == "plain" else None)
    keep(Path(out), {"method": method, "scenario": scenario, "seed": int(seed), **found}, on)


if __name__ == "__main__":
    main()
