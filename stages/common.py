"""What every stage does around its work: a lock, a clock, and errors that a person can read."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import typer
from filelock import FileLock, Timeout

from sanitize.data.parquet import read_table
from sanitize.data.table import Table
from sanitize.errors import BadInput, MendableError
from sanitize.params import Params

SCRATCH = Path(".scratch")  # git-ignored, relative to the folder that the stage runs in


def stage_app(name: str, *, pipeline: bool = True) -> StageApp:
    """A Typer application for the stage called `name`, with one command.

    pipeline  whether it is a stage of the pipeline: those run one at a time and note their seconds for `evaluate`
    """
    return StageApp(name, pipeline)


class StageApp(typer.Typer):
    """A Typer application whose command runs under the stage's lock and clock.

    A MendableError becomes its message on stderr and its exit code (2 parameters, 3 input). The seconds of a
    pipeline's stage that ended well go to .scratch/seconds/NAME.json, which `evaluate` reads.
    """

    def __init__(self, name: str, pipeline: bool) -> None:
        super().__init__(add_completion=False, pretty_exceptions_enable=False)
        self.name = name
        self.pipeline = pipeline

    def command(self, *args: Any, **kwargs: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:  # type: ignore[override]
        """Like Typer's, with lock, clock and messages."""
        register = super().command(*args, **kwargs)

        def wrap(function: Callable[..., None]) -> Callable[..., None]:
            @functools.wraps(function)
            def run(*given: Any, **named: Any) -> None:
                began = time.monotonic()
                name = f"{self.name}@{named['model']}" if "model" in named else self.name  # as DVC calls it
                try:
                    with _alone(name) if self.pipeline else nullcontext():
                        function(*given, **named)
                    if self.pipeline:
                        _note_seconds(name, time.monotonic() - began)
                except MendableError as error:
                    print(f"{self.name}: {error}", file=sys.stderr)
                    raise SystemExit(error.exit_code) from error

            register(run)
            return function

        return wrap


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """The stage's lock: an orphan of a killed `dvc repro` and a new run must not mix."""
    SCRATCH.mkdir(exist_ok=True)
    lock = FileLock(SCRATCH / f"{name}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise BadInput(
            f"another run of stage {name} holds {lock.lock_file}; wait for it to end, or stop it, then run again"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _note_seconds(name: str, seconds: float) -> None:
    place = SCRATCH / "seconds" / f"{name}.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps({"seconds": round(seconds, 2)}))


def read_training(path: Path, params: Params) -> Table:
    """The training table of the pipeline, as `params.data` says to read it."""
    data = params.data
    return read_table(path, label=data.label, inputs=data.inputs, image_size=data.image_size)[0]
