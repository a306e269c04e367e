"""What the filter costs a row: rounds of training and scoring counted in a whole run, and CPU microseconds of each.

python -m benchmarks.scaling prints a Markdown table; --write puts it into docs/scaling.md. Counted and timed is one
real run in one process, on MNIST's digits with one label in a hundred wrong: as pictures, as the rows of numbers of
`benchmarks.filter`, and as a table of 20 columns. Seconds are CPU seconds of the process, however busy the machine is.
"""

# N rows
from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.filter import vectors
from benchmarks.page import put_table
from benchmarks.runs import machine
from sanitize.data.ingest import load_source
from sanitize.data.parquet import decode_table
from sanitize.data.seeds import stream
from sanitize.data.table import Table
from sanitize.execution import inline
from sanitize.filtering import filter_table
from sanitize.learners.torch_learner import TorchLearner
from sanitize.params import DataParams, resolve

PAGE = Path("docs/scaling.md")
KINDS = ("28 x 28 pictures", "384 numbers", "a table of 20 columns")
WRONG = 0.01
WARM = 500  # rows


class Work(NamedTuple):
    """Of one run: rows trained on and scored, all epochs, and CPU seconds: of these, and of everything."""

    fitted: int
    scored: int
    fit: float
    score: float
    whole: float


def rows_of(kind: str, rows: int) -> Table:
    """The digits as a table of this kind, some labels wrong."""
    pictures = decode_table(load_source(DataParams(source="mnist5k"), 0).train)[0]
    draws = stream(0, "benchmark", "scaling")
    chosen = draws.permutation(len(pictures))[:rows]
    label_N = pictures.labels[chosen]
    label_N = np.where(draws.random(len(chosen)) < WRONG, (label_N + 1) % pictures.classes, label_N)
    if kind == KINDS[0]:
        return Table(np.arange(len(chosen)), pictures.inputs[chosen], label_N, pictures.class_names, "image")
    values_ND = vectors(384 if kind == KINDS[1] else 20)[0][chosen]
    modality = "vector" if kind == KINDS[1] else "tabular"
    return Table(np.arange(len(chosen)), values_ND, label_N, pictures.class_names, modality)  # type: ignore[arg-type]


@contextmanager
def counted() -> Iterator[dict[str, list[float]]]:
    """Rows and seconds of every fit and score of PyTorch's learners inside the block."""
    found: dict[str, list[float]] = {"fit": [0, 0.0], "score": [0, 0.0]}
    before = {name: getattr(TorchLearner, name) for name in ("fit", "score", "probabilities")}

    def watched(name: str, rows_in: Callable[..., int]) -> Callable[..., Any]:
        def method(self: TorchLearner, *given: Any, **named: Any) -> Any:
            began = time.process_time()
            result = before[name](self, *given, **named)
            kept = found["fit" if name == "fit" else "score"]
            kept[0] += rows_in(*given, **named)
            kept[1] += time.process_time() - began
            return result

        return method

    try:
        TorchLearner.fit = watched("fit", lambda rows, epochs, **_: len(rows) * epochs)  # type: ignore[method-assign]
        TorchLearner.score = watched("score", len)  # type: ignore[method-assign]
        TorchLearner.probabilities = watched("probabilities", len)  # type: ignore[method-assign]
        yield found
    finally:
        for name, method in before.items():
            setattr(TorchLearner, name, method)


def measured(preset: str, kind: str, rows: int) -> Work:
    """One whole run."""
    table = rows_of(kind, rows)
    params = resolve({"preset": preset, "engine": "inline", "learner": {"device": "cpu"}})
    with counted() as found:
        began = time.process_time()
        filter_table(table, params, map=inline)
        whole = time.process_time() - began
    return Work(int(found["fit"][0]), int(found["score"][0]), found["fit"][1], found["score"][1], whole)


def table_of(found: dict[tuple[str, str], Work], rows: int) -> list[str]:
    """Lines of Markdown."""
    lines = [
        "| rows | preset | row-epochs | scored rows | one row-epoch | one scored row | all, a row | of it the rest |"
    ]
    lines.append("| --- | --- | --: | --: | --: | --: | --: | --: |")
    for (kind, preset), work in found.items():
        rest = work.whole - work.fit - work.score
        lines.append(
            f"| {kind} | `{preset}` | {work.fitted / rows:.0f} N | {work.scored / rows:.0f} N "
            f"| {1e6 * work.fit / work.fitted:.0f} us | {1e6 * work.score / work.scored:.1f} us "
            f"| {1e3 * work.whole / rows:.2f} ms | {rest / work.whole:.0%} |"
        )
    return [*lines, "", f"N = {rows:,}; measured on {machine()['processor']}, one thread."]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--presets", nargs="+", default=["fast", "strong"])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE}")
    given = parser.parse_args()
    for kind in given.kinds:
        measured("fast", kind, WARM)  # what the first run of a process, or of a machine, compiles and imports
    found = {(kind, preset): measured(preset, kind, given.rows) for kind in given.kinds for preset in given.presets}
    lines = table_of(found, given.rows)
    print("\n".join(lines))
    if given.write:
        put_table(PAGE, "scaling-costs", lines)


if __name__ == "__main__":
    main()
