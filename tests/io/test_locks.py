"""One writer per output: a second one is refused and told who writes; a killed one's lock and drafts are gone."""

import os
import re
import signal
import subprocess
import sys

import pytest

from sanitize.errors import BadInput
from sanitize.io.locks import locked, writing
from tests.closure import ROOT

HOLD = """
import sys, time
from pathlib import Path
from sanitize.io.locks import writing
with writing(*map(Path, sys.argv[1:])):
    print("holding", flush=True)
    time.sleep(60)
"""


def holder(*outputs):
    """A process that has the outputs' locks."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, *map(str, outputs)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"holding\n"
    return process


def ended(process):
    process.kill()
    process.communicate()


def refused(place, message):
    with pytest.raises(BadInput, match=message), locked(place, "it is done"):
        raise AssertionError("must not come here")


def test_a_second_writer_is_told_who_writes(tmp_path):
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    process = holder(first, second)
    try:
        lock = re.escape(str(tmp_path / ".scratch/b.parquet.lock"))
        message = (
            rf"^{re.escape(str(second))} is being written by process {process.pid}; wait for it to end, or stop it "
            rf"\(kill {process.pid}\), then run again; the lock is {lock}$"
        )
        with pytest.raises(BadInput, match=message), writing(second, tmp_path / "c.parquet"):
            raise AssertionError("must not come here")
        assert sorted(p.name for p in (tmp_path / ".scratch").iterdir()) == ["a.parquet.lock", "b.parquet.lock"]
        with writing(tmp_path / "c.parquet"):
            pass
    finally:
        ended(process)


def test_a_killed_writer_leaves_no_lock(tmp_path):
    output = tmp_path / "a.parquet"
    process = holder(output)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (tmp_path / ".scratch/a.parquet.lock").exists()
    with writing(output):
        pass
    assert not (tmp_path / ".scratch").exists()


@pytest.mark.parametrize("kind", ["link", "dangling", "hard link", "pipe", "folder"])
def test_a_lock_is_never_another_file(tmp_path, kind):
    """What stands under its name is neither opened for writing nor cut to nothing."""
    place, victim = tmp_path / ".scratch" / "lock", tmp_path / "victim"
    place.parent.mkdir(mode=0o700)
    victim.write_text("precious")
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    elif kind == "hard link":
        place.hardlink_to(victim)
    else:
        place.symlink_to(victim if kind == "link" else tmp_path / "new")
    refused(place, r"lock: (is no lock file of this user's|cannot be made)")
    assert victim.read_text() == "precious" and not (tmp_path / "new").exists()


@pytest.mark.parametrize("kind", ["link", "file", "writable", "group"])
def test_the_folder_of_locks_is_this_users_alone(tmp_path, kind):
    folder = tmp_path / ".scratch"
    if kind == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    elif kind == "file":
        folder.write_text("")
    else:
        folder.mkdir()
        folder.chmod(0o777 if kind == "writable" else 0o775)
    refused(folder / "lock", r"\.scratch: (is a .*no folder that this user alone can write to; remove it)")


def test_nothing_is_left(tmp_path):
    place = tmp_path / "new" / "folder" / "lock"
    with locked(place, "it is done"):
        assert str(os.getpid()) in place.read_text()
    assert not (tmp_path / "new" / "folder").exists()
    with locked(place, "it is done"):
        refused(place, rf"^it is done by process {os.getpid()};")


def test_a_holder_of_another_machine_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("sanitize.io.locks.socket.gethostname", lambda: "north")
    with locked(tmp_path / "lock", "stage vote is being run"):
        monkeypatch.setattr("sanitize.io.locks.socket.gethostname", lambda: "south")
        refused(tmp_path / "lock", r"by process \d+ of north; wait for it to end, or stop it there \(kill \d+\), then")


def test_a_lock_that_its_holder_just_removed_is_not_taken_for_one(tmp_path, monkeypatch):
    """Between opening and locking, the holder ends and removes the file; a lock on a removed file keeps nobody out."""
    place = tmp_path / "lock"
    opened = os.open
    removed = []

    def open_then_lose(path, *arguments, **named):
        descriptor = opened(path, *arguments, **named)
        if path == place.name and not removed:
            place.unlink()
            removed.append(path)
        return descriptor

    monkeypatch.setattr("sanitize.io.locks.os.open", open_then_lose)
    with locked(place, "it is done"):
        assert removed and place.exists()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("no folder")
    message = r"cannot be made \(.*\); make its folder writable, or name another place"
    with pytest.raises(BadInput, match=message), writing(tmp_path / "file" / "a.parquet"):
        raise AssertionError("must not come here")
