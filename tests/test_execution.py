"""The ordered map: same results in this process and in others, in order; failures name their task."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sanitize.artifacts import write_components, write_partition, write_votes
from sanitize.boosting import collect_votes
from sanitize.data.table import Table
from sanitize.errors import BadInput, BadParams
from sanitize.execution import LocalProcesses, granted_threads, inline, make_map, usable_cores
from sanitize.ispl import partition
from sanitize.params import resolve
from sanitize.weights import write_weights
from tests.test_execution_threads import CpuThreads

MAPS = {
    "inline": inline,
    "one worker": LocalProcesses(1),
    "two workers": LocalProcesses(2),
    "four threads": CpuThreads(4, 1),
}
arrived = {"times": 0}  # per process


class Weighty:
    """Counts how often it was unpickled in this process."""

    def __getstate__(self):
        return "something to carry"

    def __setstate__(self, state):
        arrived["times"] += 1


def plus(shared, task):
    return shared + task


def slow_at_first(shared, task):
    time.sleep(0.3 if task == 0 else 0)
    return task, time.monotonic()


def arrivals(shared, task):
    time.sleep(0.05)
    return os.getpid(), arrived["times"]


def fails_at_two(shared, task):
    if task == 2:
        raise ValueError("no such luck")
    return task


def refuses(shared, task):
    raise BadInput(f"row {task} is bad")


def dies_at_one(shared, task):
    if task == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    return task


@pytest.mark.parametrize("name", MAPS)
def test_results_come_in_the_order_of_the_tasks(name):
    assert list(MAPS[name](plus, 10, [3, 1, 2, 5])) == [13, 11, 12, 15]
    assert list(MAPS[name](plus, 10, [])) == []


def granted(shared, task):
    return granted_threads()


@pytest.mark.parametrize(
    ("workers", "tasks", "threads"),
    [(2, 1, [2]), (2, 2, [1, 1]), (2, 3, [1, 1, 2]), (3, 2, [1, 1]), (4, 2, [2, 2]), (1, 3, [1, 1, 1])],
)
def test_tasks_that_leave_cores_idle_are_granted_them(workers, tasks, threads):
    pool = LocalProcesses(workers)
    assert list(pool(granted, None, range(tasks))) == threads
    pool.close()
    assert granted_threads() == 1


def ready_in(code):
    """Process that workers are forked from after this code, in a process of its own; None = there is none."""
    asked = f"from sanitize.execution import LocalProcesses\n{code}\nfrom sanitize.runtime import workers\n"
    command = [sys.executable, "-c", asked + "print(*[forks._process.pid for forks in workers._forks.values()])"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return int(said) if said else None


def test_workers_get_ready_when_asked_to_and_not_before():
    assert ready_in("LocalProcesses(2)") is None
    assert ready_in("LocalProcesses(1).get_ready()") is None
    server = ready_in("LocalProcesses(2).get_ready()")
    assert server is not None
    deadline = time.monotonic() + 20
    while Path(f"/proc/{server}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{server}").exists()  # it goes with the process that has asked for it


def test_order_is_kept_although_later_tasks_end_first():
    results = list(LocalProcesses(2)(slow_at_first, None, range(4)))
    assert [task for task, _ in results] == [0, 1, 2, 3]
    assert results[0][1] > results[1][1]


def test_what_is_shared_travels_once_per_worker():
    seen = list(LocalProcesses(2)(arrivals, Weighty(), range(6)))
    assert {times for _, times in seen} == {1}
    assert os.getpid() not in {process for process, _ in seen}


@pytest.mark.parametrize("name", MAPS)
def test_a_failing_task_stops_the_map_with_its_number_and_cause(name):
    results = MAPS[name](fails_at_two, None, range(5))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(RuntimeError, match=r"task 2 of 5 failed: ValueError\('no such luck'\)") as caught:
        next(results)
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("name", MAPS)
def test_what_a_user_can_mend_passes_unchanged(name):
    with pytest.raises(BadInput, match=r"^row 7 is bad$"):
        list(MAPS[name](refuses, None, [7, 8]))


def test_a_killed_worker_is_told_with_its_remedy():
    with pytest.raises(
        BadInput,
        match=r"a worker process was killed \(SIGKILL\) at or after task [01] of 4.*workers: 1 in params\.yaml",
    ):
        list(LocalProcesses(2)(dies_at_one, None, range(4)))


def whose(shared, task):
    """The worker, what is shared, and an array of it after the worker has added to it."""
    time.sleep(0.05)
    shared["array"] += 1
    return os.getpid(), shared["name"], float(shared["array"].sum())


def test_a_pool_serves_several_calls():
    """The processes stay, `shared` is every call's own, and what one worker writes into it no other one sees."""
    pool = LocalProcesses(2)
    workers = set()
    for name in ("first", "second"):
        array = np.zeros(10_000, np.float32)
        results = list(pool(whose, {"name": name, "array": array}, range(6)))
        workers |= {process for process, _, _ in results}
        assert {seen for _, seen, _ in results} == {name}
        assert not array.any()
        for worker in {process for process, _, _ in results}:
            sums = [total for process, _, total in results if process == worker]
            assert sums == [10_000.0 * (number + 1) for number in range(len(sums))]
    assert len(workers) == 2
    pool.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert list(pool(plus, 10, [1, 2])) == [11, 12]


def test_calls_of_one_pool_may_overlap():
    pool = LocalProcesses(2)
    pairs = list(zip(pool(plus, 10, range(4)), pool(plus, 20, range(4)), strict=True))
    assert pairs == [(10, 20), (11, 21), (12, 22), (13, 23)]


@pytest.mark.parametrize("end", ["failed", "not read to its end", "died"])
def test_a_call_that_ends_early_leaves_no_process_and_the_next_one_works(end):
    pool = LocalProcesses(2)
    workers = {process for process, _ in pool(arrivals, None, range(6))}
    assert workers
    if end == "not read to its end":
        results = pool(plus, 10, range(100))
        assert next(results) == 10
        results.close()
    else:
        with pytest.raises(RuntimeError if end == "failed" else BadInput):
            list(pool(fails_at_two if end == "failed" else dies_at_one, None, range(5)))
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert list(pool(plus, 10, [1, 2])) == [11, 12]


def test_processes_end_with_the_pool():
    pool = LocalProcesses(2)
    workers = {process for process, _ in pool(arrivals, None, range(6))}
    del pool
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_an_idle_pool_leaves_with_its_process_and_says_nothing(tmp_path):
    """Held by a module, so that it goes only when the interpreter takes everything down."""
    code = (
        "from sanitize.execution import LocalProcesses; from tests.test_execution import arrivals; "
        "pool = LocalProcesses(2, preload=[]); print(*{process for process, _ in pool(arrivals, None, range(6))})"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert not any(Path(f"/proc/{pid}").exists() for pid in ended.stdout.split())


def test_engines_and_workers():
    assert make_map("inline") is inline
    chosen = make_map("processes", 3)
    assert isinstance(chosen, LocalProcesses) and chosen.workers == 3
    everything = make_map("processes")
    assert isinstance(everything, LocalProcesses) and everything.workers == usable_cores() >= 1
    with pytest.raises(BadParams, match="workers is 0; must be at least 1"):
        make_map("processes", 0)
    with pytest.raises(BadParams, match="engine is 'threads'; must be 'inline', 'processes' or 'ray'"):
        make_map("threads")
    with pytest.raises(BadParams, match="address is 'a:1', but engine is 'processes'; only engine 'ray' has one"):
        make_map("processes", address="a:1")


def test_without_ray_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "sanitize.execution_ray", raising=False)
    with pytest.raises(BadParams, match=r"engine is 'ray', but Ray is not installed; pip install 'sanitize\[ray\]'"):
        make_map("ray")


def artifacts(folder, map):
    """ISPL and the vote on 100 digits of two classes, with a network, as bytes."""
    from sklearn.datasets import load_digits  # heavy, and every worker imports this module to find its function

    digits = load_digits()
    rows = np.flatnonzero(digits.target < 2)[:100]
    images = (digits.images[rows] * 15).astype(np.uint8)[..., None]
    table = Table(np.arange(100), images, digits.target[rows].astype(np.int64), ("0", "1"), "image")
    params = resolve(
        {
            "learner": {"batch": 16, "crop": 1, "flip": True},
            "ispl": {"runs": 2, "components": 3, "first_epochs": 1, "epochs": 1},
            "vote": {"epochs": 2},
        }
    )
    found = partition(table, params.learner, params.ispl, 0, map=map)
    votes, verdicts, ballots = collect_votes(table, found, params.learner, params.vote, 0, map=map)
    write_partition(folder / "partition", table.ids, found)
    write_votes(folder / "votes", table.ids, votes)
    write_components(folder / "components", votes.voters, verdicts)
    states = {f"{run}_{component}": b.state for (run, component), b in zip(votes.voters, ballots, strict=True)}
    write_weights(folder / "voters", states, params.learner)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_artifacts_do_not_depend_on_the_map(tmp_path):
    written = [artifacts(tmp_path / name, map) for name, map in MAPS.items()]
    assert set(written[0]) == {"partition", "votes", "components", "voters"}
    assert all(files == written[0] for files in written[1:])


def notes_its_pid(folder, task):
    (folder / str(os.getpid())).touch()
    time.sleep(60)


def test_workers_leave_when_their_parent_is_killed(tmp_path):
    code = (
        "from pathlib import Path; from sanitize.execution import LocalProcesses; "
        "from tests.test_execution import notes_its_pid; "
        f"list(LocalProcesses(2, preload=[])(notes_its_pid, Path({str(tmp_path)!r}), range(2)))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent.parent)
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    parent.kill()
    parent.wait()
    workers = [int(file.name) for file in tmp_path.iterdir()]
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def wait_until(holds, seconds=30):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)


def test_where_no_process_starts_the_work_is_done_in_this_one(monkeypatch, capsys):
    def refuse(*args, **options):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    pool = LocalProcesses(2, preload=["json"])
    pool.get_ready()
    assert list(pool(plus, 10, [3, 1])) == list(pool(plus, 11, [2, 0])) == [13, 11]
    assert capsys.readouterr().err == (
        "worker processes cannot be started (Resource temporarily unavailable); going on in one process\n"
    )


def test_what_workers_cannot_import_is_told_in_a_line(capfd):
    assert list(LocalProcesses(2, preload=["sanitize.nothing"])(plus, 10, [3, 1])) == [13, 11]
    told = capfd.readouterr().err.splitlines()
    assert told == [
        'worker processes cannot be started (they cannot import what they need: ModuleNotFoundError("No module named '
        "'sanitize.nothing'\")); going on in one process"
    ]


def test_a_script_that_asks_is_not_run_again(tmp_path):
    """Without `if __name__ == "__main__":`, and with a long TMPDIR below which no socket could be made."""
    script = tmp_path / "script.py"
    script.write_text(
        "print('run'); from sanitize.execution import LocalProcesses; from operator import mul\n"
        "print(list(LocalProcesses(2, preload=[])(mul, 10, [1, 2])))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "TMPDIR": str(tmp_path / ("long" * 30))}
    os.mkdir(env["TMPDIR"])
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=env, check=True)
    assert (done.stdout, done.stderr) == ("run\n[10, 20]\n", "")
