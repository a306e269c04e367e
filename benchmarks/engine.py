"""The filter beside a plain PyTorch script: the same work, then `fast` and `strong`. Runs -> three tables.

python -m benchmarks.engine makes the runs that reports/bench/engine lacks, each in a process of its own, and prints the
tables; --write puts them into docs/benchmarks.md after every run, so that it may be stopped at any time. Plain and ours
alternate.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peaks import TRAINING
from benchmarks.runs import EMPTY, PAGE, RESULTS, ensure, percent, put_tables, read, refusals, show, told

SCENARIOS = ("1-7-checkerboard-0.1", "4-9-pixel-0.05", "3-8-checkerboard-0.2")
SAME = ("plain", "paper", "paper-float32")
PRESETS = ("fast", "strong")
RATES = "rates"
CORES = 2  # of every run: threads of the plain script, worker processes of ours
NAMES = {
    "plain": "plain script, float32, 2 threads",
    "paper": "`paper`, precision auto, 2 workers",
    "paper-float32": "`paper`, float32, 2 workers",
}


class Run(NamedTuple):
    """One run; `turn` counts repetitions of the same."""

    method: str
    scenario: str
    seed: int
    turn: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.method}_{self.scenario}_s{self.seed}_t{self.turn}"


def planned(turns: int, seeds: int) -> list[Run]:
    """All runs in order: the same work first, then the presets, all scenarios of a seed before the next seed.

    The plain run of a preset's scenario stands beside it; one that the same work has made already is not made twice.
    """
    runs = [Run(method, SCENARIOS[0], 0, turn) for turn in range(turns) for method in SAME]
    for seed in range(seeds):
        runs += [Run(method, scenario, seed, 0) for scenario in SCENARIOS for method in ("plain", *PRESETS)]
    return list(dict.fromkeys(runs))


def found_in(folder: Path, runs: Iterable[Run]) -> dict[Run, dict[str, Any]]:
    """Results that are there."""
    found = {run: read(folder / f"{run.name}.json") for run in runs}
    return {run: one for run, one in found.items() if one is not None}


def same_table(found: dict[Run, dict[str, Any]], rates: dict[str, Any] | None) -> list[str]:
    """The same work: the least of several turns, and the part of two cores' peaks that the whole run reaches."""
    best: dict[str, dict[str, Any]] = {}
    for method in SAME:
        turns = [one for run, one in found.items() if run[:3] == (method, SCENARIOS[0], 0)]
        if turns:
            least = {key: min(one[key] for one in turns) for key in ("wall_seconds", "cpu_seconds")}
            best[method] = min(turns, key=lambda one: one["wall_seconds"]) | least | {"turns": len(turns)}
    if not best:
        return EMPTY
    base = best.get("plain")
    lines = [
        "| | turns | seconds by the clock | CPU seconds | times less by the clock | times less CPU | GFLOP/s "
        "| of the float32 peak | of the bfloat16 peak | FP | FN | TMR |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for method, one in best.items():
        cells = [NAMES[method], str(one["turns"]), f"{one['wall_seconds']:.1f}", f"{one['cpu_seconds']:.1f}"]
        cells += [_ratio(base, one, "wall_seconds"), _ratio(base, one, "cpu_seconds")]
        cells += _reached(base, one, rates)
        cells += [str(one["fp"]), str(one["fn"]), percent(one["tmr"])]
        lines.append(_row(cells))
    return lines + told(best.values())


def _reached(base: dict[str, Any] | None, one: dict[str, Any], rates: dict[str, Any] | None) -> list[str]:
    """GFLOP/s of a whole run, by the plain run's count of rows, and its parts of both peaks of two threads."""
    if base is None or rates is None:
        return [""] * 3
    flops = rates["forward_flops"] * (TRAINING * base["row_epochs"] + base["scored_rows"])
    rate = flops / one["wall_seconds"]
    peaks = [rates["flops"][f"product {precision}-{CORES}"] for precision in ("float32", "bfloat16")]
    return [f"{rate / 1e9:.0f}", *(f"{100 * rate / peak:.0f}%" for peak in peaks)]


def _ratio(base: dict[str, Any] | None, one: dict[str, Any], key: str) -> str:
    return f"{base[key] / one[key]:.2f}" if base else ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def rates_table(rates: dict[str, Any] | None) -> list[str]:
    """Products, training and scoring of one learner, and their parts of the peaks of as many threads."""
    if rates is None:
        return EMPTY
    flops = rates["flops"]
    lines = ["| | threads | GFLOP/s | of the float32 peak | of the bfloat16 peak |", "| --- | --: | --: | --: | --: |"]
    names = {"product": "product of two matrices", "fit": "training", "score": "scoring"}
    for name, rate in flops.items():
        work, _, rest = name.partition(" ")
        kind, _, threads = rest.rpartition("-")
        whose = {"plain": "plain script, float32"}.get(kind, kind)
        parts = [f"{100 * rate / flops[f'product {p}-{threads}']:.0f}%" for p in ("float32", "bfloat16")]
        lines.append(_row([f"{names[work]}, {whose}", threads, f"{rate / 1e9:.1f}", *parts]))
    return lines + told([rates])


def preset_table(found: dict[Run, dict[str, Any]], seeds: int) -> list[str]:
    """Every run of a preset beside the plain run of its scenario and seed; then a line for each preset over all."""
    lines = [
        "| preset | scenario | seed | seconds by the clock | plain | times less | CPU seconds | plain | times less "
        "| FP | plain | FN | plain | TMR | plain |",
        "| --- | --- | --: " + "| --: " * 12 + "|",
    ]
    pairs: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {preset: [] for preset in PRESETS}
    for run in planned(0, seeds):
        plain = found.get(run._replace(method="plain"))
        one = found.get(run)
        if run.method not in PRESETS or one is None or plain is None:
            continue
        pairs[run.method].append((one, plain))
        cells = [f"`{run.method}`", run.scenario, str(run.seed)]
        for key in ("wall_seconds", "cpu_seconds"):
            cells += [f"{one[key]:.1f}", f"{plain[key]:.1f}", _ratio(plain, one, key)]
        for key in ("fp", "fn"):
            cells += [str(one[key]), str(plain[key])]
        lines.append(_row([*cells, percent(one["tmr"]), percent(plain["tmr"])]))
    if not any(pairs.values()):
        return EMPTY
    lines += [_summary(preset, made) for preset, made in pairs.items() if made]
    return lines + told(one for made in pairs.values() for pair in made for one in pair)


def _summary(preset: str, pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    """Medians of the ratios and the least one, sums of FP and FN, means of TMR."""
    cells = [f"`{preset}`, all {len(pairs)}", "median (least) ratio, sums, means", ""]
    for key in ("wall_seconds", "cpu_seconds"):
        ratios = [plain[key] / one[key] for one, plain in pairs]
        cells += [*(f"{sum(pair[side][key] for pair in pairs):.0f}" for side in (0, 1))]
        cells += [f"{statistics.median(ratios):.1f} ({min(ratios):.1f})"]
    for key in ("fp", "fn"):
        cells += [str(sum(pair[side][key] for pair in pairs)) for side in (0, 1)]
    cells += [percent(statistics.mean(pair[side]["tmr"] for pair in pairs)) for side in (0, 1)]
    return _row(cells)


def tables(folder: Path, turns: int, seeds: int) -> dict[str, list[str]]:
    """The three tables by their marks."""
    found = found_in(folder, planned(turns, seeds))
    rates = read(folder / f"{RATES}.json")
    return {
        "engine-same": same_table(found, rates),
        "engine-rates": rates_table(rates),
        "engine-presets": preset_table(found, seeds),
    }


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=2, help="of the same work")
    parser.add_argument("--seeds", type=int, default=5, help="of the presets' scenarios")
    parser.add_argument("--most", type=int, help="runs that are made at most, those that are there not counted")
    parser.add_argument("--again", action="store_true", help="make all runs again")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE}")
    parser.add_argument("--out", type=Path, default=RESULTS / "engine", help="folder of the results")
    asked = parser.parse_args(given)
    with refusals("engine"):
        _measure(asked)


def _measure(asked: argparse.Namespace) -> None:
    jobs: list[tuple[Path, list[object]]] = [(asked.out / f"{RATES}.json", [RATES])]
    for run in planned(asked.turns, asked.seeds):
        jobs.append((asked.out / f"{run.name}.json", [run.method, run.scenario, run.seed]))
    made = 0
    for path, words in jobs:
        if asked.most is not None and made >= asked.most:
            break
        made += ensure(path, ["benchmarks.engine_run", *words], again=asked.again)
        if asked.write:
            put_tables(tables(asked.out, asked.turns, asked.seeds))
    show(tables(asked.out, asked.turns, asked.seeds), asked.write)


if __name__ == "__main__":
    main()
