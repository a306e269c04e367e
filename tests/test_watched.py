"""The command watches itself: however its process ends, there is a message, an exit code, and nothing half-written."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize import watched as watched_module
from sanitize.io.transaction import SIGN
from sanitize.scratch import TOKEN
from sanitize.watched import watched
from sanitize.whereabouts import LINE_BYTES, LINES, NOWHERE, Board, Line, told, write_on
from tests import crashed, small
from tests.closure import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the command has one process")
THERE = {**os.environ, "PYTHONPATH": str(ROOT)}
ROWS = 24_000  # enough to be met while it is being read and written
SANITIZE = [sys.executable, "-m", "sanitize"]
DAMAGED = ROOT / "tests" / "hostile"  # files that differ from a good one in one bit of the footer


def python(*args, **more):
    command = [sys.executable, *map(str, args)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=THERE, **more)


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """A folder with a small file, a larger one, voters, and what the larger one comes to."""
    folder = tmp_path_factory.mktemp("ground")
    given = small.vector_file(folder / "small.parquet")
    table = pq.read_table(given)
    large = pa.concat_tables([table] * (ROWS // small.ROWS)).combine_chunks()
    pq.write_table(large, folder / "large.parquet", row_group_size=ROWS // 6)
    quick = small.quick_file(folder / "quick.yaml", engine="inline")
    save = ["--dry-run", "--save-voters", folder / "voters", "--params", quick, "--quiet"]
    assert python("-m", "sanitize", "filter", given, *save).returncode == 0
    (folder / "whole").mkdir()
    done = python(*SANITIZE[1:], *args(folder), cwd=folder / "whole")
    assert done.returncode == 0, done.stderr
    return folder


def args(ground, name="large.parquet"):
    places = ["kept", "--rejected", "rejected", "--manifest", "manifest"]
    return ["filter", str(ground / name), *places, "--voters", str(ground / "voters"), "--engine", "inline", "--json"]


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def child_of(process):
    """The process that does the work, once it is there."""
    while process.poll() is None:
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = entry.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == process.pid and fields[0] != "Z":
                return int(entry.parent.name)
    raise AssertionError(f"it has ended with {process.returncode} and had no child")


def gone(pid):
    """Whether the process is gone, or will be in two seconds."""
    for _ in range(200):
        try:
            if (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def started(ground, folder, *more, **options):
    folder.mkdir(exist_ok=True)
    for name in crashed.OUTPUTS:
        (folder / name).write_text(crashed.BEFORE)
    pipe = subprocess.PIPE
    # a background shell job starts with SIGINT ignored, and its children inherit that
    hears = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    where = {"cwd": folder, "stdout": pipe, "stderr": pipe, "text": True, "env": THERE}
    return subprocess.Popen([*SANITIZE, *args(ground), *more], **where, preexec_fn=hears, **options)  # noqa: PLW1509


def until(process, there):
    while process.poll() is None and not there():
        time.sleep(0.001)


def assert_told(code, out, err, folder, by, whole):
    """Exit code 3, one message, the same in the document; outputs are all new or all old, as the message has it."""
    assert code == 3, err
    messages = [line for line in err.splitlines() if line.startswith("sanitize: ")]
    assert len(messages) == 1 and "Traceback" not in err
    message = messages[0].removeprefix("sanitize: ")
    assert message.startswith("the process was killed" if by == "SIGKILL" else f"the process ended by {by}")
    found = content(folder)
    if "what it had to write is whole and in place" in message:
        known = (
            {".kept.sanitize/done.json", ".kept.sanitize/here"} if (folder / ".kept.sanitize").exists() else set()
        )  # for --resume
        assert {name: found[name] for name in set(found) - known} == whole
    else:
        assert "nothing was written, and what stood at the outputs is untouched" in message
        assert found == dict.fromkeys(crashed.OUTPUTS, crashed.BEFORE.encode())
    assert {*os.listdir(folder)} - {".kept.sanitize"} == {*crashed.OUTPUTS}
    documents = [json.loads(line) for line in out.splitlines()]
    if documents != [{"schema_version": 1, "error": message, "exit_code": 3}]:
        assert [found["written"] for found in documents] == [True]  # it had answered before it crashed
    return message


MOMENTS = {
    "at once": lambda folder, draw: True,
    "staged": lambda folder, draw: (folder / ".kept.sanitize").exists(),
    "drafts": lambda folder, draw: any(path.stat().st_size for path in folder.glob(f".manifest.sanitize/{16 * '?'}")),
    "any": lambda folder, draw: time.sleep(draw.uniform(0.2, 1.8)) or True,
}


@pytest.mark.parametrize(
    ("by", "moment"),
    [
        ("SIGABRT", "at once"), ("SIGSEGV", "staged"), ("SIGKILL", "drafts"), ("SIGABRT", "drafts"), ("SIGBUS", "any"),
        ("SIGSEGV", "any"), ("SIGKILL", "any"), ("SIGTERM", "staged"),
    ],
)  # fmt: skip
def test_a_child_that_crashes(ground, tmp_path, by, moment):
    folder = tmp_path / "out"
    with started(ground, folder, "--quiet") as process:
        child = child_of(process)
        until(process, partial(MOMENTS[moment], folder, random.Random(by)))
        if process.poll() is None:
            os.kill(child, signal.Signals[by])
        out, err = process.communicate()
    whole = content(ground / "whole")
    if process.returncode == 0:  # a random moment came too late
        assert moment == "any" and content(folder) == whole
        return
    message = assert_told(process.returncode, out, err, folder, by, whole)
    if moment == "drafts":
        assert f"{ground / 'large.parquet'}" in message
    remedies = {"SIGKILL": "because memory ran out", "SIGTERM": "another program or a limit of the system has ended it"}
    assert remedies.get(by, "damaged or made to do harm") in message
    again = python(*SANITIZE[1:], *args(ground), cwd=folder)
    assert again.returncode == 0 and content(folder) == whole


def test_a_crash_before_any_file_operation(ground, tmp_path):
    """The child crashes before every fifth thing that it does to the files of its folder, moves into place included."""
    (tmp_path / "whole").mkdir()
    assert python("-m", "sanitize", *args(ground, "small.parquet"), cwd=tmp_path / "whole").returncode == 0
    whole = content(tmp_path / "whole")
    (tmp_path / "runs").mkdir()
    python("-m", "tests.crashed", tmp_path / "runs", "SIGABRT", 5, *args(ground, "small.parquet"), cwd=ROOT)
    runs = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("runs/*.json"), key=lambda p: int(p.stem))]
    assert [run["code"] for run in runs] == [3] * (len(runs) - 1) + [0] and len(runs) > 10
    folders = sorted((path for path in (tmp_path / "runs").iterdir() if path.is_dir()), key=lambda path: int(path.name))
    said = [
        assert_told(run["code"], run["out"], run["err"], folder, "SIGABRT", whole)
        for run, folder in zip(runs[:-1], folders[:-1], strict=True)
    ]
    outcomes = ["in place" in message for message in said]
    assert outcomes == sorted(outcomes) and any(outcomes) and not all(outcomes)  # once all are moved it stays so
    assert content(folders[-1]) == whole


def crashing(code, *arguments, cwd):
    """The command, watched, after `code` has been run in it."""
    given = [str(argument) for argument in arguments]
    text = f"import os, sys, sanitize.cli\n{code}\nsys.argv = ['sanitize', *{given!r}]\nsanitize.cli.main()\n"
    return python("-c", text, cwd=cwd)


ABORTS_IN_A_READ = """
from sanitize.data import shards
class Raw:
    def __init__(self, path):
        self.file = open(path, "rb")
    def read(self, *size):
        if {begin} <= self.file.tell() < {end}:
            os.abort()
        return self.file.read(*size)
    def __getattr__(self, name):
        return getattr(self.file, name)
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.file.close()
shards.Shard._bytes = lambda shard: Raw(shard.place)
shards.Shard.sha256 = lambda shard: "0" * 64
from sanitize.io import layout
layout.READ_AT_ONCE = 64
"""


def test_the_message_names_the_file_and_the_row_group(ground, tmp_path):
    place = tmp_path / "in.parquet"
    pq.write_table(pq.read_table(ground / "small.parquet"), place, row_group_size=50)
    footer = pq.read_metadata(place)
    second, last = (footer.row_group(group).column(0).dictionary_page_offset for group in (1, 2))
    # the footer of a small file is read together with all that is before it
    for begin, end, where in ((second, last, "row groups 0 to 2"), (0, 4, "its footer")):
        code = ABORTS_IN_A_READ.replace("{begin}", str(begin)).replace("{end}", str(end))
        done = crashing(code, "filter", place, "kept", "--voters", ground / "voters", "--quiet", cwd=tmp_path)
        assert done.returncode == 3 and done.stdout == ""
        assert done.stderr.splitlines()[-1] == (
            f"sanitize: the process ended by SIGABRT while it read {place} ({where}); a file is probably damaged or "
            "made to do harm; nothing was written, and what stood at the outputs is untouched; check the file or leave "
            "it out; if it is sound, please report this"
        )
    assert os.listdir(tmp_path) == ["in.parquet"]


def test_the_message_names_one_row_group_of_large_ones(ground, tmp_path):
    footer = pq.read_metadata(ground / "large.parquet")
    bounds = [footer.row_group(group).column(0).data_page_offset for group in (3, 4)]
    code = ABORTS_IN_A_READ.replace("{begin}", str(bounds[0])).replace("{end}", str(bounds[1]))
    code += "from sanitize.io import sizes\nsizes.batch_rows = lambda size, rows: 1000\n"
    done = crashing(code, *args(ground), "--quiet", cwd=tmp_path)
    assert (done.returncode, os.listdir(tmp_path)) == (3, [])
    assert f"while it read {ground / 'large.parquet'} (row group 3); " in done.stderr


def test_the_message_names_the_image(tmp_path):
    small.image_file(tmp_path / "in.parquet")
    code = (
        "from PIL import Image\n"
        "opened, real = [], Image.open\n"
        "def aborting(*args, **more):\n"
        "    opened.append(1)\n"
        "    return real(*args, **more) if len(opened) < 123 else os.abort()\n"
        "Image.open = aborting\n"
    )
    done = crashing(code, "filter", "in.parquet", "kept", "--quiet", "--engine", "inline", cwd=tmp_path)
    assert done.returncode == 3  # the 120 headers are read, then images are decoded
    assert "the process ended by SIGABRT while it decoded images (number 2); " in done.stderr
    assert os.listdir(tmp_path) == ["in.parquet"]


@pytest.mark.parametrize("forks", ["", "import errno\ndef no(): raise OSError(errno.EAGAIN, 'no')\nos.fork = no\n"])
def test_where_no_thread_can_be_started(ground, tmp_path, forks):
    """NumPy's libraries would end the process by SIGINT."""
    code = 'import threading\ndef none(self): raise RuntimeError("can\'t start new thread")\n'
    code += "threading.Thread.start = none\n"
    done = crashing(forks + code, *args(ground, "small.parquet"), cwd=tmp_path)
    assert (done.returncode, os.listdir(tmp_path)) == (3, [])
    assert (
        "can't start new thread: this user may have no more processes or threads; end others, or raise ulimit -u"
        in done.stderr
    )
    assert json.loads(done.stdout)["exit_code"] == 3


def test_certify_is_watched_as_well(ground, tmp_path):
    """It aborts with half of --out written."""
    (tmp_path / "radii").write_text("from before")
    code = (
        "import sanitize.data.parquet as parquet\n"
        "def aborting(table, place, **more):\n"
        "    place.write_text('half')\n"
        "    os.abort()\n"
        "parquet.pq.write_table = aborting\n"
    )
    given = [ground / "small.parquet", ground / "small.parquet", "--k", "5", "--out", "radii", "--quiet", "--json"]
    done = crashing(code, "certify", *given, cwd=tmp_path)
    assert done.returncode == 3
    assert f"the process ended by SIGABRT after it read {ground / 'small.parquet'}; a file is perhaps" in done.stderr
    assert json.loads(done.stdout)["exit_code"] == 3
    assert content(tmp_path) == {"radii": b"from before"}


@pytest.mark.parametrize("name", ["codec.parquet", "levels.parquet"])
def test_files_on_which_pyarrow_aborts(ground, tmp_path, name):
    """One bit of the footer makes pyarrow end the process when it is asked about a column; reading tells instead."""
    asks = f"import pyarrow.parquet as pq; pq.read_metadata({str(DAMAGED / name)!r}).row_group(0).column(0).compression"
    asked = python("-c", asks)
    within = (
        "import sys\nfrom sanitize.exit_codes import reported\nfrom sanitize.watched import watched\n"
        f"with reported(False), watched(True, want_of_memory=''):\n    {asks}\n"
    )
    told = python("-c", within)
    if asked.returncode == -signal.SIGABRT:  # a newer pyarrow may raise
        assert told.returncode == 3 and "sanitize: the process ended by SIGABRT; a file is perhaps" in told.stderr
    else:
        assert asked.returncode != 0
    done = python(*SANITIZE[1:], "filter", DAMAGED / name, "kept", "--voters", ground / "voters", cwd=tmp_path)
    assert done.returncode == 3
    said = {
        "codec.parquet": "cannot be read as parquet (",
        "levels.parquet": "column 'features.list.element' is FLOAT, which cannot be written as it is",
    }
    assert done.stderr.startswith(f"sanitize: {name}: {said[name]}")
    assert os.listdir(tmp_path) == []


def test_what_was_fitted_is_kept_and_gone_on_with(tmp_path):
    """SIGKILL when some of the learners are done: the message tells where they are, and --resume takes them."""
    source = small.vector_file(tmp_path / "in.parquet")
    long = small.quick_file(tmp_path / "long.yaml", engine="inline", ispl={"runs": 16, "components": 4})
    command = [*SANITIZE, "filter", source, "out/kept", "--params", long]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=THERE) as process:
        assert process.stderr.readline().startswith("ISPL runs: 4/16")
        os.kill(child_of(process), signal.SIGKILL)
        err = process.stderr.read()
    place = tmp_path / "out" / ".kept.sanitize"
    assert process.returncode == 3
    assert err.splitlines()[-1] == (
        f"sanitize: the process was killed after it read {source} (row group 2), most likely because memory ran out; "
        f"nothing was written, and what stood at the outputs is untouched; {place}: what is done is kept there; "
        "--resume goes on from it; give it fewer --workers, or fit to a part of the rows (--fit-rows N)"
    )
    assert os.listdir(tmp_path / "out") == [place.name]
    done = subprocess.run([*command, "--resume"], cwd=tmp_path, capture_output=True, text=True, env=THERE, check=True)
    assert f"going on from {place}" in done.stderr
    command[5] = "undisturbed/kept"
    subprocess.run(command, cwd=tmp_path, capture_output=True, env=THERE, check=True)
    assert content(tmp_path / "out") == content(tmp_path / "undisturbed")


def test_the_folder_of_results_alone_is_no_work():
    assert SIGN == TOKEN


def test_signals_to_the_parent(ground, tmp_path):
    for number, ends in ((signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)):
        folder = tmp_path / number.name
        with started(ground, folder, "--quiet") as process:
            child = child_of(process)
            until(process, (folder / ".kept.sanitize").exists)
            os.kill(process.pid, number)
            out, err = process.communicate()
        assert (process.returncode, gone(child)) == (ends, True)
        assert all((folder / name).read_text() == crashed.BEFORE for name in crashed.OUTPUTS)
        if ends == 130:
            assert err == "sanitize: interrupted; no file is half-written\n"
            assert json.loads(out)["exit_code"] == 130


def test_a_key_in_the_terminal_reaches_both_and_counts_once(ground, tmp_path):
    with started(ground, tmp_path / "out", "--quiet", start_new_session=True) as process:
        child = child_of(process)
        until(process, (tmp_path / "out" / ".kept.sanitize").exists)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, gone(child), json.loads(out)["exit_code"]) == (130, True, 130)
    assert [line for line in err.splitlines() if line.startswith("sanitize: ")] == [
        "sanitize: interrupted; no file is half-written"
    ]


def test_two_interrupts_within_a_moment_are_one(monkeypatch):
    """Some from the terminal, the others handed on; a second press counts again."""
    at = iter([10.0, 10.1, 10.3, 11.0])
    monkeypatch.setattr(watched_module.time, "monotonic", lambda: next(at))
    interrupt = watched_module._Interrupt()
    with pytest.raises(KeyboardInterrupt):
        interrupt(signal.SIGINT, None)
    interrupt(signal.SIGINT, None)
    interrupt(signal.SIGINT, None)
    with pytest.raises(KeyboardInterrupt):
        interrupt(signal.SIGINT, None)


def test_exit_codes_come_through(ground, tmp_path):
    base = args(ground, "small.parquet")
    for more, code, answer in (
        (["--dry-run"], 0, {"rejected": 4}),
        (["--max-removed", "0.001"], 1, {"limit_exceeded": True}),
        (["--on-bad-row", "never"], 2, {"exit_code": 2}),
        (["--voters", "nowhere"], 3, {"exit_code": 3}),
    ):
        done = python("-m", "sanitize", *base, *more, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert json.loads(done.stdout).items() >= answer.items()


def test_help_and_mistakes_need_no_child(tmp_path):
    for arguments, code in ((["--version"], 0), (["filter", "--help"], 0), (["certify", "--help"], 0), (["filter"], 2)):
        done = crashing("del os.fork", *arguments, cwd=tmp_path)
        assert done.returncode == code, done.stderr


def test_elsewhere_it_is_one_process(monkeypatch):
    monkeypatch.setattr(watched_module.sys, "platform", "darwin")
    monkeypatch.delattr(os, "fork")
    before = signal.getsignal(signal.SIGINT)
    with watched(True, want_of_memory=""):
        assert signal.getsignal(signal.SIGINT) is before


def test_lines_of_the_board(monkeypatch):
    board = Board()
    write_on(board)
    try:
        with told("doing", "read a\udcff (row group 1)"), told("doing", "decoded images") as at:
            at(7)
            assert board.lines() == [
                Line("doing", False, "read a\udcff (row group 1)", NOWHERE),
                Line("doing", False, "decoded images", 7),
            ]
            with told("staging", "x" * LINE_BYTES):
                assert len(board.lines()) == 2
        assert [line.over for line in board.lines()] == [True, True]
        for number in range(3 * LINES):
            with told("doing", f"read {number}"):
                pass
        assert board.lines()[-1] == Line("doing", True, f"read {3 * LINES - 1}", NOWHERE)
        assert (len(board.lines()), board.stage) == (LINES, "working")
    finally:
        write_on(None)
    with told("doing", "nothing watches") as at:
        at(1)
    assert len(board.lines()) == LINES


def test_a_suspended_run_goes_on():
    """Ctrl-Z and `fg`: both processes are stopped for longer than anybody waits, and go on."""
    code = (
        "import time; from sanitize.watched import watched\n"
        "with watched(True, want_of_memory=''): print('begun', flush=True); time.sleep(0.3); print('done')\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=THERE, start_new_session=True) as process:
        assert process.stdout.readline() == "begun\n"
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(1.2)
        os.killpg(process.pid, signal.SIGCONT)
        assert (process.communicate()[0], process.returncode) == ("done\n", 0)


def test_where_no_second_process_starts_it_is_one(monkeypatch, capsys):
    def refuse():
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    with watched(True, want_of_memory=""):
        print("here")
    told = capsys.readouterr()
    assert told.out == "here\n"
    assert told.err == (
        "no second process can be started to watch this one (Resource temporarily unavailable); going on without: if a "
        "file crashes the reader there will be no message\n"
    )
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_library_that_ends_the_process_is_no_verdict(tmp_path):
    """OpenBLAS leaves with 1 where it gets no memory: exit code 1 would read as a limit that was exceeded."""
    code = (
        "import os; from sanitize.exit_codes import reported; from sanitize.watched import watched\n"
        "with reported(False), watched(True, want_of_memory='use less'): os._exit(1)\n"
    )
    done = python("-c", code)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "sanitize: a library has ended the process with exit code 1, most likely because memory or threads ran out; "
        "nothing was written, and what stood at the outputs is untouched; raise ulimit -v and ulimit -u, or use less\n"
    )
