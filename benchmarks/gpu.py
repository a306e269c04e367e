"""One scenario on a GPU: all of CIFAR-10, preset `paper` with PreActResNet18, then `fast`. Seconds of every step.

python -m benchmarks.gpu [--write] needs CUDA, and ends with exit code 2 where there is none. First come ways to train
on the GPU, one beside the other (`gpu_ways`), then the scenario with --workers learners at once. CIFAR10_FOLDER names a
folder with train.parquet and test.parquet; without it, as many drawn pictures of the same size cost the same and say
nothing of what is found. The scenario is the first of the paper's table 2: airplane to bird, 5% of the airplanes, a
pixel.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks import gpu_ways
from benchmarks.peaks import TRAINING, net_flops, product_peak
from benchmarks.pictures import FOLDER, Pictures, cifar10, drawn
from benchmarks.runs import EMPTY, PAGE, RESULTS, keep, machine, percent, read, refusals, show, told
from benchmarks.watch import Steps, watched
from experiments.scenario import poisoned
from sanitize import metrics
from sanitize.errors import BadParams
from sanitize.execution import OrderedMap, inline
from sanitize.execution_threads import PER_GPU, GpuThreads
from sanitize.filtering import filter_table
from sanitize.params import Params, resolve
from sanitize.train import train_model

ATTACK = {"name": "patch", "source": 0, "target": 2, "share": 0.05, "shape": "pixel"}
PRESETS = ("paper", "fast")
WAYS = "ways.json"
ROWS = 50_000


def params_of(preset: str, precision: str, device: str, net: str | None = None) -> Params:
    """The scenario's parameters.

    precision  "auto", "float32" or "bfloat16"; preset paper's own is float32
    net        in place of the preset's
    """
    learner = {"precision": precision, "device": device, **({"net": net} if net else {})}
    return resolve({"preset": preset, "engine": "inline", "attack": ATTACK, "learner": learner})


def measure(
    pictures: Pictures, params: Params, seconds: float = 2.0, *, map: OrderedMap = inline, at_once: int = 1
) -> dict[str, Any]:
    """The whole scenario in this process: attack, filter, one model trained on the kept rows and tested.

    pictures  decoded; reading them from disk is not measured
    map       in this process too
    at_once   learners that it runs side by side
    seconds   for the largest product of matrices in bfloat16
    Returns   "steps": for each, seconds by the clock and of all cores, and what was trained and scored in it
    """
    device = "cuda" if params.learner.device == "cuda" else "cpu"
    peak = product_peak(torch.bfloat16, device=device, seconds=seconds)
    rows, height, width, channels = pictures.train.inputs.shape
    net = params.learner.net if params.learner.net != "auto" else "cnn"
    with watched() as done:
        steps = Steps(done)
        began = time.perf_counter()
        with steps("attack", 1):
            table, is_poison_N, triggered, targets = poisoned(params, pictures.train, pictures.test)
        found = filter_table(table, params, map=map, steps=steps)
        keep_N = found.manifest.keep_N
        with steps("final training", 1):
            model = train_model(table, keep_N, params)
        with steps("test", 1):
            said_M = model.probabilities(pictures.test.inputs).argmax(axis=1)
            said_T = model.probabilities(triggered.inputs).argmax(axis=1)
        wall = time.perf_counter() - began
    return {
        "preset": params.preset,
        "net": net,
        "at_once": at_once,
        "precision": params.learner.precision,
        "what": pictures.what,
        "rows": rows,
        "steps": steps.taken,
        "wall_seconds": wall,
        "done": asdict(done),
        "forward_flops": net_flops(net, (channels, height, width), table.classes),
        "bfloat16_peak": peak,
        "fp": metrics.false_positives(keep_N, is_poison_N),
        "fn": metrics.false_negatives(keep_N, is_poison_N),
        "poisoned": int(is_poison_N.sum()),
        "tmr": metrics.tmr(said_M[triggered.ids], said_T, triggered.labels, targets),
        "accuracy": metrics.clean_accuracy(said_M, pictures.test.labels),
    }


def steps_table(found: Sequence[dict[str, Any]]) -> list[str]:
    """Seconds of every step, the learners' own, images per second by the clock, part of the bfloat16 peak."""
    if not found:
        return EMPTY
    head = ["seconds", "learners train", "learners score", "images/s", "of the bfloat16 peak"]
    lines = [f"| preset | step | {' | '.join(head)} |", "| --- | --- " + "| --: " * len(head) + "|"]
    for one in found:
        whole = {"wall": one["wall_seconds"], **one["done"]}
        for name, took in [*one["steps"].items(), ("all", whole)]:
            lines.append(f"| `{one['preset']}`, {one['net']} | {name} | {' | '.join(_cells(took, one))} |")
    lines.append("")
    for one in found:
        tmr, accuracy = (percent(one[key], "unknown") for key in ("tmr", "accuracy"))
        lines.append(
            f"`{one['preset']}`: {one['what']}, {one['rows']:,} rows, precision {one['precision']}, learners at once: "
            f"{one['at_once']}; {one['fn']} of {one['poisoned']} poisoned rows kept, {one['fp']} clean rows dropped, "
            f"TMR {tmr}, accuracy {accuracy}; bfloat16 peak {one['bfloat16_peak'] / 1e12:.1f} TFLOP/s."
        )
    return lines + told(found)


def _cells(took: dict[str, float], one: dict[str, Any]) -> list[str]:
    wall, images = took["wall"], TRAINING * took["row_epochs"] + took["scored_rows"]
    cells = [f"{wall:.1f}", f"{took['fit_seconds']:.1f}", f"{took['score_seconds']:.1f}"]
    if not images:
        return [*cells, "", ""]
    share = images * one["forward_flops"] / wall / one["bfloat16_peak"]
    return [*cells, f"{images / TRAINING / wall:,.0f}", f"{100 * share:.1f}%"]


def tables(folder: Path) -> dict[str, list[str]]:
    """The tables by their marks."""
    found = [one for file in sorted(folder.glob("*-*.json"), reverse=True) if (one := read(file)) is not None]
    return {"gpu": steps_table(found), "gpu-ways": gpu_ways.lines(read(folder / WAYS))}


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["ways", *PRESETS])
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    parser.add_argument("--net", help="in place of both presets'")
    parser.add_argument("--workers", type=int, default=PER_GPU, help="learners at once")
    parser.add_argument("--rows", type=int, default=ROWS, help="drawn where CIFAR-10 is not there")
    parser.add_argument("--again", action="store_true", help="measure again what is there")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE}")
    parser.add_argument("--out", type=Path, default=RESULTS / "gpu", help="folder of the results")
    asked = parser.parse_args(given)
    with refusals("gpu"):
        if not torch.cuda.is_available():
            raise BadParams("no CUDA device can be used here; this benchmark needs one")
        wanted = {asked.only} if asked.only else {"ways", *PRESETS}
        if "ways" in wanted and (asked.again or read(asked.out / WAYS) is None):
            on = machine()
            keep(asked.out / WAYS, gpu_ways.run(), on)
            show(tables(asked.out), asked.write)
        pictures = None
        for preset in (preset for preset in PRESETS if preset in wanted):
            named = [preset, str(asked.workers), asked.net, asked.precision, asked.rows if asked.rows != ROWS else None]
            place = asked.out / f"{'-'.join(str(one) for one in named if one)}.json"
            if not asked.again and read(place) is not None:
                continue
            if pictures is None:
                pictures = cifar10() or drawn(asked.rows)
                if pictures.what != "CIFAR-10":
                    print(f"gpu: {FOLDER} names no folder of CIFAR-10; pictures are drawn", file=sys.stderr)
            on, params = machine(), params_of(preset, asked.precision, "cuda", asked.net)
            map = GpuThreads(asked.workers, 1)
            keep(place, measure(pictures, params, map=map, at_once=map.workers), on)
            show(tables(asked.out), asked.write)
        show(tables(asked.out), asked.write)


if __name__ == "__main__":
    main()
