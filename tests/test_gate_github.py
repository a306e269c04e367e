"""`sanitize gate --github` with summaries that an enemy or a large data set has filled."""

import json
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from sanitize.cli import app
from sanitize.gate_command import ANNOTATIONS, LISTED, MOST_BYTES

HOSTILE = [
    "x\n::error::y",
    "\r\n::add-mask::1",
    "  ::stop-commands::z",
    "##[error]all is well",
    "##vso[task.setvariable variable=a]b",
    "</code></td></tr></table><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "| a | b |\n| --- | --- |",
    "`x` ``y`` ![i](http://e.org/i.png) [z](w) www.example.org https://example.org a@example.org @octocat #1",
    "\x00\x07\x1b[2J\x1b]0;t\x07\x7f\x85",
    "\u202egnp.exe\u2066\u200b\ufeff\u2028\u2029",
    "%0A::error::%25",
    "&lt;b&gt; &#60;b&#62; \\<b\\>",
    "\ud800\udfff \U0001f600 \u0301\u0301\u0301",
    "=cmd|' /C calc'!A0",
    "a" * 100_000,
    "%" * 5_000 + ":" * 5_000,
]


class Tags(HTMLParser):
    """What a browser makes of a text: its tags, with attributes, and the words in its cells."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.cells, self.inside = set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add((tag, *attrs))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "code":
            self.cells.append(data)


@pytest.fixture
def step(tmp_path, monkeypatch):
    """The file of the step's summary."""
    place = tmp_path / "step"
    place.touch()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place))
    return place


def document(path, names, **changes):
    rows = len(names)
    given = {"rows": rows, "kept": 0, "rejected": rows, "unreadable": 0, "limit_exceeded": False, "schema_version": 1}
    given["classes"] = {name: {"rows": 1, "rejected": 1} for name in names}
    path.write_text(json.dumps({**given, **changes}))
    return path


def gated(path, *more):
    return CliRunner().invoke(app, ["gate", str(path), "--github", *more])


def assert_annotations(done, most=ANNOTATIONS):
    """Every line of stdout and no other is one of our commands; what is on stderr is none."""
    lines = done.stdout.split("\n")
    assert lines.pop() == "" and 0 < len(lines) <= most
    for line in lines:
        assert line.startswith("::error title=sanitize gate ") and line.isprintable() and len(line) < 4000
        properties, _, message = line.removeprefix("::error ").partition("::")
        assert "," not in properties and properties.count("=") == 1 and message
    for line in done.stderr.splitlines():
        assert not line.lstrip().startswith("::") and "##[" not in line and "##vso[" not in line


@pytest.mark.parametrize("names", [HOSTILE, [f"{n}{name}" for n in range(30) for name in HOSTILE]], ids=["few", "many"])
def test_hostile_names(tmp_path, step, names):
    done = gated(document(tmp_path / "s", names), "--fail-on", "class:*>0.2")
    assert done.exit_code == 1
    assert_annotations(done)
    text = step.read_text()
    found = Tags(text)
    assert found.tags == {(tag,) for tag in ("table", "tr", "th", "td", "code")}
    assert text.isascii() or all(sign.isprintable() or sign == "\n" for sign in text)
    assert len(found.cells) == 2 * min(len(names), LISTED) and all(cell.isprintable() for cell in found.cells)
    assert "class:\\x00\\x07" in "".join(found.cells).replace("class:0", "class:")
    begin, end = text.index("<table>"), text.index("</table>")
    assert "\n\n" not in text[begin:end]  # which would end the HTML: the rest would be Markdown
    for sign in "`[]!|@*_~#.:/\\=":
        cells = [line for line in text[begin:end].split("\n") if line.startswith("<tr><td>")]
        within = "".join(line.replace("&#", "").replace("</", "<") for line in cells)
        assert sign not in within or sign == "."  # a dot stands in our figures


def test_a_hundred_thousand_classes(tmp_path, step):
    names = [f"class number {n} ::error:: <b>{'é|' * 30}" for n in range(100_000)]
    path = document(tmp_path / "s", names, warnings=[f"{name}: much" for name in names[:1000]])
    done = gated(path, "--fail-on", "class:*>0.2", "--fail-on", "removed>0.5")
    assert done.exit_code == 1 and "99992 more conditions hold" in done.stdout
    assert_annotations(done)
    assert 50_000 < step.stat().st_size <= MOST_BYTES and f"{100_001 - LISTED} more." in step.read_text()


@pytest.mark.parametrize("before", [MOST_BYTES - 50_000, MOST_BYTES - 200, MOST_BYTES - 5, MOST_BYTES, MOST_BYTES + 1])
def test_what_others_wrote_there_counts(tmp_path, step, before):
    """Several gates of one step, too: the file never goes beyond what GitHub takes."""
    step.write_bytes(b"x" * before)
    path = document(tmp_path / "s", [f"{n}{'|' * 300}" for n in range(300)])
    for _ in range(3):
        done = gated(path, "--fail-on", "class:*>0.2")
        assert done.exit_code == 1
        assert_annotations(done)
        assert before <= step.stat().st_size <= max(before, MOST_BYTES)
    text = step.read_text()
    assert text[:before] == "x" * before
    assert ("sanitize gate: failed" in text) == (before <= MOST_BYTES - 200)
    assert text.count("<table>") == text.count("</table>")


def test_a_run_that_is_not_whole_never_passes(tmp_path, step):
    path = tmp_path / "s\n::error::.json"
    for text in (
        json.dumps({"schema_version": 1, "error": "it\n::error::x ##[error]y " + "z" * 100_000}),
        json.dumps({"schema_version": 1, "error": ""}),
        '{"schema_version": 1, "rows": 10',
        "",
    ):
        path.write_text(text)
        for more in ((), ("--fail-on", "removed>0.5"), ("--fail-on", "removed<0")):
            done = gated(path, *more)
            assert done.exit_code == 3
            assert_annotations(done, 1)
    path.unlink()
    assert gated(path).exit_code == 3 and not step.read_text()
    given = document(tmp_path / "s", ["a"], limit_exceeded=True)
    assert gated(given).exit_code == 1 and "::the run's own limit" not in step.read_text()
    assert json.loads(gated(given, "--json").stdout)["passed"] is False


def test_names_in_what_is_told_of_a_condition_that_names_nothing(tmp_path, step):
    path = document(tmp_path / "s", ["a\n::error::b", "##[error]c"])
    done = gated(path, "--fail-on", "class:z>0")
    assert done.exit_code == 2
    assert_annotations(done, 1)
    assert "it has rows, kept" in done.stderr and "class:a\\n::error::b" in done.stderr
    assert not step.read_text()


@pytest.mark.parametrize("more", [[], ["--github"]])
def test_metrics_whose_keys_are_commands(tmp_path, step, more):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"::error::x": 1, "##[error]": {"y\n::error::z": 2}}))
    args = ["gate", str(path), "--fail-on", "::error::x>0", "--fail-on", "##[error].y\n::error::z>0", *more]
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 1
    for line in done.stdout.splitlines():
        assert (line.lstrip().startswith("::") and line.startswith("::error title=sanitize gate ")) == bool(more)
        assert more or "##[" not in line


def test_a_run_that_passes(tmp_path, step):
    done = gated(document(tmp_path / "s", ["a"], kept=1, rejected=0, classes={"a": {"rows": 1, "rejected": 0}}))
    assert (done.exit_code, done.stdout) == (0, "")
    assert step.read_text() == "### sanitize gate: passed\n\n0 of 1 rows removed.\n\n"
