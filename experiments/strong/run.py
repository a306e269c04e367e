"""One cell: a run and a method -> figures as JSON. The models without a filter are a cell of their own, REFERENCE.

A method sees the training rows alone. Models are trained with the same parameters whatever the method, so that methods
differ by the rows that they keep. Oracle and undefended models are trained once for each run, by the cell REFERENCE,
whose file the other cells read.
"""

# N training rows, P of them poisoned, T triggered test rows
from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.peers import base as peers
from experiments.scenario import judged, poisoned
from experiments.strong.data import MissingData, load
from experiments.strong.scenarios import Scenario, parse
from experiments.strong.settings import HERE, REFERENCE, Bounds, Settings, read_settings
from sanitize import metrics
from sanitize.data.table import BoolArray, Table
from sanitize.errors import BadInput, BadParams
from sanitize.execution import inline
from sanitize.filtering import filter_table
from sanitize.io.atomic import atomic_write
from stages.common import stage_app

DROPPED = (0.01, 0.05, 0.1)  # shares at which recall is measured
OF_REFERENCE = (
    "oracle_tmr",
    "undefended_tmr",
    "undefended_right",
    "oracle_accuracy",
    "undefended_accuracy",
    "counts",
)
app = stage_app("strong", pipeline=False)


@app.command()
def main(
    run: str,
    method: str,
    out: Path,
    reference: Path | None = None,
    params: Path = HERE / "params.yaml",
) -> None:
    """Run METHOD (a preset, a variant, a peer, or reference) on RUN (mnist5k_6-4_square_0.1_s0); write OUT.

    reference: the file that METHOD reference wrote for the same run. A data set that is not there is no error: OUT then
    says why the cell is skipped.
    """
    settings, scenario = read_settings(params), parse(run)
    found: dict[str, Any] = {
        "run": scenario.name,
        "data": scenario.data,
        "pair": scenario.pair,
        "trigger": scenario.trigger,
        "share": scenario.share,
        "seed": scenario.seed,
        "method": method,
    }
    try:
        train, test = load(scenario.data, settings.folders)
    except MissingData as error:
        print(f"strong: {run} {method} is skipped: {error}", file=sys.stderr)
        found["skipped"] = str(error)
    else:
        if method == REFERENCE:
            found |= refer(settings, scenario, train, test)
        elif reference is None:
            raise BadParams(f"--reference is missing; name the file that METHOD {REFERENCE} wrote for {run}")
        else:
            found |= _reference_of(reference, scenario)
            found |= cell(settings, scenario, method, train, test)
    with atomic_write(out) as (draft,):
        draft.write_text(json.dumps(found, indent=1) + "\n")


def refer(settings: Settings, scenario: Scenario, train: Table, test: Table) -> dict[str, Any]:
    """The models without a filter: oracle (clean rows only) and undefended (all rows); and whether the run counts."""
    table, is_poison_N, triggered, targets = poisoned(settings.attack(scenario), train, test)
    models = settings.final(scenario.seed)
    undefended = judged(models, table, np.ones(len(table), np.bool_), test, triggered, targets)
    oracle = judged(models, table, ~is_poison_N, test, triggered, targets) if is_poison_N.any() else undefended
    return {
        "rows": len(table),
        "poisoned": int(is_poison_N.sum()),
        "oracle_tmr": oracle.tmr,
        "undefended_tmr": undefended.tmr,
        "undefended_right": undefended.right,
        "oracle_accuracy": oracle.accuracy,
        "undefended_accuracy": undefended.accuracy,
        "counts": does_count(oracle.tmr, undefended.tmr, undefended.right, settings.counts),
    }


def does_count(
    oracle_tmr: float | None, undefended_tmr: float | None, right: float | None, bounds: Bounds
) -> bool | None:
    """Whether the attack works and the trigger is needed for it; None where there is no trigger.

    right    part of the triggered test rows that the undefended model gets right without it: its TMR cannot be more,
             and on hard data that is far from 1
    """
    if oracle_tmr is None or undefended_tmr is None or right is None:
        return None
    return oracle_tmr < bounds.oracle_tmr_under and undefended_tmr > bounds.undefended_share_over * right


def cell(settings: Settings, scenario: Scenario, method: str, train: Table, test: Table) -> dict[str, Any]:
    """What one method does: its verdict against the truth, and the model trained on the rows that it keeps."""
    table, is_poison_N, triggered, targets = poisoned(settings.attack(scenario), train, test)
    began = time.process_time()
    suspicion_N, keep_N, reasons = judge(settings, scenario, method, table)
    seconds = time.process_time() - began
    attacked = bool(is_poison_N.any())
    models = [
        judged(settings.final(scenario.seed), table, keep_N, test, triggered, targets, trial=trial)
        for trial in range(settings.trainings)
    ]
    recalls = metrics.recall_at_dropped(suspicion_N, is_poison_N, DROPPED)
    return {
        "rows": len(table),
        "poisoned": int(is_poison_N.sum()),
        "fp": metrics.false_positives(keep_N, is_poison_N),
        "fn": metrics.false_negatives(keep_N, is_poison_N),
        "auc": metrics.suspicion_auc(suspicion_N, is_poison_N) if attacked else None,
        **{f"recall_{share:.0%}".rstrip("%"): recall for share, recall in zip(DROPPED, recalls, strict=True)},
        "trainings": settings.trainings,
        "sanitized_tmr": _mean([model.tmr for model in models]),
        "sanitized_accuracy": _mean([model.accuracy for model in models]),
        "cpu_seconds": round(seconds, 1),
        "reasons": reasons,
        "fp_at_fn": fp_at_fn(suspicion_N, is_poison_N),
    }


def judge(
    settings: Settings, scenario: Scenario, method: str, table: Table
) -> tuple[NDArray[np.float64], BoolArray, dict[str, int]]:
    """A method's suspicion float64 [N] and verdict bool [N], and how many rows it drops for which reason."""
    params = settings.filter(method, scenario.seed)
    if params is not None:
        manifest = filter_table(table, params, map=inline).manifest
        return manifest.suspicion_N, manifest.keep_N, manifest.reasons()
    options = settings.peers.get(method, {})
    verdict = peers.find(method)(table, settings.final(scenario.seed), options, scenario.seed)
    return verdict.suspicion_N, verdict.keep_N, {method: int((~verdict.keep_N).sum())}


def fp_at_fn(suspicion_N: NDArray[np.float64], is_poison_N: BoolArray) -> list[int]:
    """FP for every FN that a threshold on suspicion alone can reach.

    Returns  P integers: item f is how many clean rows go with the P - f most suspicious poisoned rows, equal rows by
             position as in metrics.recall_at_dropped; never rising
    """
    poison_N = is_poison_N[np.argsort(-suspicion_N, kind="stable")]
    before = np.cumsum(~poison_N)[poison_N]
    return [int(rows) for rows in before[::-1]]


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _reference_of(path: Path, scenario: Scenario) -> dict[str, Any]:
    """The columns OF_REFERENCE. BadInput: no such file, or another run's."""
    if not path.is_file():
        raise BadInput(f"{path}: no such file; make it with METHOD {REFERENCE}")
    found = json.loads(path.read_text())
    if found.get("run") != scenario.name or "skipped" in found:
        raise BadInput(
            f"{path}: holds {found.get('run')!r}{', skipped' * ('skipped' in found)}; must hold the reference of "
            f"{scenario.name!r}; make it again with METHOD {REFERENCE}"
        )
    return {key: found[key] for key in OF_REFERENCE}


if __name__ == "__main__":
    app()
