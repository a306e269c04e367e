"""What workers have to say is said once, by the process that asked for the work."""

from sanitize.execution import LocalProcesses
from sanitize.runtime import notices
from sanitize.runtime.notices import notice


def remark(shared, task):
    notice("one line of a test")
    notice(f"line {task % 2} of a test")
    return task


def test_workers_say_it_once_and_through_their_parent(monkeypatch, capsys):
    monkeypatch.setattr(notices, "_said", set())
    assert list(LocalProcesses(2, preload=())(remark, None, range(6))) == list(range(6))
    assert remark(None, 7) == 7
    assert sorted(capsys.readouterr().err.splitlines()) == [
        "line 0 of a test",
        "line 1 of a test",
        "one line of a test",
    ]
