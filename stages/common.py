"""What every stage does around its work: a lock, a clock, and errors that a person can read."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import typer
from safetensors import SafetensorError

from sanitize.data.parquet import read_table
from sanitize.data.plain_columns import Columns
from sanitize.data.table import Table, refuse_constant
from sanitize.errors import BadInput, MendableError
from sanitize.io.atomic import put_file
from sanitize.io.locks import FOLDER, locked
from sanitize.io.private import make_private
from sanitize.params import Params
from sanitize.runtime.printing import say_error

SCRATCH = Path(FOLDER)  # of locks and seconds, relative to the folder that the stage runs in
REFUSED = "no output is half-written; free space or make the folder writable, then run again"


def stage_app(name: str, *, pipeline: bool = True) -> StageApp:
    """A Typer application for the stage called `name`, with one command.

    pipeline  whether it is a stage of the pipeline: those run one at a time and note their seconds for `evaluate`
    """
    return StageApp(name, pipeline)


class StageApp(typer.Typer):
    """A Typer application whose command runs under the stage's lock and clock.

    A MendableError becomes its message on stderr and its exit code (2 parameters, 3 input); so do a full disk and
    whatever else the system refuses (3). The seconds of a pipeline's stage that ended well go to
    .scratch/seconds/NAME.json, which `evaluate` reads.
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
                    say_error(self.name, error)
                    raise SystemExit(error.exit_code) from error
                except (OSError, SafetensorError) as error:  # safetensors has its own for a full disk
                    say_error(self.name, f"{error}; {REFUSED}")
                    raise SystemExit(BadInput.exit_code) from error

            register(run)
            return function

        return wrap


def _alone(name: str) -> AbstractContextManager[None]:
    """The stage's lock: an orphan of a killed `dvc repro` and a new run must not mix."""
    return locked(SCRATCH / f"{name}.lock", f"stage {name} is being run")


def _note_seconds(name: str, seconds: float) -> None:
    place = SCRATCH / "seconds" / f"{name}.json"
    make_private(place.parent)
    with put_file(place, durable=False) as draft:
        draft.write_text(json.dumps({"seconds": round(seconds, 2)}))


def read_training(path: Path, params: Params) -> Table:
    """The training table of the pipeline, as `params.data` says to read it."""
    return read_training_columns(path, params)[0]


def read_training_columns(path: Path, params: Params) -> tuple[Table, Columns]:
    """The training table of the pipeline, and which columns it was made from."""
    data = params.data
    table, columns = read_table(path, label=data.label, inputs=data.inputs, image_size=data.image_size)
    refuse_constant(table.inputs, columns.found, str(path))
    return table, columns
