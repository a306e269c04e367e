"""What every stage does around its work: clock, lock, and errors as messages with exit codes."""

import errno
import json
import os
import time
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError

from sanitize.data.parquet import vector_table, write_arrow
from sanitize.errors import BadInput, BadParams
from sanitize.io.locks import locked
from sanitize.params import resolve
from stages.common import read_training, stage_app


class Kind(StrEnum):
    """As stages/train.py has it."""

    oracle = "oracle"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def app_of(function, name="sleep"):
    app = stage_app(name)
    app.command()(function)
    return app


def left_with(app, *arguments):
    with pytest.raises(SystemExit) as caught:
        app(list(arguments))
    return caught.value.code


def seconds(folder, name):
    return json.loads((folder / f".scratch/seconds/{name}.json").read_text())["seconds"]


def test_seconds_of_a_run_that_ended_well(folder):
    def main(params: Path = Path("params.yaml")) -> None:
        time.sleep(0.2)

    assert left_with(app_of(main)) == 0
    assert 0.2 <= seconds(folder, "sleep") < 5


def test_a_stage_of_several_models_is_called_as_dvc_calls_it(folder):
    def main(model: Kind) -> None:
        pass

    assert left_with(app_of(main, "train"), "oracle") == 0
    assert [file.name for file in (folder / ".scratch/seconds").iterdir()] == ["train@oracle.json"]


@pytest.mark.parametrize(("error", "code"), [(BadParams, 2), (BadInput, 3)])
def test_what_a_user_can_mend_is_a_message_and_an_exit_code(folder, capsys, error, code):
    def main() -> None:
        raise error("seed is -1; must be at least 0")

    assert left_with(app_of(main)) == code
    written = capsys.readouterr()
    assert written.err == "sleep: seed is -1; must be at least 0\n" and written.out == ""
    assert not (folder / ".scratch/seconds").exists()


def test_our_own_bugs_are_not_dressed_up():
    def main() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        app_of(main)([])


def test_unknown_options_are_usage_errors():
    def main(params: Path = Path("params.yaml")) -> None:
        raise AssertionError("must not run")

    assert left_with(app_of(main), "--parms", "x") == 2


def test_two_runs_of_a_stage_do_not_mix(folder, capsys):
    def main() -> None:
        raise AssertionError("must not run")

    with locked(Path(".scratch/sleep.lock"), "stage sleep is being run"):
        assert left_with(app_of(main)) == 3
    assert capsys.readouterr().err == (
        f"sleep: stage sleep is being run by process {os.getpid()}; wait for it to end, or stop it (kill "
        f"{os.getpid()}), then run again; the lock is .scratch/sleep.lock\n"
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "out"), "[Errno 28] No space left on device: 'out'"),
        (SafetensorError("I/O error: No space left on device"), "I/O error: No space left on device"),
    ],
)
def test_what_the_system_refuses_is_a_message_and_exit_code_3(folder, capsys, error, message):
    def main() -> None:
        raise error

    assert left_with(app_of(main)) == 3
    assert capsys.readouterr().err == (
        f"sleep: {message}; no output is half-written; free space or make the folder writable, then run again\n"
    )


def test_the_lock_is_given_back_after_an_error():
    calls = []

    def main() -> None:
        calls.append(1)
        raise BadInput("bad")

    app = app_of(main)
    assert [left_with(app), left_with(app)] == [3, 3] and len(calls) == 2


def test_the_function_itself_stays_callable():
    def main(params: Path = Path("params.yaml")) -> None:
        calls.append(params)

    calls = []
    same = stage_app("plain").command()(main)
    same(Path("other.yaml"))
    assert same is main and calls == [Path("other.yaml")]


def test_training_rows_are_read_as_params_say(folder):
    arrow = vector_table(np.arange(6, dtype=np.float32).reshape(3, 2), np.array([0, 1, 0]), ("a", "b"))
    write_arrow(arrow.rename_columns(["weights", "kind"]), folder / "train.parquet")
    params = resolve({"data": {"label": "kind", "inputs": ["weights"]}})
    table = read_training(folder / "train.parquet", params)
    assert table.inputs.tolist() == [[0, 1], [2, 3], [4, 5]] and table.labels.tolist() == [0, 1, 0]
    with pytest.raises(BadInput, match="kin"):
        read_training(folder / "train.parquet", resolve({"data": {"label": "kin"}}))
