"""One scenario on a GPU: all of CIFAR-10, preset `paper` with PreActResNet18, then `fast`. Seconds of every step.

python -m benchmarks.gpu [--write] needs CUDA, and ends with exit code 2 where there is none. CIFAR10_FOLDER names a
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

from benchmarks.peaks import TRAINING, net_flops, product_peak
from benchmarks.pictures import FOLDER, Pictures, cifar10, drawn
from benchmarks.runs import EMPTY, PAGE, RESULTS, keep, machine, percent, read, refusals, show, told
from benchmarks.watch import Steps, watched
from experiments.scenario import poisoned
from sanitize import metrics
from sanitize.errors import BadParams
from sanitize.execution import inline
from sanitize.filtering import filter_table
from sanitize.params import Params, resolve
from sanitize.train import train_model

ATTACK = {"name": "patch", "source": 0, "target": 2, "share": 0.05, "shape": "pixel"}
PRESETS = ("paper", "fast")
ROWS = 50_000


def params_of(preset: str, precision: str, device: str, net: str | None = None) -> Params:
    """The scenario's parameters.

    precision  "auto", "float32" or "bfloat16"; preset paper's own is float32
    net        in place of the preset's
    """
    learner = {"precision": precision, "device": device, **({"net": net} if net else {})}
    return resolve({"preset": preset, "engine": "inline", "attack": ATTACK, "learner": learner})


def measure(pictures: Pictures, params: Params, seconds: float = 2.0) -> dict[str, Any]:
    """The whole scenario in this process: attack, filter, one model trained on the kept rows and tested.

    pictures  decoded; reading them from disk is not measured
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
        found = filter_table(table, params, map=inline, steps=steps)
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
    """Seconds of every step, and of which training and scoring; images per second; part of the bfloat16 peak."""
    if not found:
        return EMPTY
    head = ["seconds", "training", "scoring", "rest", "images/s trained", "images/s scored", "of the bfloat16 peak"]
    lines = [f"| preset | step | {' | '.join(head)} |", "| --- | --- " + "| --: " * len(head) + "|"]
    for one in found:
        whole = {"wall": one["wall_seconds"], **one["done"]}
        for name, took in [*one["steps"].items(), ("all", whole)]:
            lines.append(f"| `{one['preset']}`, {one['net']} | {name} | {' | '.join(_cells(took, one))} |")
    lines.append("")
    for one in found:
        tmr, accuracy = (percent(one[key], "unknown") for key in ("tmr", "accuracy"))
        lines.append(
            f"`{one['preset']}`: {one['what']}, {one['rows']:,} rows, precision {one['precision']}; {one['fn']} of "
            f"{one['poisoned']} poisoned rows kept, {one['fp']} clean rows dropped, TMR {tmr}, "
            f"accuracy {accuracy}; bfloat16 peak {one['bfloat16_peak'] / 1e12:.1f} TFLOP/s."
        )
    return lines + told(found)


def _cells(took: dict[str, float], one: dict[str, Any]) -> list[str]:
    fit, score, wall = took["fit_seconds"], took["score_seconds"], took["wall"]
    flops = one["forward_flops"] * (TRAINING * took["row_epochs"] + took["scored_rows"])
    cells = [f"{wall:.1f}", f"{fit:.1f}", f"{score:.1f}", f"{max(0.0, wall - fit - score):.1f}"]
    cells += [f"{took['row_epochs'] / fit:,.0f}" if fit else "", f"{took['scored_rows'] / score:,.0f}" if score else ""]
    return [*cells, f"{100 * flops / wall / one['bfloat16_peak']:.1f}%" if flops else ""]


def tables(folder: Path) -> dict[str, list[str]]:
    """The table by its mark."""
    found = [read(folder / f"{preset}.json") for preset in PRESETS]
    return {"gpu": steps_table([one for one in found if one is not None])}


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PRESETS)
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    parser.add_argument("--net", help="in place of both presets'")
    parser.add_argument("--rows", type=int, default=ROWS, help="drawn where CIFAR-10 is not there")
    parser.add_argument("--again", action="store_true", help="measure again what is there")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE}")
    parser.add_argument("--out", type=Path, default=RESULTS / "gpu", help="folder of the results")
    asked = parser.parse_args(given)
    with refusals("gpu"):
        if not torch.cuda.is_available():
            raise BadParams("no CUDA device can be used here; this benchmark needs one")
        pictures = cifar10() or drawn(asked.rows)
        if pictures.what != "CIFAR-10":
            print(f"gpu: {FOLDER} names no folder of CIFAR-10; pictures are drawn", file=sys.stderr)
        for preset in [asked.only] if asked.only else PRESETS:
            place = asked.out / f"{preset}.json"
            if asked.again or read(place) is None:
                on = machine()
                keep(place, measure(pictures, params_of(preset, asked.precision, "cuda", asked.net)), on)
        show(tables(asked.out), asked.write)


if __name__ == "__main__":
    main()
