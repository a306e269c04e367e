"""Ray behind the ordered map: the same bytes, in order, errors as they were raised; nodes may die; nothing listens.

One private cluster of one machine for most tests; one of two nodes, both on loopback, of which one is killed.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray", reason="Ray is not installed; pip install 'sanitize[ray]'")

import ray
from ray.cluster_utils import Cluster

from sanitize.errors import BadInput, BadParams
from sanitize.execution import inline, make_map
from sanitize.execution_ray import ONLY_LOOPBACK, RayTasks
from sanitize.scratch import Remembered
from tests.closure import ROOT
from tests.test_execution import artifacts, fails_at_two, plus, refuses


@pytest.fixture(scope="module")
def private():
    """A private cluster of two workers."""
    map = make_map("ray", 2)
    yield map
    map.close()


@pytest.fixture(scope="module", autouse=True)
def left_behind(tmp_path_factory):
    """Processes of a private cluster whose own was killed; they take a minute to notice, the last test looks."""
    folder = tmp_path_factory.mktemp("left_behind")
    parent = subprocess.Popen([sys.executable, "-c", RUN_AND_WAIT, str(folder)], cwd=ROOT)
    wait_until(lambda: list(folder.iterdir()))
    (worker,) = (int(file.name) for file in folder.iterdir())
    cluster = descendants(parent.pid)
    assert worker in cluster
    parent.kill()
    parent.wait()
    return cluster


@pytest.fixture(scope="module")
def on_this_machine(tmp_path_factory):
    """ISPL and the vote in this process: what all others must give."""
    return artifacts(tmp_path_factory.mktemp("inline"), inline)


def writes_to_what_is_shared(shared, task):
    shared[0] = 1


def where(shared, task):
    """The worker, and the memory that it sees of what is shared: its address in the node's object store."""
    time.sleep(0.2)
    return os.getpid(), bool(shared.flags.writeable), float(shared.sum())


def dies_once(folder, task):
    """Task 1 kills its worker, the first time."""
    if task == 1 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def always_dies(shared, task):
    os.kill(os.getpid(), signal.SIGKILL)


def test_results_come_in_the_order_of_the_tasks(private):
    assert list(private(plus, 10, [3, 1, 2, 5])) == [13, 11, 12, 15]
    assert list(private(plus, 10, [])) == []
    assert list(private(plus, 10, range(20))) == list(range(10, 30))


def test_the_same_bytes_as_in_this_process(private, on_this_machine, tmp_path):
    assert artifacts(tmp_path, private) == on_this_machine


def test_what_is_shared_lies_in_the_object_store_once_and_cannot_be_written(private):
    seen = list(private(where, np.ones(10**6, np.float32), range(6)))
    assert {(writeable, total) for _, writeable, total in seen} == {(False, 10.0**6)}
    assert os.getpid() not in {worker for worker, _, _ in seen}
    with pytest.raises(RuntimeError, match="read-only"):
        list(private(writes_to_what_is_shared, np.ones(10**6, np.float32), [0]))


def test_errors_come_back_as_they_were_raised(private):
    with pytest.raises(BadInput, match=r"^row 7 is bad$"):
        list(private(refuses, None, [7, 8]))
    results = private(fails_at_two, None, range(5))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(RuntimeError, match=r"task 2 of 5 failed: ValueError\('no such luck'\)") as caught:
        next(results)
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_killed_task_runs_again(private, tmp_path):
    assert list(private(dies_once, tmp_path, range(4))) == [0, 1, 2, 3]
    assert (tmp_path / "died").exists()


def test_a_task_that_always_dies_is_given_up(private):
    with pytest.raises(BadInput, match=r"task 0 of 1 was lost 4 times with its worker or node .*run fewer at once"):
        list(private(always_dies, None, [0]))


def test_results_outlive_the_cluster_and_are_ones_own(tmp_path):
    map = RayTasks(1)
    (result,) = map(large, None, [3])
    map.close()
    result += 1
    assert result.sum() == 4 * 10**6


def large(shared, task):
    return np.full(10**6, task)


def test_results_are_remembered(private, tmp_path, capsys):
    assert list(Remembered(private, tmp_path / "scratch")(plus, 10, [1, 2])) == [11, 12]
    assert list(Remembered(private, tmp_path / "scratch")(plus, 10, [1, 2, 3])) == [11, 12, 13]
    assert "going on: 2 of 3 results" in capsys.readouterr().err


def listening(pids):
    """Addresses on which the processes listen for connections, as the system has them in hexadecimal."""
    inodes = {}
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                inodes[fields[9]] = fields[1].rpartition(":")[0]
    found = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(link) if link.is_symlink() else ""
            if target.startswith("socket:["):
                found |= {inodes[inode] for inode in [target[8:-1]] if inode in inodes}
    return found


def descendants(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children] + [below for child in children for below in descendants(int(child))]


def test_a_private_cluster_listens_on_loopback_only(private):
    assert list(private(plus, 1, [1])) == [2]
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    found = listening([os.getpid(), *descendants(os.getpid())])
    assert found and found <= loopback
    commands = [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in descendants(os.getpid())]
    assert any("raylet" in command for command in commands)
    assert not any("--include-dashboard=True" in command or "reporter" in command for command in commands)


RUN_AND_WAIT = """
import sys, time
from pathlib import Path
from sanitize.execution import make_map
from tests.test_execution_ray import notes_its_pid
list(make_map("ray", 1)(notes_its_pid, Path(sys.argv[1]), [0]))
"""


def notes_its_pid(folder, task):
    (folder / str(os.getpid())).touch()
    time.sleep(120)


def wait_until(holds, seconds=120):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


IN_TWO_NODES = """
import json, sys
from pathlib import Path
from sanitize.execution import make_map
from tests.test_execution_ray import artifacts_while
print(json.dumps(artifacts_while(make_map("ray", address=sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))))
"""


def marked(shared, task):
    """A task of another function, which leaves its node's name and waits until somebody says go on."""
    function, inner, folder = shared
    node = ray.get_runtime_context().get_node_id()
    (folder / f"{node}.{os.getpid()}").touch()
    wait_until((folder / "go on").exists)
    return function(inner, task)


def artifacts_while(map, folder, marks):
    """`artifacts` on a cluster whose tasks are held up until a node of it was killed; their digests."""
    import hashlib

    def held_up(function, shared, tasks):
        return map(marked, (function, shared, marks), tasks)

    return {name: hashlib.sha256(content).hexdigest() for name, content in artifacts(folder, held_up).items()}


def test_a_node_is_killed_in_the_middle(on_this_machine, tmp_path, monkeypatch):
    """Two nodes with one CPU each: the one that does not hold the cluster's books dies with a task on it."""
    import hashlib

    noticed_soon = {"RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "2"}
    for name, value in (ONLY_LOOPBACK | noticed_soon).items():
        monkeypatch.setenv(name, value)
    own = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "include_dashboard": False, "object_store_memory": 2**27}
    cluster = Cluster(initialize_head=True, head_node_args=own)
    try:
        second = cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1", object_store_memory=2**27)
        marks, folder = tmp_path / "marks", tmp_path / "artifacts"
        marks.mkdir()
        folder.mkdir()
        driver = subprocess.Popen(
            [sys.executable, "-c", IN_TWO_NODES, cluster.address, str(folder), str(marks)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: len({mark.name.split(".")[0] for mark in marks.iterdir()}) == 2 or driver.poll() is not None)
        cluster.remove_node(second, allow_graceful=False)
        (marks / "go on").touch()
        printed, _ = driver.communicate()
        assert driver.returncode == 0
        nodes = [mark.name.split(".")[0] for mark in marks.iterdir() if mark.name != "go on"]
        assert len(set(nodes)) == 2
        found = [
            line for line in printed.splitlines() if line.startswith("{")
        ]  # Ray prints the death of its workers, too
        assert json.loads(found[-1]) == {
            name: hashlib.sha256(content).hexdigest() for name, content in on_this_machine.items()
        }
    finally:
        cluster.shutdown()


def test_addresses(monkeypatch):
    with pytest.raises(BadParams, match=r"address is 'ray://a:1'; must be HOST:PORT of a Ray cluster, or 'auto'"):
        make_map("ray", address="ray://a:1")
    monkeypatch.setattr("sanitize.execution_ray.ray.is_initialized", lambda: False)
    monkeypatch.setattr("sanitize.execution_ray._open", {})
    for address, message in {
        "head": "address is 'head'; must be HOST:PORT of a Ray cluster, or 'auto'",
        "127.0.0.1:9": r"address is '127.0.0.1:9'; no Ray cluster answers there \(.*\); start it with `ray start",
    }.items():
        with pytest.raises(BadParams, match=message):
            list(make_map("ray", address=address)(plus, 1, [1]))


def test_a_private_cluster_goes_when_its_process_is_killed(left_behind):
    wait_until(lambda: not any(alive(pid) for pid in left_behind))
