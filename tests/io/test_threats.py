"""A stranger prepares, or changes while a run works, a folder that all may write to: no file of ours is written to, and
nothing of his comes out."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sanitize.cli import app
from sanitize.filter_memory import Memory
from sanitize.io.atomic import atomic_write
from sanitize.io.locks import locked, writing
from sanitize.io.transaction import Transaction
from sanitize.scratch import Remembered
from tests import small
from tests.io.test_transaction import contents, tree
from tests.strangers import OURS, STRANGER, as_user
from tests.voters import vector_voters

pytestmark = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root, to be two other users")
PRECIOUS = "precious"


@pytest.fixture(scope="module")
def given():
    """What all may read: one file, a folder of two, voters."""
    folder = Path(tempfile.mkdtemp())
    small.vector_file(folder / "in.parquet")
    (folder / "in").mkdir()
    for name in ("s0", "s1"):
        shutil.copy(folder / "in.parquet", folder / "in" / f"{name}.parquet")
    vector_voters(folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    for arguments in WRITERS.values():  # loads all: other users may have no access to this Python's files
        with pytest.MonkeyPatch.context() as patch:
            (folder / "root").mkdir(exist_ok=True)
            patch.chdir(folder / "root")
            done = CliRunner().invoke(app, [str(argument).format(given=folder) for argument in arguments])
            assert done.exit_code == 0, done.stderr
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=[0o777, 0o1777], ids=["777", "1777"])
def shared(request):
    """A folder that both users may write to, beside `victim`, a folder of ours with one file."""
    base = Path(tempfile.mkdtemp())
    base.chmod(0o755)
    (base / "shared").mkdir()
    (base / "shared").chmod(request.param)
    (base / "victim").mkdir()
    (base / "victim" / "file").write_text(PRECIOUS)
    for path in (base / "victim", base / "victim" / "file"):
        os.chown(path, OURS, OURS)
    yield base / "shared"
    shutil.rmtree(base)


def victim(shared):
    return shared.parent / "victim" / "file"


def command(given, shared, *arguments):
    """The command, run by us in the shared folder: exit code and what it said."""

    def work():
        os.chdir(shared)
        done = CliRunner().invoke(app, [str(argument).format(given=given) for argument in arguments])
        return f"{done.exit_code} {done.stderr}"

    code, said = as_user(OURS, work).split(" ", 1)
    return int(code), said


SCORED = ("--voters", "{given}/voters", "--engine", "inline", "--quiet")
WRITERS = {  # what is written -> the command
    "out": ("filter", "{given}/in.parquet", "out", *SCORED),
    "folder": ("filter", "{given}/in", "folder", *SCORED),
    "rejected": ("filter", "{given}/in.parquet", "out", "--rejected", "rejected", *SCORED),
    "manifest": ("filter", "{given}/in.parquet", "--dry-run", "--manifest", "manifest", *SCORED),
    "page.html": ("filter", "{given}/in.parquet", "out", "--report", "page.html", *SCORED),
    "radii": ("certify", "{given}/in.parquet", "{given}/in.parquet", "--k", "5", "--out", "radii", "--quiet"),
    "params.yaml": ("init", ".", "--force"),
}
CASES = [(0o777, place) for place in WRITERS] + [(0o1777, place) for place in ("out", "folder")]


@pytest.mark.parametrize(("shared", "place"), CASES, indirect=["shared"])
def test_a_planted_folder_of_drafts_is_refused(given, shared, place):
    """The one name that can be computed: the stranger makes the folder, with links in it, or a link to a folder of
    ours."""
    hidden = shared / f".{place}.sanitize"

    def plant():
        hidden.mkdir(mode=0o777)
        hidden.chmod(0o777)
        for name in ("about.json", "journal.json", "done.json", "fit.json", "0123456789abcdef"):
            (hidden / name).symlink_to(victim(shared))

    def link():
        hidden.symlink_to(victim(shared).parent)

    for attack, told in ((plant, f"a folder of user {STRANGER}"), (link, "a link to")):
        assert as_user(STRANGER, attack) == "None"
        code, said = command(given, shared, *WRITERS[place])
        assert code == 3 and f".{place}.sanitize: is {told}" in said and "name another output" in said, said
        assert os.listdir(shared) == [hidden.name] and victim(shared).read_text() == PRECIOUS
        shutil.rmtree(hidden) if attack is plant else hidden.unlink()


@pytest.mark.parametrize(("shared", "place"), CASES, indirect=["shared"])
def test_what_a_stranger_puts_in_the_place_is_refused_or_replaced(given, shared, place):
    """Links and pipes are refused; a file of his is replaced by ours, whole and with our umask's mode, where that may
    be; a second name of our file keeps its content."""
    path = shared / place
    for attack in ("link", "dangling", "pipe", "file"):

        def plant(attack=attack):
            if attack == "pipe":
                os.mkfifo(path)
            elif attack == "file":
                path.write_text("evil")
                path.chmod(0o666)
            else:
                path.symlink_to(victim(shared) if attack == "link" else shared.parent / "victim" / "new")

        assert as_user(STRANGER, plant) == "None"
        code, said = command(given, shared, *WRITERS[place])
        assert victim(shared).read_text() == PRECIOUS and not (shared.parent / "victim" / "new").exists()
        if attack == "file" and place != "folder" and not shared.stat().st_mode & 0o1000:
            assert code == 0, said
            status = path.stat()
            assert (status.st_uid, status.st_mode & 0o777) == (OURS, 0o644)
        else:
            assert code in (2, 3) and place in said, said
            assert os.listdir(shared) == [place]
        for left in shared.iterdir():
            left.unlink()


def test_the_old_names_of_drafts_mean_nothing(given, shared):
    """As it was done: a draft folder under a name that can be computed, with a link and a file that is not ours."""
    draft = shared / ".folder.1234abcd.draft"

    def plant():
        draft.mkdir()
        (draft / "s0.parquet").symlink_to(victim(shared))
        (draft / "zz_evil.parquet").write_text("evil")

    assert as_user(STRANGER, plant) == "None"
    code, said = command(given, shared, *WRITERS["folder"])
    assert code == 0, said
    assert tree(shared / "folder") == ["s0.parquet", "s1.parquet"]
    assert victim(shared).read_text() == PRECIOUS and sorted(os.listdir(draft)) == ["s0.parquet", "zz_evil.parquet"]


@contextmanager
def begun(shared):
    with Transaction([str(shared / "out"), str(shared / "b")]) as run:
        run.begin({"version": "1"}, False)
        yield run


def written(run):
    run.drafts[0].mkdir()
    (run.drafts[0] / "rows").write_text("ours")
    run.drafts[1].write_text("ours")


def swap(shared, *, link):
    """Done by the stranger: our hidden folder goes elsewhere, his, or a link, stands in its place."""
    hidden = shared / ".out.sanitize"
    hidden.rename(shared / "taken")
    if link:
        hidden.symlink_to(victim(shared).parent)
    else:
        hidden.mkdir(mode=0o777)


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("before", [False, True])
def test_a_stranger_who_exchanges_our_folder_while_we_work(shared, link, before):
    """Before or after the drafts are written: nothing is read, written or removed by a path that leads to his."""

    def work():
        with begun(shared) as run:
            if not before:
                written(run)
            go()
            if before:
                written(run)
            run.commit({}, contents(shared))
            return "committed"

    def go():
        os.write(ready[1], b".")
        os.read(answer[0], 1)

    ready, answer = os.pipe(), os.pipe()
    stranger = os.fork()
    if not stranger:
        os.read(ready[0], 1)
        as_user(STRANGER, lambda: swap(shared, link=link))
        os.write(answer[1], b".")
        os._exit(0)
    told = as_user(OURS, work)
    os.waitpid(stranger, 0)
    for end in (*ready, *answer):
        os.close(end)
    assert told == "committed"
    assert (shared / "out" / "rows").read_text() == "ours" and tree(shared / "out") == ["rows"]
    assert (shared / "b").read_text() == "ours"
    assert victim(shared).read_text() == PRECIOUS


def test_links_on_the_way_that_a_stranger_made(shared):
    """shared/sub -> a folder of ours: what stands there under the name of the output is not replaced."""
    assert as_user(STRANGER, lambda: (shared / "sub").symlink_to(victim(shared).parent)) == "None"

    def work():
        with atomic_write(shared / "sub" / "file") as (draft,):
            draft.write_text("new")

    told = as_user(OURS, work)
    assert told.startswith("BadInput") or "Permission denied" in told, told  # the system may forbid it by itself
    assert victim(shared).read_text() == PRECIOUS


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_locks_and_results_are_not_kept_where_a_stranger_writes(shared, kind):
    """He makes .scratch first: a lock that is a link to our file, results that he made up."""
    scratch = shared / ".scratch"

    def plant():
        if kind == "link":
            scratch.symlink_to(victim(shared).parent)
            return
        scratch.mkdir()
        scratch.chmod(0o777)
        (scratch / "vote").mkdir()
        (scratch / "vote").chmod(0o777)
        (scratch / "out.lock").symlink_to(victim(shared))
        (scratch / "vote" / "token").symlink_to(victim(shared))

    assert as_user(STRANGER, plant) == "None"

    def lock():
        with locked(scratch / "vote.lock", "it is done"):
            pass

    def write():
        with writing(shared / "out"):
            pass

    for work in (lock, write, lambda: Remembered(None, scratch / "vote")):
        told = as_user(OURS, work)
        assert told.startswith("BadInput") and re.search("no folder that this user alone|is a link to", told), told
    assert victim(shared).read_text() == PRECIOUS and os.listdir(victim(shared).parent) == ["file"]


@pytest.mark.parametrize("shared", [0o777], indirect=True)
@pytest.mark.parametrize("more", [(), ("--max-removed", "0.0001")], ids=["written", "beyond the limit"])
def test_a_stranger_who_exchanges_the_folder_of_a_command_that_writes(given, shared, more):
    """After the first of two shards: in his folder are links to our file under the names that come next, and notes by
    which our files would be removed."""
    hidden, doing = shared / ".folder.sanitize", "../../victim"

    def exchange():
        hidden.rename(shared / "taken")
        hidden.mkdir(mode=0o755)
        for name in ("shard-00000000.manifest", "shard-00000001.manifest", "shard-00000001.json", "journal.json"):
            (hidden / name).symlink_to(victim(shared))
        about = {"key": {}, "made": [], "uploads": [], "drafts": [[str(shared / "folder"), doing]]}
        (hidden / "about.json").write_text(json.dumps(about))

    def work():
        os.chdir(shared)
        keep = Memory.keep_shard

        def keep_shard(self, number, tally):
            keep(self, number, tally)
            if not number:
                os.write(ready[1], b".")
                os.read(answer[0], 1)

        Memory.keep_shard = keep_shard
        arguments = ["filter", "{given}/in", "folder", "--manifest", "rows", *SCORED, *more]
        done = CliRunner().invoke(app, [argument.format(given=given) for argument in arguments])
        return f"{done.exit_code} {done.stderr}"

    ready, answer = os.pipe(), os.pipe()
    stranger = os.fork()
    if not stranger:
        os.read(ready[0], 1)
        as_user(STRANGER, exchange)
        os.write(answer[1], b".")
        os._exit(0)
    told = as_user(OURS, work)
    os.waitpid(stranger, 0)
    for end in (*ready, *answer):
        os.close(end)
    assert victim(shared).read_text() == PRECIOUS and os.listdir(victim(shared).parent) == ["file"]
    assert sorted(os.listdir(hidden)) == [
        "about.json", "journal.json", "shard-00000000.manifest", "shard-00000001.json", "shard-00000001.manifest",
    ]  # fmt: skip
    assert told.startswith("1 " if more else "0 ") and not os.listdir(shared / "taken"), told
    if more:
        assert sorted(os.listdir(shared)) == [hidden.name, "rows", "taken"]
    else:
        assert sorted(os.listdir(shared)) == [hidden.name, "folder", "rows", "taken"]
        assert tree(shared / "folder") == ["s0.parquet", "s1.parquet"]


@pytest.mark.parametrize("shared", [0o777], indirect=True)
def test_in_a_folder_of_all_two_processes_fit_and_keep_what_they_did(given, shared):
    out = shared / "out"
    arguments = [
        given / "in.parquet",
        out,
        "--preset",
        "fast",
        "--net",
        "linear",
        "--workers",
        "2",
        "--resume",
        "--max-removed",
        "0.0001",
    ]
    done = CliRunner().invoke(app, ["filter", *map(str, arguments)])
    assert done.exit_code == 1, done.stderr
    assert f"{shared}/.out.sanitize: what is done is kept there" in done.stderr and "/proc/" not in done.stderr
    assert len(os.listdir(shared / ".out.sanitize" / "fits")) > 3
    (shared / ".out.sanitize" / "fit.json").unlink()  # as if killed before
    done = CliRunner().invoke(app, ["filter", *map(str, arguments)])
    assert done.exit_code == 1 and "/proc/" not in done.stderr, done.stderr
    assert f"results are in {shared}/.out.sanitize/fits" in done.stderr
