"""Progress: plain lines without a terminal, a bar with one, nothing on stdout."""

import io
import sys

import pytest

from sanitize.progress import step


class Terminal(io.StringIO):
    """Claims to be one."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("total", "shown"),
    [
        (1, ["1/1"]),
        (3, ["1/3", "2/3", "3/3"]),
        (4, ["1/4", "2/4", "3/4", "4/4"]),
        (10, ["3/10", "6/10", "9/10", "10/10"]),
    ],
)
def test_plain_lines(capsys, total, shown):
    with step("voters", total) as advance:
        for _ in range(total):
            advance()
    written = capsys.readouterr()
    assert written.out == ""
    assert [line.split(",")[0] for line in written.err.splitlines()] == [f"voters: {part}" for part in shown]
    assert all(line.endswith(" s") for line in written.err.splitlines())


def test_a_bar_on_a_terminal(monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with step("ISPL runs", 3) as advance:
        for _ in range(3):
            advance()
    assert "ISPL runs" in terminal.getvalue() and "3/3" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_quiet_shows_nothing(capsys):
    with step("voters", 2, quiet=True) as advance:
        advance()
        advance()
    assert capsys.readouterr() == ("", "")


def test_errors_pass_through(capsys):
    with pytest.raises(ValueError, match="inside"), step("voters", 2):
        raise ValueError("inside")
