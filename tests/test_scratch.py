"""Results that are remembered: computed once, found again, never mistaken, whole or said to be damaged."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from sanitize.boosting import Ballot
from sanitize.data.seeds import stream
from sanitize.errors import BadInput
from sanitize.execution import LocalProcesses, inline
from sanitize.io.origin import SIGNS
from sanitize.scratch import TOKEN, Notes, Remembered, notes

SHARED = {"log": "", "offset": 10}


def noted(shared, task):
    """The sum, as an array; writes down that it was asked."""
    with open(shared["log"], "a") as log:
        log.write(f"{task} ")
    return np.full(50, shared["offset"] + task)


def other(shared, task):
    return noted(shared, task)


def stops_at_two(shared, task):
    if task == 2:
        raise BadInput("stop")
    return noted(shared, task)


def step_by_step(shared, task):
    """Counts to `task` in steps, with notes; fails on the way as often as `shared` says."""
    done = notes().read() or 0
    for number in range(done, task):
        with open(shared["log"], "a") as log:
            log.write(f"{number} ")
        notes().write(number + 1)
        if number == shared["until"]:
            raise BadInput("stop")
    return task


@pytest.fixture
def shared(tmp_path):
    return {"log": str(tmp_path / "log"), "offset": 10}


def asked(shared):
    path = Path(shared["log"])
    found = sorted(map(int, path.read_text().split())) if path.exists() else []
    path.unlink(missing_ok=True)
    return found


def values(results):
    return [int(array[0]) for array in results]


@pytest.mark.parametrize("run", [inline, LocalProcesses(2)], ids=["inline", "processes"])
def test_what_is_done_is_not_done_again(tmp_path, shared, run, capsys):
    folder = tmp_path / "scratch"
    with pytest.raises(BadInput, match=r"^stop$"):
        list(Remembered(run, folder)(stops_at_two, shared, [0, 1, 2, 3]))
    before = asked(shared)
    assert {0, 1} <= set(before)
    assert capsys.readouterr().err == ""
    results = list(Remembered(run, folder)(noted, shared, [0, 1, 2]))  # another function: its own results
    assert values(results) == [10, 11, 12] and asked(shared) == [0, 1, 2]
    again = list(Remembered(run, folder)(noted, shared, [1, 3, 0, 4]))
    assert values(again) == [11, 13, 10, 14] and asked(shared) == [3, 4]
    assert capsys.readouterr().err == f"going on: 2 of 4 results are in {folder}\n"
    assert all(array.flags.writeable for array in again)
    told = []
    assert values(Remembered(run, folder, told.append)(noted, shared, [0, 1, 2, 3, 4])) == [10, 11, 12, 13, 14]
    assert asked(shared) == [] and told == [f"going on: 5 of 5 results are in {folder}"]
    assert capsys.readouterr().err == ""


def test_all_that_decides_on_a_result_is_in_its_name(tmp_path, shared, monkeypatch):
    remembered = Remembered(inline, tmp_path / "scratch")
    assert values(remembered(noted, shared, [0])) == [10] and asked(shared) == [0]
    assert values(remembered(noted, {**shared, "offset": 20}, [0])) == [20] and asked(shared) == [0]
    assert values(remembered(other, shared, [0])) == [10] and asked(shared) == [0]
    assert values(remembered(noted, shared, [1])) == [11] and asked(shared) == [1]
    monkeypatch.setattr("sanitize.scratch.code_version", lambda: "newer")
    assert values(remembered(noted, shared, [0])) == [10] and asked(shared) == [0]


def test_none_is_a_result(tmp_path):
    remembered = Remembered(inline, tmp_path)
    calls = []
    assert list(remembered(returns_none, None, [1])) == list(remembered(returns_none, None, [1])) == [None]
    assert not calls


def returns_none(shared, task):
    return None


def test_damaged_files_are_said_and_computed_again(tmp_path, shared, capsys):
    """A byte changed or a tail cut off, wherever: never a wrong result."""
    folder = tmp_path / "scratch"
    assert values(Remembered(inline, folder)(noted, shared, [0])) == [10] and asked(shared) == [0]
    (kept,) = (path for path in folder.iterdir() if path.name not in (TOKEN, *SIGNS))
    whole = kept.read_bytes()
    draws = stream(0, "damage")
    for number in range(60):
        place = int(draws.integers(len(whole)))
        changed = whole[:place] + bytes([whole[place] ^ (1 << number % 8)]) + whole[place + 1 :]
        kept.write_bytes(changed if number % 3 else whole[:place])
        results = list(Remembered(inline, folder)(noted, shared, [0]))
        assert np.array_equal(results[0], np.full(50, 10)) and results[0].dtype == np.int64
        said = capsys.readouterr().err
        if asked(shared) == [0]:
            assert said.startswith(f"{kept}: is damaged (") and said.endswith("computing it again\n")
        else:  # a byte of padding
            assert said == f"going on: 1 of 1 results are in {folder}\n"
        assert kept.read_bytes() == whole or said.startswith("going on")


def test_notes_are_found_by_the_next_try_and_gone_when_it_is_done(tmp_path, shared):
    folder = tmp_path / "scratch"
    first = {**shared, "until": 3}
    for expected in ([0, 1, 2, 3], [4, 5, 6]):
        run = Remembered(inline, folder)(step_by_step, first, [7])
        if expected[0] == 0:
            with pytest.raises(BadInput):
                list(run)
            assert len([path for path in folder.iterdir() if path.name.endswith(".part")]) == 1
        else:
            assert list(run) == [7]
        assert asked(shared) == expected
    assert not [path for path in folder.iterdir() if path.name.endswith(".part")]


def test_without_a_scratch_folder_notes_are_empty():
    notes().write([1, 2])
    assert notes().read() is None
    notes().clear()


def test_notes_hold_what_was_written_last(tmp_path):
    own = Notes(tmp_path / "part")
    for number in range(3):
        own.write((number, np.arange(number)))
    found = own.read()
    assert found[0] == 2 and found[1].tolist() == [0, 1]
    found[1][0] = 9
    own.clear()
    assert own.read() is None


class Elsewhere:
    """A map whose workers do not see the folder, as on other machines: they are given another token."""

    def __call__(self, function, shared, tasks):
        return inline(function, shared._replace(token="of another folder"), tasks)


def test_results_from_other_machines_are_kept_when_they_arrive(tmp_path, shared):
    folder = tmp_path / "scratch"
    results = Remembered(Elsewhere(), folder)(noted, shared, [0, 1, 2])
    assert values([next(results), next(results)]) == [10, 11]
    results.close()
    assert set(asked(shared)) >= {0, 1}
    assert values(Remembered(inline, folder)(noted, shared, [0, 1])) == [10, 11] and asked(shared) == []


def test_files_are_safetensors_with_a_digest(tmp_path):
    from safetensors.numpy import load_file

    ballot = Ballot(np.arange(3), np.ones(3, np.float32), {"weight": np.eye(2)})
    Notes(tmp_path / "kept").write(ballot)
    arrays = load_file(tmp_path / "kept")
    about = json.loads(arrays.pop("about").tobytes())
    assert about["structure"]["of"] == "sanitize.boosting:Ballot" and len(about["sha256"]) == 64
    assert {name: array.shape for name, array in arrays.items()} == {"0": (3,), "1": (3,), "2": (2, 2)}


def test_no_draft_is_left_when_the_disk_refuses(tmp_path):
    """A limit on the size of files stands for a full disk."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    own = Notes(tmp_path / "part")
    own.write("small")
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(BadInput, match=r"part: cannot be written \(File too large\); free space there or make"):
            own.write(np.zeros(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == ["part"] and own.read() == "small"


class Task(NamedTuple):
    """A class of no package: nothing that can be kept."""

    number: int


def test_a_result_that_cannot_be_kept_is_a_fault_of_ours(tmp_path):
    with pytest.raises((AssertionError, RuntimeError), match="can be neither stored nor digested"):
        list(Remembered(inline, tmp_path)(plus_one, None, [1]))


def plus_one(shared, task):
    return Task(task + 1)


def test_an_unused_folder_goes(tmp_path):
    remembered = Remembered(inline, tmp_path / "scratch")
    remembered.tidy()
    assert not (tmp_path / "scratch").exists()
