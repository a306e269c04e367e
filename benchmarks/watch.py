"""What the learners of this process do: rows trained and scored, and the seconds of both; and the seconds of steps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.processes import cpu_seconds
from sanitize.learners.torch_learner import TorchLearner

NAMES = {
    "ISPL runs": "partition",
    "voters": "vote",
    "self-training": "self-training",
    "doubted groups": "groups",
    "clusters": "clusters",
}


@dataclass
class Done:
    """Rows times epochs trained, rows scored, and seconds by the clock of both."""

    row_epochs: int = 0
    scored_rows: int = 0
    fit_seconds: float = 0.0
    score_seconds: float = 0.0


@contextmanager
def watched() -> Iterator[Done]:
    """While the block runs, every PyTorch learner of this process adds what it does; worker processes do not.

    Of a GPU, each fit is waited for: once for some epochs. Seconds of learners that run side by side add up.
    """
    done, adding = Done(), threading.Lock()
    plain = {name: getattr(TorchLearner, name) for name in ("fit", "score", "probabilities")}

    def clocked(name: str, note: Callable[..., None]) -> Callable[..., Any]:
        def call(learner: TorchLearner, rows: Any, *given: Any, **named: Any) -> Any:
            began = time.perf_counter()
            found = plain[name](learner, rows, *given, **named)
            learner.engine.wait()
            with adding:
                note(time.perf_counter() - began, len(rows), *given)
            return found

        return call

    def fitted(seconds: float, rows: int, epochs: int) -> None:
        done.row_epochs += rows * epochs
        done.fit_seconds += seconds

    def scored(seconds: float, rows: int) -> None:
        done.scored_rows += rows
        done.score_seconds += seconds

    notes: dict[str, Callable[..., None]] = {"fit": fitted, "score": scored, "probabilities": scored}
    for name, note in notes.items():
        setattr(TorchLearner, name, clocked(name, note))
    try:
        yield done
    finally:
        for name, method in plain.items():
            setattr(TorchLearner, name, method)


class Steps:
    """The argument `steps` of the filter: notes what each step takes, by NAMES.

    done   from `watched`, or None: its numbers are noted for each step as well
    taken  step -> seconds by the clock ("wall") and of all cores ("cpu"), and what `done` grew by
    """

    def __init__(self, done: Done | None = None) -> None:
        self.done = done
        self.taken: dict[str, dict[str, float]] = {}

    @contextmanager
    def __call__(self, label: str, total: int) -> Iterator[Callable[[], None]]:
        """One step."""
        before = self._now()
        yield lambda: None
        after = self._now()
        self.taken[NAMES.get(label, label)] = {key: after[key] - before[key] for key in after}

    def _now(self) -> dict[str, float]:
        now = {"wall": time.perf_counter(), "cpu": cpu_seconds()}
        return now if self.done is None else now | asdict(self.done)
