"""What reaches a terminal: names out of files are text there, and nothing else."""

import io
import json
import sys

import pytest

from sanitize.errors import BadInput, BadParams
from sanitize.runtime.printing import LINE, WORD, say, say_document, say_error, shown


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("class 7: 41 of 440, caf\u00e9, \u732b", "class 7: 41 of 440, caf\u00e9, \u732b"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("a\nsanitize: all is well\rb\x85\u2028", "a\\nsanitize: all is well\\rb\\x85\\u2028"),
        ("\x9b31m\x7f\x00", "\\x9b31m\\x7f\\x00"),
        ("\u202egnp.exe \u200bx", "\\u202egnp.exe \\u200bx"),
        ("file-\udcff", "file-\\udcff"),
        ("::error::x", "\\x3a:error::x"),
        ("  ::add-mask::x ::y::", "  \\x3a:add-mask::x ::y::"),
        ("a::b: ##[error]x ##vso[task] # ## [x]", "a::b: \\x23#[error]x \\x23#vso[task] # ## [x]"),
        ("###[x", "#\\x23#[x"),
    ],
)
def test_signs_that_are_not_printed_are_escaped(line, printed):
    assert shown(line) == printed


def test_long_words_and_lines_are_cut_and_keep_their_end():
    cut = shown(f"column {'x' * 1_000_000!r} has no rows; name another")
    assert len(cut) < WORD + 100
    assert cut.startswith("column 'xxx") and cut.endswith("has no rows; name another") and "…(9996" in cut
    cut = shown("ab " * 100_000 + "; name another")
    assert len(cut) < LINE + 100 and cut.endswith("; name another")
    assert shown("x" * WORD) == "x" * WORD


def test_what_a_terminal_cannot_encode_is_escaped(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii", errors="strict"))
    say("caf\u00e9", "x")
    assert raw.getvalue() == b"caf\\xe9\nx\n"


def test_lines_of_messages(capsys):
    say_error("sanitize", BadInput("a\nb"))
    say_error("sanitize", BadParams("one is 0\ntwo is 1"))
    say("on stdout", stdout=True)
    say("::error::a %0A", stdout=True, commands=True)
    say_document({"error": "\x1b[2J\x7f\x9b\ud800"})
    out, err = capsys.readouterr()
    assert err == "sanitize: a\\nb\nsanitize: one is 0\ntwo is 1\n"
    first, command, document = out.splitlines()
    assert (first, command) == ("on stdout", "::error::a %0A")
    assert document.isprintable() and json.loads(document) == {"error": "\x1b[2J\x7f\x9b\ud800"}
