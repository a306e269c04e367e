"""A run that can be killed: Params, output paths -> the map to compute with. Locks the outputs, remembers results."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sanitize.execution import LocalProcesses, OrderedMap, make_map
from sanitize.io.digests import code_of
from sanitize.io.locks import FOLDER, writing
from sanitize.params import Params
from sanitize.scratch import Remembered


def map_of(params: Params, *, soon: bool = False, learners: bool = True) -> OrderedMap:
    """How `params` say that independent tasks are executed.

    soon      they will be: local processes get ready meanwhile
    learners  whether the tasks are learners, which may compute on a GPU
    Raises    BadParams: see `execution.make_map`
    """
    learner = params.learner
    device = learner.device if learners and learner.name != "sklearn" else "cpu"
    run = make_map(params.engine, params.workers, address=params.address, device=device, threads=learner.threads)
    if soon and isinstance(run, LocalProcesses):
        run.get_ready()
    return run


@contextmanager
def resumable(name: str, params: Params, *outputs: Path, soon: bool = False) -> Iterator[OrderedMap]:
    """The map that `params` ask for, its results remembered beside the outputs until the block ends well.

    name     of the work; the results lie in .scratch/NAME beside the first of its outputs
    outputs  all files that the block writes; other processes are kept from writing them meanwhile
    soon     as `map_of` has it
    Raises   BadInput: another process writes one of them, or their folder cannot be written; BadParams: see `map_of`
    A run that was killed, at whatever moment, goes on from there when it is started again, to the same bytes.
    """
    run = map_of(params, soon=soon)
    with writing(*outputs):
        remembered = Remembered(run, outputs[0].parent / FOLDER / name, code=code_of(params.learner.model))
        try:
            yield remembered
        except BaseException:
            remembered.tidy()
            raise
        shutil.rmtree(remembered.folder)
