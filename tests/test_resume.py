"""A stage that is killed goes on to the same bytes; full disks and read-only folders end it with a message."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sanitize.data.parquet import image_table
from sanitize.errors import BadInput
from sanitize.params import load_params
from sanitize.resume import resumable
from sanitize.scratch import Remembered
from tests import small
from tests.closure import ROOT

OUTPUTS = ["partition.parquet", "votes.parquet", "components.parquet", "voters.safetensors"]
OUTPUTS += ["manifest.parquet", "clean.parquet", "rejected.parquet"]
NETWORKS = {
    "learner": {"net": "mlp", "batch": 16, "precision": "float32", "lr": 0.05, "threads": 1},
    "ispl": {"runs": 2, "components": 4, "first_epochs": 8, "epochs": 6, "extra_iterations": 2},
    "vote": {"epochs": 20},
    "selftrain": {"epochs": 24, "every": 6, "learners": 2},
}
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def folder_with(path, **changes):
    """What the stages read: 120 images and params.yaml."""
    (path / "data/poisoned").mkdir(parents=True)
    pictures = np.repeat(np.repeat(small.images(), 2, axis=1), 2, axis=2)
    pq.write_table(
        image_table(pictures[..., np.newaxis], small.labels(), small.NAMES), path / "data/poisoned/train.parquet"
    )
    small.quick_file(path / "params.yaml", **{**NETWORKS, "engine": "inline", **changes})
    return path


def stage(folder, name, *arguments, before=()):
    """One stage as DVC runs it."""
    return subprocess.Popen(
        [*before, sys.executable, "-m", f"stages.{name}", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_killed_at_random_points(tmp_path):
    """At least 24 times, over all three stages that fan out; whatever the moment, the outcome is the same."""
    folder_with(tmp_path / "start")
    ended = subprocess.run(
        [sys.executable, "-m", "tests.stages.killed", str(tmp_path), "24"],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert report["kills"] >= 24 and report["resumed"] >= 5
    assert report["differing"] == []
    assert report["files"] == sorted(f"data/{name}" for name in [*OUTPUTS, "poisoned/train.parquet"])


def pids_of(session):
    """Processes of a session, zombies aside."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def wait_until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_killed_with_worker_processes_and_by_component(tmp_path):
    """Two workers are at one run each when the stage is killed: their notes hold the components that they had."""
    long = {"ispl": {**NETWORKS["ispl"], "first_epochs": 30, "epochs": 20}, "workers": 2}
    folder = folder_with(tmp_path / "killed", engine="processes", **long)
    running = stage(folder, "partition")
    scratch = folder / "data/.scratch/partition"
    wait_until(lambda: len(list(scratch.glob("*.part"))) == 2)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    wait_until(lambda: not pids_of(running.pid))
    assert not (folder / "data/partition.parquet").exists()
    again = stage(folder, "partition")
    _, said = again.communicate()
    assert again.returncode == 0, said
    whole = folder_with(tmp_path / "whole", **long)
    undisturbed = stage(whole, "partition")
    undisturbed.communicate()
    assert (folder / "data/partition.parquet").read_bytes() == (whole / "data/partition.parquet").read_bytes()
    assert sorted(p.name for p in (folder / "data").iterdir()) == ["partition.parquet", "poisoned"]


def test_two_runs_do_not_mix(tmp_path):
    """An orphan that still works: the new run is told its number, and ends with exit code 3."""
    folder = folder_with(tmp_path / "orphan", ispl={**NETWORKS["ispl"], "first_epochs": 500})
    orphan = stage(folder, "partition")
    try:
        wait_until((folder / "data/.scratch/partition/token").exists)
        second = stage(folder, "partition")
        _, said = second.communicate()
        assert second.returncode == 3
        assert (
            f"partition: stage partition is being run by process {orphan.pid}; wait for it to end, or stop it" in said
        )
    finally:
        orphan.kill()
        orphan.communicate()


def test_another_output_in_the_same_folder_is_no_conflict_and_the_same_one_is(tmp_path):
    given = load_params(small.quick_file(tmp_path / "params.yaml", engine="inline"))
    with resumable("vote", given, tmp_path / "a", tmp_path / "b") as map:
        assert isinstance(map, Remembered) and map.folder == tmp_path / ".scratch/vote"
        with resumable("other", given, tmp_path / "c"):
            pass
        message = f"b is being written by process {os.getpid()}"
        with pytest.raises(BadInput, match=message), resumable("other", given, tmp_path / "b"):
            raise AssertionError("must not come here")
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_what_is_done_stays_after_a_failure_and_nothing_where_nothing_was(tmp_path):
    given = load_params(small.quick_file(tmp_path / "params.yaml", engine="inline"))
    for tasks, left in (([], []), ([1, 2], [".scratch"])):
        with pytest.raises(ZeroDivisionError), resumable("vote", given, tmp_path / "out") as map:
            assert list(map(doubled, None, tasks)) == [2 * task for task in tasks]
            raise ZeroDivisionError
        assert [path.name for path in tmp_path.iterdir() if path.name != "params.yaml"] == left


def doubled(shared, task):
    return 2 * task


def may_mount():
    """Whether this process may make a mount of its own."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    "options, message",
    [
        ("size=48k", "cannot be written (No space left on device); free space there or make the folder writable"),
        ("ro", "cannot be made (Read-only file system); make its folder writable, or name another place"),
    ],
)
def test_a_full_disk_and_a_read_only_folder(tmp_path, options, message):
    """The folder of the output is a file system of its own, with room for some of the work or for none."""
    if not may_mount():
        pytest.skip(
            "this user may not mount a file system of its own (unshare --user --mount), which stands for a disk"
        )
    folder = folder_with(tmp_path)
    (folder / "disk").mkdir()
    script = f'mount -t tmpfs -o {options} none disk; "$@"; code=$?; ls -A disk; exit $code'
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    many = {**small.QUICK, **NETWORKS, "engine": "inline", "ispl": {**NETWORKS["ispl"], "runs": 40}}
    many["ispl"] |= {"first_epochs": 1, "epochs": 1, "extra_iterations": 0}
    small.quick_file(folder / "params.yaml", **many)
    running = stage(folder, "partition", "--out", "disk/partition.parquet", before=inside)
    listed, said = running.communicate()
    assert running.returncode == 3, said
    assert said.startswith("partition: ") or "\npartition: " in said
    assert message in said and "Traceback" not in said
    assert listed.split() in ([], [".scratch"])


def test_results_too_large_for_the_disk_leave_no_output(tmp_path):
    """Where no mount is allowed: a limit on the size of files."""
    folder = folder_with(tmp_path)
    limited = ["sh", "-c", 'ulimit -f 2; exec "$@"', "sh"]
    running = stage(folder, "partition", before=limited)
    _, said = running.communicate()
    assert running.returncode == 3, said
    assert "cannot be written (File too large); free space there or make the folder writable, then run again" in said
    assert "Traceback" not in said and not (folder / "data/partition.parquet").exists()
